"""No page shows a byte of another organization's, or does more than a role may: over every route of the console."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Connection

from hansard.console.routes import ROUTERS
from hansard.db.tables import recording
from hansard.resources.accounts import members, store
from hansard.resources.accounts.schemas import Role, Scope
from tests.conftest import House
from tests.console.pages import CANARY, PAGES
from tests.console.people import Visitor, add_member, cookie_of, visitor
from tests.door import Answer, Door
from tests.make import make_session

NOT_HERE = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "", "Origin": "null"},
)
LOWER: dict[Role | None, tuple[Role, ...]] = {Role.OWNER: (Role.VIEWER, Role.MEMBER), Role.MEMBER: (Role.VIEWER,)}
of_every_page = pytest.mark.parametrize("route", PAGES, ids=lambda route: f"{route[0]} {route[1]}")


@dataclass(frozen=True)
class Victim:
    """An organization full of canaries, and the ids of its things, larger than any stranger has."""

    organization_id: int
    ids: dict[str, str]


@pytest.fixture
def victim(house: House) -> Victim:
    return _victim(house.url, lambda: _make_victim(house))


_made: dict[str, Victim] = {}


def _victim(url: str, make: Callable[[], Victim]) -> Victim:
    """One for each server: the tests show that nobody changes it."""
    if url not in _made:
        _made[url] = make()
    return _made[url]


def _make_victim(house: House) -> Victim:
    mine = house.organization()
    write = house.database.write
    for _ in range(5):
        key, _ = write(mine, lambda db: store.add_key(db, mine, CANARY, [Scope.INGEST, Scope.READ], house.clock()))
    door = Door(house.url, house.key(mine), mine)
    for _ in range(3):
        session_id = make_session(door, agent_name=CANARY, source=CANARY, target=CANARY, conversation_id=CANARY)
    for number in range(4):
        one = add_member(house, mine, Role.OWNER, f"{CANARY}-{number}@example.com")
    write(mine, lambda db: add_recording(db, mine, int(session_id)))
    write(mine, lambda db: members.add_invitation(db, mine, Role.OWNER, house.clock()))
    with house.database.reading() as db:
        invitation = members.list_invitations(db, mine, house.clock())[0].id
    ids = {"session": session_id, "recording": "7", "key": str(key.id), "member": str(one.id), "invitation": invitation}
    return Victim(mine, ids)


def add_recording(db: Connection, organization_id: int, session_id: int) -> None:
    """The row of one; that its bytes are nowhere is no stranger's to know."""
    row = {"session_id": session_id, "id": 7, "name": CANARY, "sha256": "0" * 64, "size_bytes": 1, "state": "ready"}
    row |= {"media_type": "audio/wav", "stored_at": datetime.now(UTC), "peaks": CANARY.encode()}
    db.execute(recording.insert().values(organization_id=organization_id, **row))


def insider(house: House, victim: Victim, role: Role) -> Visitor:
    """Somebody of the victim's own, freshly signed in."""
    email = f"{CANARY}-{role.value}@example.com"
    with house.database.reading() as db:
        known = members.find_member(db, victim.organization_id, email)
    one = known.member if known else add_member(house, victim.organization_id, role, email)
    return Visitor(house.url, cookie_of(house, one))


def filled(text: Any, ids: dict[str, str]) -> Any:
    """With the ids in the place of their names in braces."""
    for name, value in ids.items():
        text = text.replace(f"{{{name}}}", value) if isinstance(text, str) else text
    return text


def ask(who: Visitor, route: tuple[str, str], ids: dict[str, str], **headers: str) -> Answer:
    entry = PAGES[route]
    path = filled(entry.path, ids)
    if entry.is_stream:
        return who.glimpse(path, **headers)
    if route[0] == "GET":
        return who.get(path, **headers)
    return who.post(path, {name: filled(value, ids) for name, value in entry.fields.items()}, **headers)


def test_every_page_has_an_entry() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert {(min(route.methods or ()), route.path) for route in routes} == set(PAGES)


@of_every_page
def test_a_stranger_learns_and_changes_nothing(house: House, victim: Victim, route: tuple[str, str]) -> None:
    before = belongings(house, victim)
    answer = ask(visitor(house, Role.OWNER), route, victim.ids)
    assert answer.status == PAGES[route].stranger, answer.bytes
    assert CANARY.encode() not in answer.bytes.replace(f"{CANARY}@example.com".encode(), b"")  # what they typed
    assert belongings(house, victim) == before


def belongings(house: House, victim: Victim) -> tuple[Any, ...]:
    """What a stranger could have changed."""
    mine = victim.organization_id
    with house.database.reading() as db:
        labels = db.exec_driver_sql(f"SELECT count(*) FROM label WHERE organization_id = {mine}").scalar_one()
        return (
            store.list_keys(db, mine),
            members.list_members(db, mine),
            members.list_invitations(db, mine, house.clock()),
            labels,
        )


@of_every_page
def test_who_is_not_signed_in_is_sent_to_sign_in(house: House, victim: Victim, route: tuple[str, str]) -> None:
    if PAGES[route].role is None:
        return
    for who in (visitor(house), Visitor(house.url, f"{victim.organization_id}.wrong"), Visitor(house.url, "x")):
        answer = ask(who, route, victim.ids)
        assert answer.status == 303, answer.bytes
        assert answer.headers["location"].startswith("/sign-in?next=%2F")


def test_a_lower_role_opens_no_more_than_it_may(house: House, victim: Victim) -> None:
    for route, entry in PAGES.items():
        for role in LOWER.get(entry.role, ()):
            who = insider(house, victim, role)
            before = belongings(house, victim)
            answer = ask(who, route, victim.ids)
            assert answer.status == 403, (route, role)
            assert f"This needs the role {entry.role}; yours is {role}." in answer.bytes.decode()
            assert belongings(house, victim) == before, route


@pytest.mark.parametrize("headers", NOT_HERE, ids=str)
def test_a_form_of_another_site_is_refused(house: House, victim: Victim, headers: dict[str, str]) -> None:
    owner = insider(house, victim, Role.OWNER)
    before = belongings(house, victim)
    for route in PAGES:
        if route[0] != "POST":
            continue
        answer = ask(owner, route, victim.ids, **headers)
        assert answer.status == 403, (route, answer.bytes)
        assert "was not sent from this console" in answer.bytes.decode()
    assert belongings(house, victim) == before


def test_a_browser_that_says_only_its_origin_is_believed(house: House) -> None:
    host = house.url.partition("://")[2]
    headers = {"Sec-Fetch-Site": "", "Origin": f"http://{host}"}
    answer = visitor(house).post("/sign-in", {"email": "x@example.com", "password": "x"}, **headers)
    assert answer.status == 401


def test_every_page_carries_the_rules_for_browsers(house: House, victim: Victim) -> None:
    pages = [route for route in PAGES if not route[1].startswith("/static/")]
    stranger = visitor(house, Role.OWNER).member
    assert stranger
    for route in [*pages, ("GET", "/nowhere")]:
        for who in (visitor(house), Visitor(house.url, cookie_of(house, stranger))):
            answer = ask(who, route, victim.ids) if route in PAGES else who.get(route[1])
            assert answer.headers.get("cache-control") == "no-store", (route, answer.headers)
            if answer.headers.get("content-type", "").startswith("text/html"):
                check_policy(answer)


def check_policy(answer: Answer) -> None:
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "style=" not in answer.bytes.decode()
    assert not re.search(r"<script(?! [^>]*src=)|\son[a-z]+=", answer.bytes.decode())


def test_every_statement_of_a_page_names_the_organization(house: House, victim: Victim) -> None:
    owner = visitor(house, Role.OWNER)
    house.statements.clear()
    for route in PAGES:
        ask(Visitor(house.url, owner.cookie), route, dict.fromkeys(victim.ids, "1"))
        if route == ("POST", "/sign-out"):
            owner = visitor(house, Role.OWNER)
    assert len(house.statements) > 50
    for statement in house.statements:
        is_bookkeeping = statement.split()[0] in ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
        is_ours = "organization" in statement or "pg_" in statement
        assert is_bookkeeping or is_ours, statement

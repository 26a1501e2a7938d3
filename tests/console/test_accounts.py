"""Setting up, signing in and out, keys and members, over HTTP as a browser sends it."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import BoundedSemaphore

import pytest
from argon2 import extract_parameters

from hansard.console.throttle import Throttle
from hansard.db.tables import metadata
from hansard.kit.settings import Settings
from hansard.resources.accounts import members, passwords, store
from hansard.resources.accounts.schemas import Role, Scope
from tests.conftest import House, open_house
from tests.console.people import PASSWORD, Visitor, add_member, cookie_of, text_of, visitor
from tests.door import Answer, Door
from tests.make import make_call

NEW = {"email": "New@Example.com", "name": "Newcomer", "password": PASSWORD}


@pytest.fixture
def empty(make_settings: Callable[..., Settings]) -> Iterator[House]:
    """A server of its own, with one organization and nobody in it."""
    for house in open_house(make_settings("sqlite")):
        house.organization()
        yield house


def stop_the_clock(house: House) -> None:
    """From now on the time of this server is moved by the test alone."""
    now = house.clock()
    house.app.state.clock = lambda: now + house.clock.ahead


def invitation(
    house: House, organization_id: int, role: Role = Role.OWNER, lasts: timedelta = members.INVITED_FOR
) -> str:
    return house.database.write(
        organization_id, lambda db: members.add_invitation(db, organization_id, role, house.clock(), lasts)
    )


def sign_in(who: Visitor, email: str, password: str = PASSWORD, **fields: str) -> Answer:
    return who.post("/sign-in", {"email": email, "password": password} | fields)


def organization_name(house: House, organization_id: int) -> str:
    with house.database.reading() as db:
        return next(one.name for one in store.list_organizations(db) if one.id == organization_id)


# Setting up.


def test_a_link_makes_one_owner_once_and_shows_a_working_key_once(empty: House) -> None:
    token = invitation(empty, 1, lasts=members.SET_UP_FOR)
    who = Visitor(empty.url)
    form = who.get(f"/set-up?token={token}")
    assert form.status == 200
    assert "You will be an owner" in text_of(form)
    done = who.post("/set-up", NEW | {"token": token})
    assert done.status == 200, done.bytes
    key = re.findall(r"hsd_\w+", text_of(done))[0]
    assert Door(empty.url, key).get("/api/v1/sessions/").status == 200
    assert "Welcome, Newcomer" in text_of(done)
    again = who.get("/welcome")
    assert key not in text_of(again)
    assert "shown once" in text_of(again)
    for answer in (who.get(f"/set-up?token={token}"), who.post("/set-up", NEW | {"token": token})):
        assert answer.status == 404
        assert "used already" in text_of(answer)
    with empty.database.reading() as db:
        assert [(one.email, one.role) for one in members.list_members(db, 1)] == [("new@example.com", Role.OWNER)]


def test_the_welcome_page_learns_of_the_first_session(empty: House) -> None:
    token = invitation(empty, 1)
    who = Visitor(empty.url)
    key = re.findall(r"hsd_\w+", text_of(who.post("/set-up", NEW | {"token": token})))[0]
    assert who.get("/welcome/first").status == 204
    Door(empty.url, key).send(make_call("CA-first"))
    assert who.get("/welcome/first").bytes == b"/s/1"


def test_who_joins_where_sessions_are_goes_to_them_and_gets_no_key(house: House) -> None:
    mine = house.door()
    mine.send(make_call("CA-there"))
    for role in Role:
        token = invitation(house, mine.organization_id, role)
        answer = Visitor(house.url).post("/set-up", NEW | {"token": token, "email": f"{role}@example.com"})
        assert (answer.status, answer.headers["location"]) == (303, "/sessions")
    with house.database.reading() as db:
        assert len(store.list_keys(db, mine.organization_id)) == 1


def test_a_link_is_good_for_its_time_and_no_longer(house: House) -> None:
    token = invitation(house, house.organization(), lasts=members.SET_UP_FOR)
    house.clock.ahead = timedelta(minutes=14, seconds=50)
    assert Visitor(house.url).get(f"/set-up?token={token}").status == 200
    house.clock.ahead = timedelta(minutes=15, seconds=1)
    assert Visitor(house.url).get(f"/set-up?token={token}").status == 404
    assert Visitor(house.url).post("/set-up", NEW | {"token": token}).status == 404


@pytest.mark.parametrize("token", ["", "x", "1.x", "1", "99999.x", "-1.x", "1." + "a" * 5000, "é", "1.\0"])
def test_a_wrong_link_opens_nothing(house: House, token: str) -> None:
    assert Visitor(house.url).post("/set-up", NEW | {"token": token}).status in (400, 404)


def test_two_who_use_one_link_at_once_make_one_member(house: House) -> None:
    mine = house.organization()
    token = invitation(house, mine)

    def join(number: int) -> int:
        return Visitor(house.url).post("/set-up", NEW | {"token": token, "email": f"{number}@example.com"}).status

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(join, range(4)))
    assert statuses == [200, 404, 404, 404]
    with house.database.reading() as db:
        assert len(members.list_members(db, mine)) == 1


@pytest.mark.parametrize(
    ("field", "value", "status", "said"),
    [
        ("password", "short", 400, "12 to 1024 characters"),
        ("password", "x" * 1025, 400, "12 to 1024 characters"),
        ("email", "nobody", 400, "is not an e-mail address"),
        ("email", "a b@example.com", 400, "is not an e-mail address"),
        ("email", f"{'x' * 250}@example.com", 400, "is not an e-mail address"),
        ("name", "x" * 201, 400, "A name may have 200 characters"),
        ("name", "a\u202eb", 400, "printable"),
        ("email", "taken@example.com", 409, "is a member already"),
    ],
)
def test_what_will_not_do_is_said_and_the_link_stays_good(
    house: House, field: str, value: str, status: int, said: str
) -> None:
    mine = house.organization()
    add_member(house, mine, Role.VIEWER, "taken@example.com")
    token = invitation(house, mine)
    who = Visitor(house.url)
    answer = who.post("/set-up", NEW | {"token": token, field: value})
    assert (answer.status, said in text_of(answer)) == (status, True), text_of(answer)
    assert PASSWORD.encode() not in answer.bytes
    assert not who.cookie
    assert who.post("/set-up", NEW | {"token": token}).status == 200


def test_a_password_is_in_no_page_no_table_and_no_log(empty: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "Tr0ub4dor&3-and-some-more"
    token = invitation(empty, 1)
    who = Visitor(empty.url)
    pages = [
        who.post("/set-up", NEW | {"token": token, "password": secret, "email": "bad"}),
        who.post("/set-up", NEW | {"token": token, "password": secret}),
        sign_in(Visitor(empty.url), "new@example.com", secret + "x"),
        sign_in(Visitor(empty.url), "new@example.com", secret),
        sign_in(Visitor(empty.url), secret, "wrong"),
        who.get("/settings/members"),
    ]
    assert [one.status for one in pages] == [400, 200, 401, 303, 401, 200]
    for one in (*pages[:4], pages[5]):
        assert b"Tr0ub4dor" not in one.bytes
        assert "Tr0ub4dor" not in str(one.headers)
    said = [record for record in caplog.records if "Tr0ub4dor" in record.getMessage()]
    assert said == []
    with empty.database.reading() as db:
        for table in metadata.tables:
            rows = db.exec_driver_sql(f'SELECT * FROM "{table}"').all()
            assert "Tr0ub4dor" not in repr(rows)
            assert who.cookie not in repr(rows)
            assert token not in repr(rows)


# Signing in and out.


def test_who_signs_in_goes_where_they_were_going_with_a_cookie_that_scripts_and_other_sites_cannot_use(
    empty: House,
) -> None:
    add_member(empty, 1, Role.MEMBER, "mel@example.com")
    who = Visitor(empty.url)
    sent = who.get("/settings/keys?x=1")
    assert sent.headers["location"] == "/sign-in?next=%2Fsettings%2Fkeys%3Fx%3D1"
    answer = sign_in(who, " MEL@example.com ", next="/settings/keys?x=1")
    assert (answer.status, answer.headers["location"]) == (303, "/settings/keys?x=1")
    flags = answer.headers["set-cookie"].partition(";")[2].lower()
    assert all(word in flags for word in ("httponly", "samesite=lax", "path=/", "max-age=1209600"))
    assert "secure" not in flags
    assert "domain" not in flags
    assert who.get("/settings/keys").status == 200
    assert who.get("/sign-in?next=/live").headers["location"] == "/live"


def test_the_cookie_is_secure_where_a_proxy_or_the_settings_say_https(empty: House) -> None:
    add_member(empty, 1, Role.MEMBER, "mel@example.com")
    behind = Visitor(empty.url, headers={"X-Forwarded-Proto": "https"})
    assert "; Secure" in sign_in(behind, "mel@example.com").headers["set-cookie"]
    assert "; Secure" in behind.post("/sign-out").headers["set-cookie"]
    known = empty.app.state.settings
    empty.app.state.settings = Settings(data=known.data, public_url="https://hansard.example.com/")
    assert "; Secure" in sign_in(Visitor(empty.url), "mel@example.com").headers["set-cookie"]
    owner = visitor(empty, Role.OWNER, 1)
    link = text_of(owner.post("/settings/members/invite", {"role": "viewer"}))
    assert "https://hansard.example.com/set-up?token=1." in link


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        " /x",
        "",
        "http:evil.example",
        "/a\x00b",
    ],
)
def test_signing_in_leads_to_no_other_site(empty: House, to: str) -> None:
    add_member(empty, 1, Role.MEMBER, "mel@example.com")
    answer = sign_in(Visitor(empty.url), "mel@example.com", next=to)
    assert answer.headers.get("location", "/") == "/"
    assert "evil" not in str(answer.headers)


@pytest.mark.parametrize(("email", "password"), [("mel@example.com", "wrong"), ("no@example.com", PASSWORD), ("", "")])
def test_what_was_wrong_is_not_told_apart(empty: House, email: str, password: str) -> None:
    add_member(empty, 1, Role.MEMBER, "mel@example.com")
    answer = sign_in(Visitor(empty.url), email, password)
    assert answer.status == 401
    assert "That is not the e-mail address and password of a member." in text_of(answer)
    assert "set-cookie" not in answer.headers


def test_an_unknown_address_takes_as_long_as_a_wrong_password(sqlite_house: House, slow_passwords: None) -> None:
    house = sqlite_house
    house.app.state.throttle = Throttle()
    mine = house.organization()
    name = organization_name(house, mine)
    known = [f"known-{number}@example.com" for number in range(5)]
    kept = passwords.hashed(PASSWORD)
    for email in known:
        add_member(house, mine, Role.MEMBER, email, kept)

    def median_s(emails: list[str], organization: str = name) -> float:
        taken = []
        for email in emails:
            began = time.perf_counter()
            assert sign_in(Visitor(house.url), email, "wrong", organization=organization).status == 401
            taken.append(time.perf_counter() - began)
        return sorted(taken)[len(taken) // 2]

    median_s(["warm@example.com"])
    wrong_s = median_s(known)
    # Without the work it would take a hundredth; more than a third is what a busy machine lets one say.
    assert median_s([f"unknown-{email}" for email in known]) > wrong_s / 3
    house.app.state.throttle = Throttle()
    assert median_s(known, "no such organization") > wrong_s / 3


def test_where_several_organizations_have_members_the_form_asks_which(empty: House) -> None:
    add_member(empty, 1, Role.MEMBER, "mel@example.com")
    second = empty.organization()
    assert "Organization" not in text_of(Visitor(empty.url).get("/sign-in"))
    add_member(empty, second, Role.OWNER, "mel@example.com")
    form = Visitor(empty.url).get("/sign-in")
    assert 'name="organization"' in form.bytes.decode()
    names = {one: organization_name(empty, one) for one in (1, second)}
    assert not any(name in text_of(form) for name in names.values())
    assert sign_in(Visitor(empty.url), "mel@example.com").status == 401
    for one, role in ((1, "member"), (second, "owner")):
        who = Visitor(empty.url)
        assert sign_in(who, "mel@example.com", organization=names[one]).status == 303
        assert names[one] in text_of(who.get("/settings/members"))
        assert ("Invite somebody" in text_of(who.get("/settings/members"))) == (role == "owner")


def test_before_anybody_can_sign_in_the_page_says_how_to_become_the_first(empty: House) -> None:
    assert "hansard members invite" in text_of(Visitor(empty.url).get("/sign-in"))
    assert sign_in(Visitor(empty.url), "a@example.com").status == 401


def test_signing_in_anew_ends_the_sign_in_this_browser_had(empty: House) -> None:
    add_member(empty, 1, Role.MEMBER, "mel@example.com")
    who = Visitor(empty.url)
    sign_in(who, "mel@example.com")
    first = who.cookie
    sign_in(who, "mel@example.com")
    assert who.cookie != first
    assert Visitor(empty.url, first).get("/settings/keys").status == 303
    assert who.get("/settings/keys").status == 200


def test_signing_out_ends_the_sign_in_on_the_server_and_no_other(house: House) -> None:
    mine = house.organization()
    one = add_member(house, mine, Role.MEMBER)
    here, there = (Visitor(house.url, cookie_of(house, one)) for _ in range(2))
    kept = here.cookie
    answer = here.post("/sign-out")
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in")
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert Visitor(house.url, kept).get("/settings/keys").status == 303
    assert there.get("/settings/keys").status == 200
    assert here.post("/sign-out").status == 303


def test_a_sign_in_ends_after_fourteen_days_and_the_next_one_clears_it_away(house: House) -> None:
    mine = house.organization()
    one = add_member(house, mine, Role.MEMBER)
    who = Visitor(house.url, cookie_of(house, one))
    house.clock.ahead = timedelta(days=13, hours=23)
    assert who.get("/settings/keys").status == 200
    house.clock.ahead = timedelta(days=14, seconds=1)
    assert who.get("/settings/keys").status == 303
    cookie_of(house, one)
    with house.database.reading() as db:
        rows = db.exec_driver_sql(f"SELECT count(*) FROM signin WHERE organization_id = {mine}").scalar_one()
    assert rows == 1


@pytest.mark.parametrize("cookie", ["x", "1.", ".x", "1.x.y", "9" * 400, "1.é", '"', "0.x", "1.x; hansard=1.y"])
def test_a_cookie_that_says_nothing_signs_nobody_in(house: House, cookie: str) -> None:
    answer = Visitor(house.url, cookie.encode().decode("latin-1")).get("/settings/keys")
    assert answer.status == 303


# Throttle.


def test_guessing_waits_twice_as_long_each_time_and_the_right_password_must_wait_too(empty: House) -> None:
    stop_the_clock(empty)
    add_member(empty, 1, Role.MEMBER, "mel@example.com")
    for _ in range(5):
        assert sign_in(Visitor(empty.url), "mel@example.com", "wrong").status == 401
    waits = []
    for _ in range(8):
        refused = sign_in(Visitor(empty.url), "MEL@example.com ")
        assert refused.status == 429
        assert "Too many attempts. Try again in" in text_of(refused)
        waits.append(int(refused.headers["retry-after"]))
        empty.clock.ahead += timedelta(seconds=waits[-1])
        assert sign_in(Visitor(empty.url), "mel@example.com", "wrong").status == 401
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert sign_in(Visitor(empty.url), "other@example.com").status == 401
    empty.clock.ahead += timedelta(seconds=61)
    assert sign_in(Visitor(empty.url), "mel@example.com").status == 303
    for _ in range(5):
        assert sign_in(Visitor(empty.url), "mel@example.com", "wrong").status == 401


def test_one_client_that_tries_many_addresses_must_wait_and_others_need_not(empty: House) -> None:
    stop_the_clock(empty)
    add_member(empty, 1, Role.MEMBER, "mel@example.com")
    guesser = Visitor(empty.url, headers={"X-Forwarded-For": "203.0.113.5"})
    for number in range(20):
        assert sign_in(guesser, f"{number}@example.com").status == 401
    assert sign_in(guesser, "mel@example.com").status == 429
    assert sign_in(Visitor(empty.url, headers={"X-Forwarded-For": "203.0.113.6"}), "mel@example.com").status == 303


def test_a_customer_with_a_network_of_addresses_is_one_client(empty: House) -> None:
    stop_the_clock(empty)
    for number in range(20):
        guesser = Visitor(empty.url, headers={"X-Forwarded-For": f"2001:db8::{number:x}"})
        assert sign_in(guesser, f"{number}@example.com").status == 401
    assert sign_in(guesser, "x@example.com").status == 429
    assert sign_in(Visitor(empty.url, headers={"X-Forwarded-For": "2001:db8:1::1"}), "x@example.com").status == 401


def test_many_guesses_at_once_are_no_way_round(empty: House) -> None:
    stop_the_clock(empty)
    add_member(empty, 1, Role.MEMBER, "mel@example.com")
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: sign_in(Visitor(empty.url), "mel@example.com", "x").status, range(12)))
    assert statuses.count(401) == 5
    assert statuses.count(429) == 7


def test_other_pages_answer_while_passwords_are_checked(empty: House, slow_passwords: None) -> None:
    owner = visitor(empty, Role.OWNER, 1)
    with ThreadPoolExecutor(10) as pool:
        guesses = [
            pool.submit(sign_in, Visitor(empty.url, headers={"X-Forwarded-For": f"198.51.100.{n}"}), f"{n}@example.com")
            for n in range(10)
        ]
        while not any(one.done() for one in guesses):
            time.sleep(0.01)
        for _ in range(3):
            assert owner.get("/settings/keys").status == 200
        assert not all(one.done() for one in guesses)
        assert {one.result().status for one in guesses} == {401}


def test_when_too_many_sign_in_at_once_the_rest_are_asked_to_come_again(
    empty: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_places", BoundedSemaphore(1))
    held = passwords._places.acquire(blocking=False)
    assert held
    answer = sign_in(Visitor(empty.url), "mel@example.com")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    passwords._places.release()
    assert sign_in(Visitor(empty.url), "mel@example.com").status == 401


def test_passwords_are_kept_as_argon2id_of_the_rfc(slow_passwords: None) -> None:
    kept = passwords.hashed(PASSWORD)
    known = extract_parameters(kept)
    assert kept.startswith("$argon2id$")
    assert (known.memory_cost, known.time_cost, known.salt_len) == (65536, 3, 16)
    assert passwords.is_right(PASSWORD, kept)
    assert not passwords.is_right(PASSWORD + " ", kept)
    assert not passwords.is_right(PASSWORD, None)
    assert not passwords.is_right(PASSWORD, "not a hash")


# Keys and members.


def test_an_owner_makes_a_key_that_is_shown_once_and_revokes_it(house: House) -> None:
    mine = house.organization()
    owner = visitor(house, Role.OWNER, mine)
    made = owner.post("/settings/keys", {"name": "agent", "scope": ["ingest", "read"]})
    text = re.findall(r"hsd_\w+", text_of(made))[0]
    door = Door(house.url, text, mine)
    assert door.get("/api/v1/sessions/").status == 200
    listed = owner.get("/settings/keys")
    assert "agent" in text_of(listed)
    assert text not in text_of(listed)
    assert "opens nothing" in text_of(owner.get("/settings/keys/1/revoke"))
    assert door.get("/api/v1/sessions/").status == 200
    assert owner.post("/settings/keys/1/revoke").headers["location"] == "/settings/keys"
    assert door.get("/api/v1/sessions/").status == 401
    assert "revoked" in text_of(owner.get("/settings/keys"))
    assert owner.post("/settings/keys/1/revoke").status == 303
    for missing in ("2", "0", "x", str(2**53), str(2**70)):
        assert owner.get(f"/settings/keys/{missing}/revoke").status in (404, 422)


def test_a_key_opens_what_was_ticked(house: House) -> None:
    mine = house.organization()
    owner = visitor(house, Role.OWNER, mine)
    for chosen, found in ((["read"], {Scope.READ}), (["ingest", "admin", "nonsense"], {Scope.INGEST, Scope.ADMIN})):
        assert owner.post("/settings/keys", {"name": "k", "scope": chosen}).status == 200
        with house.database.reading() as db:
            assert store.list_keys(db, mine)[-1].scopes == found


@pytest.mark.parametrize(
    "fields", [{"name": " ", "scope": "read"}, {"name": "k"}, {"name": "x" * 201, "scope": "read"}]
)
def test_a_key_without_name_or_scope_is_refused_with_a_sentence(house: House, fields: dict[str, str]) -> None:
    owner = visitor(house, Role.OWNER)
    answer = owner.post("/settings/keys", fields)
    assert answer.status == 400
    assert 'role="alert"' in answer.bytes.decode()
    assert "There is no key yet." in text_of(answer)


def test_names_are_text_and_never_markup(house: House) -> None:
    owner = visitor(house, Role.OWNER)
    evil = '"><script>alert(1)</script>{{ 7*7 }}'
    answer = owner.post("/settings/keys", {"name": evil, "scope": "read"})
    assert "<script>alert" not in answer.bytes.decode()
    assert "&lt;script&gt;" in answer.bytes.decode()
    assert "{{ 7*7 }}" in answer.bytes.decode()


def test_members_and_viewers_see_which_role_is_needed(house: House) -> None:
    mine = house.organization()
    for role in (Role.MEMBER, Role.VIEWER):
        who = visitor(house, role, mine)
        for path in ("/settings/keys", "/settings/members"):
            answer = who.get(path)
            assert f"one needs the role owner; yours is {role.value}" in text_of(answer)
            assert "<form" not in answer.bytes.decode().partition("<main")[2].partition("</main>")[0]


def test_an_owner_invites_and_withdraws(house: House) -> None:
    mine = house.organization()
    owner = visitor(house, Role.OWNER, mine)
    made = owner.post("/settings/members/invite", {"role": "viewer"})
    link = re.findall(rf"{house.url}(/set-up\?token=\S+)", text_of(made))[0]
    assert link not in text_of(owner.get("/settings/members"))
    joined = Visitor(house.url)
    token = link.partition("=")[2]
    assert joined.post("/set-up", NEW | {"token": token}).status == 303
    assert "Newcomer" in text_of(owner.get("/settings/members"))
    assert "yours is viewer" in text_of(joined.get("/settings/keys"))
    second = text_of(owner.post("/settings/members/invite", {"role": "owner"}))
    token = re.findall(r"token=(\S+)", second)[0]
    place = re.findall(r"/settings/members/invitations/\w+/withdraw", owner.get("/settings/members").bytes.decode())
    assert len(place) == 1
    assert owner.post(place[0]).status == 303
    assert Visitor(house.url).get(f"/set-up?token={token}").status == 404
    assert owner.post("/settings/members/invite", {"role": "king"}).status == 400
    assert owner.post("/settings/members/invitations/zz/withdraw").status == 404


def test_a_removed_member_is_out_at_once_and_may_be_invited_again(house: House) -> None:
    mine = house.organization()
    owner = visitor(house, Role.OWNER, mine)
    gone = add_member(house, mine, Role.MEMBER, "gone@example.com")
    who = Visitor(house.url, cookie_of(house, gone))
    assert who.get("/settings/keys").status == 200
    assert owner.post(f"/settings/members/{gone.id}/remove").status == 303
    assert who.get("/settings/keys").status == 303
    name = organization_name(house, mine)
    assert sign_in(Visitor(house.url), "gone@example.com", organization=name).status == 401
    assert "gone@example.com" not in text_of(owner.get("/settings/members"))
    again = Visitor(house.url)
    assert again.post("/set-up", NEW | {"token": invitation(house, mine), "email": "gone@example.com"}).status == 200
    assert again.get("/settings/keys").status == 200
    assert who.get("/settings/keys").status == 303


def test_the_last_owner_cannot_be_removed(house: House) -> None:
    mine = house.organization()
    one = add_member(house, mine, Role.OWNER)
    add_member(house, mine, Role.MEMBER)
    owner = Visitor(house.url, cookie_of(house, one))
    answer = owner.post(f"/settings/members/{one.id}/remove")
    assert (answer.status, "last owner" in text_of(answer)) == (400, True)
    second = add_member(house, mine, Role.OWNER, "second@example.com")
    assert owner.post(f"/settings/members/{one.id}/remove").status == 303
    assert owner.get("/settings/keys").status == 303
    with house.database.reading() as db:
        assert second in members.list_members(db, mine)


def test_a_changed_password_signs_every_other_browser_out(empty: House) -> None:
    one = add_member(empty, 1, Role.VIEWER, "vic@example.com")
    here, there = (Visitor(empty.url, cookie_of(empty, one)) for _ in range(2))
    other = Visitor(empty.url, cookie_of(empty, add_member(empty, 1, Role.VIEWER, "other@example.com")))
    new = "another horse battery"
    wrong = here.post("/settings/you/password", {"current": "wrong", "password": new})
    assert (wrong.status, "That is not your current password." in text_of(wrong)) == (401, True)
    short = here.post("/settings/you/password", {"current": PASSWORD, "password": "short"})
    assert (short.status, "12 to 1024 characters" in text_of(short)) == (400, True)
    assert there.get("/settings/you").status == 200
    done = here.post("/settings/you/password", {"current": PASSWORD, "password": new})
    assert "Your password is changed." in text_of(done)
    assert new.encode() not in done.bytes
    assert [one.get("/settings/you").status for one in (here, there, other)] == [200, 303, 200]
    assert sign_in(Visitor(empty.url), "vic@example.com").status == 401
    assert sign_in(Visitor(empty.url), "vic@example.com", new).status == 303


def test_guessing_the_current_password_is_throttled_too(empty: House) -> None:
    stop_the_clock(empty)
    who = visitor(empty, Role.VIEWER, 1)
    guess = {"current": "wrong", "password": "another horse battery"}
    assert [who.post("/settings/you/password", guess).status for _ in range(6)] == [401] * 5 + [429]


# The sample server, storage, forms.


@pytest.fixture
def demo(empty: House) -> House:
    with empty.database.reading() as db:
        empty.app.state.demo = store.list_organizations(db)[0]
    return empty


def test_on_a_server_of_samples_everybody_looks_as_a_viewer_and_changes_nothing(demo: House) -> None:
    add_member(demo, 1, Role.OWNER, "private@example.com")
    nobody = Visitor(demo.url)
    for path in ("/settings/keys", "/settings/members", "/settings/retention", "/settings/storage", "/settings/you"):
        answer = nobody.get(path)
        assert answer.status == 200, path
        assert "sample sessions; you are looking at them as a viewer" in text_of(answer)
        assert "private@example.com" not in text_of(answer)
        assert str(demo.settings.data) not in text_of(answer)
    assert nobody.post("/settings/keys", {"name": "x", "scope": "read"}).status == 403
    assert nobody.post("/settings/you/password", {"current": "", "password": "x" * 12}).status == 403
    assert "sample sessions" in text_of(nobody.get("/sign-in"))


def test_on_a_server_of_samples_a_member_signs_in_to_their_own(demo: House) -> None:
    own = demo.organization()
    add_member(demo, own, Role.OWNER, "mel@example.com")
    who = Visitor(demo.url)
    assert sign_in(who, "mel@example.com", organization=organization_name(demo, own)).status == 303
    assert "looking at them as a viewer" not in text_of(who.get("/settings/keys"))
    assert organization_name(demo, own) in text_of(who.get("/settings/keys"))
    who.post("/sign-out")
    assert "looking at them as a viewer" in text_of(Visitor(demo.url).get("/settings/keys"))


def test_storage_says_how_the_database_is(house: House) -> None:
    door = house.door()
    door.send(make_call("CA-1"))
    door.send(make_call("CA-2")[:3])
    owner = visitor(house, Role.OWNER, door.organization_id)
    said = text_of(owner.get("/settings/storage"))
    assert re.search(r"Sessions 2 ", said)
    assert re.search(r"Running now 1 ", said)
    assert re.search(r"Database (SQLite 3|PostgreSQL 1)", said)
    assert re.search(r"Size on disk [\d.]+ (MiB|KiB)", said)
    assert ("Data folder" in said) == (house.database.folder is not None)


def test_the_retention_page_says_that_nothing_is_deleted(house: House) -> None:
    owner = visitor(house, Role.OWNER)
    assert "Nothing is ever deleted yet" in text_of(owner.get("/settings/retention"))
    assert owner.get("/settings").headers["location"] == "/settings/keys"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/json"}, {"email": "x"}, 415),
        ({}, {"email": "x" * 70_000}, 413),
        ({}, {f"f{n}": "x" for n in range(2001)}, 400),
        ({}, {"email": "a\0b"}, 400),
        ({}, {}, 400),
    ],
)
def test_a_form_that_cannot_be_is_refused(
    house: House, headers: dict[str, str], body: dict[str, str], status: int
) -> None:
    assert visitor(house).post("/sign-in", body, **headers).status == status


def test_an_error_is_a_page_for_people_and_json_for_programs(house: House) -> None:
    who = visitor(house, Role.VIEWER)
    page = who.get("/settings/keys/1/revoke")
    assert page.status == 403
    assert 'aria-label="Main"' in page.bytes.decode()
    assert who.get("/settings/keys/1/revoke", Accept="application/json").json == {
        "detail": "This needs the role owner; yours is viewer."
    }
    assert "set-cookie" not in page.headers

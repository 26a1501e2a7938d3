"""No organization sees a byte of another's: over every route there is, generated from the route table."""

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from hansard.app import create_app
from hansard.console.routes import ROUTERS as PAGES
from hansard.db.tables import metadata
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Scope
from tests.conftest import House
from tests.door import Answer, Door
from tests.make import make_call, make_session
from tests.sounds import put, wav

CANARY = "canary-of-another-organization"

# Every route: how another organization's thing is asked for, the scope it needs, and what the stranger gets.
# A route that is not here fails the test.
ROUTES: dict[tuple[str, str], tuple[str, Scope | None, int]] = {
    ("GET", "/healthz"): ("/healthz", None, 200),
    ("POST", "/ingest/v1/events"): ("/ingest/v1/events", Scope.INGEST, 200),
    ("PUT", "/ingest/v1/recordings/{service}/{sid:path}/{name}"): (
        f"/ingest/v1/recordings/twilio/{CANARY}/call.wav",
        Scope.INGEST,
        201,
    ),
    ("POST", "/v1/traces"): ("/v1/traces", Scope.INGEST, 200),
    ("GET", "/api/v1/sessions"): ("/api/v1/sessions", Scope.READ, 200),
    ("GET", "/api/v1/sessions/"): ("/api/v1/sessions/", Scope.READ, 200),
    ("GET", "/api/v1/sessions/{session_id}"): ("/api/v1/sessions/{id}", Scope.READ, 404),
    ("GET", "/api/v1/sessions/transcript/{session_id}"): ("/api/v1/sessions/transcript/{id}", Scope.READ, 404),
    ("GET", "/api/v1/sessions/full-summary/{session_id}"): ("/api/v1/sessions/full-summary/{id}", Scope.READ, 404),
    ("GET", "/api/v1/sessions/summary/{session_id}"): ("/api/v1/sessions/summary/{id}", Scope.READ, 404),
    ("GET", "/api/v1/sessions/latency/{session_id}"): ("/api/v1/sessions/latency/{id}", Scope.READ, 404),
    ("GET", "/api/v1/sessions/timeline/{session_id}"): ("/api/v1/sessions/timeline/{id}", Scope.READ, 404),
    ("POST", "/api/v1/sessions/recording/{session_id}"): ("/api/v1/sessions/recording/{id}", Scope.READ, 404),
    ("GET", "/api/v1/sessions/recording/stream"): ("/api/v1/sessions/recording/stream?token=x", None, 404),
    ("HEAD", "/api/v1/sessions/recording/stream"): ("/api/v1/sessions/recording/stream?token=x", None, 404),
    ("GET", "/api/v1/session_debug/sid/{channel_manager_service}/{channel_manager_sid:path}"): (
        f"/api/v1/session_debug/sid/twilio/{CANARY}",
        Scope.READ,
        404,
    ),
    ("GET", "/api/v1/session_debug/session_id/{session_id}"): (
        "/api/v1/session_debug/session_id/{id}",
        Scope.READ,
        404,
    ),
    ("GET", "/api/v1/session_debug/tool_result/{session_id}/{tool_call_id:path}"): (
        "/api/v1/session_debug/tool_result/{id}/c1",
        Scope.READ,
        404,
    ),
    ("GET", "/api/v1/session_labels"): ("/api/v1/session_labels", Scope.READ, 200),
    ("GET", "/api/v1/session_labels/"): ("/api/v1/session_labels/", Scope.READ, 200),
    ("POST", "/api/v1/session_labels"): ("/api/v1/session_labels", Scope.INGEST, 404),
    ("POST", "/api/v1/session_labels/"): ("/api/v1/session_labels/", Scope.INGEST, 404),
    ("GET", "/api/v1/session_labels/{session_label_id}"): ("/api/v1/session_labels/{label}", Scope.READ, 404),
    ("GET", "/api/v1/conversations"): ("/api/v1/conversations", Scope.READ, 200),
    ("GET", "/api/v1/conversations/"): ("/api/v1/conversations/", Scope.READ, 200),
    ("GET", "/api/v1/events"): ("/api/v1/events", Scope.READ, 200),
    ("GET", "/api/v1/events/"): ("/api/v1/events/", Scope.READ, 200),
    ("GET", "/hansard/v1/agents"): ("/hansard/v1/agents", Scope.READ, 200),
    ("GET", "/hansard/v1/sessions"): ("/hansard/v1/sessions", Scope.READ, 200),
    ("GET", "/hansard/v1/sessions/search"): ("/hansard/v1/sessions/search?q=appointment", Scope.READ, 200),
    ("GET", "/hansard/v1/sessions/{session_id}/record"): ("/hansard/v1/sessions/{id}/record", Scope.READ, 404),
    # Opened by a token that LiveKit signs, by none of our keys; tests/livekit knocks with good ones.
    ("POST", "/observability/recordings/v0"): ("/observability/recordings/v0", None, 401),
    ("POST", "/observability/logs/otlp/v0"): ("/observability/logs/otlp/v0", None, 401),
    ("POST", "/observability/metrics/otlp/v0"): ("/observability/metrics/otlp/v0", None, 401),
    ("POST", "/observability/traces/otlp/v0"): ("/observability/traces/otlp/v0", None, 401),
    ("*", "/api/v1/{path:path}"): ("/api/v1/agents/", None, 404),
}
OPEN = {"/healthz", "/api/v1/sessions/recording/stream?token=x"}
LABEL = {"type": "human-rating", "code": "OK", "user_email": "a@example.com"}


@pytest.fixture
def victim(house: House) -> tuple[str, str]:
    """An organization full of canaries: the ids of its session and label, larger than the stranger has."""
    door = house.door()
    for _ in range(3):
        make_session(door)
    session_id = make_session(door, sid=CANARY, agent_name=CANARY, source=CANARY, conversation_id=CANARY)
    assert put(door, wav(2.0), sid=CANARY, name="call.wav").status == 201
    label = door.search("/api/v1/session_labels/", session_id=session_id)[0]
    return session_id, str(label["id"])


def ask(door: Door, method: str, path: str, session_id: str) -> Answer:
    if method == "PUT":
        return door.ask("PUT", path, body=wav())
    if method == "GET" or path.startswith("/api/v1/sessions/recording"):
        return door.ask(method, path)
    body: Any = {"events": []}
    if "session_labels" in path:
        body = {**LABEL, "session_id": int(session_id)}
    return door.post(path, body)


def test_every_route_has_an_entry(house: House) -> None:
    app = create_app(house.settings, house.database)
    pages = [route for router in PAGES for route in router.routes]  # which have a test of their own
    have = set()
    for route in app.routes:
        if isinstance(route, APIRoute) and route not in pages:
            methods = route.methods or set()
            have.add(("*" if len(methods) > 1 else min(methods), route.path))
    assert have == set(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
def test_a_stranger_learns_nothing(house: House, victim: tuple[str, str], route: tuple[str, str]) -> None:
    method = "GET" if route[0] == "*" else route[0]
    path, _, status = ROUTES[route]
    session_id, label_id = victim
    path = path.replace("{id}", session_id).replace("{label}", label_id)
    answer = ask(house.door(), method, path, session_id)
    assert answer.status == status, answer.bytes
    assert CANARY not in re.sub(f'\'{CANARY}\'|"sid":"{CANARY}"', "", answer.bytes.decode())  # what they asked for
    if answer.status == 200 and "items" in answer.json:
        assert answer.json["total_count"] == 0


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
def test_a_bad_key_opens_nothing_and_a_narrow_one_no_more_than_its_scope(
    house: House, victim: tuple[str, str], route: tuple[str, str]
) -> None:
    method = "GET" if route[0] == "*" else route[0]
    path, scope, _ = ROUTES[route]
    session_id, label_id = victim
    path = path.replace("{id}", session_id).replace("{label}", label_id)
    if path in OPEN:
        return
    mine = house.organization()
    good = house.key(mine, Scope.READ)
    mangled = good[:-8] + ("x" if good[-8] != "x" else "y") + good[-7:]
    for key in ("", "wrong", mangled, good.replace("hsd_", "hsd_9"), "hsd_1_1_" + "0" * 38):
        answer = ask(Door(house.url, key), method, path, session_id)
        assert (answer.status, type(answer.detail)) == (401, str), key
    other = {Scope.READ: Scope.INGEST, Scope.INGEST: Scope.READ}
    if scope:
        assert ask(house.door(mine, other[scope]), method, path, session_id).status == 403
        assert ask(house.door(mine, Scope.ADMIN), method, path, session_id).status not in (401, 403)


@pytest.mark.parametrize(
    "path",
    [
        "/hansard/v1/sessions/x/record",
        f"/hansard/v1/sessions/{'9' * 30}/record",
        "/hansard/v1/sessions?limit=many",
        "/hansard/v1/sessions?q=duration:long",
        "/api/v1/sessions/?start_datetime=soon",
        "/api/v1/conversations/?fields=colour",
        "/api/v1/session_debug/session_id/x",
    ],
)
def test_who_has_no_good_key_hears_of_that_before_what_else_is_wrong(house: House, path: str) -> None:
    mine = house.organization()
    good = house.key(mine, Scope.READ)
    assert Door(house.url, good).get(path).status in (400, 404, 422)
    for key in ("", "wrong", good.replace("hsd_", "hsd_9")):
        assert Door(house.url, key).get(path).status == 401, key
    assert house.door(mine, Scope.INGEST).get(path).status == 403


def test_who_may_only_write_hears_what_is_wrong_with_what_they_wrote(house: House) -> None:
    door = house.door(None, Scope.INGEST)
    assert door.post("/api/v1/session_labels/", {}).status == 422
    assert door.post("/api/v1/session_labels/", {**LABEL, "session_id": 99}).status == 404


def test_a_revoked_key_opens_nothing_at_once(house: House) -> None:
    door = house.door()
    assert door.get("/api/v1/sessions/").status == 200
    mine = door.organization_id
    house.database.write(mine, lambda db: accounts.change_key_to_revoked(db, mine, 1, house.clock()))
    assert door.get("/api/v1/sessions/").status == 401


def test_the_key_may_come_as_a_bearer_too(door: Door) -> None:
    answer = Door(door.url, "").ask("GET", "/api/v1/sessions/", headers={"Authorization": f"Bearer {door.key}"})
    assert answer.status == 200


def test_keys_are_stored_hashed_only(house: House) -> None:
    door = house.door()
    secret = door.key.split("_")[3]
    with house.database.reading() as db:
        for table in metadata.tables:
            rows = db.exec_driver_sql(f'SELECT * FROM "{table}"').all()
            assert secret not in repr(rows)


def test_every_key_and_index_starts_with_the_organization() -> None:
    for table in metadata.tables.values():
        if table.name == "organization":
            continue
        keys = [list(table.primary_key.columns), *(list(index.columns) for index in table.indexes)]
        assert {columns[0].name for columns in keys} == {"organization_id"}, table.name


def test_every_statement_names_the_organization(house: House) -> None:
    """Whatever a request makes the database do, each statement keeps to one organization's rows."""
    door = house.door()
    make_session(door)
    door.send(make_call("CA-again", channel_manager_type="sms_twilio_v1"))
    house.statements.clear()
    for (method, _), (path, _, _) in ROUTES.items():
        if path != "/healthz":
            ask(door, "GET" if method == "*" else method, path.replace("{id}", "1").replace("{label}", "1"), "1")
    make_session(door, channel_manager_type="sms_twilio_v1")
    assert len(house.statements) > 50
    for statement in house.statements:
        is_bookkeeping = statement.split()[0] in ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
        is_ours = "organization" in statement or "pg_advisory_xact_lock" in statement or "pg_catalog" in statement
        assert is_bookkeeping or is_ours, statement

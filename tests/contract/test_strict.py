"""Every response keeps the rules of the strict TypeScript client: types, offsets, nulls, status and media type."""

from typing import Any

import pytest

from hansard.resources.accounts.schemas import Scope
from tests.conftest import House
from tests.contract import strict
from tests.door import Answer, Door
from tests.make import called, end, make_call, make_event, make_session, measured, said, start


@pytest.fixture
def full(house: House) -> Door:
    """Sessions with everything, with next to nothing, running, and with only a label."""
    door = house.door()
    make_session(door, override_timestamp="2026-11-22T10:00:00", experiment_id="4", transfer_voicemail_detected=True)
    bare = [make_event("message", {"role": "user", "text": ""}, sid="bare", seconds=0.123456)]
    door.send(bare)
    door.send([start("running"), called("running", "t", 1, call_id="c1"), measured("running", "llm", 7, 2)])
    door.send([make_event("label", {"type": "auto-rating", "code": "N/A"}, sid="only-a-label")])
    door.send([*make_call("whole", duration=183), make_event("event", {}, sid="whole"), end("whole", 11)])
    door.send([said("whole", "user", "x", 3, confidence=1, lang=None)])
    return door


SINGLE: dict[str, strict.Shape] = {
    "/api/v1/sessions/{id}": strict.SESSION,
    "/api/v1/sessions/transcript/{id}": strict.TRANSCRIPT,
    "/api/v1/sessions/full-summary/{id}": strict.SUMMARY,
    "/api/v1/sessions/latency/{id}": strict.LATENCY,
    "/api/v1/sessions/timeline/{id}": strict.TIMELINE,
    "/api/v1/session_debug/session_id/{id}": strict.DEBUG,
    "/hansard/v1/sessions/{id}/record": strict.thing(session=strict.SESSION, events=strict.many(strict.anything)),
}
LISTS: dict[str, strict.Shape] = {
    "/api/v1/sessions/": strict.page(strict.SESSION),
    "/api/v1/conversations/": strict.page(strict.CONVERSATION),
    "/api/v1/events/": strict.page(strict.EVENT),
    "/api/v1/session_labels/": strict.page(strict.LABEL),
}


def json_of(answer: Answer, status: int = 200) -> Any:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json"), answer
    return answer.json


@pytest.mark.parametrize("path", SINGLE)
def test_every_answer_about_one_session_is_strict(full: Door, path: str) -> None:
    for number in "12345":
        SINGLE[path](json_of(full.get(path.replace("{id}", number))), path)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_is_strict_whole_projected_and_without_its_slash(full: Door, path: str) -> None:
    whole = json_of(full.get(path, limit=100))
    assert whole["total_count"] > 0
    LISTS[path](whole, path)
    LISTS[path](json_of(full.get(path, fields="timestamp")), path)
    LISTS[path](json_of(full.get(path, limit=0)), path)
    assert full.get(path.rstrip("/"), limit=100).bytes == full.get(path, limit=100).bytes


def test_the_rest_is_strict(full: Door) -> None:
    found = json_of(full.get("/api/v1/session_debug/tool_result/3/c1"))
    strict.TOOL_RESULT(found, "tool_result")
    assert found["tool_result"] is None
    strict.DEBUG(json_of(full.get("/api/v1/session_debug/sid/twilio/bare")), "by sid")
    strict.RECORDING(json_of(full.ask("POST", "/api/v1/sessions/recording/1")), "recording")
    made = {"session_id": "1", "type": "human-rating", "code": "ok", "user_email": "a@example.com"}
    strict.LABEL(json_of(full.post("/api/v1/session_labels/", made)), "label")


def test_every_error_is_strict(full: Door, house: House) -> None:
    texts: list[tuple[Answer, int]] = [
        (Door(full.url, "").get("/api/v1/sessions/"), 401),
        (house.door(None, Scope.INGEST).get("/api/v1/sessions/"), 403),
        (full.get("/api/v1/sessions/99"), 404),
        (full.get("/api/v1/sessions/" + "9" * 30), 404),
        (full.get("/api/v1/sessions/0"), 404),
        (full.get("/api/v1/sessions/CA7"), 400),
        (full.get("/api/v1/sessions/٣"), 400),
        (full.get("/api/v1/session_labels/99"), 404),
        (full.get("/api/v1/session_labels/" + "9" * 30), 404),
        (full.get("/api/v1/session_debug/session_id/99"), 404),
        (full.get("/api/v1/session_debug/session_id/-1"), 400),
        (full.get("/api/v1/session_debug/session_id/" + "9" * 30), 404),
        (full.get("/api/v1/session_debug/sid/twilio/none"), 404),
        (full.get("/api/v1/session_debug/sid/twilio/a%00b"), 404),
        (full.get("/api/v1/session_debug/tool_result/1/none"), 404),
        (full.ask("POST", "/api/v1/sessions/recording/99"), 404),
        (full.get("/api/v1/sessions/recording/stream", token="x"), 404),
        (full.get("/api/v1/agents/"), 404),
        (full.ask("DELETE", "/api/v1/session_labels/1"), 404),
        (full.get("/nowhere"), 404),
        (full.get("/api/v1/sessions/", start_datetime="soon"), 400),
        (full.get("/api/v1/sessions/", search_fields="is_test", search_field_values="maybe"), 400),
        (full.get("/api/v1/sessions/", search_fields="is_legacy", search_field_values="maybe"), 400),
        (full.get("/api/v1/sessions/", search_fields="duration", search_field_values="long"), 400),
        (full.get("/api/v1/sessions/", search_fields="timestamp", search_field_values="now"), 400),
        (full.get("/api/v1/sessions/", search_fields="source"), 400),
        (full.get("/api/v1/sessions/", search_fields="source", search_field_values="a\0b"), 400),
        (full.get("/api/v1/sessions/", search_fields="source", search_field_values="x" * 2000), 400),
        (full.post("/api/v1/session_labels/", label(session_id=99)), 404),
    ]
    for answer, status in texts:
        strict.ERROR(json_of(answer, status), str(answer))
    lists = [
        full.get("/api/v1/sessions/", limit=-1),
        full.get("/api/v1/sessions/", limit=1001),
        full.get("/api/v1/sessions/", page=-1),
        full.get("/api/v1/sessions/", page=10**30),
        full.get("/api/v1/sessions/", order_by="agent_timezone"),
        full.get("/api/v1/sessions/", order_by_direction="up"),
        full.get("/api/v1/sessions/", search_fields="user_terminated", search_field_values="true"),
        full.get("/api/v1/sessions/", fields="colour"),
        full.get("/api/v1/session_labels/", order_by="session_id_list"),
        full.get("/api/v1/sessions/recording/stream"),
        full.get("/api/v1/session_debug/session_id/CA7"),
        full.post("/api/v1/session_labels/", b"hello"),
        full.post("/api/v1/session_labels/", {}),
        full.post("/api/v1/session_labels/", label(type="robot")),
        full.post("/api/v1/session_labels/", label(code="GREAT")),
        full.post("/api/v1/session_labels/", label(user_email="nobody")),
        full.post("/api/v1/session_labels/", label(comments="a\0b")),
        full.post("/api/v1/session_labels/", label(session_id="CA7")),
    ]
    for answer in lists:
        strict.VALIDATION_ERROR(json_of(answer, 422), str(answer))


def label(**changes: Any) -> dict[str, Any]:
    return {"session_id": 1, "type": "human-rating", "code": "OK", "user_email": "a@example.com"} | changes


def test_the_checker_itself_finds_what_the_typescript_client_would() -> None:
    """A checker that passes everything would pass everything."""
    for shape, bad in (
        (strict.moment, "2026-11-22T10:00:00"),
        (strict.moment, "2026-11-22 10:00:00Z"),
        (strict.moment, "2026-11-22T10:00:00z"),
        (strict.text, 1),
        (strict.number, "1"),
        (strict.number, True),
        (strict.flag, "true"),
        (strict.whole, 2**53),
        (strict.thing(a=strict.text), {}),
        (strict.thing(a=strict.text), {"a": None}),
        (strict.many(strict.text), None),
        (strict.CATEGORY, "turn"),
    ):
        with pytest.raises(AssertionError):
            shape(bad, "here")

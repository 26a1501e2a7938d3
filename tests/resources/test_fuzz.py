"""Whatever is sent, nothing is a 500: events and queries nobody would write."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hansard.resources.sessions.store import NAMES
from hansard.wire import SHAPES
from tests.conftest import House
from tests.contract import strict
from tests.door import Door
from tests.make import at, make_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXTS = (
    st.sampled_from(["", "\0", "x" * 300, "\U0001f600" * 256, "ﷺ" * 256, "1e400", "NaN", "\u0131", "%_\\'\"--"])
    | st.text()
)
INSTANTS = st.sampled_from([at(0), "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-11-22T10:00:00-23:59"])
NUMBERS = st.sampled_from([0, -1, 1e12, -1e12, 2**53 - 1, 0.1]) | st.floats(allow_nan=False, allow_infinity=False)
MESSAGING = st.sampled_from(["sms_twilio_v1", "email_v1", "voice_sip_v1", ""])


@st.composite
def events(draw: Any) -> dict[str, Any]:
    """An event of a known kind, each field of it drawn from what its type may hold, or from anything."""
    kind = draw(st.sampled_from(sorted(SHAPES)))
    data = {}
    for name in SHAPES[kind].__annotations__:
        values = {
            "role": st.sampled_from(["user", "agent"]),
            "category": st.sampled_from(["llm", "stt", "turn"]),
            "type": st.sampled_from(["human-rating", "auto-rating"]),
            "channel_manager_type": MESSAGING,
            "timestamp": INSTANTS,
            "started_at": INSTANTS,
            "ended_at": INSTANTS,
            "duration_ms": NUMBERS,
            "duration": NUMBERS,
            "attributes": st.dictionaries(st.text(), JSON, max_size=3),
        }.get(name, TEXTS)
        if draw(st.integers(0, 9)) == 0:
            values = JSON
        if draw(st.booleans()) or name in ("role", "text", "name", "category", "duration_ms", "type", "code"):
            data[name] = draw(values)
    sid = draw(st.sampled_from(["A", "B", "\U0001f600" * 256, "x" * 256]))
    return make_event(kind, data, sid=sid) | {"at": draw(INSTANTS)}


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


@pytest.mark.long
def test_no_events_whatever_give_a_500_or_a_record_that_cannot_be_read(house: House) -> None:
    door = house.door()

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(events() | JSON, max_size=12))
    def send(batch: list[Any]) -> None:
        answer = door.post("/ingest/v1/events", as_json({"events": batch}))
        assert answer.status in (200, 400), answer.bytes

    send()
    listed = door.get("/api/v1/sessions/", search_fields="is_test", search_field_values="true", limit=1000).json
    strict.page(strict.SESSION)(listed, "sessions")
    assert listed["total_count"] == len(listed["items"]) > 0
    for one in listed["items"]:
        number = one["session_id"]
        strict.TRANSCRIPT(door.get(f"/api/v1/sessions/transcript/{number}").json, number)
        strict.TIMELINE(door.get(f"/api/v1/sessions/timeline/{number}").json, number)
        strict.LATENCY(door.get(f"/api/v1/sessions/latency/{number}").json, number)
        strict.DEBUG(door.get(f"/api/v1/session_debug/session_id/{number}").json, number)
        assert door.get(f"/hansard/v1/sessions/{number}/record").status == 200
    strict.page(strict.EVENT)(door.get("/api/v1/events/", limit=1000).json, "events")
    strict.page(strict.LABEL)(door.get("/api/v1/session_labels/", limit=1000).json, "labels")
    strict.page(strict.CONVERSATION)(door.get("/api/v1/conversations/", limit=1000).json, "conversations")


@pytest.mark.long
def test_no_query_whatever_gives_a_500(house: House) -> None:
    door: Door = house.door()

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.tuples(st.sampled_from(NAMES), TEXTS.filter(_is_writable)), max_size=3),
        st.sampled_from([*NAMES, "", "nothing"]),
        TEXTS.filter(_is_writable),
    )
    def ask(pairs: list[tuple[str, str]], order_by: str, start: str) -> None:
        answer = door.get(
            "/api/v1/sessions/",
            search_fields=[name for name, _ in pairs],
            search_field_values=[value for _, value in pairs],
            order_by=order_by,
            start_datetime=start,
        )
        assert answer.status in (200, 400, 422), answer.bytes

    ask()


def _is_writable(text: str) -> bool:
    return not any(0xD800 <= ord(letter) < 0xE000 for letter in text)

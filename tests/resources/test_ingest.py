"""The recorder's door: any order, any number of times, nothing half-written."""

import gzip
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, select

from hansard.db.tables import body
from hansard.resources.ingest.shapes import find_good
from hansard.resources.ingest.validation import checked, read_events
from hansard.resources.sessions.kept import event_of
from hansard.resources.sessions.packing import BUILT_IN, text_of
from tests.conftest import House
from tests.door import Door
from tests.make import called, end, make_call, make_event, make_session, make_sid, measured, said, shown, start


def test_what_was_sent_is_read_back(door: Door) -> None:
    sid = make_sid()
    receipt = door.send(make_call(sid))
    assert receipt["accepted"] == 16
    assert receipt["duplicates"] == 0
    assert receipt["rejected"] == []
    assert receipt["sessions"] == [{"service": "twilio", "sid": sid, "session_id": "1"}]
    found = door.get("/api/v1/sessions/1").json
    assert found == found | {
        "timestamp": shown(0),
        "session_id": "1",
        "conversation_id": "1",
        "channel_manager_service": "twilio",
        "channel_manager_type": "voice_twilio_v1",
        "channel_manager_sid": sid,
        "agent_id": "12",
        "agent_name": "Front desk",
        "agent_type": "ca_v1",
        "agent_timezone": "America/New_York",
        "prompt_id": "5",
        "prompt_name": "Reception",
        "prompt_version": None,
        "prompt_version_number": 3,
        "duration": 10.0,
        "source": "+18042221111",
        "target": "+18002832940",
        "is_legacy": False,
        "is_test": False,
        "is_outbound": False,
        "user_terminated": True,
    }
    human = door.search("/api/v1/session_labels/", type="human-rating")
    assert found["session_label_id"] == str(human[0]["id"])
    assert door.get("/api/v1/sessions/full-summary/1").json == {"summary": "An appointment.", "rating": "Good"}


def test_sending_again_changes_nothing(door: Door) -> None:
    events = make_call(make_sid())
    door.send(events)
    before = door.get("/hansard/v1/sessions/1/record").bytes
    receipt = door.send(events + events)
    assert (receipt["accepted"], receipt["duplicates"], receipt["rejected"]) == (0, 32, [])
    assert door.get("/hansard/v1/sessions/1/record").bytes == before


def test_a_taken_id_with_other_content_is_reported_and_the_first_is_kept(door: Door) -> None:
    sid = make_sid()
    first, second = (
        said(
            sid,
            "user",
            "first",
            1,
        ),
        said(sid, "user", "second", 1),
    )
    second["id"] = first["id"]
    receipt = door.send([first, second])
    assert receipt["accepted"] == 1
    assert receipt["rejected"][0]["index"] == 1
    assert receipt["rejected"][0]["id"] == first["id"]
    assert "other content" in receipt["rejected"][0]["error"]
    door.send([end(sid, 5)])
    assert "other content" in door.send([second])["rejected"][0]["error"]
    assert _texts(door, 1) == ["first"]


def _texts(door: Door, session_id: int | str) -> list[str]:
    answer = door.get(f"/api/v1/sessions/transcript/{session_id}").json
    return [turn["text"] for turn in answer["transcription"]]


def test_good_events_are_stored_even_when_others_are_rejected(door: Door) -> None:
    sid = make_sid()
    bad = said(sid, "robot", "beep", 2)
    receipt = door.send([said(sid, "user", "one", 1), bad, said(sid, "user", "two", 3)])
    assert receipt["accepted"] == 2
    assert [(one["index"], one["id"]) for one in receipt["rejected"]] == [(1, bad["id"])]
    assert receipt["rejected"][0]["error"].startswith("data.role: ")
    assert _texts(door, 1) == ["one", "two"]


def test_the_same_instant_keeps_the_order_of_ids(door: Door) -> None:
    sid = make_sid()
    events = [said(sid, "user", str(n), 1) for n in range(10)]
    door.send(events[::-1])
    assert _texts(door, 1) == [str(n) for n in range(10)]


def test_events_before_the_start_and_days_after_the_end_are_part_of_the_session(door: Door) -> None:
    sid = make_sid()
    door.send([said(sid, "user", "early", 1)])
    assert door.get("/api/v1/sessions/1").json["timestamp"] == shown(1)
    door.send([start(sid, 0), end(sid, 9)])
    assert door.get("/api/v1/sessions/1").json == door.get("/api/v1/sessions/1").json | {
        "timestamp": shown(0),
        "duration": 9.0,
    }
    door.send([said(sid, "agent", "late", 3), make_event("session.update", {"rating": "Poor"}, sid=sid, seconds=3e5)])
    assert _texts(door, 1) == ["early", "late"]
    assert door.get("/api/v1/sessions/1").json["duration"] == 9.0
    assert door.get("/api/v1/sessions/full-summary/1").json["rating"] == "Poor"


def test_a_running_session_is_rows_and_an_ended_one_is_one_body(door: Door, house: House) -> None:
    sid = make_sid()

    def stored() -> tuple[int, int]:
        with house.database.reading() as db:
            count = "SELECT count(*) FROM {} WHERE organization_id = " + str(door.organization_id)
            tables = ("child", "body")
            rows, bodies = (db.exec_driver_sql(count.format(table)).scalar_one() for table in tables)
            return rows, bodies

    door.send([start(sid), said(sid, "user", "one", 1)])
    assert stored() == (2, 0)
    door.send([end(sid, 2)])
    assert stored() == (0, 1)
    door.send([said(sid, "user", "late", 1.5)])
    assert stored() == (0, 1)
    assert _texts(door, 1) == ["one", "late"]


def test_a_silent_session_is_closed_as_abandoned_and_reopened_by_what_still_arrives(door: Door, house: House) -> None:
    import asyncio
    from datetime import timedelta

    from hansard.app import sweep

    sid = make_sid()
    door.send([start(sid), said(sid, "user", "hello?", 30)])

    def close_what_is_silent() -> None:
        asyncio.run(sweep(house.database, house.settings, house.clock()))

    close_what_is_silent()
    assert door.get("/api/v1/sessions/1").json["duration"] is None
    house.clock.ahead = timedelta(minutes=61)
    close_what_is_silent()
    assert door.get("/api/v1/sessions/1").json["duration"] == 30.0
    assert door.get("/api/v1/sessions/transcript/1").json["transcript_complete"] is False
    door.send([make_event("label", {"type": "auto-rating", "code": "OK"}, sid=sid, seconds=4000)])
    assert door.get("/api/v1/sessions/1").json["duration"] == 30.0
    door.send([said(sid, "agent", "I am here.", 4000)])
    assert door.get("/api/v1/sessions/1").json["duration"] is None
    assert _texts(door, 1) == ["hello?", "I am here."]
    door.send([end(sid, 4001, reason="hangup")])
    assert door.get("/api/v1/sessions/1").json["duration"] == 4001.0


def test_gzip_and_ndjson_are_understood(door: Door) -> None:
    sid = make_sid()
    assert door.send([start(sid)], gzipped=True)["accepted"] == 1
    lines = b"\n".join(json.dumps(one).encode() for one in (said(sid, "user", "a", 1), said(sid, "user", "b", 2)))
    answer = door.post("/ingest/v1/events", lines + b"\n\n", {"Content-Type": "application/x-ndjson; charset=utf-8"})
    assert (answer.status, answer.json["accepted"]) == (200, 2)
    two_members = gzip.compress(lines[:9]) + gzip.compress(lines[9:])
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    assert door.post("/ingest/v1/events", two_members, headers).json["duplicates"] == 2


def wait_until_waiting(house: House, organization_id: int, count: int) -> None:
    """Wait until so many pieces of an organization's work wait for the writer, beside the server's own."""

    def waiting() -> list[object]:
        return [
            one for one in list(house.database.writer._jobs.queue) if one and one.organization_id == organization_id
        ]

    deadline = time.monotonic() + 60
    while len(waiting()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_requests_that_wait_together_are_answered_as_if_one_came_after_another(door: Door, house: House) -> None:
    one, other = make_sid(), make_sid()
    hello = said(one, "user", "hello", 1) | {"id": "h"}
    again = said(one, "user", "another", 1) | {"id": "h"}
    requests: list[list[Any]] = [
        [start(one), hello],
        [start(other), "nonsense", said(other, "user", "hi", 1)],
        [hello],
        [again, end(one, 9)],
        [],
    ]
    is_held, go = threading.Event(), threading.Event()

    def hold(_db: Connection) -> bool:
        is_held.set()
        return go.wait(10)

    house.database.writer.submit(door.organization_id, hold)
    assert is_held.wait(10)  # else the writer may take the first request along
    with ThreadPoolExecutor(len(requests)) as pool:
        asked = []
        for number, request in enumerate(requests, start=1):
            asked.append(pool.submit(door.send, request))
            wait_until_waiting(house, door.organization_id, number)
        before = len(house.statements)
        go.set()
        receipts = [each.result(10) for each in asked]
    counted = [(each["accepted"], each["duplicates"], [one["index"] for one in each["rejected"]]) for each in receipts]
    assert counted == [(2, 0, []), (2, 0, [1]), (0, 1, []), (1, 0, [0]), (0, 0, [])]
    assert receipts[3]["rejected"][0]["error"].startswith("id: 'h' is taken")
    named = [[each["sid"] for each in receipt["sessions"]] for receipt in receipts]
    assert named == [[one], [other], [one], [one], []]
    founded = [each for each in house.statements[before:] if each.startswith("INSERT INTO session ")]
    assert len(founded) == 1


def test_payloads_come_back_verbatim(door: Door) -> None:
    sid = make_sid()
    text = 'nul:\0 quote:" <script>alert(1)</script> emoji:\U0001f44b rtl:\u202e line:\u2028'
    payload = {"big": 2**70, "tiny": -(2**63), "float": 1.10, "nul\0key": "\0", "": [], "nested": [[[{}]]]}
    door.send([said(sid, "user", text, 1), called(sid, "t", 2, call_id="a/b", arguments=payload, result=[None])])
    transcript = door.get("/api/v1/sessions/transcript/1").json
    assert transcript["transcription"][0]["text"] == text
    assert json.loads(transcript["actions"][0]["tool_request"]) == payload
    assert transcript["actions"][0]["tool_result"] == "[null]"
    debug = door.get("/api/v1/session_debug/tool_result/1/a/b").json
    assert debug == {"tool_name": "t", "tool_result": [None]}


def test_unknown_keys_are_kept_as_metadata(door: Door) -> None:
    sid = make_sid()
    door.send([start(sid, region="eu", tags={"a": 1}), said(sid, "user", "hi", 1, mood="glad"), end(sid, 2)])
    record = door.get("/hansard/v1/sessions/1/record").json
    assert record["metadata"] == {"region": "eu", "tags": {"a": 1}}
    assert record["events"][1]["data"]["mood"] == "glad"


def test_every_change_is_in_the_log_in_order(door: Door, house: House) -> None:
    a, b = make_sid(), make_sid()
    door.send([start(a), start(b)])
    door.send([said(b, "user", "x", 1)])
    door.send([])
    with house.database.reading() as db:
        rows = db.exec_driver_sql(
            f"SELECT seq, session_id FROM change WHERE organization_id = {door.organization_id} ORDER BY seq"
        ).all()
    assert [tuple(row) for row in rows] == [(1, 1), (2, 2), (3, 2)]


def event_with(**changes: Any) -> dict[str, Any]:
    made = said("CA-bad", "user", "hello", 1)
    made.update(changes)
    return {name: value for name, value in made.items() if value is not ...}


def data_with(kind: str, **data: Any) -> dict[str, Any]:
    return make_event(kind, data, sid="CA-bad", seconds=1)


BAD = [
    ("hello", "An event must be an object."),
    (event_with(kind="mesage"), "kind: 'mesage' is unknown; the kinds are session.start,"),
    (event_with(kind=...), "kind: None is unknown"),
    (event_with(kind=["message"]), "kind: ['message'] is unknown"),
    (event_with(id=...), "id: is missing."),
    (event_with(id=""), "id: must be a text of 1 to 256 characters"),
    (event_with(id=7), "id: must be a text of 1 to 256 characters without NUL."),
    (event_with(id="x" * 257), "id: must be a text of 1 to 256 characters"),
    (event_with(id="a\0b"), "id: must be a text of 1 to 256 characters without NUL."),
    (event_with(session=...), "session: is missing."),
    (event_with(session={"service": "twilio"}), "session.sid: Field required."),
    (event_with(session={"service": "", "sid": "x"}), "session.service: must be a text of 1 to 256 characters"),
    (event_with(at=...), "at: is missing."),
    (event_with(at="2026-11-22T10:00:00"), "at: has no offset; end it with Z or an offset such as +02:00."),
    (event_with(at="yesterday"), "at: is not a date and time; write it like 2026-11-22T10:00:00.000Z."),
    (event_with(at="2026-11-22"), "at: has no offset"),
    (event_with(at="2026-02-30T10:00:00Z"), "at: is not a date and time"),
    (event_with(at="0001-01-01T00:00:00+14:00"), "at: lies outside the years 1 to 9999."),
    (event_with(at=1764000000), "at: Input should be a valid string."),
    (event_with(data=...), "data: is missing."),
    (event_with(data=[]), "data: Input should be a valid dictionary."),
    (data_with("message", role="system", text="x"), "data.role: Input should be 'user' or 'agent'."),
    (data_with("message", role="user"), "data.text: Field required."),
    (data_with("message", role="user", text=5), "data.text: Input should be a valid string."),
    (data_with("message", role="user", text="x", confidence="high"), "data.confidence: Input should be a valid n"),
    (data_with("message", role="user", text="x", started_at="2026-11-22T10:00:00"), "data.started_at: has no off"),
    (data_with("message", role="user", text="x", interrupted="no"), "data.interrupted: Input should be a valid b"),
    (data_with("tool_call", arguments={}), "data.name: Field required."),
    (data_with("tool_call", name="t", duration_ms="12"), "data.duration_ms: Input should be a valid number."),
    (data_with("latency", category="vad", duration_ms=1), "data.category: Input should be 'stt', 'llm', 'tts'"),
    (data_with("latency", category="llm"), "data.duration_ms: Field required."),
    (data_with("latency", category="llm", duration_ms=1, metadata="x"), "data.metadata: Input should be a valid l"),
    (data_with("event", attributes=[1]), "data.attributes: Input should be a valid dictionary."),
    (
        data_with("event", description="a\0b"),
        "data.description: must be a text of at most 100000 characters without NUL.",
    ),
    (data_with("label", code="GOOD"), "data.type: Field required."),
    (data_with("label", type="robot", code="GOOD"), "data.type: Input should be 'auto-rating' or 'human-rating'."),
    (data_with("usage", category="llm", input_tokens=1.5), "data.input_tokens: Input should be a valid integer."),
    (
        data_with("session.start", agent_id=12),
        "data.agent_id: must be a text of at most 512 characters without NUL.",
    ),
    (data_with("session.start", is_test="true"), "data.is_test: Input should be a valid boolean."),
    (
        data_with("session.start", source="x" * 257),
        "data.source: must be a text of at most 256 characters without NUL.",
    ),
    (data_with("session.start", prompt_version_number=2**70), "data.prompt_version_number: Input should be less"),
    (data_with("session.start", prompt_version_number=2.5), "data.prompt_version_number: Input should be a valid"),
    (data_with("session.start", timestamp="2026-11-22T10:00:00"), "data.timestamp: has no offset"),
    (data_with("session.end", duration=1e300), "data.duration: Input should be less than or equal to"),
    (data_with("session.end", duration="183"), "data.duration: Input should be a valid number."),
    (data_with("session.end", counts={"message": "4"}), "data.counts.message: Input should be a valid integer."),
]


@pytest.mark.parametrize(("event", "sentence"), BAD)
def test_a_bad_event_is_rejected_with_a_sentence_that_names_the_field(door: Door, event: Any, sentence: str) -> None:
    receipt = door.send([event])
    assert receipt["accepted"] == 0
    assert receipt["rejected"][0]["error"].startswith(sentence)
    assert receipt["sessions"] == []
    assert door.get("/api/v1/sessions/", search_fields="is_test", search_field_values="true").json["total_count"] == 0


GOOD_ONES = [
    event_with(),
    event_with(extra={"a": [1]}, session={"service": "twilio", "sid": "x", "more": 1}),
    event_with(said={"role": "agent"}),  # as we call what we read of it
    event_with(at="2026-11-22T10:00:00Z"),
    event_with(at="2026-11-22 12:00:00.5+02:00"),
    event_with(at="2026-11-22t10:00:00.000000Z"),
    event_with(at="20261122T100000Z"),
    event_with(at="2024-02-29T23:59:59.999999Z"),
    event_with(id="x" * 256),
    event_with(id="\U0001f44b" * 256),
    data_with("message", role="user", text="nul \0 and \u2028", confidence=1, started_at=None, lang=None),
    data_with("message", role="user", text="x", started_at="2026-11-22T10:00:00.1Z", mood={"a": [[1]]}),
    data_with("tool_call", name="t", arguments={"big": 2**70, "float": 1.10, "low": -(2**63)}, result=[[], {}]),
    data_with("latency", category="llm", duration_ms=12, metadata=["a", "b"]),
    data_with("usage", category="llm", input_tokens=2**53 - 1, cost=2**70),
    data_with("label", type="auto-rating", code="GOOD", issue_categories=["a"]),
    data_with("event", attributes={"a": {"b": None}}),
    data_with("session.end", duration=183, counts={"message": 4}, llm_temperature=1),
]


# What the folds of intake read of a message or a latency.
FOLDED = ("role", "lang", "interrupted", "started_at", "ended_at", "category", "label", "duration_ms")


@pytest.mark.parametrize("event", GOOD_ONES)
def test_an_event_is_read_the_same_in_one_go_and_one_by_one(event: Any) -> None:
    body = json.dumps({"events": [event]}).encode()
    read, looked_at = read_events(body, "application/json"), checked([event])
    (one,), (other,) = read.events, looked_at.events
    assert json.dumps(event_of(one)) == json.dumps(event_of(other))
    assert {name: getattr(one.said, name) for name in FOLDED if hasattr(one.said, name)} == {
        name: getattr(other.said, name) for name in FOLDED if hasattr(other.said, name)
    }
    assert (one.said if isinstance(one.said, dict) else {}) == (other.said if isinstance(other.said, dict) else {})
    assert [*read.places] == [*looked_at.places] == [0]
    assert read.rejected == []


def test_what_recorders_send_is_read_in_one_go() -> None:
    assert find_good(json.dumps({"events": make_call(make_sid())}).encode())


def test_what_is_refused_one_by_one_is_not_taken_in_one_go() -> None:
    good = said("CA-bad", "user", "hello", 1)
    for event, _ in BAD:
        assert [*read_events(json.dumps({"events": [good, event]}).encode(), "").places] == [0]


def nested(levels: int) -> str:
    one = json.dumps(called("CA-deep", "t", 1, arguments="HERE"))
    return one.replace('"HERE"', "[" * levels + "]" * levels)


GOOD = json.dumps(said("CA-bad", "user", "hello", 1))
WHOLE_REFUSALS = {
    "not JSON": (b"hello", {}, 400, "The body is not JSON"),
    "half JSON": (b'{"events": [', {}, 400, "The body is not JSON"),
    "empty": (b"", {}, 400, "The body is empty."),
    "a list": (f"[{GOOD}]".encode(), {}, 400, "The body must be an object with a list"),
    "no events": (b"{}", {}, 400, "The body must be an object with a list"),
    "UTF-16": (f'{{"events": [{GOOD}]}}'.encode("utf-16"), {}, 400, "The body is not JSON"),
    "bad UTF-8": (b'{"events": ["\xff"]}', {}, 400, "The body is not JSON"),
    "lone surrogate": (f'{{"events": [{GOOD}]}}'.replace("hello", "\\ud800").encode(), {}, 400, "The body is not JSON"),
    "NaN": (f'{{"events": [{GOOD}]}}'.replace('"hello"', "NaN").encode(), {}, 400, "The body is not JSON"),
    "second line bad": (f"{GOOD}\noops".encode(), {"Content-Type": "application/x-ndjson"}, 400, "Line 2 is not JSON"),
    "1,001 events": (json.dumps({"events": [1] * 1001}).encode(), {}, 413, "A request may carry 1000 events, not 1001"),
    "too deep": (f'{{"events": [{GOOD}, {nested(70)}]}}'.encode(), {}, 400, "events[1] is nested more than 64"),
    "far too deep": (f'{{"events": [{nested(100_000)}]}}'.encode(), {}, 400, "The body is not JSON: recursion limit"),
    "too large": (b'{"events": ["' + b"x" * 5_300_000 + b'"]}', {}, 413, "A request may carry 5242880 bytes"),
    "not gzip": (b"hello", {"Content-Encoding": "gzip"}, 400, "The body is not gzip"),
    "half gzip": (gzip.compress(GOOD.encode())[:-12], {"Content-Encoding": "gzip"}, 400, "The gzip body ends before"),
    "gzip bomb": (gzip.compress(b" " * 200_000_000, 9), {"Content-Encoding": "gzip"}, 413, "A request may carry 52428"),
    "unknown encoding": (b"hello", {"Content-Encoding": "br"}, 415, "The content encoding 'br' is not understood"),
}


@pytest.mark.parametrize("case", WHOLE_REFUSALS)
def test_a_bad_body_is_refused_whole(door: Door, case: str) -> None:
    body, headers, status, sentence = WHOLE_REFUSALS[case]
    answer = door.post("/ingest/v1/events", body, headers)
    assert (answer.status, answer.detail[: len(sentence)]) == (status, sentence)
    assert door.get("/api/v1/sessions/").json["total_count"] == 0


SPELLED = [
    ("compact", lambda event: json.dumps(event, ensure_ascii=False, separators=(",", ":"))),
    ("with blanks", lambda event: json.dumps(event, ensure_ascii=False)),
    ("with letters as numbers", lambda event: json.dumps(event, separators=(",", ":"))),
    ("over lines", lambda event: json.dumps(event, indent=1)),
    ("turned round", lambda event: json.dumps(dict(reversed(event.items())), separators=(",", ":"))),
]


@pytest.mark.parametrize(("how", "spell"), SPELLED, ids=[how for how, _ in SPELLED])
def test_an_event_is_the_same_however_it_is_spelled(door: Door, house: House, how: str, spell: Any) -> None:
    sid = make_sid()
    events = [
        start(sid),
        said(sid, "user", 'Grüße "dir": 你好', 1),
        called(sid, "t", 2, arguments={"ä": [1, 2.5]}),
        end(sid, 9),
    ]
    first = door.send(events)
    again = [spell({**one, "data": dict(reversed(one["data"].items()))}) for one in events]
    receipt = door.post("/ingest/v1/events", f'{{"events":[{",".join(again)}]}}'.encode()).json
    assert (receipt["accepted"], receipt["duplicates"], receipt["rejected"]) == (0, 4, [])

    other = make_sid()
    written = f'{{"events":[{",".join(map(spell, events))}]}}'.replace(sid, other).encode()
    session_ids = [one["sessions"][0]["session_id"] for one in (first, door.post("/ingest/v1/events", written).json)]
    one, two = (_packed_text(house, door, session_id) for session_id in session_ids)
    assert one == two.replace(other.encode(), sid.encode())


def _packed_text(house: House, door: Door, session_id: str) -> bytes:
    asked = select(body.c.packed).where(
        body.c.organization_id == door.organization_id, body.c.session_id == int(session_id)
    )
    with house.database.reading() as db:
        return text_of(db.execute(asked).scalar_one(), BUILT_IN)


UNREADABLE = [
    (b'"mood":1e400', "data.mood: is a number too large"),
    (b'"mood":{"a":[-1e999]}', "data.mood.a[0]: is a number too large"),
]


@pytest.mark.parametrize(("more", "sentence"), UNREADABLE)
def test_what_stands_under_an_unknown_key_is_looked_at_too(door: Door, more: bytes, sentence: str) -> None:
    one = json.dumps(said("CA-more", "user", "hello", 1)).encode()
    receipt = door.post("/ingest/v1/events", b'{"events":[' + one.replace(b'"role"', more + b',"role"') + b"]}").json
    assert receipt["rejected"][0]["error"].startswith(sentence)
    assert receipt["sessions"] == []


@pytest.mark.parametrize("more", [b'"mood":"\xff"', b'"mood":"\\ud800"', b'"mood":"\\q"', b'"mood":01'])
def test_what_is_no_json_under_an_unknown_key_is_refused_whole(door: Door, more: bytes) -> None:
    one = json.dumps(said("CA-more", "user", "hello", 1), separators=(",", ":")).encode()
    answer = door.post("/ingest/v1/events", b'{"events":[' + one.replace(b'"role"', more + b',"role"') + b"]}")
    assert answer.status == 400
    assert "is not JSON" in answer.json["detail"]


def test_a_number_no_float_can_hold_is_rejected(door: Door) -> None:
    one = json.dumps(called("CA-inf", "t", 1, arguments={"n": ["HERE"]})).replace('"HERE"', "1e400")
    answer = door.post("/ingest/v1/events", f'{{"events": [{one}]}}'.encode())
    assert answer.json["rejected"][0]["error"] == "data.arguments.n[0]: is a number too large to keep; send it as text."


def test_instants_are_told_apart_by_time_not_by_spelling(door: Door) -> None:
    one = said(make_sid(), "user", "hi", 0)
    assert door.send([one | {"at": "2026-11-22T10:00:00Z"}])["accepted"] == 1
    assert door.send([one | {"at": "2026-11-22T12:00:00.000+02:00"}])["duplicates"] == 1


def test_a_slow_body_is_cut_off(make_settings: Any) -> None:
    import socket
    import time

    from tests.conftest import open_house

    for house in open_house(make_settings("sqlite", body_timeout_s=0.5)):
        host, port = house.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as one:
            key = house.door().key
            one.sendall(
                f"POST /ingest/v1/events HTTP/1.1\r\nHost: x\r\nSyllable-API-Key: {key}\r\n"
                "Content-Length: 100\r\n\r\n{".encode()
            )
            started = time.monotonic()
            assert b"408" in one.recv(100)
            assert time.monotonic() - started < 5


def test_a_session_of_two_thousand_turns_is_recorded_and_read(door: Door) -> None:
    sid = make_sid()
    events = [start(sid), *(said(sid, "user", f"turn {n}", n) for n in range(2000)), end(sid, 2001)]
    for first in range(0, len(events), 500):
        door.send(events[first : first + 500])
    assert _texts(door, 1) == [f"turn {n}" for n in range(2000)]
    assert measured(sid, "llm", 1, 1)["kind"] == "latency"
    assert make_session(door) == "2"

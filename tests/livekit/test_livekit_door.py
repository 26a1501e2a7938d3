"""Uploads made by hand, good ones and such as nobody should send, on SQLite and on PostgreSQL.

None of this needs livekit-agents; what LiveKit's own code sends is in `test_livekit_upload`.
"""

import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
import urllib3
from livekit.protocol.metrics import MetricsRecordingHeader
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from hansard.kit.settings import Settings
from hansard.resources.livekit import traces
from hansard.resources.livekit import upload as uploads
from hansard.resources.sessions.intake import DAMAGED
from hansard.wire import MAX_BYTES
from tests.conftest import DIALECTS, House
from tests.damage import damage
from tests.door import Answer, Door
from tests.livekit.held import at, unix_s
from tests.livekit.uploading import (
    AT,
    KEY,
    LOGS,
    METRICS,
    RECORDINGS,
    SECRET,
    TRACES,
    door_of_calls,
    history,
    open_uploads_house,
    record,
    said,
    send,
    token,
)
from tests.make import make_sid
from tests.otlp import TRACE, Made, pairs, request_of
from tests.sounds import sound, wait_until_read, wav


@pytest.fixture(scope="module", params=DIALECTS)
def uploads_house(make_settings: Callable[..., Settings], request: pytest.FixtureRequest) -> Iterator[House]:
    if request.param == "postgres":
        pytest.importorskip("psycopg", reason="there is no PostgreSQL in LiveKit's environment; run `make test`")
    yield from open_uploads_house(make_settings, request.param)


@pytest.fixture(scope="module")
def calls(uploads_house: House) -> Door:
    return door_of_calls(uploads_house)


def audio(content: bytes) -> dict[str, Any]:
    """The part of an upload that is its sound."""
    return {"audio": ("../a.ogg", content, "audio/ogg")}


def listen(door: Door, room: str) -> list[bytes]:
    """The recordings of the session of this room, byte for byte."""
    (session,) = door.search(channel_manager_sid=room)
    links = door.post(f"/api/v1/sessions/recording/{session['session_id']}").json["recordings"]
    return [urllib3.request("GET", link).data for link in links]


def test_the_same_upload_again_adds_nothing(calls: Door) -> None:
    room = make_sid()
    parts = history(room, said(), said("Bye.", "item_2", role="assistant")) | audio(sound("audio/ogg"))
    first, again = send(calls, parts), send(calls, parts)
    assert (first.json["accepted"], first.json["conflicts"]) == (4, 0)
    assert again.json == {"accepted": 0, "duplicates": 4, "conflicts": 0}
    assert len(record(calls, room)) == 5
    assert listen(calls, room) == [sound("audio/ogg")]


def test_the_audio_is_a_recording_with_the_user_on_the_left(calls: Door, uploads_house: House) -> None:
    """It says when it began; the room and the name of the part lead nowhere else."""
    room = "../../../" + make_sid()
    parts = history(room, said()) | audio(sound("audio/ogg"))
    header = MetricsRecordingHeader.FromString(parts["header"][1])
    header.start_time.FromMicroseconds(round((AT - 2) * 1e6))
    parts["header"] = ("header.binpb", header.SerializeToString(), "application/protobuf")
    assert send(calls, parts).status == 200
    (session,) = calls.search(channel_manager_sid=room)
    found = wait_until_read(uploads_house, calls, session["session_id"])
    assert (found.name, found.media_type, found.channels, found.state) == ("AJ_1.ogg", "audio/ogg", 2, "ready")
    assert found.began_at == datetime.fromtimestamp(AT - 2, UTC)
    assert listen(calls, room) == [sound("audio/ogg")]
    assert not list(uploads_house.settings.data.rglob("*AJ_1*"))


def test_other_audio_of_the_same_job_is_kept_beside_the_first(calls: Door) -> None:
    room, bodies = make_sid(), [sound("audio/ogg"), wav(), wav()]
    for body in bodies:
        assert send(calls, history(room, said()) | audio(body)).status == 200
    assert listen(calls, room) == bodies[:2]


def test_audio_that_is_no_sound_costs_nothing_but_itself_and_the_record_says_so(calls: Door) -> None:
    room = make_sid()
    answer = send(calls, history(room, said()) | audio(b"OggS"))
    assert (answer.status, answer.json["accepted"]) == (200, 4)
    assert listen(calls, room) == []
    (event,) = (one["data"] for one in record(calls, room) if one["kind"] == "event")
    assert (event["type"], event["category"]) == ("recording-refused", "recording")


def test_what_comes_for_a_damaged_record_is_refused_with_a_sentence(calls: Door, uploads_house: House) -> None:
    room, other = make_sid(), make_sid()
    parts = history(room, said())
    assert send(calls, parts).status == 200
    (session,) = calls.search(channel_manager_sid=room)
    damage(uploads_house, calls, session["session_id"])
    for body in (parts, parts | audio(sound("audio/ogg"))):
        answer = send(calls, body)
        assert (answer.status, answer.detail) == (409, DAMAGED)
    both = request_of([in_room(room, 2, 1), in_room(other, 3, 1)]).SerializeToString()
    assert refused(send(calls, both, path=TRACES)) == (1, DAMAGED)
    assert len(spans(calls, other)) == 1


@pytest.mark.parametrize("path", [RECORDINGS, LOGS, METRICS, TRACES])
@pytest.mark.parametrize(
    ("bearer", "sentence"),
    [
        ("", "not signed"),
        ("hsd_1_1_key", "not signed"),
        (token(secret="another secret that is long enough too"), "not signed"),
        (token(key="APIother"), "not signed"),
        (token(ttl_s=-120), "expired"),
        (token(may_write=False), "does not grant"),
        (jwt.encode({"iss": KEY, "observability": {"write": True}}, SECRET), "not signed"),  # for ever
        (jwt.encode({"iss": KEY, "exp": 9e9, "observability": "write"}, SECRET), "does not grant"),
        (jwt.encode({"iss": KEY, "exp": 9e9, "video": {"roomJoin": True}}, SECRET), "does not grant"),
        (jwt.encode({"iss": KEY, "exp": 9e9, "observability": {"write": True}}, "", algorithm="none"), "not signed"),
    ],  # The tokens hold the time, and names must be the same in every process that collects them.
    ids=("none", "ours", "secret", "key", "expired", "not granted", "for ever", "text", "room", "unsigned"),
)
def test_a_token_that_livekit_would_not_sign_opens_nothing(calls: Door, path: str, bearer: str, sentence: str) -> None:
    room = make_sid()
    answer = send(calls, history(room, said()), bearer, path)
    assert answer.status == 401
    assert sentence in answer.detail
    assert "disabled" not in answer.detail  # which LiveKit would take for the owner's wish
    assert calls.search(channel_manager_sid=room) == []


def test_a_key_of_ours_opens_no_upload(calls: Door) -> None:
    assert send(calls, history(make_sid(), said()), calls.key).status == 401


def test_a_server_without_the_settings_takes_no_uploads(sqlite_house: House) -> None:
    answer = send(sqlite_house.door(), history(make_sid(), said()))
    assert (answer.status, "livekit_api_key" in answer.detail) == (401, True)


GOOD = history("RM_garbage", said())


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        (b"garbage", 400),
        (b"", 400),
        ({}, 400),
        ({"chat_history": GOOD["chat_history"]}, 400),
        (GOOD | {"header": ("h", b"\xff\xff\xff", "application/protobuf")}, 400),
        (GOOD | {"header": ("h", b"", "application/protobuf")}, 400),
        (GOOD | {"header": "text instead of a file"}, 400),
        (GOOD | {"chat_history": ("c", "{", "application/json")}, 400),
        (GOOD | {"chat_history": ("c", "[]", "application/json")}, 400),
        (GOOD | {"chat_history": ("c", '{"items": {}}', "application/json")}, 400),
        (GOOD | {"chat_history": ("c", b"\xff", "application/json")}, 400),
        (history("RM_garbage", said(), timestamp="now") | {"header": ("h", b"\x0a\x02\xff\xff", "x")}, 400),
        (history("x" * 300, said()), 400),
        (history("nul \0", said()), 400),
        (history("RM_garbage", timestamp="now"), 400),
        ({f"part{n}": ("f", b"x", "text/plain") for n in range(20)}, 400),
    ],
)
def test_garbage_is_refused_and_nothing_of_it_is_stored(
    calls: Door, uploads_house: House, parts: dict[str, Any] | bytes, status: int
) -> None:
    before = len(calls.search())
    kept = set((uploads_house.settings.data / "recordings").rglob("*"))
    parts = parts | audio(wav(0.3)) if isinstance(parts, dict) else parts
    answer = send(calls, parts)
    assert (answer.status, type(answer.detail)) == (status, str)
    assert len(calls.search()) == before
    assert set((uploads_house.settings.data / "recordings").rglob("*")) == kept


@pytest.mark.parametrize(
    "item",
    [
        None,
        7,
        [],
        {},
        {"type": "message"},
        {"type": "hologram", "id": "x"},
        said(created_at="noon"),
        said(created_at=1e300),
        said(metrics=[]),
        said(metrics={"started_speaking_at": {}, "stt_metadata": "ear"}),
        said(item_id="x" * 300),
        said(item_id=None),
        said(content=None),
        said(metrics={"end_of_turn_delay": float("nan"), "transcription_delay": 1e308}),
        said("nul \0"),
        said("half a pair \ud800"),
        {"type": "nul \0", "id": "\0"},
        {"type": "function_call", "id": "f", "call_id": [], "name": "n", "arguments": "{}", "created_at": AT},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "n", "arguments": "[" * 500, "created_at": AT},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "n", "arguments": "{}", "created_at": None},
        {"type": "function_call_output", "id": "f", "call_id": "c", "output": "1", "is_error": 0, "created_at": AT},
        {"type": "agent_handoff", "id": "h", "old_agent_id": "a", "created_at": AT},
    ],
)
def test_an_item_that_is_not_understood_costs_neither_the_others_nor_itself(calls: Door, item: Any) -> None:
    room = make_sid()
    answer = send(calls, history(room, said("Hello.", "good"), item))
    assert answer.status == 200, answer.bytes
    children = [one for one in record(calls, room) if not one["kind"].startswith("session.")]
    assert len(children) >= 2
    assert "Hello." in [one["data"].get("text") for one in children]


def test_two_calls_of_one_id_stay_two_calls(calls: Door) -> None:
    items = []
    for n, slot in enumerate(("9:15", "11:00")):
        call = {"call_id": "call_0", "name": "book", "created_at": AT + n}
        items.append(call | {"id": f"c{n}", "type": "function_call", "arguments": json.dumps({"slot": slot})})
        output = {"output": f"booked {slot}", "is_error": False, "created_at": AT + n + 0.5}
        items.append(call | output | {"id": f"o{n}", "type": "function_call_output"})
    room = make_sid()
    assert send(calls, history(room, *items)).status == 200
    (session,) = calls.search(channel_manager_sid=room)
    actions = calls.get(f"/api/v1/sessions/transcript/{session['session_id']}").json["actions"]
    assert [(one["tool_request"], one["tool_result"], one["duration_ms"]) for one in actions] == [
        ('{"slot":"9:15"}', '"booked 9:15"', 500.0),
        ('{"slot":"11:00"}', '"booked 11:00"', 500.0),
    ]


def test_what_the_agent_was_told_to_be_and_whom_it_handed_over_to_are_events(calls: Door) -> None:
    room = make_sid()
    items = (
        {"id": "a1", "type": "agent_config_update", "instructions": "Be kind.", "created_at": AT},
        {"id": "a2", "type": "agent_handoff", "old_agent_id": None, "new_agent_id": "desk", "created_at": AT},
        {"id": "a3", "type": "agent_handoff", "old_agent_id": "desk", "new_agent_id": "nurse", "created_at": AT + 1},
        said("You are a nurse.", "a4", role="system"),
        said("Look.", "a5", content=["Look.", {"type": "image_content", "image": "https://example.com/a.png"}]),
    )
    assert send(calls, history(room, *items)).status == 200
    events = {one["id"]: one["data"] for one in record(calls, room) if one["kind"] == "event"}
    assert {name: (data["type"], data["attributes"]) for name, data in events.items()} == {
        "a1": ("agent-config", {"instructions": "Be kind."}),
        "a3": ("agent-handoff", {"old_agent_id": "desk", "new_agent_id": "nurse"}),
        "a4": ("system-message", {"text": "You are a nurse."}),
        "a5.content": (
            "livekit-content",
            {"content": [{"type": "image_content", "image": "https://example.com/a.png"}]},
        ),
    }


def test_too_large_an_upload_is_refused_before_it_is_read(calls: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", 10_000)
    room = make_sid()
    answer = send(calls, history(room, said()) | audio(b"x" * 20_000))
    assert answer.status == 413
    assert calls.search(channel_manager_sid=room) == []


def test_log_records_that_tell_of_no_session_are_said_to_be_left(calls: Door) -> None:
    request = ExportLogsServiceRequest()
    line = request.resource_logs.add().scope_logs.add().log_records.add()
    line.body.string_value = "the agent says to itself"
    answer = send(calls, request.SerializeToString(), path=LOGS)
    left = ExportLogsServiceResponse.FromString(answer.bytes).partial_success
    assert (answer.status, left.rejected_log_records) == (200, 1)
    for path in (LOGS, METRICS):
        assert send(calls, b"\xff\xff", path=path).status == 400
    assert unix_s("2026-11-22T14:45:00Z") == at(AT)


def in_room(room_id: Any, number: int = 1, parent: int | None = None, attributes: Any = None) -> Made:
    """A span as LiveKit stamps it."""
    stamped = {"room_id": room_id, "job_id": "AJ_1"} | (attributes or {})
    return Made("llm_node", number, parent, 1, 1.25, stamped, scope="livekit-agents", service="livekit-agents")


def trace(door: Door, *spans: Made) -> Answer:
    return send(door, request_of(spans).SerializeToString(), path=TRACES)


def refused(answer: Answer) -> tuple[int, str]:
    """How many spans an answer says are not kept, and why."""
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-protobuf")
    said = ExportTraceServiceResponse.FromString(answer.bytes).partial_success
    return said.rejected_spans, said.error_message


def spans(door: Door, room_id: str) -> list[dict[str, Any]]:
    return [one for one in record(door, room_id) if one["data"].get("category") == "trace"]


def test_a_span_is_kept_with_all_it_says(calls: Door) -> None:
    room = make_sid()
    attributes = {
        "text": "ü\0\U0001f44b",
        "whole": 2**62,
        "nan": float("nan"),
        "map": {"deep": {"er": [1.5, None]}},
        "bytes": b"\x00\xff",
    }
    request = request_of([in_room(room, 2, 1, attributes)])
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.name = "re\0index"
    span.status.code, span.status.message = 2, "disk"  # type: ignore[assignment]
    span.events.add(name="exception", time_unix_nano=span.start_time_unix_nano, attributes=pairs({"a": 1}))
    span.links.add(trace_id=bytes.fromhex(TRACE), span_id=b"12345678", attributes=pairs({"why": "base"}))
    span.dropped_events_count = 3
    body = gzip.compress(request.SerializeToString())
    assert refused(send(calls, body, path=TRACES, **{"Content-Encoding": "gzip"})) == (0, "")
    assert spans(calls, room) == [
        {
            "id": f"{TRACE}.0000000000000002",
            "kind": "event",
            "at": "2026-11-22T10:00:01.000000Z",
            "data": {
                "type": "span",
                "source": "livekit",
                "source_id": "0000000000000002",
                "category": "trace",
                "description": "re\ufffdindex",
                "attributes": {
                    "trace_id": TRACE,
                    "duration_ms": 250.0,
                    "name": "re\0index",
                    "parent_id": "0000000000000001",
                    "scope": "livekit-agents",
                    "kind": 1,
                    "error": "disk",
                    "events": [{"name": "exception", "at": "2026-11-22T10:00:01.000000Z", "attributes": {"a": 1}}],
                    "links": [{"trace_id": TRACE, "span_id": b"12345678".hex(), "attributes": {"why": "base"}}],
                    "dropped": {"events": 3},
                    "attributes": {"room_id": room, "job_id": "AJ_1"} | attributes | {"nan": "nan", "bytes": "AP8="},
                },
            },
        }
    ]


def test_a_span_that_comes_again_is_kept_once_and_as_it_first_was(calls: Door) -> None:
    room = make_sid()
    for _ in range(2):
        assert refused(trace(calls, in_room(room, 1), in_room(room, 2, 1))) == (0, "")
    count, sentence = refused(trace(calls, in_room(room, 1, None, {"mood": "new"}), in_room(room, 3)))
    assert (count, "0000000000000001 was recorded before" in sentence) == (1, True)
    assert [one["data"]["source_id"][-1] for one in spans(calls, room)] == ["1", "2", "3"]
    assert "mood" not in spans(calls, room)[0]["data"]["attributes"]["attributes"]


def test_each_span_goes_to_the_room_it_names_whatever_its_resource_says(calls: Door) -> None:
    """A process that runs several jobs has the resource of its first."""
    rooms = [make_sid(), make_sid()]
    request = request_of([in_room(rooms[0], 1), in_room(rooms[1], 2)])
    first = make_sid()
    for resource in request.resource_spans:
        resource.resource.attributes.extend(pairs({"room_id": first}))
    assert refused(send(calls, request.SerializeToString(), path=TRACES)) == (0, "")
    found = [spans(calls, room) for room in rooms]
    assert [[one["data"]["source_id"][-1] for one in some] for some in found] == [["1"], ["2"]]
    assert found[0][0]["data"]["attributes"]["resource"] == {"service.name": "livekit-agents", "room_id": first}
    assert calls.search(channel_manager_sid=first) == []


@pytest.mark.parametrize(
    ("room_id", "sentence"),
    [
        (None, "names no room"),
        (7, "names no room"),
        ("", "an id: must be a text of 1"),
        ("x" * 300, "an id: must be a text of 1"),
        ("nul \0", "an id: must be a text"),
    ],
)
def test_a_span_that_names_no_room_is_said_to_be_left_and_the_others_are_kept(
    calls: Door, room_id: Any, sentence: str
) -> None:
    room, before = make_sid(), len(calls.search())
    nameless = request_of([in_room(room_id, 1), in_room(room, 2)])
    nameless.resource_spans[0].scope_spans[0].spans.add(name="no ids")
    count, why = refused(send(calls, nameless.SerializeToString(), path=TRACES))
    assert (count, sentence in why, "has no trace id" in why) == (2, True, True)
    assert len(spans(calls, room)) == 1
    assert len(calls.search()) == before + 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"\xff\xff", {}, 400),
        (b'{"resourceSpans": []}', {"Content-Type": "application/json"}, 400),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"cut off")[:-9], {"Content-Encoding": "gzip"}, 400),
        (b"x", {"Content-Encoding": "br"}, 415),
        (gzip.compress(bytes(traces.MAX_TRACES_BYTES + 1)), {"Content-Encoding": "gzip"}, 413),
    ],
    ids=("empty", "garbage", "json", "no gzip", "cut off", "brotli", "too large"),
)
def test_what_is_no_request_of_spans_is_refused_with_a_sentence(
    calls: Door, body: bytes, headers: dict[str, str], status: int
) -> None:
    before = len(calls.search())
    answer = send(calls, body, path=TRACES, **headers)
    assert (answer.status, type(answer.detail)) == (status, str)
    assert len(calls.search()) == before


def test_no_spans_are_no_session(calls: Door) -> None:
    before = len(calls.search())
    empty = ExportTraceServiceRequest(resource_spans=[{}])  # type: ignore[list-item]
    assert refused(send(calls, empty.SerializeToString(), path=TRACES)) == (0, "")
    assert len(calls.search()) == before


def test_as_many_spans_as_livekit_sends_at_once_fit_into_a_request(calls: Door) -> None:
    room = make_sid()
    many = [in_room(room, number, 1, {"text": "x" * 12_000}) for number in range(1, 513)]
    assert len(request_of(many).SerializeToString()) > MAX_BYTES
    assert refused(trace(calls, *many)) == (0, "")
    assert len(spans(calls, room)) == 512


def test_of_a_history_that_every_request_repeats_the_long_ones_are_left_out_by_name(calls: Door) -> None:
    room = make_sid()
    long, short = "x" * (traces.LONGEST_REPEATED + 1), "x" * traces.LONGEST_REPEATED
    repeated = {"gen_ai.input.messages": long, "lk.pii.chat_ctx": long, "gen_ai.system_instructions": short}
    alone = {"lk.pii.response.text": long}
    trace(calls, in_room(room, 1, 9, repeated | alone), in_room(room, 2, 9, repeated | {"lk.input.delta": True}))
    whole, delta = (one["data"]["attributes"] for one in spans(calls, room))
    assert whole["left_out"] == {"gen_ai.input.messages": len(long), "lk.pii.chat_ctx": len(long)}
    stamp = {"room_id": room, "job_id": "AJ_1"}
    assert whole["attributes"] == stamp | alone | {"gen_ai.system_instructions": short}
    assert "left_out" not in delta
    assert delta["attributes"] == stamp | repeated | {"lk.input.delta": True}


def test_spans_say_nothing_twice_and_come_before_or_after_the_upload(calls: Door) -> None:
    """A span carries what was said too; the transcript is that of the upload alone, whatever came first."""
    told = {"lk.pii.user_transcript": "Hello.", "lk.pii.response.text": "Good morning.", "lk.e2e_latency": 0.5}
    items = (said(), said("Good morning.", "item_2", role="assistant", metrics={"e2e_latency": 0.5}))
    records = []
    for order in itertools.permutations(range(3)):
        room = make_sid()
        ways = (
            lambda room=room: trace(calls, in_room(room, 1, None, told), in_room(room, 2, 1)),
            lambda room=room: trace(calls, in_room(room, 3, 1)),
            lambda room=room: send(calls, history(room, *items)),
        )
        assert {ways[place]().status for place in order} == {200}
        (session,) = calls.search(channel_manager_sid=room)
        found = calls.get(f"/api/v1/sessions/transcript/{session['session_id']}").json
        assert [turn["text"] for turn in found["transcription"]] == ["Hello.", "Good morning."]
        assert found["actions"] == []
        whole = record(calls, room)
        assert sorted(one["kind"] for one in whole) == [
            *(["event"] * 3),
            "latency",
            *(["message"] * 2),
            "session.end",
            "session.start",
        ]
        records.append(json.dumps(whole).replace(room, ""))
    assert len(set(records)) == 1


def test_spans_are_for_the_organization_of_the_uploads_alone(calls: Door, uploads_house: House) -> None:
    trace(calls, in_room(make_sid()))
    assert uploads_house.door().search() == []


def test_spans_make_no_session_longer(calls: Door) -> None:
    room = make_sid()
    stamp = {"room_id": room, "job_id": "AJ_1"}
    trace(calls, Made("job_entrypoint", 2, None, 10, 20, stamp))
    send(calls, history(room, said()))
    trace(calls, Made("room_disconnect", 1, None, 30_000, 30_001, stamp))
    (session,) = calls.search(channel_manager_sid=room)
    assert (unix_s(session["timestamp"]), session["duration"]) == (AT, 60.0)

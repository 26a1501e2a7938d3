"""The OpenTelemetry door: spans of every dialect, in any order, become the same session once."""

import asyncio
import gzip
import json
import random
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from hansard.app import sweep
from hansard.kit.otlp import MAX_SPANS
from hansard.wire import MAX_BYTES
from tests.conftest import House
from tests.door import Door
from tests.make import shown
from tests.otlp import DIALECTS, JSON, PROTOBUF, TRACE, Made, as_json, post, request_of, said
from tests.resources.test_order import record_of

ORDERS = 50


def settle(house: House, minutes: float = 1) -> None:
    """Let time pass, and the sweeper come by."""
    house.clock.ahead += timedelta(minutes=minutes)
    asyncio.run(sweep(house.database, house.settings, house.clock()))


def send(house: House, spans: list[Made]) -> Door:
    """A new organization with the session of these spans."""
    door = house.door()
    answer = post(door, spans)
    assert (answer.status, answer.bytes) == (200, b"")
    settle(house)
    return door


def transcript(door: Door, session_id: int = 1) -> list[tuple[str, str]]:
    found = door.get(f"/api/v1/sessions/transcript/{session_id}").json
    return [(turn["source"], turn["text"]) for turn in found["transcription"]]


def children(door: Door, kind: str, session_id: int = 1) -> list[dict[str, Any]]:
    found = door.get(f"/hansard/v1/sessions/{session_id}/record").json["events"]
    return [one["data"] for one in found if one["kind"] == kind]


def latencies(door: Door) -> list[tuple[str, str, float]]:
    return sorted((one["category"], one["label"], round(one["duration_ms"], 3)) for one in children(door, "latency"))


def session(door: Door) -> dict[str, Any]:
    found: dict[str, Any] = door.get("/api/v1/sessions/1").json
    return found


def test_genai_spans_become_a_session(house: House) -> None:
    door = send(house, DIALECTS["gen_ai"]())
    found = session(door)
    assert (found["channel_manager_service"], found["channel_manager_sid"]) == ("otlp", "chat-7")
    assert (found["agent_name"], found["agent_id"], found["timestamp"]) == ("Front desk", "12", shown(0))
    assert transcript(door) == [
        ("user", "I need an appointment."),
        ("agent", "Monday at 9:15?"),
        ("user", "Perfect."),
        ("agent", "See you then."),
    ]
    told = door.get("/api/v1/sessions/transcript/1").json
    assert told["transcription"][0]["timestamp"] == shown(1.5), "of a retry the first is the turn"
    [action] = told["actions"]
    assert action == action | {"tool_name": "find_slot", "duration_ms": 412.0, "tool_error": None}
    assert (action["tool_request"], action["tool_result"]) == ('{"day":"Monday"}', '{"slots":["9:15"]}')
    assert latencies(door) == [
        ("http", "request", 200.0),
        *[("llm", "first_token", 380.0)] * 5,
        *[("llm", "request", 1000.0)] * 5,
    ]
    assert children(door, "usage")[1] == {
        "category": "llm",
        "model": "gpt-4.1-2025-04-14",
        "provider": "openai",
        "input_tokens": 103,
        "output_tokens": 10,
        "cached_input_tokens": 64,
    }


def test_openinference_spans_become_a_session(house: House) -> None:
    door = send(house, DIALECTS["openinference"]())
    found = session(door)
    assert (found["channel_manager_service"], found["channel_manager_sid"]) == ("otlp", "phoenix-7")
    assert (found["agent_name"], found["source"]) == ("Front desk", "u-1")
    assert transcript(door) == [
        ("user", "Hello?"),
        ("agent", "Hello! How can I help?"),
        ("user", "Monday."),
        ("agent", "9:15?"),
    ]
    good, bad = door.get("/api/v1/sessions/transcript/1").json["actions"]
    assert (good["tool_name"], good["tool_result"], good["duration_ms"]) == ("find_slot", '"9:15"', 500.0)
    assert (bad["tool_error"], bad["tool_result"]) == ('"no such table"', None)
    assert children(door, "usage")[0]["cost"] == 0.002
    assert children(door, "usage")[0]["currency"] == "USD"


def test_livekit_spans_become_a_session(house: House) -> None:
    door = send(house, DIALECTS["livekit"]())
    found = session(door)
    assert (found["channel_manager_service"], found["channel_manager_sid"]) == ("livekit", "RM_7")
    assert (found["agent_name"], found["source"], found["target"]) == ("front-desk", "+18042221111", "+18002832940")
    assert (found["timestamp"], found["duration"]) == (shown(0.5), 10.5)
    assert transcript(door) == [
        ("user", "I need an appointment."),
        ("agent", "Monday at 9:15?"),
        ("user", "typed"),
        ("agent", "Yes."),
    ]
    [action] = door.get("/api/v1/sessions/transcript/1").json["actions"]
    assert (action["tool_name"], action["tool_error"], action["tool_result"]) == ("find_slot", '"no calendar"', None)
    assert latencies(door) == [
        ("llm", "first_token", 380.0),
        ("llm", "request", 1000.0),
        ("stt", "transcription", 200.0),
        ("tts", "first_byte", 120.0),
        ("turn", "end_of_turn", 620.0),
        ("turn", "end_to_end", 1200.0),
    ]
    assert {one["category"] for one in children(door, "usage")} == {"llm", "tts"}
    events = {one["type"] for one in children(door, "event")}
    assert events == {"job_entrypoint", "agent_session", "eou_wait", "llm_node", "session_close"}


def test_what_livekit_really_sent_becomes_a_session(house: House) -> None:
    """Recorded from `livekit-agents` 1.8.9 with the agent of `examples/livekit_text`, content capture on."""
    door = house.door()
    body = (Path(__file__).parent / "traces" / "livekit_text.pb.gz").read_bytes()
    assert door.post("/v1/traces", body, PROTOBUF | {"Content-Encoding": "gzip"}).status == 200
    settle(house)
    found = session(door)
    assert (found["channel_manager_service"], found["agent_name"]) == ("livekit", "front_desk")
    assert found["channel_manager_sid"].startswith("RM_")
    assert found["duration"] > 0.2
    assert transcript(door) == [
        ("agent", "Good morning, this is the front desk."),
        ("user", "I need an appointment on Monday."),
        ("agent", "I can offer 9:15 or 11:00."),
        ("user", "Is there anything on Sunday?"),
        ("agent", "I am sorry: we are closed on Sunday."),
        ("user", "Then 9:15, please."),
        ("agent", "It is booked."),
    ]
    good, bad = door.get("/api/v1/sessions/transcript/1").json["actions"]
    assert json.loads(good["tool_result"]) == {"day": "Monday", "minutes": 30, "starts": ["9:15", "11:00"]}
    assert bad["tool_error"] == '"we are closed on Sunday"'
    assert len([one for one in latencies(door) if one[:2] == ("llm", "first_token")]) == 6
    assert [one["input_tokens"] for one in children(door, "usage")] == [2, 4, 6, 8, 10, 12]


def test_pipecat_spans_become_a_session(house: House) -> None:
    door = send(house, DIALECTS["pipecat"]())
    found = session(door)
    assert (found["channel_manager_service"], found["channel_manager_sid"]) == ("pipecat", "call-7")
    assert found["duration"] == 12.0
    assert transcript(door) == [("user", "I need an appointment."), ("agent", "Monday at 9:15?"), ("user", "Perfect.")]
    assert latencies(door) == [
        ("llm", "first_token", 380.0),
        ("llm", "request", 1000.0),
        ("stt", "transcription", 300.0),
        ("tts", "first_byte", 120.0),
        ("turn", "end_to_end", 900.0),
    ]
    assert sorted(one["category"] for one in children(door, "usage")) == ["llm", "stt", "tts"]
    assert [one["interrupted"] for one in children(door, "message") if "interrupted" in one] == [True]


@pytest.mark.long
@pytest.mark.parametrize("dialect", DIALECTS)
def test_fifty_shuffled_orders_over_several_requests_give_the_same_bytes(house: House, dialect: str) -> None:
    dice = random.Random(824)
    spans = DIALECTS[dialect]()
    doors = []
    for number in range(ORDERS):
        door = house.door()
        shuffled = spans + dice.choices(spans, k=3)
        if number:
            dice.shuffle(shuffled)
        cuts = sorted(dice.sample(range(1, len(shuffled)), dice.randint(0, 4)))
        for first, last in zip([0, *cuts], [*cuts, len(shuffled)], strict=True):
            assert (post(door, shuffled[first:last]).status) == 200
        doors.append(door)
    settle(house)
    expected = record_of(doors[0])
    for number, door in enumerate(doors):
        assert record_of(door) == expected, f"order {number} of seed 824 differs"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_comes_after_the_session_is_settled_goes_straight_there(house: House, dialect: str) -> None:
    spans = DIALECTS[dialect]()
    expected = record_of(send(house, spans))
    # Settled by the first half, of which a span names the session; sent in the order in which spans end.
    spans.sort(key=lambda one: (one.end, one.number))
    named = next(
        one
        for one in spans
        if any(name.endswith((".conversation.id", "session.id")) for name in one.attributes)
        or "conversation.id" in one.attributes
    )
    door = house.door()
    post(door, [*spans[:2], named])
    settle(house)
    for one in spans:
        answer = post(door, [one])
        assert (answer.status, answer.bytes) == (200, b"")
    assert record_of(door) == expected


@pytest.mark.parametrize("dialect", DIALECTS)
def test_json_and_protobuf_give_the_same_record(house: House, dialect: str) -> None:
    spans = DIALECTS[dialect]()
    expected = record_of(send(house, spans))
    door = house.door()
    answer = door.post("/v1/traces", as_json(request_of(spans)), JSON)
    assert (answer.status, answer.json, answer.headers["content-type"]) == (200, {}, "application/json")
    settle(house)
    assert record_of(door) == expected


def test_nothing_is_lost_that_waits(house: House) -> None:
    """Until the session is settled the spans are on disk, and nothing of them is shown."""
    door = house.door()
    spans = DIALECTS["gen_ai"]()
    post(door, spans)
    assert door.get("/api/v1/sessions/").json["total_count"] == 0
    with house.database.reading() as db:
        mine = f"SELECT count(*) FROM otlp_span WHERE organization_id = {door.organization_id}"
        assert db.exec_driver_sql(mine).scalar_one() == len(spans)
    settle(house)
    with house.database.reading() as db:
        assert db.exec_driver_sql(mine).scalar_one() == 0


def test_our_own_attribute_names_the_session_at_once_and_its_fields(house: House) -> None:
    door = house.door()
    attributes = {
        "hansard.session.sid": "CA7",
        "hansard.session.service": "twilio",
        "hansard.session.channel_manager_type": "voice_twilio_v1",
        "hansard.session.is_test": False,
        "hansard.session.agent_name": 7,
        "session.id": "another",
    }
    assert post(door, [Made("work", 1, None, 0, 1, attributes)]).status == 200
    found = session(door)
    assert (found["channel_manager_service"], found["channel_manager_sid"]) == ("twilio", "CA7")
    assert (found["channel_manager_type"], found["agent_name"]) == ("voice_twilio_v1", None)
    assert children(door, "event")[0]["attributes"]["hansard.session.agent_name"] == 7


def test_the_best_name_of_a_trace_wins_whichever_comes_first(house: House) -> None:
    spans = [
        Made("a", 1, None, 0, 9, {"gen_ai.conversation.id": "worse"}),
        Made("b", 2, 1, 1, 2, {"session.id": "later"}),
        Made("c", 3, 1, 0.5, 2, {"session.id": "best"}),
        Made("d", 4, 1, 3, 4, {"session.id": ""}),
    ]
    for order in (spans, spans[::-1]):
        door = house.door()
        for one in order:
            post(door, [one])
        settle(house)
        assert [one["channel_manager_sid"] for one in door.search()] == ["best"]


def test_a_trace_that_names_no_session_is_one_and_its_root_ends_it(house: House) -> None:
    spans = [
        Made("handle", 1, None, 0, 3, {"app.note": "x"}, service="shop"),
        Made("step", 2, 1, 1, 2, service="stock"),
    ]
    for order in (spans, spans[::-1]):
        door = house.door()
        for one in order:
            post(door, [one])
        settle(house, minutes=0.1)
        assert door.search() == []
        settle(house)
        found = session(door)
        assert (found["channel_manager_service"], found["channel_manager_sid"]) == ("shop", TRACE)
        assert found["duration"] == 3.0
    rootless = house.door()
    post(rootless, [spans[1]])
    settle(house)
    assert rootless.search() == []
    settle(house, minutes=11)
    assert session(rootless)["channel_manager_service"] == "stock"
    assert session(rootless)["duration"] is None


def test_unknown_spans_are_kept_with_all_they_say(house: House) -> None:
    attributes = {
        "text": "ü\0\U0001f44b",
        "whole": 2**62,
        "real": 1.5,
        "nan": float("nan"),
        "flag": True,
        "list": ["a", 1, [False]],
        "map": {"deep": {"er": [1.5]}},
        "bytes": b"\x00\xff",
        "nothing": None,
    }
    request = request_of([Made("re\0index", 2, 1, 1, 1.25, attributes, scope="some.library", error="disk")])
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.events.add(name="exception", time_unix_nano=span.start_time_unix_nano)
    span.links.add(trace_id=bytes.fromhex(TRACE), span_id=b"12345678")
    door = house.door()
    assert door.post("/v1/traces", request.SerializeToString(), PROTOBUF).status == 200
    settle(house, minutes=11)
    [event] = children(door, "event")
    assert event == {
        "source": "otlp",
        "source_id": "0000000000000002",
        "category": "span",
        "type": "re\ufffdindex",
        "attributes": attributes | {"nan": "nan", "bytes": "AP8="},
        "duration_ms": 250.0,
        "ended_at": shown(1.25),
        "span": {
            "name": "re\0index",
            "parent_id": "0000000000000001",
            "scope": "some.library",
            "kind": 1,
            "error": "disk",
            "events": [{"name": "exception", "at": "2026-11-22T10:00:01.000000Z", "attributes": {}}],
            "links": [{"trace_id": TRACE, "span_id": b"12345678".hex()}],
        },
    }


def test_what_a_model_span_says_beside_the_table_is_kept_too(house: House) -> None:
    door = send(house, DIALECTS["gen_ai"]())
    [first, *_] = [one for one in children(door, "latency") if one["label"] == "request" and one["category"] == "llm"]
    assert first["span"]["attributes"]["gen_ai.response.finish_reasons"] == ["stop"]
    assert "gen_ai.input.messages" not in first["span"]["attributes"]


def test_the_same_words_said_again_are_another_turn(house: House) -> None:
    history: list[Any] = []
    spans = [Made("call", 1, None, 0, 60, {"session.id": "yes"})]
    for number in range(3):
        history = [*history, said("user", "Yes.")]
        given = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(history)}
        gave = {"gen_ai.output.messages": json.dumps([said("assistant", "Yes?")])}
        spans.append(Made("chat", number + 2, 1, number * 10, number * 10 + 1, given | gave))
        history.append(said("assistant", "Yes?"))
    assert transcript(send(house, spans)) == [("user", "Yes."), ("agent", "Yes?")] * 3


def test_a_model_that_keeps_the_history_itself_loses_no_turn(house: House) -> None:
    given = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps([said("user", "Yes.")])}
    spans = [Made("call", 1, None, 0, 60, {"session.id": "kept"})]
    for number in (2, 4, 6):
        spans += [
            Made("turn", number, 1, number, number + 1),
            Made("chat", number + 1, number, number, number + 1, given),
        ]
    assert transcript(send(house, spans)) == [("user", "Yes.")] * 3


@pytest.mark.parametrize(
    "messages", ["no json", "{}", "[1]", '[{"role": 7, "parts": "x"}]', '[{"parts": [{}, 5]}]', "["]
)
def test_messages_that_are_none_do_no_harm(house: House, messages: str) -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": messages, "session.id": "odd"}
    door = send(house, [Made("chat", 1, None, 0, 1, attributes)])
    assert transcript(door) == []
    assert latencies(door) == [("llm", "request", 1000.0)]


def test_a_resent_span_with_other_content_is_refused_and_the_first_stays(house: House) -> None:
    door = house.door()
    first, other = (Made("work", 1, None, 0, end, {"session.id": "x"}) for end in (1, 2))
    post(door, [first])
    for _ in range(2):
        told = ExportTraceServiceResponse.FromString(post(door, [other, first]).bytes).partial_success
        assert told.rejected_spans == 1
        assert "0000000000000001 was recorded before with other content" in told.error_message
        settle(house)
    assert [one["duration_ms"] for one in children(door, "event")] == [1000.0]


def _spans_of(**changes: Any) -> bytes:
    request = request_of([Made("bad", 1, None, 0, 1), Made("good", 2, None, 0, 1)])
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for name, value in changes.items():
        setattr(span, name, value)
    return bytes(request.SerializeToString())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"trace_id": b""}, "The span 'bad' has no trace id of 16 bytes."),
        ({"trace_id": bytes(16)}, "The span 'bad' has no trace id of 16 bytes."),
        ({"trace_id": b"short"}, "The span 'bad' has no trace id of 16 bytes."),
        ({"span_id": b""}, "The span 'bad' has no span id of 8 bytes."),
        ({"span_id": bytes(8)}, "The span 'bad' has no span id of 8 bytes."),
        ({"parent_span_id": b"123"}, "has a parent span id that is not 8 bytes long."),
        ({"start_time_unix_nano": 0, "end_time_unix_nano": 0}, "says neither when it started nor when it ended."),
    ],
)
def test_a_bad_span_is_refused_alone(house: House, changes: dict[str, Any], sentence: str) -> None:
    for headers, convert in (
        (PROTOBUF, bytes),
        (JSON, lambda body: as_json(ExportTraceServiceRequest.FromString(body))),
    ):
        door = house.door()
        answer = door.post("/v1/traces", convert(_spans_of(**changes)), headers)
        assert answer.status == 200
        if headers is JSON:
            told = answer.json["partialSuccess"]
            assert (told["rejectedSpans"], sentence in told["errorMessage"]) == ("1", True), told
        else:
            success = ExportTraceServiceResponse.FromString(answer.bytes).partial_success
            assert (success.rejected_spans, sentence in success.error_message) == (1, True), success
        settle(house, minutes=11)
        assert [one["type"] for one in children(door, "event")] == ["good"]


_GOOD = request_of([Made("work", 1, None, 0, 1)]).SerializeToString()
_MANY = b'{"resourceSpans": [{"scopeSpans": [{"spans": [' + b",".join([b"{}"] * (MAX_SPANS + 1)) + b"]}]}]}"
_DEEP = b'{"resourceSpans": ' + b"[" * 5000 + b"]" * 5000 + b"}"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff\xff", PROTOBUF, 400),
        (_GOOD[:-5], PROTOBUF, 400),
        (b"", PROTOBUF, 400),
        (b"", JSON, 400),
        (b"{", JSON, 400),
        (b"[]", JSON, 400),
        (b'{"resourceSpans": 7}', JSON, 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "soon"}]}]}]}', JSON, 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": -1}]}]}]}', JSON, 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}', JSON, 400),
        (_DEEP, JSON, 400),
        (_GOOD, JSON, 400),
        (_GOOD, {"Content-Type": "text/plain"}, 415),
        (_GOOD, {"Content-Type": ""}, 415),
        (_GOOD, PROTOBUF | {"Content-Encoding": "br"}, 415),
        (_GOOD, PROTOBUF | {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(_GOOD)[:-4], PROTOBUF | {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(bytes(MAX_BYTES + 1)), PROTOBUF | {"Content-Encoding": "gzip"}, 413),
        (bytes(MAX_BYTES + 1), PROTOBUF, 413),
        (_MANY, JSON, 413),
    ],
)
def test_a_bad_request_is_refused_whole(house: House, body: bytes, headers: dict[str, str], status: int) -> None:
    door = house.door()
    answer = door.post("/v1/traces", body, headers)
    assert (answer.status, type(answer.detail)) == (status, str), answer.bytes
    with house.database.reading() as db:
        for table in ("otlp_span", "otlp_trace", "session"):
            mine = f"SELECT count(*) FROM {table} WHERE organization_id = {door.organization_id}"
            assert db.exec_driver_sql(mine).scalar_one() == 0


def test_a_large_trace_is_settled_whole(house: House) -> None:
    """More events than one request of events may carry."""
    spans = [Made("root", 1, None, 0, 99, {"session.id": "large"})]
    spans += [Made("step", number, 1, number / 100, number / 100 + 0.001) for number in range(2, 3002)]
    door = send(house, spans)
    assert len(children(door, "event")) == len(spans)


def test_mangled_requests_are_taken_or_refused_and_never_break_the_server(door: Door) -> None:
    dice = random.Random(824)
    whole = request_of([*DIALECTS["gen_ai"](), *DIALECTS["livekit"]()])
    for headers, body in ((PROTOBUF, whole.SerializeToString()), (JSON, as_json(whole))):
        for _ in range(60):
            mangled = bytearray(body)
            for _ in range(dice.randint(1, 8)):
                mangled[dice.randrange(len(mangled))] = dice.randrange(256)
            assert door.post("/v1/traces", bytes(mangled), headers).status in (200, 400)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "tool_call", "id": "x" * 600, "name": "find"},
        {"type": "tool_call", "id": "a\0b", "name": "find"},
        {"type": "tool_call", "id": 7, "name": "find"},
        {"type": "tool_call", "id": "deep", "name": "find", "arguments": json.loads("[" * 100 + "]" * 100)},
    ],
    ids=["long", "nul", "number", "deep"],
)
def test_odd_tool_calls_do_not_cost_the_span(house: House, part: dict[str, Any]) -> None:
    gave = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "One moment."}, part]}])
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": gave, "session.id": "odd"}
    door = send(house, [Made("chat", 1, None, 0, 1, attributes)])
    assert transcript(door) == [("agent", "One moment.")]


def test_a_history_cut_to_its_last_messages_loses_no_turn(house: House) -> None:
    spans = [Made("call", 1, None, 0, 60, {"session.id": "cut"})]
    for number, question in enumerate(("Is it Monday?", "At nine?", "For two?"), start=2):
        given = json.dumps([said("assistant", question), said("user", "Yes.")])
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": given}
        spans.append(Made("chat", number, 1, number, number + 1, attributes))
    assert transcript(send(house, spans)) == [("user", "Yes.")] * 3


class Moody:
    """Stands before the server and is busy at first, then passes everything on, sometimes losing the answer."""

    def __init__(self, url: str, busy: int) -> None:
        self.statuses: list[int] = []
        moody, pool = self, urllib3.PoolManager(retries=False)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                number = len(moody.statuses)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                answer = None
                if number >= busy or number % 2:  # every second time the request is taken and the answer is lost
                    answer = pool.request("POST", url + self.path, body=body, headers=headers)
                status = answer.status if answer is not None and number >= busy else 503
                moody.statuses.append(status)
                self.send_response(status)
                if status == 503:
                    self.send_header("Retry-After", "1")
                data = answer.data if answer is not None and status == 200 else b""
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def moody(house: House) -> Iterator[Moody]:
    made = Moody(house.url, busy=3)
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_real_exporter_loses_nothing_while_the_server_is_busy(house: House, moody: Moody) -> None:
    door = house.door()
    exporter = OTLPSpanExporter(
        endpoint=f"{moody.url}/v1/traces",
        headers={"authorization": f"Bearer {door.key}"},
        compression=Compression.Gzip,
        timeout=30,
    )
    provider = TracerProvider(resource=Resource({"service.name": "bot"}))
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=20, schedule_delay_millis=100))
    tracer = provider.get_tracer("real")
    with tracer.start_as_current_span("call", attributes={"session.id": "real-1"}):
        for number in range(100):
            with tracer.start_as_current_span("step", attributes={"number": number}):
                time.sleep(0.0005)
    provider.force_flush(60_000)
    provider.shutdown()
    assert moody.statuses.count(503) == 3
    assert set(moody.statuses[3:]) == {200}
    settle(house)
    numbers = [one["attributes"].get("number") for one in children(door, "event")]
    assert sorted(one for one in numbers if one is not None) == list(range(100))
    assert session(door)["channel_manager_sid"] == "real-1"
    assert len(numbers) == 101

"""The example on LiveKit, recorded and read back; and what `attach` makes of events that few sessions have."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("livekit.agents", reason="livekit-agents is not installed here; run `make test-livekit`")

from livekit import rtc
from livekit.agents import (
    AgentHandoff,
    ChatMessage,
    CloseEvent,
    CloseReason,
    ConversationItemAddedEvent,
    ErrorEvent,
    FunctionCall,
    FunctionToolsExecutedEvent,
    ToolCallEnded,
    ToolCallStarted,
    ToolExecutionUpdatedEvent,
    UserInputTranscribedEvent,
)
from livekit.agents.llm import FunctionCallOutput, LLMError
from livekit.agents.testing import fake_job_context

from hansard.recorder import Recorder
from hansard.recorder.integrations.livekit import attach
from tests.conftest import House
from tests.door import ROOT, Door, run
from tests.figures import at, milliseconds, unix_s
from tests.livekit.held import Held, hold
from tests.make import make_sid

pytestmark = pytest.mark.livekit

EXAMPLE = ROOT / "examples" / "livekit_text"
EVENTS = (
    "user_input_transcribed",
    "conversation_item_added",
    "tool_execution_updated",
    "function_tools_executed",
    "session_usage_updated",
    "error",
    "close",
)
SPOKE_AT = 1_795_358_700.0


@pytest.fixture(scope="module")
def held(sqlite_house: House, tmp_path_factory: pytest.TempPathFactory) -> Held:
    door = sqlite_house.door()
    return hold(EXAMPLE / "agent.py", door, tmp_path_factory.mktemp("livekit") / "report.json")


@pytest.fixture
def recorder(sqlite_house: House) -> Iterator[tuple[Recorder, Door]]:
    """A recorder and the door to what it records."""
    door = sqlite_house.door()
    one = Recorder(door.url, door.key)
    yield one, door
    one.close()


def test_the_session_is_found_under_livekits_room_and_bears_the_fields_it_was_given(held: Held) -> None:
    assert held.session == held.session | {
        "channel_manager_service": "livekit",
        "channel_manager_sid": held.report["room_id"],
        "channel_manager_type": "web_chat_v1",
        "agent_name": "Front desk",
    }


def test_tool_calls_have_livekits_arguments_results_errors_and_times(held: Held) -> None:
    outputs = {item["call_id"]: item for item in held.reported("function_call_output")}
    updates = [(one["update"], one["created_at"]) for one in held.happened("tool_execution_updated")]
    begun = {one["function_call"]["call_id"]: at_s for one, at_s in updates if one["type"] == "tool_call_started"}
    ended = {one["call_id"]: at_s for one, at_s in updates if one["type"] == "tool_call_ended"}
    actions = held.get("/api/v1/sessions/transcript/{}")["actions"]
    calls = held.reported("function_call")
    assert [outputs[call["call_id"]]["is_error"] for call in calls] == [False, True]
    for action, call in zip(actions, calls, strict=True):
        call_id, output = call["call_id"], outputs[call["call_id"]]
        assert action["tool_name"] == call["name"]
        assert json.loads(action["tool_request"]) == json.loads(call["arguments"])
        assert unix_s(action["timestamp"]) == at(begun[call_id])
        assert action["duration_ms"] == milliseconds(ended[call_id] - begun[call_id], of_instants=True)
        if output["is_error"]:
            assert (action["tool_result"], json.loads(action["tool_error"])) == (None, output["output"])
        else:
            assert (json.loads(action["tool_result"]), action["tool_error"]) == (json.loads(output["output"]), None)


def test_the_published_sdk_reads_it_back(held: Held) -> None:
    names = {"user": " user", "assistant": "agent"}
    lines = run(EXAMPLE / "read_back.py", held.door, held.report["room_id"]).stdout.splitlines()
    assert lines[0] == f"session {held.session['session_id']}: {held.report['room_id']} with Front desk"
    assert "  complete" in lines
    assert [line for line in lines if line.startswith(("agent: ", " user: "))] == [
        f"{names[item['role']]}: {item['content'][0]}" for item in held.reported("message")
    ]
    assert [line.split("(")[0] for line in lines if line.startswith(" tool: ")] == [" tool: find_slot"] * 2
    assert [line.split()[1] for line in lines if line.startswith(" time: ")] == ["llm/first_token", "tool/find_slot"]


def hear(emitter: Any, confidence: float = 0.9, **metrics: Any) -> None:
    item = ChatMessage(
        role="user",
        content=["Guten Tag."],
        transcript_confidence=confidence,
        created_at=SPOKE_AT + 1.5,
        metrics=metrics,
    )
    emitter.emit("conversation_item_added", ConversationItemAddedEvent(item=item))


def speak(emitter: Any, **metrics: Any) -> None:
    item = ChatMessage(
        role="assistant", content=["Good mor"], interrupted=True, created_at=SPOKE_AT + 2.1, metrics=metrics
    )
    emitter.emit("conversation_item_added", ConversationItemAddedEvent(item=item))


def recorded(recorder: Recorder, door: Door, sid: str, say: Callable[[Any], None]) -> list[dict[str, Any]]:
    """The children of a session in which LiveKit emitted what `say` says."""
    emitter: Any = rtc.EventEmitter()
    attach(emitter, recorder=recorder, sid=sid)
    say(emitter)
    emitter.emit("close", CloseEvent(reason=CloseReason.JOB_SHUTDOWN))
    assert recorder.flush()
    assert recorder.stats().dropped == {}
    (session,) = door.search(channel_manager_sid=sid)
    children: list[dict[str, Any]] = door.get(f"/hansard/v1/sessions/{session['session_id']}/record").json["events"]
    return [child for child in children if child["kind"] not in ("session.start", "session.end")]


def test_a_spoken_turn_keeps_language_confidence_interruption_and_every_latency(
    recorder: tuple[Recorder, Door],
) -> None:
    def say(emitter: Any) -> None:
        for words, is_final, language in (("Guten", True, "de-DE"), ("Gu", False, "nl-NL")):
            event = UserInputTranscribedEvent(transcript=words, is_final=is_final, language=language)
            emitter.emit("user_input_transcribed", event)
        hear(
            emitter,
            started_speaking_at=SPOKE_AT,
            stopped_speaking_at=SPOKE_AT + 1,
            transcription_delay=0.065,
            end_of_turn_delay=0.5,
            on_user_turn_completed_delay=0.002,
            stt_metadata={"model_name": "nova", "model_provider": "deepgram"},
        )
        speak(
            emitter,
            started_speaking_at=SPOKE_AT + 2,
            stopped_speaking_at=SPOKE_AT + 3,
            llm_node_ttft=0.3,
            tts_node_ttfb=0.1,
            playback_latency=0.05,
            e2e_latency=1.0,
            llm_metadata={"model_name": "gpt", "model_provider": "openai"},
            tts_metadata={"model_name": "unknown", "model_provider": "cartesia"},
        )

    children = recorded(*recorder, make_sid(), say)
    heard, spoken = (child["data"] for child in children if child["kind"] == "message")
    assert (heard["lang"], heard["confidence"], heard["interrupted"]) == ("de-DE", 0.9, False)
    assert (heard["stt_provider"], heard["stt_model"]) == ("deepgram", "nova")
    assert (unix_s(heard["started_at"]), unix_s(heard["ended_at"])) == (at(SPOKE_AT), at(SPOKE_AT + 1))
    assert (spoken["text"], spoken["interrupted"], "lang" in spoken) == ("Good mor", True, False)
    measured = {child["data"]["label"]: child["data"] for child in children if child["kind"] == "latency"}
    assert {
        label: (one["category"], unix_s(one["started_at"]) - SPOKE_AT, one["duration_ms"], one.get("metadata"))
        for label, one in measured.items()
    } == {
        "transcription": ("stt", at(1.0), 65.0, ["nova", "deepgram"]),
        "end_of_turn": ("turn", at(1.0), 500.0, None),
        "user_turn_completed": ("turn", at(1.5), 2.0, None),
        "first_token": ("llm", at(1.55), 300.0, ["gpt", "openai"]),
        "first_byte": ("tts", at(1.85), 100.0, ["cartesia"]),
        "playback": ("turn", at(1.95), 50.0, None),
        "end_to_end": ("turn", at(1.0), 1000.0, None),
    }


def test_a_tool_that_went_on_in_the_background_has_its_last_word_as_result(recorder: tuple[Recorder, Door]) -> None:
    call = FunctionCall(call_id="c1", name="book", arguments='{"n": NaN}', created_at=SPOKE_AT)

    def update(emitter: Any, one: Any, seconds: float) -> None:
        emitter.emit("tool_execution_updated", ToolExecutionUpdatedEvent(update=one, created_at=SPOKE_AT + seconds))

    def say(emitter: Any) -> None:
        update(emitter, ToolCallStarted(function_call=call), 1)
        first = FunctionCallOutput(call_id="c1", output="still booking", is_error=False)
        event = FunctionToolsExecutedEvent(function_calls=[call], function_call_outputs=[first])
        emitter.emit("function_tools_executed", event)
        update(emitter, ToolCallEnded(id="c1_final", call_id="c1", message="42", status="done"), 8)
        update(
            emitter,
            ToolCallStarted(function_call=call.model_copy(update={"call_id": "c2", "arguments": '{"n": 2}'})),
            9,
        )
        update(emitter, ToolCallEnded(id="c2", call_id="c2", status="cancelled"), 9.5)

    sid = make_sid()
    recorded(*recorder, sid, say)
    door = recorder[1]
    (session,) = door.search(channel_manager_sid=sid)
    actions = door.get(f"/api/v1/sessions/transcript/{session['session_id']}").json["actions"]
    assert [
        (one["tool_request"], one["tool_result"], one["tool_error"], one["duration_ms"], unix_s(one["timestamp"]))
        for one in actions
    ] == [
        ('"{\\"n\\": NaN}"', '"42"', None, 7000.0, at(SPOKE_AT + 1)),
        ('{"n":2}', None, '"cancelled"', 500.0, at(SPOKE_AT + 9)),
    ]


def test_the_cause_of_a_failed_tool_is_recorded_rather_than_what_the_model_was_told(
    recorder: tuple[Recorder, Door],
) -> None:
    call = FunctionCall(call_id="c1", name="book", arguments="{}")
    told = FunctionCallOutput(call_id="c1", output="An internal error occurred", is_error=True)

    def say(emitter: Any) -> None:
        ended = ToolCallEnded(id="c1", call_id="c1", message="no such table: slot", status="error")
        for one in (ToolCallStarted(function_call=call), ended):
            emitter.emit("tool_execution_updated", ToolExecutionUpdatedEvent(update=one))
        event = FunctionToolsExecutedEvent(function_calls=[call], function_call_outputs=[told])
        emitter.emit("function_tools_executed", event)

    children = recorded(*recorder, make_sid(), say)
    errors = [child["data"].get("error") for child in children if child["kind"] == "tool_call"]
    assert errors == [None, "no such table: slot", "no such table: slot"]


def test_calls_of_one_id_stay_two_calls(recorder: tuple[Recorder, Door]) -> None:
    def say(emitter: Any) -> None:
        for slot in ("9:15", "11:00"):
            call = FunctionCall(call_id="call_0", name="book", arguments=json.dumps({"slot": slot}))
            output = FunctionCallOutput(call_id="call_0", output=f"booked {slot}", is_error=False)
            for one in (
                ToolCallStarted(function_call=call),
                ToolCallEnded(id="call_0", call_id="call_0", status="done"),
            ):
                emitter.emit("tool_execution_updated", ToolExecutionUpdatedEvent(update=one))
            event = FunctionToolsExecutedEvent(function_calls=[call], function_call_outputs=[output])
            emitter.emit("function_tools_executed", event)

    sid = make_sid()
    recorded(*recorder, sid, say)
    door = recorder[1]
    (session,) = door.search(channel_manager_sid=sid)
    actions = door.get(f"/api/v1/sessions/transcript/{session['session_id']}").json["actions"]
    assert [(one["tool_request"], one["tool_result"]) for one in actions] == [
        ('{"slot":"9:15"}', '"booked 9:15"'),
        ('{"slot":"11:00"}', '"booked 11:00"'),
    ]


def test_errors_and_handoffs_are_events(recorder: tuple[Recorder, Door]) -> None:
    def say(emitter: Any) -> None:
        error = LLMError(timestamp=time.time(), label="x", error=ValueError("too \0 long"), recoverable=False)
        emitter.emit("error", ErrorEvent(error=error, source=SimpleNamespace(model="gpt", provider="openai")))
        for old, new in ((None, "desk"), ("desk", "nurse")):
            item = AgentHandoff(old_agent_id=old, new_agent_id=new)
            emitter.emit("conversation_item_added", ConversationItemAddedEvent(item=item))

    failed, handed = (child["data"] for child in recorded(*recorder, make_sid(), say))
    assert (failed["type"], failed["category"], failed["description"]) == (
        "error",
        "llm_error",
        "ValueError: too  long",
    )
    assert failed["attributes"] == {"recoverable": False, "model": "gpt", "provider": "openai"}
    assert handed["attributes"] == {"old_agent_id": "desk", "new_agent_id": "nurse"}


def test_a_confidence_of_zero_says_nothing(recorder: tuple[Recorder, Door]) -> None:
    (heard,) = recorded(*recorder, make_sid(), lambda emitter: hear(emitter, confidence=0.0))
    assert "confidence" not in heard["data"]


def test_garbage_reaches_neither_the_agent_nor_the_record(recorder: tuple[Recorder, Door]) -> None:
    item = SimpleNamespace(type="message", role="user", text_content=5, metrics=None)
    garbage: list[Any] = [
        None,
        7,
        "text",
        object(),
        SimpleNamespace(),
        SimpleNamespace(item=item, update=SimpleNamespace(type="tool_call_ended"), usage=None, error=None),
        SimpleNamespace(function_calls=[object()], function_call_outputs=[object()], usage=SimpleNamespace()),
    ]

    def say(emitter: Any) -> None:
        for event in EVENTS:
            emitter.emit(event)
            for one in garbage:
                emitter.emit(event, one)
        hear(emitter, stopped_speaking_at=1e300, end_of_turn_delay=float("nan"))

    children = recorded(*recorder, make_sid(), say)
    assert [child["data"]["text"] for child in children if child["kind"] == "message"] == ["Guten Tag."]


def test_livekit_lets_the_type_error_of_a_handler_reach_the_agent() -> None:
    """Why no handler of ours may raise; when this fails, LiveKit has become kinder."""
    emitter: Any = rtc.EventEmitter()
    emitter.on("close", lambda event: event + 1)
    with pytest.raises(TypeError):
        emitter.emit("close", "now")


def test_what_cannot_be_listened_to_is_no_error(recorder: tuple[Recorder, Door]) -> None:
    attach(None, recorder=recorder[0], sid=make_sid()).user("still recorded")
    assert recorder[0].flush()
    assert recorder[0].stats().sent == 2


def test_a_job_waits_for_delivery_before_its_process_ends(recorder: tuple[Recorder, Door]) -> None:
    one, door = recorder
    sid = make_sid()

    async def work() -> None:
        with fake_job_context() as job:
            emitter: Any = rtc.EventEmitter()
            attach(emitter, recorder=one, sid=sid)
            emitter.emit("close", CloseEvent(reason=CloseReason.USER_INITIATED))
            (deliver,) = job._shutdown_callbacks
            await deliver("done")
            await job._on_cleanup()  # else its folder is cleaned up with a warning

    asyncio.run(work())
    assert one.stats().queued == 0
    (session,) = door.search(channel_manager_sid=sid)
    assert session["duration"] is not None

"""The one call in real runs of the OpenAI Agents SDK, recorded and read back, against what the SDK itself reports."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("agents", reason="openai-agents is not installed here; run `make test-openai-agents`")

from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    ModelBehaviorError,
    ModelResponse,
    RunConfig,
    Runner,
    RunState,
    Usage,
    custom_span,
    function_tool,
    generation_span,
    set_trace_processors,
    speech_span,
    trace,
    transcription_span,
)
from agents.models.interface import Model
from agents.tracing import add_trace_processor, get_trace_provider, response_span
from agents.tracing.processor_interface import TracingProcessor
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from hansard.recorder import Recorder
from hansard.recorder.integrations import openai_agents
from hansard.recorder.integrations.openai_agents import Handle, attach
from tests.conftest import House
from tests.door import ROOT, Door, run
from tests.make import make_sid
from tests.one_call import CANNOT, OFFER, USER_SAYS, assert_is_the_call

pytestmark = pytest.mark.openai_agents

EXAMPLE = ROOT / "examples" / "openai_agents"


@dataclass(frozen=True)
class Held:
    """A conversation that was held: the door to its record, and the SDK's own report."""

    door: Door
    report: dict[str, Any]
    session: dict[str, Any]

    def get(self, path: str) -> Any:
        return self.door.get(path.format(self.session["session_id"])).json

    def items(self, *types: str) -> list[dict[str, Any]]:
        """The items of these types in the SDK's memory of the conversation."""
        return [item for item in self.report["items"] if item.get("type", "message") in types]

    def spans(self, kind: str) -> list[dict[str, Any]]:
        """The spans of this kind that the SDK exported, in time order."""
        found = [one for one in self.report["spans"] if one["object"] == "trace.span"]
        wanted = [one for one in found if kind in (one["span_data"]["type"], one["span_data"].get("name"))]
        return sorted(wanted, key=lambda one: str(one["started_at"]))

    def recorded(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.get("/hansard/v1/sessions/{}/record")["events"] if one["kind"] == kind]


def hold_with(program: Path, door: Door, folder: Path) -> Held:
    """Hold a conversation with this program; it is the only one of the door's organization."""
    report = folder / "report.json"
    done = run(program, door, "--report", report)
    assert ("dropped={}" in done.stdout, done.stderr) == (True, "")
    (session,) = door.get("/api/v1/sessions/").json["items"]
    return Held(door, json.loads(report.read_text()), session)


@pytest.fixture(scope="module")
def held(sqlite_house: House, tmp_path_factory: pytest.TempPathFactory) -> Held:
    return hold_with(Path(__file__).parent / "call.py", sqlite_house.door(), tmp_path_factory.mktemp("call"))


@pytest.fixture(scope="module")
def example(sqlite_house: House, tmp_path_factory: pytest.TempPathFactory) -> Held:
    return hold_with(EXAMPLE / "agent.py", sqlite_house.door(), tmp_path_factory.mktemp("example"))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def length_ms(span: dict[str, Any]) -> float:
    return (moment(span["ended_at"]) - moment(span["started_at"])) / timedelta(milliseconds=1)


def said(item: dict[str, Any]) -> str:
    content = item["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def test_it_is_the_one_call_but_for_what_the_sdk_does_not_tell(held: Held) -> None:
    assert_is_the_call(held.door, held.session["session_id"], without=CANNOT["OpenAI Agents"])


def test_of_an_answer_that_is_cancelled_the_sdk_itself_keeps_no_word(held: Held) -> None:
    """Why there is none in the record; when this fails, the SDK has come to tell what was heard."""
    assert len(held.spans("generation")) == len([one for one in held.spans("generation") if answer(one)]) + 2
    assert OFFER.text[:11] not in json.dumps([held.report["items"], held.report["spans"]])


def test_the_runs_of_a_group_are_one_session_with_the_prompt_of_their_metadata(held: Held) -> None:
    assert len([one for one in held.report["spans"] if one["object"] == "trace"]) == len(USER_SAYS)
    assert held.session == held.session | {
        "channel_manager_service": "openai-agents",
        "channel_manager_sid": held.report["thread_id"],
        "channel_manager_type": "web_chat_v1",
        "agent_name": "Front desk",
        "prompt_id": "reception",
        "prompt_version": "3",
    }
    assert len(held.recorded("session.start")) == 1


def test_the_transcript_is_the_sdks_own_history_turn_by_turn(held: Held) -> None:
    roles = {"user": "user", "assistant": "agent"}
    transcript = held.get("/api/v1/sessions/transcript/{}")["transcription"]
    assert [(turn["source"], turn["text"]) for turn in transcript] == [
        (roles[item["role"]], said(item)) for item in held.items("message")
    ]


def answer(span: dict[str, Any]) -> str:
    """The type of what a generation gave: a message or a function call, or nothing."""
    return "".join(one["type"] for given in span["span_data"]["output"] or () for one in given["output"])


def test_a_user_speaks_when_the_run_begins_and_the_agent_when_the_model_ends(held: Held) -> None:
    heard = [one for one in held.recorded("message") if one["data"]["role"] == "user"]
    assert [moment(one["at"]) for one in heard] == [moment(run["started_at"]) for run in held.spans("task")]
    spoken = [one for one in held.recorded("message") if one["data"]["role"] == "agent"][1:]
    answers = [one for one in held.spans("generation") if answer(one) == "message"]
    assert [moment(one["at"]) for one in spoken] == [moment(one["ended_at"]) for one in answers]


def test_the_tool_call_has_the_sdks_arguments_result_call_id_and_time(held: Held) -> None:
    (call,), (output,) = held.items("function_call"), held.items("function_call_output")
    (span,) = held.spans("function")
    (action,) = held.get("/api/v1/sessions/transcript/{}")["actions"]
    assert action["tool_name"] == call["name"] == span["span_data"]["name"]
    assert json.loads(action["tool_request"]) == json.loads(call["arguments"])
    assert json.loads(action["tool_result"]) == json.loads(output["output"])
    assert moment(action["timestamp"]) == moment(span["started_at"])
    assert action["duration_ms"] == pytest.approx(length_ms(span), abs=1e-9)
    assert [one["data"]["call_id"] for one in held.recorded("tool_call")] == [call["call_id"]] * 2  # begun, and done


def test_a_failed_tool_has_its_error_and_what_the_model_was_told(example: Held) -> None:
    monday, sunday = example.get("/api/v1/sessions/transcript/{}")["actions"]
    _, told = (item["output"] for item in example.items("function_call_output"))
    assert monday["tool_error"] is None
    assert json.loads(sunday["tool_result"]) == told == "I am sorry: we are closed on Sunday."
    assert json.loads(sunday["tool_error"]) == "we are closed on Sunday"


def test_latencies_are_the_spans_lengths_to_the_microsecond(held: Held) -> None:
    expected = [
        (category, label, moment(span["started_at"]), pytest.approx(length_ms(span), abs=1e-9), metadata)
        for kind, category, label, metadata in (
            ("generation", "llm", "response", ["script-1"]),
            ("function", "tool", "find_slot", None),
            ("task", "turn", "end_to_end", None),
        )
        for span in held.spans(kind)
    ]
    recorded = [(one["data"], moment(one["data"]["started_at"])) for one in held.recorded("latency")]
    assert sorted(
        ((data["category"], data["label"], at, data["duration_ms"], data.get("metadata")) for data, at in recorded),
        key=lambda one: one[:3],
    ) == sorted(expected, key=lambda one: one[:3])
    assert len(recorded) == 5 + 1 + 4


def test_errors_are_those_of_the_spans(held: Held) -> None:
    failed = [one for one in held.report["spans"] if one.get("error")]
    assert sorted((one["data"]["source_id"], moment(one["at"])) for one in held.recorded("event")) == sorted(
        (one["id"], moment(one["ended_at"])) for one in failed
    )
    told = {one["id"]: one["error"] for one in failed}
    for data in (one["data"] for one in held.recorded("event")):
        error = told[data["source_id"]]
        assert data["type"] == "error"
        assert data["description"] == f"{error['message']}: {error['data']['error']}"


def test_usage_is_what_the_sdk_counted_call_by_call(held: Held) -> None:
    assert [one["data"] for one in held.recorded("usage")] == [
        {
            "category": "llm",
            "model": "script-1",
            "input_tokens": one["input_tokens"],
            "output_tokens": one["output_tokens"],
        }
        for one in held.report["usage"]
    ]
    assert len(held.report["usage"]) == 3  # neither of what was cancelled nor of what failed


def test_the_session_ends_when_the_program_says_so(held: Held) -> None:
    (end,) = held.recorded("session.end")
    assert end["data"]["reason"] == "completed"
    assert held.session["duration"] is not None


def test_the_published_sdk_reads_it_back(example: Held) -> None:
    lines = run(EXAMPLE / "read_back.py", example.door, example.report["thread_id"]).stdout.splitlines()
    assert lines[0] == f"session {example.session['session_id']}: {example.report['thread_id']} with Front desk"
    assert lines[1] == "  prompt reception, version 3"
    assert "  complete" in lines
    names = {"user": " user", "assistant": "agent"}
    assert [line for line in lines if line.startswith(("agent: ", " user: "))] == [
        f"{names[item['role']]}: {said(item)}" for item in example.items("message")
    ]
    assert [line.split("(")[0] for line in lines if line.startswith(" tool: ")] == [" tool: find_slot"] * 2
    assert {line.split()[1] for line in lines if line.startswith(" time: ")} == {
        "llm/response",
        "tool/find_slot",
    }


@dataclass
class Desk:
    """A recorder that listens to this process's runs, and the door to what it records."""

    recorder: Recorder
    door: Door
    hooks: Handle

    def record(self, sid: str) -> list[dict[str, Any]]:
        """The children of this session, once the server has them all."""
        assert self.recorder.flush()
        assert self.recorder.stats().dropped == {}
        (session,) = self.door.search(channel_manager_sid=sid)
        found: list[dict[str, Any]] = self.door.get(f"/hansard/v1/sessions/{session['session_id']}/record").json[
            "events"
        ]
        return found

    def said(self, sid: str, kind: str) -> list[dict[str, Any]]:
        return [one["data"] for one in self.record(sid) if one["kind"] == kind]

    def turns(self, sid: str) -> list[tuple[str, str]]:
        return [(one["role"], one["text"]) for one in self.said(sid, "message")]

    def calls(self, sid: str) -> list[dict[str, Any]]:
        self.record(sid)
        (session,) = self.door.search(channel_manager_sid=sid)
        found: list[dict[str, Any]] = self.door.get(f"/api/v1/sessions/transcript/{session['session_id']}").json[
            "actions"
        ]
        return found


@pytest.fixture
def desk(sqlite_house: House) -> Iterator[Desk]:
    door = sqlite_house.door()
    recorder = Recorder(door.url, door.key, spool=False)
    set_trace_processors([])
    yield Desk(recorder, door, attach(recorder))
    set_trace_processors([])
    recorder.close()


def line(text: str) -> ResponseOutputMessage:
    part = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(id="m", type="message", role="assistant", status="completed", content=[part])


def ask(name: str, arguments: str = "{}", call_id: str = "call_0") -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(type="function_call", call_id=call_id, name=name, arguments=arguments)


class Script(Model):  # type: ignore[misc]  # the SDK lives in an environment of its own
    """Gives these answers in turn, in the spans of the Responses API."""

    def __init__(self, *answers: list[Any] | Exception) -> None:
        self.answers = list(answers)

    async def get_response(self, **asked: Any) -> Any:
        given, tracing = asked["input"], asked["tracing"]
        with response_span(disabled=tracing.is_disabled()) as span:
            answer = self.answers.pop(0)
            if tracing.include_data():
                span.span_data.input = given
            if isinstance(answer, Exception):
                span.set_error({"message": "Error getting response", "data": {"error": str(answer)}})
                raise answer
            if tracing.include_data():
                span.span_data.response = self._response(answer)
            return ModelResponse(output=answer, usage=Usage(requests=1), response_id=None)

    async def stream_response(self, system_instructions: Any, *args: Any, **more: Any) -> Any:
        with generation_span(model="streamed") as span:
            span.span_data.input = args[0]
            response = self._response(self.answers.pop(0))
            span.span_data.output = [response.model_dump()]
            yield ResponseCompletedEvent(type="response.completed", response=response, sequence_number=0)

    @staticmethod
    def _response(answer: Any) -> Response:
        return Response(
            id="r", created_at=0, model="script-2", object="response", output=answer,
            parallel_tool_calls=True, tool_choice="auto", tools=[],
        )  # fmt: skip


def hold(work: Coroutine[Any, Any, Any]) -> None:
    asyncio.run(work)


def config(sid: str, **more: Any) -> RunConfig:
    return RunConfig(group_id=sid, **more)


def test_openais_own_processor_is_kept(desk: Desk) -> None:
    other = SimpleNamespace(**{name: lambda *_: None for name in TracingProcessor.__abstractmethods__})
    add_trace_processor(other)
    attach(desk.recorder)
    kept = get_trace_provider()._multi_processor._processors
    assert other in kept
    assert len(kept) == 3


def test_the_module_needs_no_sdk_to_be_imported() -> None:
    code = f"import sys; import {openai_agents.__name__}; sys.exit('agents' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_parallel_calls_of_one_tool_keep_their_ids_with_hooks_and_without(desk: Desk) -> None:
    async def wait(ms: int, name: str = "") -> str:
        """Wait."""
        await asyncio.sleep(ms / 1000)
        return f"{name} waited {ms}"

    for hooks in (desk.hooks, None):
        sid = make_sid()
        asked = [ask("wait", json.dumps({"ms": ms, "name": "x"}), f"c{ms}") for ms in (60, 5, 30)]
        script = Script(asked, [line("Done.")])
        hold(
            Runner.run(Agent("a", tools=[function_tool(wait)], model=script), "Go", hooks=hooks, run_config=config(sid))
        )
        told = {one["call_id"]: one for one in desk.said(sid, "tool_call") if "result" in one}
        assert {name: (one["arguments"]["ms"], one["result"]) for name, one in told.items()} == {
            f"c{ms}": (ms, f"x waited {ms}") for ms in (60, 5, 30)
        }
        assert all(one["duration_ms"] >= one["arguments"]["ms"] * 0.9 for one in told.values())


def test_twin_calls_without_hooks_are_told_apart_by_their_order(desk: Desk) -> None:
    slept = iter((0.05, 0.0))

    async def draw() -> str:
        """Draw."""
        mine = next(slept)
        await asyncio.sleep(mine)
        return f"after {mine}"

    sid = make_sid()
    script = Script([ask("draw", call_id="first"), ask("draw", call_id="second")], [line("Done.")])
    hold(Runner.run(Agent("a", tools=[function_tool(draw)], model=script), "Go", run_config=config(sid)))
    assert {one["call_id"]: one["result"] for one in desk.said(sid, "tool_call")} == {
        "first": "after 0.05",
        "second": "after 0.0",
    }


def test_calls_of_one_id_in_two_runs_stay_two_calls(desk: Desk) -> None:
    def book(slot: str) -> str:
        """Book."""
        return f"booked {slot}"

    sid = make_sid()
    answers = [[ask("book", json.dumps({"slot": slot}))] if slot else [line("Done.")] for slot in ("9", "", "11", "")]
    agent = Agent("a", tools=[function_tool(book)], model=Script(*answers))

    async def work() -> None:
        for says in ("One", "Two"):
            await Runner.run(agent, says, hooks=desk.hooks, run_config=config(sid))

    hold(work())
    assert [(one["tool_request"], one["tool_result"]) for one in desk.calls(sid)] == [
        ('{"slot":"9"}', '"booked 9"'),
        ('{"slot":"11"}', '"booked 11"'),
    ]


def test_a_call_that_waits_for_approval_is_one_call_when_it_goes_on(desk: Desk) -> None:
    def refund() -> str:
        """Refund."""
        return "refunded"

    sid = make_sid()
    agent = Agent(
        "a",
        tools=[function_tool(refund, needs_approval=True)],
        model=Script([ask("refund", call_id="c")], [line("Done.")]),
    )

    async def work() -> None:
        paused = await Runner.run(agent, "Refund me", hooks=desk.hooks, run_config=config(sid))
        state = await RunState.from_json(agent, paused.to_state().to_json())
        state.approve(state.get_interruptions()[0])
        await Runner.run(agent, state, hooks=desk.hooks, run_config=config(sid))

    hold(work())
    assert [(one["tool_name"], one["tool_result"]) for one in desk.calls(sid)] == [("refund", '"refunded"')]
    assert {one["call_id"] for one in desk.said(sid, "tool_call")} == {"c"}
    assert desk.turns(sid) == [("user", "Refund me"), ("agent", "Done.")]


def test_a_trace_whose_begin_nobody_heard_is_still_of_its_group(desk: Desk) -> None:
    """As that of a run that waited for an approval and goes on in another process."""
    sid = make_sid()
    set_trace_processors([])
    with trace("Late", group_id=sid):
        attach(desk.recorder)
        hold(Runner.run(Agent("a", model=Script([line("Yes.")])), "Late?"))
    assert desk.turns(sid) == [("user", "Late?"), ("agent", "Yes.")]


def test_a_tool_that_stops_the_run_leaves_its_error(desk: Desk) -> None:
    def fail() -> str:
        """Fail."""
        raise ValueError("no such table: slot")

    sid = make_sid()
    agent = Agent("a", tools=[function_tool(fail, failure_error_function=None)], model=Script([ask("fail")]))

    async def work() -> None:
        with pytest.raises(Exception, match="no such table"):
            await Runner.run(agent, "Go", hooks=desk.hooks, run_config=config(sid))

    hold(work())
    (call,) = desk.calls(sid)
    assert (call["tool_result"], json.loads(call["tool_error"])) == (None, "no such table: slot")
    assert desk.turns(sid) == [("user", "Go")]


def test_a_guardrail_that_trips_is_an_event_and_so_is_the_run_it_ends(desk: Desk) -> None:
    async def guard(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
        judge = Agent("judge", model=Script([line("It rains.")]))
        verdict = await Runner.run(judge, "Judge this")
        return GuardrailFunctionOutput(
            output_info=None, tripwire_triggered="rain" in verdict.final_output and "rain" in str(given)
        )

    sid = make_sid()
    agent = Agent(
        "a", input_guardrails=[InputGuardrail(guard, name="no rain")], model=Script([line("Fine.")], [line("Wet.")])
    )

    async def work() -> None:
        await Runner.run(agent, "Sun?", run_config=config(sid))
        with pytest.raises(InputGuardrailTripwireTriggered):
            await Runner.run(agent, "And rain?", run_config=config(sid))

    hold(work())
    events = desk.said(sid, "event")
    assert [(one["type"], one["category"]) for one in events] == [
        ("guardrail", "passed"),
        ("guardrail", "triggered"),
        ("error", "turn"),
    ]
    assert events[1]["attributes"] | {"duration_ms": 0} == {"name": "no rain", "triggered": True, "duration_ms": 0}
    assert events[2]["description"] == "Guardrail tripwire triggered"
    assert events[2]["attributes"] == {"details": {"guardrail": "no rain"}}
    heard = [text for role, text in desk.turns(sid) if role == "user"]
    assert heard == ["Sun?", "And rain?"]
    assert ("agent", "It rains.") not in desk.turns(sid)  # nobody heard the judge


def test_a_guardrail_that_goes_before_the_model_leaves_no_words() -> None:
    """Why the guide says so; when this fails, the SDK has come to tell what the user said."""
    seen: list[dict[str, Any]] = []
    other = SimpleNamespace(**{name: lambda *_: None for name in TracingProcessor.__abstractmethods__})
    other.on_span_end = lambda span: seen.append(span.export())
    set_trace_processors([other])

    async def guard(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    async def work() -> None:
        first = InputGuardrail(guard, run_in_parallel=False)
        with pytest.raises(InputGuardrailTripwireTriggered):
            await Runner.run(Agent("a", input_guardrails=[first], model=Script()), "And rain?")

    hold(work())
    set_trace_processors([])
    assert "guardrail" in [one["span_data"]["type"] for one in seen]
    assert "And rain?" not in json.dumps(seen)


def test_a_handoff_is_an_event_and_the_session_keeps_its_first_agent(desk: Desk) -> None:
    sid = make_sid()
    nurse = Agent("Nurse", model=Script([line("I am the nurse.")]))
    first = Agent("Desk", handoffs=[nurse], model=Script([line("One moment."), ask("transfer_to_nurse")]))
    hold(Runner.run(first, "It hurts", hooks=desk.hooks, run_config=config(sid)))
    (event,) = desk.said(sid, "event")
    assert (event["type"], event["attributes"]) == ("agent-handoff", {"from_agent": "Desk", "to_agent": "Nurse"})
    assert desk.turns(sid) == [("user", "It hurts"), ("agent", "One moment."), ("agent", "I am the nurse.")]
    (session,) = desk.door.search(channel_manager_sid=sid)
    assert session["agent_name"] == "Desk"


def test_an_agent_that_is_a_tool_says_nothing_to_the_user(desk: Desk) -> None:
    sid = make_sid()
    inner = Agent("Inner", model=Script([line("inner words")])).as_tool("inner", "Ask inside.")
    script = Script([ask("inner", '{"input": "secret"}')], [line("Done.")])
    hold(Runner.run(Agent("Outer", tools=[inner], model=script), "Go", run_config=config(sid)))
    assert desk.turns(sid) == [("user", "Go"), ("agent", "Done.")]
    (call,) = desk.calls(sid)
    assert json.loads(call["tool_result"]) == "inner words"
    labels = [(one["category"], one["label"]) for one in desk.said(sid, "latency")]
    assert sorted(labels) == [("llm", "response")] * 3 + [("tool", "inner"), ("turn", "end_to_end")]


def test_a_run_without_a_group_is_a_session_that_ends_with_it(desk: Desk) -> None:
    ids: list[str] = []

    async def work() -> None:
        for _ in range(2):
            with trace("Alone") as one:
                await Runner.run(Agent("a", model=Script([line("Yes.")])), "Really?")
            ids.append(one.trace_id)

    hold(work())
    for trace_id in ids:
        assert desk.turns(trace_id) == [("user", "Really?"), ("agent", "Yes.")]
        (end,) = desk.said(trace_id, "session.end")
        assert end["reason"] == "completed"
        assert end["counts"]["message"] == 2


def test_a_failed_run_without_a_group_ends_in_error(desk: Desk) -> None:
    async def work() -> None:
        agent = Agent("a", model=Script([ask("unknown")]))
        with trace("Alone") as one:
            with pytest.raises(ModelBehaviorError):
                await Runner.run(agent, "Really?")
            trace_ids.append(one.trace_id)

    trace_ids: list[str] = []
    hold(work())
    (end,) = desk.said(trace_ids[0], "session.end")
    assert end["reason"] == "error"


def test_a_result_is_recorded_as_it_was_when_the_tool_gave_it(desk: Desk) -> None:
    class Basket:
        def __str__(self) -> str:
            return "a basket"

    given = {"basket": Basket(), "size": 1}

    def look(odd: str) -> Any:
        """Look."""
        return {"object": Basket(), "dict": given, "nan": float("nan")}[odd]

    sid = make_sid()
    asked = [ask("look", json.dumps({"odd": odd}), odd) for odd in ("object", "dict", "nan")]

    async def work() -> None:
        await Runner.run(
            Agent("a", tools=[function_tool(look)], model=Script(asked, [line("Seen.")])), "Go", run_config=config(sid)
        )
        given["size"] = 2

    hold(work())
    assert {one["call_id"]: one["result"] for one in desk.said(sid, "tool_call")} == {
        "object": "a basket",
        "dict": {"basket": "a basket", "size": 1},
        "nan": "nan",
    }


def test_the_same_words_without_a_history_are_said_each_time(desk: Desk) -> None:
    sid = make_sid()

    async def work() -> None:
        with trace("All", group_id=sid):
            for _ in range(2):
                await Runner.run(Agent("a", model=Script([line("Yes.")])), "Really?")
        for _ in range(2):
            await Runner.run(Agent("a", model=Script([line("Yes.")])), "Really?", run_config=config(sid))

    hold(work())
    assert desk.turns(sid) == [("user", "Really?"), ("agent", "Yes.")] * 4


def test_the_same_words_heard_by_two_processes_that_keep_no_history_are_two_turns(desk: Desk) -> None:
    sid = make_sid()
    for _ in range(2):
        set_trace_processors([])
        attach(desk.recorder)  # knows nothing of the one before it, as another process would
        hold(Runner.run(Agent("a", model=Script([line("Yes.")])), "Really?", run_config=config(sid)))
    assert desk.turns(sid) == [("user", "Really?"), ("agent", "Yes.")] * 2


def test_an_answer_that_is_given_back_as_history_is_no_greeting(desk: Desk) -> None:
    sid = make_sid()

    async def work() -> None:
        agent = Agent("a", model=Script([line("Hello.")], [line("Nothing.")]))
        await Runner.run(agent, "Hi", run_config=config(sid))
        last = [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "And?"}]
        await Runner.run(agent, last, run_config=config(sid))

    hold(work())
    assert desk.turns(sid) == [("user", "Hi"), ("agent", "Hello."), ("user", "And?"), ("agent", "Nothing.")]


def test_several_messages_at_once_keep_their_order_and_say_what_is_no_text(desk: Desk) -> None:
    sid = make_sid()
    given = [
        {"role": "developer", "content": "Be kind."},
        {"role": "assistant", "content": "Good morning."},
        {"role": "assistant", "content": "I am a machine."},
        {"role": "user", "content": "Look:"},
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://example.com/x.png"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "What"}, {"type": "input_text", "text": "is it?"}]},
    ]
    hold(Runner.run(Agent("a", model=Script([line("A cat.")])), given, run_config=config(sid)))
    assert [(one["role"], one["text"], one.get("content_types")) for one in desk.said(sid, "message")] == [
        ("agent", "Good morning.", None),
        ("agent", "I am a machine.", None),
        ("user", "Look:", None),
        ("user", "", ["input_image"]),
        ("user", "What\nis it?", None),
        ("agent", "A cat.", None),
    ]


def test_a_run_that_failed_and_is_tried_again_does_not_repeat_the_user(desk: Desk) -> None:
    sid = make_sid()
    script = Script(OSError("the model is away"), [line("Here I am.")])

    async def work() -> None:
        with pytest.raises(OSError, match="away"):
            await Runner.run(Agent("a", model=script), "Hello?", run_config=config(sid))
        await Runner.run(Agent("a", model=script), "Hello?", run_config=config(sid))

    hold(work())
    assert desk.turns(sid) == [("user", "Hello?"), ("agent", "Here I am.")]
    (error,) = [one for one in desk.said(sid, "event") if one["category"] == "response"]
    assert error["description"] == "Error getting response: the model is away"


def test_attached_twice_every_turn_and_call_is_still_one(desk: Desk) -> None:
    attach(desk.recorder)
    sid = make_sid()

    def look() -> str:
        """Look."""
        return "seen"

    async def work() -> None:
        agent = Agent("a", tools=[function_tool(look)], model=Script([ask("look")], [line("Yes.")], [line("Yes.")]))
        for _ in range(2):
            await Runner.run(agent, "Really?", hooks=desk.hooks, run_config=config(sid))

    hold(work())
    assert desk.turns(sid) == [("user", "Really?"), ("agent", "Yes.")] * 2
    assert len(desk.calls(sid)) == 1


def test_a_streamed_answer_is_recorded_as_any_other(desk: Desk) -> None:
    sid = make_sid()

    async def work() -> None:
        result = Runner.run_streamed(Agent("a", model=Script([line("Word by word.")])), "Tell", run_config=config(sid))
        async for _ in result.stream_events():
            pass

    hold(work())
    assert desk.turns(sid) == [("user", "Tell"), ("agent", "Word by word.")]


def test_without_sensitive_data_there_are_times_and_call_ids_and_no_words(desk: Desk) -> None:
    def look(at: str) -> str:
        """Look."""
        return "secret"

    sid = make_sid()
    script = Script([ask("look", '{"at": "secret"}', "c7")], [line("secret")])
    agent = Agent("a", tools=[function_tool(look)], model=script)
    quiet = config(sid, trace_include_sensitive_data=False)
    hold(Runner.run(agent, "secret", hooks=desk.hooks, run_config=quiet))
    record = desk.record(sid)
    assert "secret" not in json.dumps(record)
    assert {one["data"]["call_id"] for one in record if one["kind"] == "tool_call"} == {"c7"}
    labels = sorted(one["data"]["label"] for one in record if one["kind"] == "latency")
    assert labels == ["end_to_end", "look", "response", "response"]


def test_a_voice_pipelines_spans_are_latencies(desk: Desk) -> None:
    sid = make_sid()
    with trace("Voice", group_id=sid):
        with transcription_span(model="ears", output="Hello") as heard:
            pass
        with transcription_span(model="ears", model_config={"turn_detection": {}}):
            pass
        with speech_span(model="mouth", input="Hi") as spoken:
            spoken.span_data.first_content_at = spoken.started_at
    measured = {one["label"]: one for one in desk.said(sid, "latency")}
    assert {label: (one["category"], one["metadata"]) for label, one in measured.items()} == {
        "transcription": ("stt", ["ears"]),
        "first_byte": ("tts", ["mouth"]),
        "speech": ("tts", ["mouth"]),
    }
    assert len(desk.said(sid, "latency")) == 3
    assert measured["first_byte"]["duration_ms"] == 0
    assert measured["transcription"]["duration_ms"] == pytest.approx(
        (moment(str(heard.ended_at)) - moment(str(heard.started_at))) / timedelta(milliseconds=1)
    )


def test_what_differs_from_run_to_run_is_said_in_the_metadata_of_its_trace(desk: Desk) -> None:
    sid = make_sid()
    for version, more in (("7", {"tier": float("nan")}), (8, {"prompt_version_number": "eight", "is_test": False})):
        with trace("Desk", group_id=sid, metadata={"prompt_version": version, "source": "+1555", **more}):
            pass
    (start,), (update,) = desk.said(sid, "session.start"), desk.said(sid, "session.update")
    assert start == {
        "prompt_version": "7",
        "source": "+1555",
        "workflow_name": "Desk",
        "trace_metadata": "{'tier': nan}",
    }
    assert update == {"prompt_version": "8", "is_test": False}


def test_the_handle_ends_a_session_and_adds_to_it(desk: Desk) -> None:
    sid = make_sid()
    hold(Runner.run(Agent("a", model=Script([line("Bye.")])), "Bye", run_config=config(sid)))
    desk.hooks.session(sid).label("GOOD")
    desk.hooks.end(sid, "left", user_terminated=True)
    assert desk.said(sid, "label")[0]["code"] == "GOOD"
    (end,) = desk.said(sid, "session.end")
    assert (end["reason"], end["user_terminated"], end["counts"]["message"]) == ("left", True, 2)
    (session,) = desk.door.search(channel_manager_sid=sid)
    assert session["duration"] is not None


GARBAGE: list[Any] = [None, 7, "text", object(), SimpleNamespace(), [1], {"role": 5, "content": {"a": 1}}, b"x"]


def test_garbage_reaches_neither_the_agent_nor_the_record(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    listener = desk.hooks._listener
    for one in GARBAGE:
        for tell in (listener.on_trace_start, listener.on_trace_end, listener.on_span_start, listener.on_span_end):
            tell(one)
        listener.on_tool(one)
        asyncio.run(desk.hooks.on_tool_start(one, one, one))
        desk.hooks.end(one)
    sid = make_sid()
    with trace("Desk", group_id=sid, metadata={"prompt_version": object()}):
        for one in GARBAGE:
            with generation_span(model=one, usage=one) as odd:
                odd.span_data.input, odd.span_data.output = [one, [one]], [one, {"content": [one], "tool_calls": [one]}]
                odd._started_at = one if isinstance(one, str) else odd.started_at
            with response_span() as odd_response:
                odd_response.span_data.input, odd_response.span_data.response = one, one
            with custom_span("odd") as failed:
                failed.set_error(one)
        with generation_span(input=[{"role": "user", "content": "Still here?"}]):
            pass
    assert desk.recorder.flush()
    (session,) = desk.door.search(channel_manager_sid=sid)
    record = desk.door.get(f"/hansard/v1/sessions/{session['session_id']}/record").json["events"]
    assert "Still here?" in [one["data"]["text"] for one in record if one["kind"] == "message"]


def test_conversations_held_at_once_keep_apart(desk: Desk) -> None:
    sids = [make_sid() for _ in range(20)]

    async def nap(whose: str) -> str:
        """Nap."""
        await asyncio.sleep(0.01)
        return whose

    async def one(sid: str) -> None:
        answers = [[ask("nap", json.dumps({"whose": sid}))], [line(f"Bye {sid}")], [line("Yes.")]]
        agent = Agent("a", tools=[function_tool(nap)], model=Script(*answers))
        for says in (f"I am {sid}", "Still?"):
            await Runner.run(agent, says, hooks=desk.hooks, run_config=config(sid))

    async def work() -> None:
        await asyncio.gather(*map(one, sids))

    hold(work())
    for sid in sids:
        assert desk.turns(sid) == [
            ("user", f"I am {sid}"),
            ("agent", f"Bye {sid}"),
            ("user", "Still?"),
            ("agent", "Yes."),
        ]
        assert [one["tool_result"] for one in desk.calls(sid)] == [f'"{sid}"']


def test_nothing_is_held_of_traces_and_conversations_that_are_long_gone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_agents, "MOST_SESSIONS", 5)
    monkeypatch.setattr(openai_agents, "MOST_TRACES", 3)
    listener = desk.hooks._listener
    with trace("Long", group_id="long") as long:
        for number in range(10):
            with trace("Desk", group_id=f"g{number}"), custom_span("open"):
                pass
        assert long.trace_id in listener._traces
    assert list(listener._sessions) == ["g5", "g6", "g7", "g8", "g9"]
    assert len(listener._traces) == 3
    assert not any(one.runs for one in listener._traces.values())


def test_a_message_that_cannot_be_read_costs_only_itself(desk: Desk) -> None:
    sid = make_sid()
    usage = {"input_tokens": 1, "output_tokens": 2}
    with (
        trace("Desk", group_id=sid),
        generation_span(output=[{"role": "assistant", "content": "Yes."}], usage=usage) as odd,
    ):
        odd.span_data.input = 7
    assert desk.turns(sid) == [("agent", "Yes.")]
    assert [one["output_tokens"] for one in desk.said(sid, "usage")] == [2]
    assert [one["label"] for one in desk.said(sid, "latency")] == ["response"]


def test_a_recorder_without_a_server_changes_nothing_for_the_run(desk: Desk) -> None:
    set_trace_processors([])
    away = Recorder("http://127.0.0.1:9", "none", spool=False)
    hooks = attach(away)
    hold(Runner.run(Agent("a", model=Script([line("Fine.")])), "Go", hooks=hooks))
    assert (away.stats().sent, away.stats().dropped) == (0, {})
    away.close(0.1)


def test_the_sdk_still_has_the_processors_interface() -> None:
    """The listener is no subclass, so that the module needs no SDK; when this fails, the SDK asks for more."""
    wanted = TracingProcessor.__abstractmethods__
    assert all(callable(getattr(openai_agents._Listener, name)) for name in wanted)

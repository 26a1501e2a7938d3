"""OpenAI Agents SDK: what its traces tell of a conversation, said on to the recorder.

It listens beside OpenAI's own trace processor and changes nothing. A run is a trace; the runs of one group are one
session. Every call of a model repeats the history, so only its new end is taken: what the user said last, and the
answer.
"""

import hashlib
import json
import threading
import types
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from hansard.recorder.session import Recorder, SessionRecorder, quietly
from hansard.wire import LatencyCategory

if TYPE_CHECKING:
    from agents import RunContextWrapper
    from agents.lifecycle import RunHooksBase as _Hooks
    from agents.tracing import Span, Trace
else:
    _Hooks = object

T = TypeVar("T")
FLUSH_S = 5.0
MOST_SESSIONS = 1000  # remembered at once; a forgotten one begins anew on the same record
MOST_TRACES = 1000
MICROSECOND = timedelta(microseconds=1)
# What trace metadata may say of the session, and as what; the rest of it is kept as it is.
FIELDS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("agent_id", "agent_name", "agent_type", "agent_timezone"), str),
    **dict.fromkeys(("prompt_id", "prompt_name", "prompt_version"), str),
    **dict.fromkeys(("conversation_id", "channel_manager_type", "source", "target"), str),
    **dict.fromkeys(("prompt_version_number",), int),
    **dict.fromkeys(("is_test", "is_outbound"), bool),
}


def attach(recorder: Recorder, *, service: str = "openai-agents", **fields: Any) -> "Handle":
    """Record every run of this process from now on. Call it once, where the program begins.

    The `group_id` of a run's RunConfig is the id of its session; a run without one is a session of its own. `fields`
    are those of `hansard.Session`, the same for all; what differs (the prompt's version, who called) goes into the
    `trace_metadata` of a RunConfig under the same names. Pass what is given back as `hooks=` to a run, so that its tool
    calls are recorded as they begin and with the model's call ids.
    """
    from agents.lifecycle import RunHooksBase

    listener = _Listener(recorder, service, fields)
    _listen(listener)
    # The runner takes only hooks of its own kind, which are not there before its package is imported.
    kind = types.new_class("Handle", (Handle, RunHooksBase))
    handle: Handle = kind(listener)
    return handle


@quietly
def _listen(listener: "_Listener") -> None:
    from agents.tracing import add_trace_processor

    add_trace_processor(listener)


class Handle(_Hooks):  # type: ignore[misc]  # the SDK lives in an environment of its own
    """Run hooks, and the way to what no trace says: the end of a conversation, a label, a summary."""

    def __init__(self, listener: "_Listener") -> None:
        self._listener = listener

    def session(self, group_id: str) -> SessionRecorder:
        """The recorder of this group's session, to add what the SDK does not know."""
        return self._listener.session(group_id).recording

    def end(self, group_id: str, reason: str | None = None, **fields: Any) -> None:
        """The conversation of this group is over. Without it the server ends the session after a silence."""
        self._listener.end(group_id, reason, fields)

    async def on_tool_start(self, context: "RunContextWrapper[Any]", *_: Any) -> None:
        self._listener.on_tool(context)


@dataclass
class _Session:
    """A session, and what is known of it in this process."""

    recording: SessionRecorder
    said: dict[str, Any]
    unanswered: set[str] = field(default_factory=set)
    turns: Counter[str] = field(default_factory=Counter)
    calls: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class _Run:
    """One run: a question and the steps to its answer. An inner one is a tool's or a guardrail's; no user hears it."""

    began_at: datetime | None
    is_inner: bool
    steps: int = 0
    heard: set[str] = field(default_factory=set)
    asked: list["_Asked"] = field(default_factory=list)
    functions: list["Span[Any]"] = field(default_factory=list)


@dataclass
class _Trace:
    """A trace, and the run that each of its open spans is part of."""

    id: str
    session: _Session
    is_grouped: bool
    runs: dict[str, _Run] = field(default_factory=dict)
    call_ids: dict[str, str] = field(default_factory=dict)
    is_failed: bool = False


@dataclass(frozen=True)
class _Asked:
    """A tool call that a model asked for."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class _Said:
    """A message of a model's input or output; `others` are the types of its parts that are not text."""

    role: str
    text: str
    others: tuple[str, ...] = ()
    calls: tuple[_Asked, ...] = ()


class _Listener:
    """A trace processor: the SDK calls it on the agent's own thread, so it returns at once and never raises."""

    def __init__(self, recorder: Recorder, service: str, fields: Mapping[str, Any]) -> None:
        self._recorder = recorder
        self._service = service
        self._fields = dict(fields)
        self._lock = threading.RLock()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._traces: OrderedDict[str, _Trace] = OrderedDict()

    def session(self, sid: str, said: Mapping[str, Any] | None = None) -> _Session:
        """The session of this id; begun when it is not known. What is newly said of it is recorded."""
        with self._lock:
            known = self._sessions.get(sid)
            if known is None:
                fields = self._fields | dict(said or {})
                known = _Session(self._recorder.session(service=self._service, sid=sid, **fields), fields)
            _keep(self._sessions, sid, known, MOST_SESSIONS)
        news = {name: value for name, value in (said or {}).items() if known.said.get(name) != value}
        if news:
            known.said |= news
            known.recording.update(**news)
        return known

    @quietly
    def end(self, sid: str, reason: str | None, fields: Mapping[str, Any]) -> None:
        self.session(sid).recording.end(reason, **fields)
        with self._lock:
            self._sessions.pop(sid, None)

    @quietly
    def on_trace_start(self, trace: "Trace") -> None:
        self._begin(trace)

    @quietly
    def on_trace_end(self, trace: "Trace") -> None:
        """End the session of a run without a group: nothing can follow."""
        if (known := self._traces.get(trace.trace_id)) is None:
            return
        if not known.is_grouped:
            known.session.recording.end("error" if known.is_failed else "completed")
        with self._lock:
            self._traces.move_to_end(trace.trace_id, last=False)  # the first to be forgotten

    def _begin(self, trace: "Trace") -> _Trace:
        group_id = getattr(trace, "group_id", None)
        session = self.session(str(group_id or trace.trace_id), _fields_of(trace))
        known = _Trace(trace.trace_id, session, bool(group_id))
        with self._lock:
            _keep(self._traces, trace.trace_id, known, MOST_TRACES)
        return known

    def _trace_of(self, span: "Span[Any]") -> _Trace | None:
        """The trace of this span. One that was begun unseen (a resumed run's, an earlier one's) is the current one."""
        if known := self._traces.get(span.trace_id):
            return known
        from agents.tracing import get_current_trace

        trace = get_current_trace()
        return self._begin(trace) if trace and trace.trace_id == span.trace_id else None

    @quietly
    def on_span_start(self, span: "Span[Any]") -> None:
        if (trace := self._trace_of(span)) is None:
            return
        kind = span.span_data.type
        around = trace.runs.get(span.parent_id or "")
        if kind == "function" and around:
            around.functions.append(span)
        if kind in ("function", "guardrail"):
            trace.runs[span.span_id] = _Run(_moment(span.started_at), is_inner=True)
        elif kind == "task" or around is None:
            trace.runs[span.span_id] = _Run(_moment(span.started_at), is_inner=bool(around and around.is_inner))
        else:
            trace.runs[span.span_id] = around
        if kind == "agent" and not trace.runs[span.span_id].is_inner:
            self._name(trace.session, span.span_data.name)

    def _name(self, session: _Session, agent_name: Any) -> None:
        """Record the agent that took the session first; where it was handed to is told by events."""
        if isinstance(agent_name, str) and "agent_name" not in session.said:
            session.said["agent_name"] = agent_name
            session.recording.update(agent_name=agent_name)

    @quietly
    def on_span_end(self, span: "Span[Any]") -> None:
        if (trace := self._trace_of(span)) is None:
            return
        run = trace.runs.pop(span.span_id, None) or _Run(_moment(span.started_at), is_inner=False)
        around = trace.runs.get(span.parent_id or "")
        kind = span.span_data.type
        if span.error and kind != "function":
            self._fail(trace, span)
        if kind in ("generation", "response"):
            self._answer(trace, run, span)
        elif kind == "function":
            self._call(trace, around, span)
        elif tell := TELLERS.get(kind):
            tell(trace.session.recording, span)
        elif kind == "task" and not run.is_inner:
            _measure(trace.session.recording, span, "turn", "end_to_end")

    def _answer(self, trace: _Trace, run: _Run, span: "Span[Any]") -> None:
        """Record one call of a model: what is new in its input, what it said, how long it took and what it used."""
        if not run.is_inner:
            self._hear(trace, run, span)
        self._speak(trace, run, span)
        run.steps += 1
        model = _model_of(span.span_data)
        _measure(trace.session.recording, span, "llm", "response", model)
        _use(trace.session.recording, span, model)

    @quietly
    def _hear(self, trace: _Trace, run: _Run, span: "Span[Any]") -> None:
        """Record what the user said last and, at the begin of a conversation, the greeting that was laid before it.

        The same words after the same history are one turn until they are answered: a model or a run tried again.
        """
        given, session = _input_of(span.span_data), trace.session
        asked_at = _moment(span.started_at) if run.steps else run.began_at
        for place in range(_first_new(given, is_begun=bool(session.turns)), len(given)):
            turn = _turn_of(given[: place + 1])
            if turn in run.heard or turn in session.unanswered:
                continue
            run.heard.add(turn)
            session.unanswered.add(turn)
            at = asked_at and asked_at - (len(given) - 1 - place) * MICROSECOND
            _say(session.recording, _message(given[place]), at, _turn_id(trace, given[:place], turn))

    @quietly
    def _speak(self, trace: _Trace, run: _Run, span: "Span[Any]") -> None:
        spoken = _output_of(span.span_data)
        run.asked, run.functions = [call for one in spoken for call in one.calls], []
        if run.is_inner:
            return
        for place, one in enumerate(one for one in spoken if one.text or one.others):
            trace.session.unanswered.clear()
            trace.session.turns[span.span_id] += 1
            _say(trace.session.recording, one, _moment(span.ended_at), f"{span.span_id}.said.{place}")

    @quietly
    def on_tool(self, context: "RunContextWrapper[Any]") -> None:
        """Record a call at once, without its result: what never returns was called all the same."""
        from agents.tracing import get_current_span

        span, call_id = get_current_span(), getattr(context, "tool_call_id", None)
        if span is None or span.span_data.type != "function" or not isinstance(call_id, str):
            return
        if trace := self._trace_of(span):
            trace.call_ids[span.span_id] = call_id
            trace.session.recording.tool_call(
                span.span_data.name,
                call_id=_claimed(trace.session, call_id, span.span_id),
                at=_moment(span.started_at),
                id=f"{span.span_id}.begun",
            )

    def _call(self, trace: _Trace, around: _Run | None, span: "Span[Any]") -> None:
        """Record a tool call. Of a failure, the cause is the error, and what the model was told of it the result."""
        data = span.span_data
        given_id = trace.call_ids.pop(span.span_id, None) or _asked_id(around, span) or span.span_id
        call_id = _claimed(trace.session, given_id, span.span_id)
        trace.session.recording.tool_call(
            data.name,
            _plain(data.input),
            result=_plain(data.output),
            error=_plain(_cause(span.error)) if span.error else None,
            call_id=call_id,
            duration_ms=_duration_ms(span.started_at, span.ended_at),
            at=_moment(span.started_at),
            id=f"{span.span_id}.call",
            mcp=_plain(data.mcp_data),
        )
        _measure(trace.session.recording, span, "tool", data.name)
        if data.output is None and not span.error:  # it may wait for an approval, and be called by the same id again
            trace.session.calls[given_id].remove(span.span_id)

    @quietly
    def _fail(self, trace: _Trace, span: "Span[Any]") -> None:
        kind = span.span_data.type
        trace.is_failed = trace.is_failed or kind in ("agent", "task", "turn")
        trace.session.recording.event(
            "error",
            at=_moment(span.ended_at),
            id=f"{span.span_id}.error",
            source="openai-agents",
            source_id=span.span_id,
            category=kind,
            description=_described(span.error),
            attributes={"details": _plain(span.error.get("data"))},
        )

    def force_flush(self) -> None:
        """Wait until the server has what was recorded. The SDK calls it where the program asks for it."""
        self._recorder.flush(FLUSH_S)

    def shutdown(self) -> None:
        """Nothing: the recorder delivers at the program's end by itself."""


def _hand_off(recording: SessionRecorder, span: "Span[Any]") -> None:
    recording.event(
        "agent-handoff",
        at=_moment(span.ended_at),
        id=f"{span.span_id}.handoff",
        source="openai-agents",
        source_id=span.span_id,
        attributes={"from_agent": span.span_data.from_agent, "to_agent": span.span_data.to_agent},
    )


def _guard(recording: SessionRecorder, span: "Span[Any]") -> None:
    name, is_triggered = str(span.span_data.name), bool(span.span_data.triggered)
    recording.event(
        "guardrail",
        at=_moment(span.ended_at),
        id=f"{span.span_id}.guardrail",
        source="openai-agents",
        source_id=span.span_id,
        category="triggered" if is_triggered else "passed",
        description=name[:10_000],
        attributes={
            "name": name,
            "triggered": is_triggered,
            "duration_ms": _duration_ms(span.started_at, span.ended_at),
        },
    )


def _transcribe(recording: SessionRecorder, span: "Span[Any]") -> None:
    """A span of streamed audio, known by its turn detection, lasts as long as the user spoke: no latency."""
    if "turn_detection" not in (span.span_data.model_config or {}):
        _measure(recording, span, "stt", "transcription", _model_of(span.span_data))


def _voice(recording: SessionRecorder, span: "Span[Any]") -> None:
    model, first_at = _model_of(span.span_data), span.span_data.first_content_at
    if first_at:
        _measure(recording, span, "tts", "first_byte", model, ended_at=first_at)
    _measure(recording, span, "tts", "speech", model)


TELLERS: Mapping[str, Callable[[SessionRecorder, "Span[Any]"], None]] = {
    "handoff": _hand_off,
    "guardrail": _guard,
    "transcription": _transcribe,
    "speech": _voice,
}


def _say(recording: SessionRecorder, one: _Said, at: datetime | None, turn_id: str) -> None:
    say = recording.user if one.role == "user" else recording.agent
    say(one.text, at=at, id=turn_id, content_types=list(one.others) or None)


@quietly
def _measure(
    recording: SessionRecorder,
    span: "Span[Any]",
    category: LatencyCategory,
    label: str,
    model: str | None = None,
    ended_at: str | None = None,
) -> None:
    """Record how long a span took, or until `ended_at`."""
    until = ended_at or span.ended_at
    if (duration_ms := _duration_ms(span.started_at, until)) is None:
        return
    recording.latency(
        category,
        label,
        duration_ms,
        started_at=_moment(span.started_at),
        at=_moment(until),
        id=f"{span.span_id}.{label}"[:256],
        metadata=[model] if model else None,
    )


@quietly
def _use(recording: SessionRecorder, span: "Span[Any]", model: str | None) -> None:
    """Record the tokens of a call. The SDK counts from zero, so that a zero says nothing."""
    usage = span.span_data.usage
    if not isinstance(usage, Mapping) or not (usage.get("input_tokens") or usage.get("output_tokens")):
        return
    recording.usage(
        "llm",
        at=_moment(span.ended_at),
        id=f"{span.span_id}.usage",
        model=model,
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
        cached_input_tokens=_detail(usage, "input_tokens_details", "cached_tokens"),
        reasoning_tokens=_detail(usage, "output_tokens_details", "reasoning_tokens"),
    )


def _detail(usage: Mapping[str, Any], details: str, name: str) -> int | None:
    said = usage.get(details)
    return (said.get(name) or None) if isinstance(said, Mapping) else None


def _fields_of(trace: "Trace") -> dict[str, Any]:
    """What a trace says of its session: the Session fields in its metadata, the other metadata, the workflow."""
    metadata = getattr(trace, "metadata", None)
    given = dict(metadata) if isinstance(metadata, Mapping) else {}
    fields = {name: _field(name, given.pop(name)) for name in FIELDS if name in given}
    fields |= {"workflow_name": trace.name, "trace_metadata": _plain(given) or None}
    return {name: value for name, value in fields.items() if value is not None}


def _field(name: str, value: Any) -> Any:
    """The value as this field's type; None where it cannot be, as it would cost the whole event."""
    kind = FIELDS[name]
    if kind is str and isinstance(value, str | int | float):
        return str(value).replace("\0", "")[:256]
    return value if type(value) is kind else None


def _input_of(data: Any) -> list[Mapping[str, Any]]:
    """The messages a model was given, without its instructions."""
    given = [{"role": "user", "content": data.input}] if isinstance(data.input, str) else data.input
    return [one for one in map(_mapping, given or ()) if one.get("role") not in ("system", "developer")]


def _output_of(data: Any) -> list[_Said]:
    """What a model gave: messages of chat completions, or the items of a response, streamed or not."""
    given = data.output if data.type == "generation" else [data.response]
    items: list[_Said] = []
    for one in map(_mapping, given or ()):
        parts = one.get("output")
        items += [_message(part) for part in (parts if isinstance(parts, Sequence) else [one])]
    return [one for one in items if one.role == "assistant" or one.calls]


def _message(given: Any) -> _Said:
    """A message in either of the two spellings: chat completions' or that of responses."""
    item = _mapping(given)
    kind = str(item.get("type") or "message")
    if kind == "function_call":
        return _Said(kind, "", calls=(_asked(item.get("call_id"), item),))
    role = str(item.get("role") or kind)
    calls = tuple(
        _asked(_mapping(one).get("id"), _mapping(_mapping(one).get("function"))) for one in item.get("tool_calls") or ()
    )
    content = item.get("content")
    if isinstance(content, str):
        return _Said(role, content, calls=calls)
    parts = [_mapping(one) for one in content or ()]
    texts = [part.get("text") or part.get("refusal") for part in parts] + [item.get("refusal")]
    others = tuple(str(part.get("type")) for part in parts if not (part.get("text") or part.get("refusal")))
    return _Said(role, "\n".join(one for one in texts if isinstance(one, str)), others, calls)


def _asked(call_id: Any, function: Mapping[str, Any]) -> _Asked:
    return _Asked(str(call_id or ""), str(function.get("name")), str(function.get("arguments")))


def _first_new(given: list[Mapping[str, Any]], *, is_begun: bool) -> int:
    """Where the new end of a history begins: with what the user said last, or at once in a new conversation."""
    first = len(given)
    while first and given[first - 1].get("role") == "user":
        first -= 1
    if is_begun or first == len(given):
        return first
    is_greeting = all(one.get("role") == "assistant" and not one.get("tool_calls") for one in given[:first])
    return 0 if is_greeting else first


def _turn_of(given: list[Mapping[str, Any]]) -> str:
    """The same for the same words after the same history."""
    return hashlib.sha256(json.dumps(given, default=str).encode()).hexdigest()[:32]


def _turn_id(trace: _Trace, before: list[Mapping[str, Any]], turn: str) -> str:
    """An id made of the words and the history before them; where there is none, the trace tells turns apart."""
    has_history = any(one.get("role") == "user" for one in before)
    turn_id = turn if has_history else f"{turn}.{trace.id}"[:240]
    trace.session.turns[turn_id] += 1
    number = trace.session.turns[turn_id]
    return turn_id if number == 1 else f"{turn_id}.{number}"


def _asked_id(around: _Run | None, span: "Span[Any]") -> str | None:
    """The id of the call that the model asked for with this name and these arguments; twins are told apart by order."""
    if around is None:
        return None
    twins = [one.span_id for one in around.functions if _told(one) == _told(span)]
    asked = [call.id for call in around.asked if (call.name, call.arguments) == _told(span)]
    return dict(zip(twins, asked, strict=False)).get(span.span_id)


def _told(span: "Span[Any]") -> tuple[str, str]:
    return str(span.span_data.name), str(span.span_data.input)


def _claimed(session: _Session, call_id: str, span_id: str) -> str:
    """The call id, numbered when another call of the session bears it: some models count from zero in every answer."""
    spans = session.calls.setdefault(call_id, [])
    if span_id not in spans:
        spans.append(span_id)
    number = spans.index(span_id) + 1
    return call_id if number == 1 else f"{call_id}.{number}"


def _cause(error: Mapping[str, Any]) -> Any:
    data = error.get("data")
    return (data.get("error") if isinstance(data, Mapping) else None) or error.get("message")


def _described(error: Mapping[str, Any]) -> str:
    message, cause = str(error.get("message")), str(_cause(error))
    return (message if cause == message else f"{message}: {cause}").replace("\0", "")[:10_000]


def _model_of(data: Any) -> str | None:
    model = getattr(data, "model", None) or getattr(getattr(data, "response", None), "model", None)
    return str(model) if model else None


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _duration_ms(started_at: Any, ended_at: Any) -> float | None:
    began, until = _moment(started_at), _moment(ended_at)
    return round((until - began) / timedelta(milliseconds=1), 3) if began and until else None


def _mapping(given: Any) -> Mapping[str, Any]:
    """A message as a mapping; the SDK gives some as mappings and some as models."""
    if not isinstance(given, Mapping) and hasattr(given, "model_dump"):
        given = given.model_dump()
    return given if isinstance(given, Mapping) else {}


def _plain(value: Any) -> Any:
    """A value that JSON can carry: what JSON text says, where it is an object or a list; else the text itself."""
    if isinstance(value, str):
        return _parsed(value)
    if value is not None and not isinstance(value, dict | list | tuple | bool | int | float):
        return str(value)
    try:
        json.dumps(value, default=str, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return str(value)
    return value


def _parsed(text: str) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict | list) else text


def _keep(shelf: "OrderedDict[str, T]", key: str, value: T, most: int) -> None:
    """Put a thing where it is found again, and let the longest unused go."""
    shelf[key] = value
    shelf.move_to_end(key)
    while len(shelf) > most:
        shelf.popitem(last=False)

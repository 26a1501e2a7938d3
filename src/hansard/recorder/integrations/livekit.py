"""LiveKit Agents: what an AgentSession tells of itself, said on to the recorder.

It listens to the session's own events and changes nothing. LiveKit's instants are Unix seconds and its durations
seconds; both become the recorder's here.
"""

import asyncio
import contextlib
import json
import math
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hansard.recorder.integrations.livekit_job import Line, labels_of, line_of, tags_of
from hansard.recorder.session import Recorder, SessionRecorder, quietly
from hansard.wire import LatencyCategory, UsageCategory

if TYPE_CHECKING:
    from livekit.agents import (
        AgentHandoff,
        AgentSession,
        AgentStateChangedEvent,
        ChatMessage,
        CloseEvent,
        ConversationItemAddedEvent,
        ErrorEvent,
        FunctionCall,
        FunctionToolsExecutedEvent,
        JobContext,
        SessionUsageUpdatedEvent,
        SpeechCreatedEvent,
        ToolCallEnded,
        ToolExecutionUpdatedEvent,
        UserInputTranscribedEvent,
        UserStateChangedEvent,
    )
    from livekit.agents.llm import FunctionCallOutput
    from livekit.agents.metrics import LLMMetrics

FLUSH_S = 5.0  # of the ten that a job's process has by default before it is killed
USAGE_CATEGORIES: Mapping[str, UsageCategory] = {"llm_usage": "llm", "stt_usage": "stt", "tts_usage": "tts"}
USAGE_NAMES = {
    "input_cached_tokens": "cached_input_tokens",
    "characters_count": "characters",
    "audio_duration": "audio_seconds",
}


def attach(
    session: "AgentSession[Any]",
    *,
    recorder: Recorder,
    ctx: "JobContext | None" = None,
    sid: str | None = None,
    service: str = "livekit",
    **fields: Any,
) -> SessionRecorder:
    """Record what this session says until it closes. Call it before `session.start`.

    `sid` is the id of the session at `service`, which carries it. Left out, both are read from the job, `ctx` or the
    one this runs in: the call's of the SIP participant, with its source and target, else the room's. `fields` are
    those of `hansard.Session`, as known now, and win over what the line says. What LiveKit does not know (a summary,
    a transfer) can be said to the SessionRecorder that is given back.

    In a job, judges' verdicts and the outcome become labels, tags become metadata, and the record is delivered before
    the process ends. What has an id at LiveKit keeps it, so that its own upload of the session adds nothing twice.
    """
    job = ctx or _job()
    line = Line(service, sid) if sid else _line(job)
    recording = recorder.session(service=line.service, sid=line.sid, **{**line.fields, **fields})
    _Listener(recording, job.job.id if job else None).listen(session)
    if job:
        _deliver_at_shutdown(job, recorder, recording)
    return recording


def _line(job: "JobContext | None") -> Line:
    """Where the session is to be found; an id of our own where nothing names it, for it must not go unrecorded."""
    with contextlib.suppress(Exception):
        if job and (line := line_of(job)).sid:
            return line
    return Line("livekit", f"unnamed-{uuid.uuid4().hex}")


def _job() -> "JobContext | None":
    with contextlib.suppress(Exception):
        from livekit.agents import get_job_context

        return get_job_context(required=False)
    return None


@quietly
def _deliver_at_shutdown(job: "JobContext", recorder: Recorder, recording: SessionRecorder) -> None:
    """Wait for delivery when the job shuts down, its session closed: a job's process may run no exit handlers.

    Judges have spoken by then, for they are asked when the session is over.
    """

    async def deliver() -> None:
        _judge(job, recording)
        await asyncio.to_thread(recorder.flush, FLUSH_S)

    job.add_shutdown_callback(deliver)


@quietly
def _judge(job: "JobContext", recording: SessionRecorder) -> None:
    for label in labels_of(job):
        recording.label(**label)
    if tags := tags_of(job):
        recording.update(tags=tags)


@dataclass
class _Call:
    """A tool call that has begun, and the id it is recorded with."""

    id: str
    name: str
    started_at: datetime
    number: int = 1
    error: str | None = None


class _Listener:
    """The handlers of one session. They never raise: LiveKit passes a handler's TypeError on to the agent."""

    def __init__(self, recording: SessionRecorder, job_id: str | None) -> None:
        self._recording = recording
        self._job_id = job_id
        self._lang: str | None = None
        self._calls: dict[str, _Call] = {}
        self._usages: list[Any] = []
        self._speech_ids: set[str] = set()
        self._answers: deque[LLMMetrics] = deque(maxlen=100)  # of the model, not yet told by a message

    @quietly
    def listen(self, session: "AgentSession[Any]") -> None:
        session.on("user_input_transcribed", self.on_transcribed)
        session.on("conversation_item_added", self.on_item)
        session.on("tool_execution_updated", self.on_tool)
        session.on("function_tools_executed", self.on_tools_executed)
        session.on("session_usage_updated", self.on_usage)
        session.on("agent_state_changed", self.on_agent_state)
        session.on("user_state_changed", self.on_user_state)
        session.on("error", self.on_error)
        session.on("close", self.on_close)
        session.on("speech_created", self.on_speech)
        if model := getattr(session, "llm", None):
            model.on("metrics_collected", self.on_answered)
            session.on("close", lambda _: model.off("metrics_collected", self.on_answered))

    @quietly
    def on_speech(self, event: "SpeechCreatedEvent") -> None:
        self._speech_ids.add(event.speech_handle.id)

    @quietly
    def on_answered(self, metrics: "LLMMetrics") -> None:
        self._answers.append(metrics)

    @quietly
    def on_transcribed(self, event: "UserInputTranscribedEvent") -> None:
        if event.is_final and event.language:
            self._lang = str(event.language)

    @quietly
    def on_item(self, event: "ConversationItemAddedEvent") -> None:
        item = event.item
        if item.type == "agent_handoff":
            self._hand_off(item)
        elif item.type == "message" and item.role == "user":
            self._hear(item)
        elif item.type == "message" and item.role == "assistant":
            self._speak(item)

    def _hear(self, item: "ChatMessage") -> None:
        stt = item.metrics.get("stt_metadata") or {}
        self._recording.user(
            item.text_content or "",
            id=item.id,
            **_spoken(item),
            lang=self._lang,
            confidence=_number(item.transcript_confidence) or None,  # zero from a recognizer that gives none
            stt_provider=stt.get("model_provider"),
            stt_model=stt.get("model_name"),
        )
        metrics = item.metrics
        stopped_at = _moment(metrics.get("stopped_speaking_at")) or _moment(item.created_at)
        decided_at = _moved(stopped_at, metrics.get("end_of_turn_delay"))
        self._measure(item.id, "stt", "transcription", metrics.get("transcription_delay"), stopped_at, stt)
        self._measure(item.id, "turn", "end_of_turn", metrics.get("end_of_turn_delay"), stopped_at)
        self._measure(item.id, "turn", "user_turn_completed", metrics.get("on_user_turn_completed_delay"), decided_at)

    def _speak(self, item: "ChatMessage") -> None:
        """LiveKit says how long each step took, not when it began; each is laid before the step that followed it."""
        self._recording.agent(item.text_content or "", id=item.id, **_spoken(item))
        self._answers.clear()
        metrics = item.metrics
        models = metrics.get("llm_metadata"), metrics.get("tts_metadata")
        spoke_at = _moment(metrics.get("started_speaking_at")) or _moment(item.created_at)
        played_at = _moved(spoke_at, metrics.get("playback_latency"), -1)
        voiced_at = _moved(played_at, metrics.get("tts_node_ttfb"), -1)
        asked_at = _moved(voiced_at, metrics.get("llm_node_ttft"), -1)
        silent_at = _moved(spoke_at, metrics.get("e2e_latency"), -1)
        self._measure(item.id, "llm", "first_token", metrics.get("llm_node_ttft"), asked_at, models[0])
        self._measure(item.id, "tts", "first_byte", metrics.get("tts_node_ttfb"), voiced_at, models[1])
        self._measure(item.id, "turn", "playback", metrics.get("playback_latency"), played_at)
        self._measure(item.id, "turn", "end_to_end", metrics.get("e2e_latency"), silent_at)

    def _measure(
        self,
        source_id: str,
        category: LatencyCategory,
        label: str,
        duration_s: Any,
        started_at: datetime | None,
        model: Mapping[str, Any] | None = None,
    ) -> None:
        """Record a latency, where LiveKit measured it."""
        if (seconds := _number(duration_s)) is None:
            return
        self._recording.latency(
            category,
            label,
            round(seconds * 1000, 3),
            started_at=started_at,
            at=_moved(started_at, seconds),
            metadata=_model_names(model or {}),
            id=f"{source_id}.{label}",
        )

    def _hand_off(self, item: "AgentHandoff") -> None:
        if item.old_agent_id is None:  # the first agent takes the session over from nobody
            return
        self._recording.event(
            "agent-handoff",
            at=_moment(item.created_at),
            id=item.id,
            source="livekit",
            source_id=item.id,
            attributes={"old_agent_id": item.old_agent_id, "new_agent_id": item.new_agent_id},
        )

    @quietly
    def on_tool(self, event: "ToolExecutionUpdatedEvent") -> None:
        update = event.update
        if update.type == "tool_call_started":
            self._call(update.function_call, _moment(event.created_at))
        elif update.type == "tool_call_ended":
            self._finish(update, _moment(event.created_at))

    def _call(self, call: "FunctionCall", started_at: datetime | None) -> None:
        """Record the call at once, without its result: what never returns was called all the same."""
        began = _Call(call.call_id, call.name, started_at or datetime.now(UTC))
        if before := self._calls.get(call.call_id):  # some models count their calls from zero in every answer
            began.number = before.number + 1
            began.id = f"{call.call_id}.{began.number}"
        self._calls[call.call_id] = began
        self._recording.tool_call(began.name, _parsed(call.arguments), call_id=began.id, at=began.started_at)

    def _finish(self, update: "ToolCallEnded", ended_at: datetime | None) -> None:
        if (call := self._calls.get(update.call_id)) is None:
            return
        duration_ms = round(((ended_at or datetime.now(UTC)) - call.started_at) / timedelta(milliseconds=1), 3)
        if update.status != "done":
            call.error = update.message or update.status
        # A tool that went on in the background has given only its first progress report as a result until now.
        is_late = update.id != update.call_id and update.status == "done"
        self._recording.tool_call(
            call.name,
            call_id=call.id,
            result=_parsed(update.message) if is_late else None,
            error=call.error,
            duration_ms=duration_ms,
            at=call.started_at,
        )
        self._recording.latency(
            "tool", call.name, duration_ms, started_at=call.started_at, at=ended_at, id=f"{call.id}.duration"
        )

    @quietly
    def on_tools_executed(self, event: "FunctionToolsExecutedEvent") -> None:
        self._tell_first_token(event.function_calls)
        for call, output in zip(event.function_calls, event.function_call_outputs, strict=False):
            self._answer(call, output)

    @quietly
    def _tell_first_token(self, calls: "list[FunctionCall]") -> None:
        """Of an answer that was nothing but tool calls no message tells: it is the last begun before they were."""
        if not calls:
            return
        called_at_s = min(call.created_at for call in calls)
        for one in reversed(self._answers):
            began_at_s = one.timestamp - one.duration
            if one.ttft >= 0 and one.speech_id in self._speech_ids and began_at_s <= called_at_s:
                model = one.metadata.model_dump() if one.metadata else {}
                self._measure(calls[0].id, "llm", "first_token", one.ttft, _moment(began_at_s), model)
                break
        self._answers.clear()

    @quietly
    def _answer(self, call: "FunctionCall", output: "FunctionCallOutput") -> None:
        """Record what the tool gave back. Of a failure LiveKit tells the model little; the cause is recorded."""
        began = self._calls.get(call.call_id)
        if began is None:  # refused before it could begin
            began = _Call(call.call_id, call.name, _moment(call.created_at) or datetime.now(UTC))
        self._recording.tool_call(
            began.name,
            _parsed(call.arguments),
            call_id=began.id,
            result=None if output.is_error else _parsed(output.output),
            error=(began.error or output.output) if output.is_error else None,
            at=began.started_at,
        )

    @quietly
    def on_usage(self, event: "SessionUsageUpdatedEvent") -> None:
        self._usages = list(event.usage.model_usage)

    @quietly
    def on_agent_state(self, event: "AgentStateChangedEvent") -> None:
        self._change("agent-state", event)

    @quietly
    def on_user_state(self, event: "UserStateChangedEvent") -> None:
        self._change("user-state", event)

    def _change(self, whose: str, event: "AgentStateChangedEvent | UserStateChangedEvent") -> None:
        """Four a turn: of the category that stays out of the list of events."""
        attributes = {"from": event.old_state, "to": event.new_state}
        at = _moment(event.created_at)
        self._recording.event(whose, at=at, category="state", source="livekit", attributes=attributes)

    @quietly
    def on_error(self, event: "ErrorEvent") -> None:
        cause = getattr(event.error, "error", event.error)
        self._recording.event(
            "error",
            at=_moment(event.created_at),
            source="livekit",
            category=str(getattr(event.error, "type", "error")),
            description=f"{type(cause).__name__}: {cause}".replace("\0", "")[:10_000],
            attributes={
                "recoverable": getattr(event.error, "recoverable", None),
                "model": _name(event.source, "model"),
                "provider": _name(event.source, "provider"),
            },
        )

    @quietly
    def on_close(self, event: "CloseEvent") -> None:
        for usage in self._usages:
            self._use(usage)
        self._recording.end(str(event.reason.value), at=_moment(event.created_at))

    @quietly
    def _use(self, usage: Any) -> None:
        """Record what one model was used for. LiveKit counts from zero, so that a zero says nothing."""
        category = USAGE_CATEGORIES.get(usage.type)
        if category is None:
            return
        said = usage.model_dump(exclude_defaults=True, exclude={"type"})
        named = f"{self._job_id}.{usage.type}.{said.get('provider', '')}.{said.get('model', '')}"
        renamed = {USAGE_NAMES.get(name, name): value for name, value in said.items()}
        self._recording.usage(category, id=named if self._job_id else None, **renamed)


def _spoken(item: "ChatMessage") -> dict[str, Any]:
    """When a message was spoken, and whether to its end; a typed one has only its instant."""
    return {
        "at": _moment(item.created_at),
        "started_at": _moment(item.metrics.get("started_speaking_at")),
        "ended_at": _moment(item.metrics.get("stopped_speaking_at")),
        "interrupted": item.interrupted,
    }


def _number(value: Any) -> float | None:
    """A finite number, or None: a NaN would cost the whole event, which JSON cannot carry then."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _moment(unix_s: Any) -> datetime | None:
    if not (seconds := _number(unix_s)):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _moved(moment: datetime | None, duration_s: Any, direction: int = 1) -> datetime | None:
    """A moment later by a duration, or earlier; the same where there is no duration."""
    if moment is None:
        return None
    return moment + direction * timedelta(seconds=_number(duration_s) or 0)


def _parsed(text: str | None) -> Any:
    """The object or list that this JSON text is; any other text stays as it is."""
    try:
        value = json.loads(text or "")
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict | list) else text


def _model_names(model: Mapping[str, Any]) -> list[str] | None:
    names = (model.get("model_name"), model.get("model_provider"))
    return [name for name in names if name and name != "unknown"] or None


def _name(source: Any, attribute: str) -> str | None:
    name = getattr(source, attribute, None)
    return name if isinstance(name, str) else None

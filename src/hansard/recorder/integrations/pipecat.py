"""Pipecat: what a PipelineWorker's frames and Pipecat's own observers tell of a session, said on to the recorder.

One observer listens and changes nothing. Pipecat's own observers measure inside it rather than beside it: each of
Pipecat's observers has a queue of its own, which ends for good at the first exception, and whose order among the
others is nobody's promise. Pipecat's instants are Unix seconds and its durations seconds; both become the recorder's
here. Importing this module does not import Pipecat.

    PIPECAT_SETUP_FILES=$(python -m hansard.recorder.integrations.pipecat) python bot.py

records a bot without a changed line: run as a program, it prints where the setup file is.
"""

import asyncio
import functools
import json
import logging
import math
import os
import sys
import tempfile
import wave
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from hansard.recorder.session import Recorder, SessionRecorder, quietly
from hansard.wire import LatencyCategory

if TYPE_CHECKING:
    from pipecat.frames.frames import (
        CancelFrame,
        Frame,
        LLMContextAssistantTurnFrame,
        LLMContextUserTurnFrame,
        TranscriptionFrame,
    )
    from pipecat.observers.base_observer import BaseObserver, FramePushed
    from pipecat.observers.error_observer import ErrorEvent
    from pipecat.observers.function_call_observer import FunctionCallEvent
    from pipecat.observers.service_metrics_observer import ServiceLatencyRecord, ServiceUsageRecord
    from pipecat.observers.speaking_observer import SpeechEvent
    from pipecat.observers.user_bot_latency_observer import LatencyBreakdown
    from pipecat.pipeline.worker import PipelineWorker
    from pipecat.processors.audio.audio_buffer_processor import AudioBufferProcessor
    from pipecat.processors.frame_processor import FrameProcessor
    from pipecat.processors.frameworks.rtvi.frames import RTVISendTextFrame

# Parts of an answer that a service worked on; the settings, the bot and the pipeline had the rest.
CATEGORIES: Mapping[str, LatencyCategory] = {
    "transcription": "stt",
    "llm_inference": "llm",
    "llm_tool_call": "llm",
    "speech_synthesis": "tts",
    "function_handler": "tool",
}
WHOLES = {"user_silence": "user_bot", "client_connected": "greeting"}
USAGE_NAMES = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cache_read_input_tokens": "cached_input_tokens",
}
END_REASONS = {"EndFrame": "completed", "StopFrame": "stopped", "CancelFrame": "cancelled"}
LATE_TURN_S = 2.0  # a turn may begin this long after the speech that makes it: its transcript opened it
TAPE_CLOSE_S = 5.0

_log = logging.getLogger("hansard.recorder")
_attached: "WeakKeyDictionary[PipelineWorker, SessionRecorder]" = WeakKeyDictionary()


def attach(
    worker: "PipelineWorker", *, recorder: Recorder, sid: str, service: str = "pipecat", **fields: Any
) -> SessionRecorder:
    """Record what passes through this worker until its pipeline is done. Call it before the worker runs.

    `sid` is the id of the session at the service that carries it: the carrier's of the call, or your own conversation
    id. `fields` are those of `hansard.Session`, as known now. What Pipecat does not know (the prompt's version, who
    called, labels, a summary) can be said to the SessionRecorder that is given back. A worker is recorded once: doing
    it again gives back the first recording.
    """
    if (known := _known(worker)) is not None:
        return known
    recording = recorder.session(service=service, sid=sid, **fields)
    _listen(worker, recording)
    return recording


def _known(worker: "PipelineWorker") -> SessionRecorder | None:
    try:
        return _attached.get(worker)
    except TypeError:  # nothing that can be listened to
        return None


@quietly
def _listen(worker: "PipelineWorker", recording: SessionRecorder) -> None:
    _attached[worker] = recording
    listener = _Listener(recording)
    _tell_services_apart(worker, listener)
    watch = _Watch(listener)
    worker.add_observer(_observer(watch))
    worker.add_event_handler("on_pipeline_finished", listener.on_finished)
    if not (worker.params.enable_metrics and worker.params.enable_usage_metrics):
        _warn_of_metrics()
    _listen_to_sound(worker, watch, recording)


@functools.cache
def _warn_of_metrics() -> None:
    _log.warning(
        "Pipecat's metrics are off, so Hansard records no usage, and latencies without the services' part in them. "
        "Turn them on: PipelineWorker(..., params=PipelineParams(enable_metrics=True, enable_usage_metrics=True))."
    )


@dataclass
class _Stretch:
    """Somebody spoke from here to there, in Unix seconds; without an end they still do."""

    started_at: float
    ended_at: float | None = None


@dataclass
class _Turn:
    """What the agent said, waiting for the end of its speech."""

    text: str
    began_at: float | None
    is_interrupted: bool | None


@dataclass
class _Call:
    """A tool call that has begun, and the id it is recorded with."""

    id: str
    started_at: datetime | None
    number: int = 1
    is_settled: bool = False


class _Listener:
    """What is told of one session. No method raises, waits or does I/O; the first argument is who tells it."""

    def __init__(self, recording: SessionRecorder) -> None:
        self.services: dict[str, LatencyCategory] = {}  # by the names of their processors
        self._recording = recording
        self._lang: str | None = None
        self._heard: deque[_Stretch] = deque(maxlen=64)
        self._spoken: deque[_Stretch] = deque(maxlen=64)
        self._turn: _Turn | None = None
        self._interrupted_at: float | None = None
        self._is_cut = False
        self._calls: dict[str, _Call] = {}
        self._reason: str | None = None

    @quietly
    def on_transcription(self, _: Any, frame: "TranscriptionFrame") -> None:
        if frame.language:
            self._lang = _plain_name(frame.language)

    @quietly
    def on_cancel(self, _: Any, __: "CancelFrame") -> None:
        self._is_cut = True

    @quietly
    def on_speech(self, _: Any, event: "SpeechEvent") -> None:
        match str(event.kind):
            case "user_speech_started":
                self._heard.append(_Stretch(event.timestamp))
            case "user_speech_stopped":
                _close(self._heard, event.timestamp)
            case "bot_speech_started":
                self._spoken.append(_Stretch(event.timestamp))
            case "bot_speech_stopped":
                _close(self._spoken, event.timestamp)
                self._say()
            case "interruption":
                self._interrupted_at = event.timestamp

    @quietly
    def on_user_turn(self, _: Any, frame: "LLMContextUserTurnFrame") -> None:
        """Record what the user said, with the speech it was said in."""
        self._say()
        began_at = _unix_s(frame.timestamp)
        started_at, ended_at = _taken(self._heard, began_at and began_at - LATE_TURN_S)
        if frame.text.strip():
            self._recording.user(
                frame.text, at=_moment(began_at), started_at=started_at, ended_at=ended_at, lang=self._lang
            )

    @quietly
    def on_typed(self, _: Any, frame: "RTVISendTextFrame") -> None:
        """Record what a client typed: it reaches the model without a turn."""
        self._say()
        if frame.text.strip():
            self._recording.user(frame.text)

    @quietly
    def on_agent_turn(self, _: Any, frame: "LLMContextAssistantTurnFrame") -> None:
        """Take what the agent said; it is recorded when its speech is over."""
        self._say()
        if not frame.text.strip():
            return
        began_at = _unix_s(frame.timestamp)
        self._turn = _Turn(frame.text, began_at, self._was_interrupted(began_at))
        if not self._spoken or self._spoken[-1].ended_at is not None:
            self._say()

    def _was_interrupted(self, began_at: float | None) -> bool | None:
        """Unknown for the turn that the end of the call cut off."""
        if began_at is None or self._is_cut:
            return None
        return self._interrupted_at is not None and self._interrupted_at >= began_at

    def _say(self) -> None:
        """Record the agent's turn that waits, if one does."""
        if (turn := self._turn) is None:
            return
        self._turn = None
        started_at, ended_at = _taken(self._spoken, turn.began_at)
        self._recording.agent(
            turn.text,
            at=_moment(turn.began_at),
            started_at=started_at,
            ended_at=ended_at,
            interrupted=turn.is_interrupted,
        )

    @quietly
    def on_tool(self, _: Any, event: "FunctionCallEvent") -> None:
        match str(event.kind):
            case "function_call_started":
                self._call(event)
            case "function_call_in_progress":
                if self._running(event) is None:
                    self._call(event)
            case "function_call_completed" | "function_call_failed":
                self._settle(event, event.error)
            case "function_call_timed_out":
                self._settle(event, "timed out")
            case "function_call_cancelled":
                self._settle(event, "cancelled")

    def _running(self, event: "FunctionCallEvent") -> _Call | None:
        call = self._calls.get(event.tool_call_id)
        return call if call and not call.is_settled else None

    def _call(self, event: "FunctionCallEvent") -> None:
        """Record the call at once, without its result: what never returns was called all the same."""
        call = _Call(event.tool_call_id, _moment(event.timestamp))
        if before := self._calls.get(event.tool_call_id):  # some models count their calls from zero in every answer
            call.number = before.number + 1
            call.id = f"{event.tool_call_id}.{call.number}"
        self._calls[event.tool_call_id] = call
        self._recording.tool_call(event.function_name, _jsonable(event.arguments), call_id=call.id, at=call.started_at)

    def _settle(self, event: "FunctionCallEvent", error: str | None) -> None:
        """Record what became of the call. Its duration is the time it ran, without the wait before it."""
        call = self._running(event) or _Call(event.tool_call_id, _moment(event.in_progress_at))
        call.is_settled = True
        ran_s = event.timestamp - event.in_progress_at if event.in_progress_at else None
        self._recording.tool_call(
            event.function_name,
            call_id=call.id,
            result=_jsonable(event.result),
            error=error,
            duration_ms=_milliseconds(ran_s),
            at=call.started_at,
        )

    @quietly
    def on_breakdown(self, _: Any, breakdown: "LatencyBreakdown") -> None:
        """Record every part of the wait before an answer, and their sum, the wait itself."""
        parts = breakdown.contributions
        if not parts:
            return
        models = {one.processor: one.model for one in breakdown.ttfb if one.model}
        for part in parts:
            category = CATEGORIES.get(part.key, "turn")
            names = [name for name in (models.get(part.owner), part.owner) if name]
            self._measure(category, part.key, part.duration_secs, part.start_time, names)
        whole = WHOLES.get(str(breakdown.measured_from), "user_bot")
        self._measure("turn", whole, breakdown.total_secs, min(part.start_time for part in parts))
        if (silent_at := breakdown.user_turn_start_time) and (turn_s := breakdown.user_turn_secs) is not None:
            self._measure("turn", "user_turn", turn_s, silent_at)
        if text := breakdown.text_aggregation:
            self._measure("tts", "text_aggregation", text.duration_secs, text.start_time, [text.processor])

    @quietly
    def on_service_latency(self, _: Any, waited: "ServiceLatencyRecord") -> None:
        """Record how long a service took to begin, also where no breakdown is. The zero it starts with says nothing."""
        if not waited.seconds:
            return
        category = self.services.get(waited.processor, "turn")
        names = [name for name in (waited.model, waited.processor) if name]
        self._measure(category, str(waited.kind), waited.seconds, waited.timestamp - waited.seconds, names)

    def _measure(
        self,
        category: LatencyCategory,
        label: str,
        duration_s: float,
        started_at: float,
        metadata: list[str] | None = None,
    ) -> None:
        if (duration_ms := _milliseconds(duration_s)) is None:
            return
        self._recording.latency(
            category,
            label,
            duration_ms,
            started_at=_moment(started_at),
            at=_moment(started_at + duration_s),
            metadata=metadata,
        )

    @quietly
    def on_usage(self, _: Any, used: "ServiceUsageRecord") -> None:
        """Record what one piece of work used, as the service said it; the record sums nothing up."""
        said = used.model_dump(exclude_none=True, exclude={"kind", "timestamp"})
        named = {USAGE_NAMES.get(name, name): value for name, value in said.items()}
        self._recording.usage(used.kind.value, at=_moment(used.timestamp), **named)

    @quietly
    def on_error(self, _: Any, event: "ErrorEvent") -> None:
        self._recording.event(
            "error",
            at=_moment(event.timestamp),
            source="pipecat",
            category=_plain_name(event.category),
            description=event.message.replace("\0", "")[:10_000],
            attributes={
                "processor": event.processor,
                "processor_usable": event.processor_usable,
                "exception_type": event.exception_type,
            },
        )

    @quietly
    def on_finished(self, _: Any, frame: "Frame") -> None:
        reason = getattr(frame, "reason", None)
        self._reason = str(reason or END_REASONS.get(type(frame).__name__, "finished"))[:512]

    @quietly
    def finish(self) -> None:
        """The pipeline is done; one that finished without a word never got started."""
        self._say()
        self._recording.end(self._reason or "not_started")


class _Tape:
    """The sound of a session, written to a file by a thread of its own and then handed to the recording."""

    def __init__(self, keep: Callable[..., None]) -> None:
        self._keep = keep
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hansard-tape")
        self._file: wave.Wave_write | None = None
        self._path = Path()
        self._number = 0
        self._started_at: datetime | None = None

    @quietly
    def on_started(self, _: Any) -> None:
        self._started_at = datetime.now(UTC)

    @quietly
    def on_audio(self, _: Any, pcm: bytes, rate: int, channels: int) -> None:
        self._thread.submit(self._write, pcm, rate, channels)

    @quietly
    def on_stopped(self, _: Any) -> None:
        self._thread.submit(self._hand_over)

    async def close(self) -> None:
        """Hand over what there is. The bot is done by now; a slow disk is waited for only so long."""
        last: Future[None] = self._thread.submit(self._hand_over)
        self._thread.shutdown(wait=False)
        await asyncio.wait_for(asyncio.wrap_future(last), TAPE_CLOSE_S)

    @quietly
    def _write(self, pcm: bytes, rate: int, channels: int) -> None:
        if self._file is None:
            handle, path = tempfile.mkstemp(prefix="hansard-", suffix=".wav")
            os.close(handle)
            self._path = Path(path)
            self._file = wave.open(path, "wb")  # noqa: SIM115 - closed when the recording stops
            self._file.setparams((channels, 2, rate, 0, "NONE", ""))
        self._file.writeframesraw(pcm)

    @quietly
    def _hand_over(self) -> None:
        if (file := self._file) is None:
            return
        self._file = None
        channels = file.getnchannels()
        file.close()
        self._number += 1
        try:
            self._keep(self._path, channels=channels, name=f"call-{self._number}.wav", at=self._started_at)
        finally:
            self._path.unlink()


def _processors(processor: "FrameProcessor") -> "Iterator[FrameProcessor]":
    """This one and all in it."""
    yield processor
    for one in processor.processors:
        yield from _processors(one)


def _audio_buffers(pipeline: "FrameProcessor") -> "Iterator[AudioBufferProcessor]":
    from pipecat.processors.audio.audio_buffer_processor import AudioBufferProcessor

    return (one for one in _processors(pipeline) if isinstance(one, AudioBufferProcessor))


@quietly
def _tell_services_apart(worker: "PipelineWorker", listener: _Listener) -> None:
    """Say what each service of the pipeline is: of a measurement Pipecat tells only who reported it."""
    from pipecat.services.llm_service import LLMService
    from pipecat.services.stt_service import STTService
    from pipecat.services.tts_service import TTSService

    kinds: dict[type, LatencyCategory] = {LLMService: "llm", STTService: "stt", TTSService: "tts"}
    for one in _processors(worker.pipeline):
        for kind, category in kinds.items():
            if isinstance(one, kind):
                listener.services[one.name] = category


def _measuring(listener: _Listener) -> "list[BaseObserver]":
    """Pipecat's own observers, each telling the listener what it found."""
    from pipecat.observers.error_observer import ErrorObserver
    from pipecat.observers.function_call_observer import FunctionCallObserver
    from pipecat.observers.service_metrics_observer import ServiceMetricsObserver
    from pipecat.observers.speaking_observer import SpeakingObserver
    from pipecat.observers.user_bot_latency_observer import UserBotLatencyObserver

    services = ServiceMetricsObserver()
    told = [
        (SpeakingObserver(), "on_speech_event", listener.on_speech),
        (FunctionCallObserver(include_results=True), "on_function_call_event", listener.on_tool),
        (UserBotLatencyObserver(), "on_latency_breakdown", listener.on_breakdown),
        (services, "on_service_latency", listener.on_service_latency),
        (services, "on_service_usage", listener.on_usage),
        (ErrorObserver(), "on_error", listener.on_error),
    ]
    for observer, event, handler in told:
        observer.add_event_handler(event, handler)
    return list(dict.fromkeys(observer for observer, _, _ in told))


def _turns(listener: _Listener) -> dict[type, Callable[..., None]]:
    """The frames the listener hears of, beside what the observers find."""
    from pipecat.frames.frames import (
        CancelFrame,
        LLMContextAssistantTurnFrame,
        LLMContextUserTurnFrame,
        TranscriptionFrame,
    )
    from pipecat.processors.frameworks.rtvi.frames import RTVISendTextFrame

    return {
        TranscriptionFrame: listener.on_transcription,
        LLMContextUserTurnFrame: listener.on_user_turn,
        RTVISendTextFrame: listener.on_typed,
        LLMContextAssistantTurnFrame: listener.on_agent_turn,
        CancelFrame: listener.on_cancel,
    }


class _Watch:
    """Sees every frame of a pipeline once and tells the listener, in the order in which things happened."""

    def __init__(self, listener: _Listener) -> None:
        from pipecat.processors.frame_processor import FrameDirection

        self._listener = listener
        self.tape: _Tape | None = None
        self._measuring = _measuring(listener)
        self._turns = _turns(listener)
        self._downstream = FrameDirection.DOWNSTREAM
        self._quiet = _Quiet()

    async def set_up(self, task_manager: Any) -> None:
        for one in self._measuring:
            await self._quiet.do(str(one), one.setup, task_manager)

    async def start(self) -> None:
        for one in self._measuring:
            await self._quiet.do(str(one), one.on_pipeline_started)

    async def see(self, data: "FramePushed") -> None:
        for one in self._measuring:
            await self._quiet.do(str(one), one.on_push_frame, data)
        await self._quiet.do("turns", self._tell, data)

    async def _tell(self, data: "FramePushed") -> None:
        """Pipecat runs the handlers of an observer's events a moment later; a turn must not overtake them."""
        frame = data.frame
        if frame.broadcast_sibling_id is not None and data.direction != self._downstream:
            return  # a broadcast frame comes twice, once in each direction
        for kind, handler in self._turns.items():
            if isinstance(frame, kind):
                asyncio.get_running_loop().call_soon(handler, None, frame)

    async def end(self) -> None:
        """Wait for the last words of the observers. Always called, though the last frames may not arrive."""
        try:
            await asyncio.sleep(0)
            for one in self._measuring:
                await self._quiet.do(str(one), one.cleanup)
            if self.tape:
                await self._quiet.do("sound", self.tape.close)
        finally:
            self._listener.finish()


@quietly
def _listen_to_sound(worker: "PipelineWorker", watch: _Watch, recording: SessionRecorder) -> None:
    """Keep what the bot's own AudioBufferProcessor hears, where it has one."""
    keep = getattr(recording, "recording", None)
    buffer = next(_audio_buffers(worker.pipeline), None)
    if keep is None or buffer is None:
        return
    watch.tape = tape = _Tape(keep)
    buffer.add_event_handler("on_recording_started", tape.on_started)
    buffer.add_event_handler("on_audio_data", tape.on_audio)
    buffer.add_event_handler("on_recording_stopped", tape.on_stopped)


def _observer(watch: _Watch) -> "BaseObserver":
    """What Pipecat wants to see of it. The class is made here, for its base is Pipecat's."""
    from pipecat.observers.base_observer import BaseObserver

    class HansardObserver(BaseObserver):  # type: ignore[misc] # Pipecat is not there where types are checked
        """Records the session."""

        async def setup(self, task_manager: Any) -> None:
            await super().setup(task_manager)
            await watch.set_up(task_manager)

        async def on_pipeline_started(self) -> None:
            await watch.start()

        async def on_push_frame(self, data: "FramePushed") -> None:
            await watch.see(data)

        async def cleanup(self) -> None:
            await super().cleanup()
            await watch.end()

    return HansardObserver(observe_every_push=False)


class _Quiet:
    """Lets no exception out, and says the first of each kind: frames come by the hundred a second."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    async def do(self, name: str, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        try:
            await work(*arguments)
        except Exception:
            level = logging.DEBUG if name in self._said else logging.WARNING
            self._said.add(name)
            _log.log(level, "Hansard could not record this (%s).", name, exc_info=True)


def _close(stretches: "deque[_Stretch]", ended_at: float) -> None:
    if stretches:
        stretches[-1].ended_at = ended_at


def _taken(stretches: "deque[_Stretch]", since: float | None) -> tuple[datetime | None, datetime | None]:
    """From when to when a turn was spoken, by the stretches that reach into it; they are used up by this."""
    mine = [one for one in stretches if since is None or one.ended_at is None or one.ended_at >= since]
    stretches.clear()
    if not mine:
        return None, None
    return _moment(mine[0].started_at), _moment(mine[-1].ended_at)


def _unix_s(timestamp: str | None) -> float | None:
    """The instant that this ISO text is, if it is one."""
    try:
        return datetime.fromisoformat(timestamp or "").timestamp()
    except ValueError:
        return None


def _moment(unix_s: float | None) -> datetime | None:
    if unix_s is None or not math.isfinite(unix_s):
        return None
    try:
        return datetime.fromtimestamp(unix_s, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _milliseconds(duration_s: float | None) -> float | None:
    if duration_s is None or not math.isfinite(duration_s):
        return None
    return round(duration_s * 1000, 3)


def _jsonable(value: Any) -> Any:
    """The value, or its text where JSON cannot carry it: that would cost the whole event."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)
    return value


def _plain_name(value: Any) -> str:
    return str(getattr(value, "value", value))


if __name__ == "__main__":
    sys.stdout.write(f"{Path(__file__).with_name('pipecat_setup.py')}\n")

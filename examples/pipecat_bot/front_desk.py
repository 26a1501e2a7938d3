"""A front desk on Pipecat that needs no network, and knows nothing of Hansard.

    python examples/pipecat_bot/front_desk.py

Ear, language model, voice and line are played by a script, in the time it would take; the pipeline, the turns, the
tool calls, the interruption and every measurement are Pipecat's.
"""

import argparse
import asyncio
import dataclasses
import json
import re
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    EndFrame,
    Frame,
    FunctionCallFromLLM,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage
from pipecat.observers.error_observer import ErrorObserver
from pipecat.observers.function_call_observer import FunctionCallObserver
from pipecat.observers.service_metrics_observer import ServiceMetricsObserver
from pipecat.observers.speaking_observer import SpeakingObserver
from pipecat.observers.user_bot_latency_observer import UserBotLatencyObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.audio.audio_buffer_processor import AudioBufferProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.services.settings import LLMSettings, TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.transcriptions.language import Language
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

RATE = 16_000
SILENCE_S = 0.06  # how long the detector waits before it calls speech over
FIND_SLOT = FunctionSchema(
    name="find_slot",
    description="Find free slots on a day.",
    properties={"day": {"type": "string"}, "minutes": {"type": "integer"}},
    required=["day", "minutes"],
)


class Ear(FrameProcessor):
    """Hears what the script says: the detector's findings, the sound, and the words."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)

    async def hear(self, words: str) -> None:
        await self.push_frame(VADUserStartedSpeakingFrame(start_secs=0.02))
        await self.push_frame(ProposedUserStartedSpeakingFrame())
        for _ in range(10):
            await self.push_frame(
                InputAudioRawFrame(audio=b"\x10\x00" * (RATE // 50), sample_rate=RATE, num_channels=1)
            )
            await asyncio.sleep(0.02)
        await asyncio.sleep(SILENCE_S)
        await self.push_frame(VADUserStoppedSpeakingFrame(stop_secs=SILENCE_S))
        await asyncio.sleep(0.03)
        await self.push_frame(TranscriptionFrame(words, "caller", time_now_iso8601(), Language.EN_US, finalized=True))
        await self.push_frame(ProposedUserStoppedSpeakingFrame())


class Script(LLMService):
    """Speaks as a language model would: in pieces, and with a tool call where one is due."""

    def __init__(self) -> None:
        unset = {field.name: None for field in dataclasses.fields(LLMSettings)}
        super().__init__(settings=LLMSettings(**(unset | {"model": "script-1", "extra": {}})))

    def can_generate_metrics(self) -> bool:
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self._answer(frame.context)
        else:
            await self.push_frame(frame, direction)

    async def _answer(self, context: LLMContext) -> None:
        await self.push_frame(LLMFullResponseStartFrame())
        await self.start_ttfb_metrics()
        await asyncio.sleep(0.04)
        await self.stop_ttfb_metrics()
        await self._react(context)
        used = LLMTokenUsage(prompt_tokens=len(context.get_messages()), completion_tokens=7, total_tokens=9)
        await self.start_llm_usage_metrics(used)
        await self.push_frame(LLMFullResponseEndFrame())

    async def _react(self, context: LLMContext) -> None:
        last: Any = context.get_messages()[-1]
        if last["role"] == "tool":
            await self._say(self._told(json.loads(last["content"])))
        elif day := re.search(r"on (\w+day)", last["content"]):
            await self._call("find_slot", {"day": day[1], "minutes": 30}, context)
        else:
            await self._reply(last["content"])

    async def _reply(self, words: str) -> None:
        if "bill" in words:
            await self.push_error("The ledger is not there.")
            await self._say("I cannot see bills.")
        elif "wait" in words:
            await self._say("Of course.")
        else:
            await self._say("It is booked. " + "Please bring your card and come a little early. " * 8)

    def _told(self, result: Any) -> str:
        return "I am sorry: we are closed." if "starts" not in result else "I can offer 9:15 or 11:00."

    async def _say(self, text: str) -> None:
        for word in re.findall(r"\S+\s*", text):
            await self.push_frame(LLMTextFrame(word))

    async def _call(self, name: str, arguments: dict[str, Any], context: LLMContext) -> None:
        call_id = f"call-{len(context.get_messages())}"
        await self.run_function_calls([FunctionCallFromLLM(name, call_id, arguments, context)])


class Voice(TTSService):
    """Speaks a tone of a length that suits the text."""

    def __init__(self) -> None:
        settings = TTSSettings(model="tone-1", voice="low", language=None)
        super().__init__(settings=settings, push_start_frame=True, push_stop_frames=True, sample_rate=RATE)

    def can_generate_metrics(self) -> bool:
        return True

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        await self.start_tts_usage_metrics(text)
        await asyncio.sleep(0.03)
        await self.stop_ttfb_metrics()
        for _ in range(max(1, len(text) // 8)):
            yield TTSAudioRawFrame(
                audio=b"\x00\x10" * (RATE // 20), sample_rate=RATE, num_channels=1, context_id=context_id
            )


class Line(BaseOutputTransport):
    """Plays sound to nobody, in the time it takes."""

    def __init__(self) -> None:
        super().__init__(
            TransportParams(audio_out_enabled=True, audio_out_sample_rate=RATE, audio_out_end_silence_secs=0)
        )

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        await asyncio.sleep(len(frame.audio) / 2 / RATE)
        return True


async def find_slot(params: FunctionCallParams) -> None:
    """Find free slots on a day."""
    await asyncio.sleep(0.05)
    if params.arguments["day"] == "Sunday":
        raise ValueError("we are closed on Sunday")
    await params.result_callback({**params.arguments, "starts": ["9:15", "11:00"]})


class FrontDesk:
    """The bot: a pipeline, and the worker that runs it."""

    def __init__(self, conversation_id: str | None = None, model: LLMService | None = None) -> None:
        self.ear = Ear()
        model = model or Script()
        model.register_function("find_slot", find_slot)
        self.context = LLMContext(tools=ToolsSchema(standard_tools=[FIND_SLOT]))
        self.turns = LLMContextAggregatorPair(
            self.context, user_params=LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
        )
        sound = AudioBufferProcessor(num_channels=2, buffer_size=RATE, auto_start_recording=True)
        parts = [self.ear, self.turns.user(), model, Voice(), Line(), sound, self.turns.assistant()]
        self.worker = PipelineWorker(
            Pipeline(parts),
            conversation_id=conversation_id,
            params=PipelineParams(
                enable_metrics=True, enable_usage_metrics=True, audio_in_sample_rate=RATE, audio_out_sample_rate=RATE
            ),
        )
        self._spoke: asyncio.Queue[None] = asyncio.Queue()
        self._began = asyncio.Event()
        self.worker.set_reached_upstream_filter((BotStartedSpeakingFrame,))
        self.worker.add_event_handler("on_frame_reached_upstream", self._begin)
        self.turns.assistant().add_event_handler("on_assistant_turn_stopped", self._stop)

    async def _begin(self, _: Any, __: Frame) -> None:
        self._began.set()

    async def _stop(self, _: Any, message: Any) -> None:
        if message.content:
            self._spoke.put_nowait(None)

    async def hold(self) -> None:
        """Hold the scripted session."""
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        running = asyncio.create_task(runner.run())
        await self.talk()
        await self.worker.queue_frame(EndFrame(reason="The caller hung up"))
        await running

    async def talk(self) -> None:
        """Two questions, an answer that is interrupted, and an error."""
        for words in ("I need an appointment on Monday.", "Is there anything on Sunday?"):
            await self.ask(words)
        await self.interrupt("Then 9:15, please.", "Please wait a moment.")
        await self.ask("What about my bill?")

    async def ask(self, words: str) -> None:
        await self.ear.hear(words)
        await self.answered()

    async def interrupt(self, words: str, then: str) -> None:
        """Say this, and the next thing into its answer."""
        self._began.clear()
        await self.ear.hear(words)
        await asyncio.wait_for(self._began.wait(), 10)
        await asyncio.sleep(0.3)
        await self.ear.hear(then)
        await self.answered(2)

    async def answered(self, times: int = 1) -> None:
        for _ in range(times):
            await asyncio.wait_for(self._spoke.get(), 10)
        await asyncio.sleep(0.2)  # its last sound


class Report:
    """What Pipecat itself tells of the session, by observers of its own."""

    def __init__(self, desk: FrontDesk) -> None:
        self.told: dict[str, list[Any]] = {}
        for observer, event in (
            (SpeakingObserver(), "on_speech_event"),
            (FunctionCallObserver(include_results=True), "on_function_call_event"),
            (UserBotLatencyObserver(), "on_latency_measured"),
            (UserBotLatencyObserver(), "on_latency_breakdown"),
            (ServiceMetricsObserver(), "on_service_usage"),
            (ErrorObserver(), "on_error"),
        ):
            desk.worker.add_observer(observer)
            observer.add_event_handler(event, self._note(event))
        desk.turns.user().add_event_handler("on_user_turn_stopped", self._turn("user"))
        desk.turns.assistant().add_event_handler("on_assistant_turn_stopped", self._turn("agent"))
        desk.worker.add_event_handler("on_pipeline_finished", self._finish)

    def _note(self, event: str) -> Callable[..., None]:
        def note(_: Any, told: Any) -> None:
            self.told.setdefault(event, []).append(
                told.model_dump(mode="json") if hasattr(told, "model_dump") else told
            )

        return note

    def _turn(self, role: str) -> Callable[..., None]:
        def note(*told: Any) -> None:
            turn = {"role": role, "text": told[-1].content, "timestamp": told[-1].timestamp}
            interrupted = getattr(told[-1], "interrupted", None)
            self.told.setdefault("turns", []).append(turn | {"interrupted": interrupted})

        return note

    def _finish(self, _: Any, frame: EndFrame) -> None:
        self.told["finished"] = [{"reason": frame.reason, "at": time.time()}]


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Hold a scripted session.")
    parser.add_argument("--conversation", help="the id of the conversation")
    parser.add_argument("--report", type=Path, help="write Pipecat's own report of the session to this file")
    return parser.parse_args()


def run(arguments: argparse.Namespace, prepare: Callable[[FrontDesk], None] = lambda _: None) -> None:
    """Hold one session. `prepare` may do something with the bot before it runs."""
    logger.remove()
    logger.add(sys.stderr, level="ERROR")

    async def hold() -> None:
        desk = FrontDesk(arguments.conversation)
        report = Report(desk)
        prepare(desk)
        await desk.hold()
        if arguments.report:
            arguments.report.write_text(json.dumps(report.told, default=str, indent=1))

    asyncio.run(hold())


if __name__ == "__main__":
    run(read_arguments())

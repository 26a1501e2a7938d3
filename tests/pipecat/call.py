"""The one call on Pipecat: the example's bot, with a model that answers as the call has it.

    python tests/pipecat/call.py --report FILE

Reads HANSARD_URL and HANSARD_API_KEY. The report has what the recorder's own observers of Pipecat found, for two
observers read the clock one after the other; and under `others` what those beside it found.
"""

import asyncio
import json
from functools import partial
from typing import Any

from pipecat.frames.frames import ClientConnectedFrame, LLMRunFrame
from pipecat.observers.base_observer import BaseObserver
from pipecat.processors.aggregators.llm_context import LLMContext

from examples.pipecat_bot.front_desk import FrontDesk, Report, Script, logger, read_arguments
from hansard import Recorder
from hansard.recorder.integrations import pipecat as integration
from hansard.recorder.integrations.pipecat import attach
from tests.one_call import ANSWERS, GREETING, TOOL, USER_SAYS, Called, Failed, Step


class Model(Script):
    """Answers as the one call has it."""

    async def _react(self, context: LLMContext) -> None:
        match self._due(context.get_messages()):
            case Failed(error):
                await self.push_error(error)
            case Called(tool, arguments):
                await self._call(tool, dict(arguments), context)
            case said:
                await self._say(said.text)

    def _due(self, messages: list[Any]) -> Step:
        if not messages:
            return GREETING
        last = messages[-1]
        return ANSWERS[TOOL if last["role"] == "tool" else last["content"]]


class Desk(FrontDesk):
    """The example's bot, which greets whoever connects, and its caller."""

    def __init__(self) -> None:
        super().__init__(model=Model())
        self.worker.add_event_handler("on_pipeline_started", self._greet)
        self.worker.add_event_handler("on_pipeline_error", lambda *_: self._spoke.put_nowait(None))

    async def _greet(self, *_: Any) -> None:
        await self.ear.push_frame(ClientConnectedFrame())
        await self.worker.queue_frame(LLMRunFrame())

    async def talk(self) -> None:
        await self.answered()
        await self.interrupt(*USER_SAYS[:2])
        for words in USER_SAYS[2:]:
            await self.ask(words)


def overhear(told: dict[str, list[Any]]) -> None:
    """Keep what the observers find that the integration makes for itself."""
    make = integration._measuring

    def note(event: str, _: BaseObserver, one: Any) -> None:
        told.setdefault(event, []).append(one.model_dump(mode="json") if hasattr(one, "model_dump") else one)

    def overheard(listener: Any) -> list[BaseObserver]:
        observers = make(listener)
        for observer in observers:
            for event in observer._event_handlers:
                observer.add_event_handler(event, partial(note, event))
        return observers

    integration._measuring = overheard


async def talk(recorder: Recorder) -> dict[str, list[Any]]:
    """Hold the call; gives what Pipecat tells of it."""
    told: dict[str, list[Any]] = {}
    overhear(told)
    desk = Desk()
    others = Report(desk).told
    attach(desk.worker, recorder=recorder, sid="CA1", channel_manager_type="voice_pipecat_v1", agent_name="Front desk")
    await desk.hold()
    return others | told | {"others": [others]}


def main() -> None:
    logger.remove()
    report = read_arguments().report
    recorder = Recorder()
    told = asyncio.run(talk(recorder))
    recorder.close()
    report.write_text(json.dumps(told, default=str, indent=1))
    print(recorder.stats())


if __name__ == "__main__":
    main()

"""The one call's model on LiveKit Agents, and the session in which it is held, recorded and reported."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from livekit.agents import AgentSession, APIError, JobContext
from livekit.agents.llm import ChatChunk, ChatMessage, CompletionUsage, FunctionCallOutput, LLMStream

from examples.livekit_text.agent import Line, Script
from hansard import Recorder
from hansard.recorder.integrations.livekit import attach
from tests.one_call import ANSWERS, GREETING, Called, Failed, Step

WORD_S = 0.02


class Model(Script):
    """Answers as the one call has it."""

    def chat(self, *, chat_ctx: Any, tools: Any = None, conn_options: Any = None, **_: Any) -> LLMStream:
        return Answer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class Answer(Line):
    async def _run(self) -> None:
        await asyncio.sleep(WORD_S)
        match self._due():
            case Failed(error):
                raise APIError(error, retryable=False)
            case Called(tool, arguments):
                self._call(tool, dict(arguments))
            case said:
                await self._speak(said.text)
        usage = CompletionUsage(prompt_tokens=len(self._chat_ctx.items), completion_tokens=7, total_tokens=7)
        self._event_ch.send_nowait(ChatChunk(id="line", usage=usage))

    def _due(self) -> Step:
        last = self._chat_ctx.items[-1]
        if isinstance(last, FunctionCallOutput):
            return ANSWERS[last.name]
        if isinstance(last, ChatMessage) and last.role == "user":
            return ANSWERS[last.text_content or ""]
        return GREETING

    async def _speak(self, text: str) -> None:
        for word in re.findall(r"\S+\s*", text):
            self._say(word)
            await asyncio.sleep(WORD_S)


@asynccontextmanager
async def recorded(
    job: JobContext, recorder: Recorder, report: Path, **parts: Any
) -> "AsyncIterator[AgentSession[Any]]":
    """A session of these parts, not started yet. When it is over, LiveKit's own report of it is written down."""
    model, requests = Model(), list[Any]()
    model.on("metrics_collected", requests.append)
    async with AgentSession(llm=model, **parts) as session:
        attach(session, recorder=recorder, sid=job.job.room.sid, agent_name="Front desk")
        yield session
    said = job.make_session_report(session).to_dict() | {"requests": [one.model_dump() for one in requests]}
    report.write_text(json.dumps(said, default=str, indent=1))

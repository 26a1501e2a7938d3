"""A front desk on LiveKit Agents that needs no network: its language model is a script. Hansard records the session.

    python examples/livekit_text/agent.py

Reads HANSARD_URL and HANSARD_API_KEY. Everything but the model is LiveKit's: the session, the turns, the tool call.
"""

import argparse
import asyncio
import json
import re
from pathlib import Path
from typing import Any

from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.llm import (
    LLM,
    ChatChunk,
    ChatContext,
    ChatMessage,
    ChoiceDelta,
    CompletionUsage,
    FunctionCallOutput,
    FunctionToolCall,
    LLMStream,
    ToolError,
)
from livekit.agents.testing import fake_job_context

from hansard import Recorder
from hansard.recorder.integrations.livekit import attach

USER_SAYS = ("I need an appointment on Monday.", "Is there anything on Sunday?", "Then 9:15, please.")


class Script(LLM):
    """Speaks as a language model would: in pieces, and with a tool call where one is due."""

    @property
    def model(self) -> str:
        return "script-1"

    @property
    def provider(self) -> str:
        return "example"

    def chat(self, *, chat_ctx: ChatContext, tools: Any = None, conn_options: Any = None, **_: Any) -> LLMStream:
        return Line(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class Line(LLMStream):
    """One answer of the script, chosen by what came last."""

    async def _run(self) -> None:
        await asyncio.sleep(0.02)
        last = self._chat_ctx.items[-1]
        if isinstance(last, FunctionCallOutput):
            self._say(f"I am sorry: {last.output}." if last.is_error else "I can offer 9:15 or 11:00.")
        elif not isinstance(last, ChatMessage) or last.role != "user":
            self._say("Good morning, this is the front desk.")
        elif day := re.search(r"on (\w+day)", last.text_content or ""):
            self._call("find_slot", {"day": day[1], "minutes": 30})
        else:
            self._say("It is booked.")
        usage = CompletionUsage(prompt_tokens=len(self._chat_ctx.items), completion_tokens=7, total_tokens=7)
        self._event_ch.send_nowait(ChatChunk(id="line", usage=usage))

    def _say(self, text: str) -> None:
        for word in re.findall(r"\S+\s*", text):
            self._event_ch.send_nowait(ChatChunk(id="line", delta=ChoiceDelta(role="assistant", content=word)))

    def _call(self, name: str, arguments: dict[str, Any]) -> None:
        call_id = f"call-{len(self._chat_ctx.items)}"
        call = FunctionToolCall(name=name, arguments=json.dumps(arguments), call_id=call_id)
        self._event_ch.send_nowait(ChatChunk(id="line", delta=ChoiceDelta(role="assistant", tool_calls=[call])))


class FrontDesk(Agent):
    """Greets, and looks for free slots."""

    def __init__(self) -> None:
        super().__init__(instructions="You are the front desk of a practice. Offer free slots.")

    async def on_enter(self) -> None:
        self.session.generate_reply()

    @function_tool
    async def find_slot(self, day: str, minutes: int) -> str:
        """Find free slots on a day."""
        await asyncio.sleep(0.05)
        if day == "Sunday":
            raise ToolError("we are closed on Sunday")
        return json.dumps({"day": day, "minutes": minutes, "starts": ["9:15", "11:00"]})


async def talk(recorder: Recorder, report: Path | None) -> str:
    """Hold one session and give its id. Where asked, write down what LiveKit itself reports of it."""
    with fake_job_context() as job:
        sid = job.job.room.sid
        async with AgentSession(llm=Script()) as session:
            attach(session, recorder=recorder, sid=sid, channel_manager_type="web_chat_v1", agent_name="Front desk")
            await session.start(FrontDesk(), record=False, capture_run=True)
            for words in USER_SAYS:
                await session.run(user_input=words)
        if report:
            report.write_text(json.dumps(job.make_session_report(session).to_dict(), default=str, indent=1))
    return sid


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold a scripted session and record it.")
    parser.add_argument("--report", type=Path, help="write LiveKit's own report of the session to this file")
    recorder = Recorder()
    sid = asyncio.run(talk(recorder, parser.parse_args().report))
    recorder.close()
    print(f"{sid}: {recorder.stats()}")


if __name__ == "__main__":
    main()

"""The one call on the OpenAI Agents SDK: streamed runs, of which one is cancelled in the midst of its answer.

    python tests/openai_agents/call.py --report FILE

Reads HANSARD_URL and HANSARD_API_KEY. The model is a script behind a local address; all else is the SDK's own.
"""

import argparse
import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    RunConfig,
    Runner,
    RunResultStreaming,
    SQLiteSession,
    flush_traces,
    set_trace_processors,
)
from agents.tracing.processors import BatchTraceProcessor
from openai import APIStatusError, AsyncOpenAI

from examples.openai_agents.agent import Report, find_slot
from hansard import Recorder
from hansard.recorder.integrations.openai_agents import attach
from tests.one_call import ANSWERS, GREETING, OFFER, TOOL, USER_SAYS, Called, Failed, Said, Step

THREAD = "thread_1"
WORD_S = 0.02
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "script-1"}


class Model(BaseHTTPRequestHandler):
    """Answers as the one call has it, in the pieces of streamed chat completions."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        step = ANSWERS[TOOL if asked[-1]["role"] == "tool" else asked[-1]["content"]]
        if isinstance(step, Failed):
            return self._answer(400, "application/json", [json.dumps({"error": {"message": step.error}})])
        usage = {"prompt_tokens": 10 * len(asked), "completion_tokens": 7, "total_tokens": 10 * len(asked) + 7}
        deltas = [*self._deltas(step, f"call_{len(asked)}"), {}]
        chunks = [{"choices": [{"index": 0, "delta": one}]} for one in deltas] + [{"choices": [], "usage": usage}]
        pieces = [f"data: {json.dumps(HEAD | chunk)}\n\n" for chunk in chunks]
        return self._answer(200, "text/event-stream", [*pieces, "data: [DONE]\n\n"])

    def _deltas(self, step: Step, call_id: str) -> Iterator[dict[str, Any]]:
        if isinstance(step, Called):
            function = {"name": step.tool, "arguments": json.dumps(step.arguments)}
            yield {"tool_calls": [{"index": 0, "id": call_id, "type": "function", "function": function}]}
        elif isinstance(step, Said):
            yield from ({"content": word} for word in re.findall(r"\S+\s*", step.text))

    def _answer(self, status: int, media_type: str, pieces: list[str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.end_headers()
        with suppress(ConnectionError):  # who asked has heard enough
            for piece in pieces:
                time.sleep(WORD_S)
                self.wfile.write(piece.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


async def hear(run: RunResultStreaming) -> None:
    """Listen to the end; of the answer that is to be interrupted, to its first two words."""
    heard: list[str] = []
    with suppress(APIStatusError):  # the model fails once, and the conversation goes on
        async for event in run.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                heard.append(event.data.delta)
            if len(heard) == 2 and OFFER.text.startswith("".join(heard)):
                run.cancel()


async def talk(recorder: Recorder, model_url: str) -> dict[str, Any]:
    """Hold the call; gives what the SDK knows of it."""
    report = Report()
    set_trace_processors([BatchTraceProcessor(report)])
    hooks = attach(recorder, channel_manager_type="web_chat_v1")
    memory = SQLiteSession(THREAD)
    await memory.add_items([{"role": "assistant", "content": GREETING.text}])
    config = RunConfig(group_id=THREAD, trace_metadata={"prompt_id": "reception", "prompt_version": 3})
    runs = []
    async with AsyncOpenAI(base_url=model_url, api_key="none") as client:
        model = OpenAIChatCompletionsModel("script-1", client)
        desk = Agent("Front desk", "You are the front desk of a practice.", tools=[find_slot], model=model)
        for words in USER_SAYS:
            runs.append(Runner.run_streamed(desk, words, hooks=hooks, session=memory, run_config=config))
            await hear(runs[-1])
    hooks.end(THREAD, "completed")
    flush_traces()
    return {
        "thread_id": THREAD,
        "items": await memory.get_items(),
        "usage": [one.usage for run in runs for one in run.raw_responses],
        "spans": report.spans,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold the one call and record it.")
    parser.add_argument("--report", type=Path, required=True, help="write the SDK's own report to this file")
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    recorder = Recorder()
    known = asyncio.run(talk(recorder, f"http://127.0.0.1:{server.server_port}"))
    recorder.close()
    server.shutdown()
    arguments.report.write_text(json.dumps(known, default=vars, indent=1))
    print(recorder.stats())


if __name__ == "__main__":
    main()

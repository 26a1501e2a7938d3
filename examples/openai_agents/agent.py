"""A front desk on the OpenAI Agents SDK that needs no network: its language model is a script behind a local address.

    python examples/openai_agents/agent.py

Reads HANSARD_URL and HANSARD_API_KEY. Everything but the model's answers is the SDK's: the runner, its chat completions
client, its memory, the tool calls. Hansard records the three runs as one session.
"""

import argparse
import asyncio
import json
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    RunConfig,
    Runner,
    SQLiteSession,
    flush_traces,
    function_tool,
    set_trace_processors,
)
from agents.tracing.processor_interface import TracingExporter
from agents.tracing.processors import BatchTraceProcessor
from openai import AsyncOpenAI

from hansard import Recorder
from hansard.recorder.integrations.openai_agents import attach

GREETING = "Good morning, this is the front desk."
USER_SAYS = ("I need an appointment on Monday.", "Is there anything on Sunday?", "Then 9:15, please.")


class Script(BaseHTTPRequestHandler):
    """Answers as the chat completions of a language model would, with a tool call where one is due."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        time.sleep(0.02)
        usage = {"prompt_tokens": 10 * len(asked), "completion_tokens": 7, "total_tokens": 10 * len(asked) + 7}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"} | self.answer(asked)}
        head = {"id": f"chatcmpl-{len(asked)}", "object": "chat.completion", "created": 0, "model": "script-1"}
        body = json.dumps(head | {"choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, asked: list[dict[str, Any]]) -> dict[str, Any]:
        last = asked[-1]
        if last["role"] == "tool":
            told = last["content"]
            return {"content": told if told.startswith("I am sorry") else "I can offer 9:15 or 11:00."}
        if day := re.search(r"on (\w+day)", last["content"]):
            function = {"name": "find_slot", "arguments": json.dumps({"day": day[1], "minutes": 30})}
            return {"tool_calls": [{"id": f"call_{len(asked)}", "type": "function", "function": function}]}
        return {"content": "It is booked."}

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Report(TracingExporter):
    """Keeps what the SDK itself says of the runs."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any] | None] = []

    def export(self, items: list[Any]) -> None:
        self.spans += [item.export() for item in items]


def apologize(_: Any, error: Exception) -> str:
    """What the model is told of a failed tool. The SDK's own sentence keeps the cause from model and trace."""
    return f"I am sorry: {error}."


@function_tool(failure_error_function=apologize)
async def find_slot(day: str, minutes: int) -> str:
    """Find free slots on a day."""
    await asyncio.sleep(0.05)
    if day == "Sunday":
        raise ValueError("we are closed on Sunday")
    return json.dumps({"day": day, "minutes": minutes, "starts": ["9:15", "11:00"]})


async def talk(recorder: Recorder, model_url: str, report: Report) -> dict[str, Any]:
    """Hold one conversation in three runs; gives what the SDK knows of it."""
    thread_id = f"thread_{uuid.uuid4().hex[:12]}"
    set_trace_processors([BatchTraceProcessor(report)])  # in the place of OpenAI's uploader, which needs a network
    hooks = attach(recorder, channel_manager_type="web_chat_v1")
    memory = SQLiteSession(thread_id)
    await memory.add_items([{"role": "assistant", "content": GREETING}])
    async with AsyncOpenAI(base_url=model_url, api_key="none") as client:
        model = OpenAIChatCompletionsModel("script-1", client)
        desk = Agent("Front desk", "You are the front desk of a practice.", tools=[find_slot], model=model)
        config = RunConfig(group_id=thread_id, trace_metadata={"prompt_id": "reception", "prompt_version": 3})
        done = [await Runner.run(desk, says, hooks=hooks, session=memory, run_config=config) for says in USER_SAYS]
    hooks.end(thread_id, "completed")
    flush_traces()
    return {
        "thread_id": thread_id,
        "items": await memory.get_items(),
        "usage": [[one.usage for one in run.raw_responses] for run in done],
        "spans": report.spans,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold a scripted conversation and record it.")
    parser.add_argument("--report", type=Path, help="write the SDK's own report of the conversation to this file")
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Script)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    recorder = Recorder()
    known = asyncio.run(talk(recorder, f"http://127.0.0.1:{server.server_port}", Report()))
    recorder.close()
    server.shutdown()
    if arguments.report:
        arguments.report.write_text(json.dumps(known, default=vars, indent=1))
    print(f"{known['thread_id']}: {recorder.stats()}")


if __name__ == "__main__":
    main()

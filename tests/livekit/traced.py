"""A text session without a network, with the whole life of its job around it, of which everything is uploaded.

    python tests/livekit/traced.py --report FILE

The spans are LiveKit's own, from the one that begins the job on. The report holds what LiveKit itself says: the chat
history, every span that ended, and the warnings and errors of its log.
"""

import argparse
import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

from livekit.agents import AgentSession, JobContext
from livekit.agents.ipc.job_proc_lazy_main import _start_job_span
from livekit.agents.telemetry import tracer
from livekit.agents.testing import fake_job_context
from livekit.agents.utils import http_context
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from examples.livekit_text.agent import USER_SAYS, FrontDesk, Script


class Log(logging.Handler):
    """The lines of a log from warnings upwards, each with its level."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage()))


def prepare(job: JobContext) -> InMemorySpanExporter:
    """What a worker does before a job's first span, which it leaves out for a job that is a fake."""
    job._info.fake_job = False
    job._prepare_telemetry()
    job._info.fake_job = True
    ended = InMemorySpanExporter()
    tracer._tracer_provider.add_span_processor(SimpleSpanProcessor(ended))
    return ended


async def talk(turns: int) -> dict[str, Any]:
    with fake_job_context(job_id="AJ_text") as job:
        ended = prepare(job)
        root = _start_job_span(job)
        inside = trace.set_span_in_context(root)
        with tracer.use_span(root, end_on_exit=False):
            async with AgentSession(llm=Script()) as session:
                await session.start(FrontDesk(), record=True, capture_run=True)
                for number in range(turns):
                    await session.run(user_input=USER_SAYS[number % len(USER_SAYS)])
        job.tagger.success(reason="they have a slot")
        async with http_context.open():
            with tracer.start_as_current_span("job_shutdown", context=inside):
                await job._on_session_end()
                with tracer.start_as_current_span("room_disconnect"):
                    pass
            root.end()
            began_at = time.monotonic()
            await job._on_cleanup()
        return {
            "room_id": job.job.room.sid,
            "chat_history": session.history.to_dict(exclude_timestamp=False),
            "spans": [described(one) for one in ended.get_finished_spans()],
            "flushed_s": time.monotonic() - began_at,
        }


def described(span: ReadableSpan) -> dict[str, Any]:
    """A span as the SDK has it."""
    assert span.context
    return {
        "name": span.name,
        "trace_id": f"{span.context.trace_id:032x}",
        "span_id": f"{span.context.span_id:016x}",
        "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "started_ns": span.start_time,
        "ended_ns": span.end_time,
        "attributes": dict(span.attributes or {}),
        "resource": dict(span.resource.attributes),
        "events": [[one.name, dict(one.attributes or {})] for one in span.events],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold a text session and upload all of it.")
    parser.add_argument("--report", type=Path, required=True, help="write what LiveKit itself says to this file")
    parser.add_argument("--turns", type=int, default=len(USER_SAYS), help="how often the user speaks")
    given = parser.parse_args()
    log = Log()
    logging.getLogger().addHandler(log)
    report = asyncio.run(talk(given.turns))
    given.report.write_text(json.dumps(report | {"log": log.lines}, default=list, indent=1))


if __name__ == "__main__":
    main()

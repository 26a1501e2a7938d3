"""How fast events become sessions on disk, beside what reading and packing them alone would take.

    python bench/ingest.py [sessions] [postgresql://…]

One core, whole sessions of 20 turns, a thousand events a commit. The ratio compares like with like in one run: the
same lines parsed, checked and packed with zstd, without a database.
"""

import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from hansard.db.engine import open_database
from hansard.db.migrate import migrate
from hansard.kit.settings import Settings
from hansard.resources.ingest.receipt import take
from hansard.resources.ingest.validation import checked
from hansard.resources.sessions.packing import packed
from hansard.wire import MAX_EVENTS, instant_of

TURNS = 20
START = datetime(2026, 11, 22, 10, tzinfo=UTC)


def session_lines(number: int) -> list[bytes]:
    """One session as the lines of an export."""
    key = {"service": "twilio", "sid": f"CA{number:08}"}

    def line(place: int, kind: str, data: dict[str, Any]) -> bytes:
        at = instant_of(START + timedelta(seconds=number + place))
        one = {"id": f"{number:08}{place:04}", "session": key, "kind": kind, "at": at, "data": data}
        return json.dumps(one).encode()

    lines = [line(0, "session.start", {"agent_id": str(number % 9), "agent_name": "Front desk", "source": "+1804"})]
    for turn in range(TURNS):
        text = f"This is turn {turn} of call {number}, with as many words in it as people say on the telephone."
        lines.append(line(2 * turn + 1, "message", {"role": "user" if turn % 2 else "agent", "text": text}))
        said = {"category": "llm", "label": "first_token", "duration_ms": 300 + number % 700}
        lines.append(line(2 * turn + 2, "latency", said))
    call = {"name": "find_slot", "arguments": {"day": number % 7}, "result": {"slots": [number]}}
    return [*lines, line(98, "tool_call", call), line(99, "session.end", {"reason": "hangup"})]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    lines = [line for number in range(count) for line in session_lines(number)]
    began = time.perf_counter()
    events = checked([from_json(line) for line in lines]).events
    per_session = len(lines) // count
    for first in range(0, len(events), per_session):
        packed([one for _, one in events[first : first + per_session]])
    alone_s = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder), database_url=sys.argv[2] if len(sys.argv) > 2 else None)
        migrate(settings)
        database = open_database(settings)
        began = time.perf_counter()
        for first in range(0, len(lines), MAX_EVENTS):
            given = checked([from_json(line) for line in lines[first : first + MAX_EVENTS]])
            now = datetime.now(UTC)
            work = partial(take, organization_id=1, given=given, now=now, idle=timedelta(days=1))
            database.write(1, work)
        took_s = time.perf_counter() - began
        database.close()
        size_bytes = sum(file.stat().st_size for file in Path(folder).iterdir())
    print(f"{count / took_s:,.0f} sessions/s, {len(lines) / took_s:,.0f} events/s on disk")
    print(f"{took_s / alone_s:.1f} x the time of parsing, checking and packing alone")
    if not settings.database_url:
        print(f"{size_bytes / count:,.0f} bytes a session; {sum(map(len, lines)) / count:,.0f} as JSON lines")


main()

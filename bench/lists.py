"""How long a page of 25 with its exact total takes, with N sessions in one organization.

    python bench/lists.py [sessions] [postgresql://…]

Every figure is the median and the slowest of five, beside the time one look-up by id takes in the same run: read
the ratio, for machines differ. The rows are written straight into the tables, so that a million take a minute.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hansard.db.engine import Database, open_database
from hansard.db.migrate import migrate
from hansard.db.tables import conversation, session
from hansard.kit.listing import Asked, Direction
from hansard.kit.settings import Settings
from hansard.resources.conversations.store import list_conversations
from hansard.resources.sessions.snapshots import snapshot_ids
from hansard.resources.sessions.store import get_session, list_sessions

ORGANIZATION = 1
END = datetime(2026, 11, 22, tzinfo=UTC)


def fill(database: Database, count: int) -> None:
    dice = random.Random(1)
    said = [
        ("twilio", {"agent_id": str(a), "agent_name": f"Agent {a}", "prompt_id": str(p), "prompt_version_number": v})
        for a in range(20)
        for p in range(3)
        for v in range(1, 9)
    ]
    snapshots = database.write(ORGANIZATION, lambda db: snapshot_ids(db, ORGANIZATION, said))
    rows = rows_of(dice, snapshots, count)
    while chunk := [row for _, row in zip(range(20_000), rows, strict=False)]:
        database.write(ORGANIZATION, lambda db, chunk=chunk: db.execute(session.insert(), chunk))  # type: ignore[misc]
        talks = [
            {
                "organization_id": ORGANIZATION,
                "id": row["conversation_id"],
                "started_at": row["started_at"],
                "snapshot_id": row["snapshot_id"],
                "is_legacy": False,
            }
            for row in chunk
        ]
        database.write(ORGANIZATION, lambda db, talks=talks: db.execute(conversation.insert(), talks))  # type: ignore[misc]


def rows_of(dice: random.Random, snapshots: list[int], count: int) -> Iterator[dict[str, Any]]:
    for number in range(1, count + 1):
        started_at = END - timedelta(seconds=dice.random() * 365 * 86400)
        source = f"+1804{dice.randint(2_000_000, 9_999_999)}"
        yield dict.fromkeys(session.c.keys()) | {
            "organization_id": ORGANIZATION,
            "id": number,
            "service": "twilio",
            "sid": f"CA{number:032}",
            "snapshot_id": dice.choice(snapshots),
            "conversation_id": str(number),
            "named_conversation": False,
            "started_at": started_at,
            "ended_at": started_at,
            "is_abandoned": False,
            "duration_s": round(dice.lognormvariate(4.5, 0.8), 1),
            "source": source,
            "target": "+18002832940",
            "source_folded": source,
            "target_folded": "+18002832940",
            "is_test": dice.random() < 0.1,
            "is_legacy": False,
            "is_outbound": dice.random() < 0.2,
            "received_at": started_at,
        }


def cases() -> dict[str, Asked]:
    return {
        "newest": Asked(),
        "page 4,000": Asked(page=4000),
        "one agent": Asked(search={"agent_id": ["7"]}),
        "agent name contains": Asked(search={"agent_name": ["GENT 1"]}),
        "source contains": Asked(search={"source": ["804555"]}),
        "outbound, with tests": Asked(search={"is_outbound": ["true"], "is_test": ["true"]}),
        "30 days of one prompt": Asked(search={"prompt_id": ["2"]}, start=END - timedelta(days=30)),
        "nothing matches": Asked(search={"agent_id": ["nobody"]}),
        "longest": Asked(order_by="duration", direction=Direction.DESC),
        "by agent name": Asked(order_by="agent_name"),
    }


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    took_ms = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        took_ms.append((time.perf_counter() - began) * 1000)
    return statistics.median(took_ms), max(took_ms)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[2] if len(sys.argv) > 2 else None
        settings = Settings(data=Path(folder), database_url=url)
        migrate(settings)
        database = open_database(settings)
        began = time.perf_counter()
        fill(database, count)
        print(f"{count:,} sessions written in {time.perf_counter() - began:.0f} s")
        with database.reading() as db:
            one, _ = timed(lambda: get_session(db, ORGANIZATION, count // 2))
            print(f"{'one session by id':24} {one:8.2f} ms")
            for name, asked in cases().items():
                page = list_sessions(db, ORGANIZATION, asked)
                median, slowest = timed(lambda asked=asked: list_sessions(db, ORGANIZATION, asked))  # type: ignore[misc]
                print(f"{name:24} {median:8.2f} ms  {slowest:8.2f} ms  {median / one:6.0f} x  of {page.total_count:,}")
            median, slowest = timed(lambda: list_conversations(db, ORGANIZATION, Asked()))
            print(f"{'conversations':24} {median:8.2f} ms  {slowest:8.2f} ms  {median / one:6.0f} x")
        database.close()


main()

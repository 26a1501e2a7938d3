"""How fast sessions become searchable, and how fast they are found, with N sessions in one organization.

    python bench/index.py [sessions] [postgresql://…]

Beside each search stands the time that the bare statements on the index take in the same run, a page of 25 by rowid and
the count: read the ratio, for machines differ. Words are drawn as in a language, a few very often and most seldom.
"""

import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from hansard.db.engine import Database, open_database
from hansard.db.migrate import migrate
from hansard.db.tables import body, session
from hansard.kit.settings import Settings
from hansard.resources.sessions import backlog, fulltext, indexing
from hansard.resources.sessions.fulltext import Sought
from hansard.resources.sessions.intake import add_changes
from hansard.resources.sessions.packing import PACKING, packed
from hansard.resources.sessions.query import read_query
from hansard.resources.sessions.search import find_sessions
from hansard.resources.sessions.snapshots import snapshot_ids
from hansard.resources.sessions.words import phrase
from hansard.wire import Child, instant_of

ORGANIZATION = 1
END = datetime(2026, 11, 22, tzinfo=UTC)
VOCABULARY = 20_000
_WEIGHTS = list(itertools.accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))
_dice = random.Random(1)


def word(rank: int) -> str:
    """A word of letters alone: one with three digits might be a telephone number, which is searched elsewhere too."""
    return "w" + "".join("abcdefghij"[int(digit)] for digit in str(rank))


_VOCABULARY = [word(rank) for rank in range(VOCABULARY)]


def text(count: int) -> str:
    return " ".join(_dice.choices(_VOCABULARY, cum_weights=_WEIGHTS, k=count))


def children(started_at: datetime) -> list[Child]:
    """Twenty turns of 15 words and three tool calls."""
    at = [instant_of(started_at + timedelta(seconds=second)) for second in range(23)]
    said: list[Child] = [
        {"id": f"m{n}", "kind": "message", "at": at[n], "data": {"role": ("agent", "user")[n % 2], "text": text(15)}}
        for n in range(20)
    ]
    called: list[Child] = [
        {
            "id": f"t{n}",
            "kind": "tool_call",
            "at": at[20 + n],
            "data": {"name": "find_slot", "arguments": {"q": text(4)}, "result": {"items": [text(8)]}},
        }
        for n in range(3)
    ]
    return said + called


def rows_of(snapshot_id: int, count: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for number in range(1, count + 1):
        started_at = END - timedelta(seconds=(count - number) * 30 + _dice.random() * 3600)
        source = f"+1804{_dice.randint(2_000_000, 9_999_999)}"
        row = dict.fromkeys(session.c.keys()) | {
            "organization_id": ORGANIZATION,
            "id": number,
            "service": "twilio",
            "sid": f"CA{number:032}",
            "snapshot_id": snapshot_id,
            "conversation_id": str(number),
            "named_conversation": False,
            "started_at": started_at,
            "ended_at": started_at,
            "is_abandoned": False,
            "duration_s": round(_dice.lognormvariate(4.5, 0.8), 1),
            "turn_count": 20,
            "interruption_count": 0,
            "has_tool_error": False,
            "has_recording": False,
            "source": source,
            "target": "+18002832940",
            "source_folded": source,
            "target_folded": "+18002832940",
            "is_test": False,
            "is_legacy": False,
            "received_at": started_at,
        }
        whole = {"organization_id": ORGANIZATION, "session_id": number, "packing": PACKING}
        yield row, whole | {"packed": packed(children(started_at))}


def fill(database: Database, count: int) -> None:
    said = [("twilio", {"agent_id": "1", "agent_name": "Front desk"})]
    (snapshot_id,) = database.write(ORGANIZATION, lambda db: snapshot_ids(db, ORGANIZATION, said))
    rows = rows_of(snapshot_id, count)
    while chunk := list(itertools.islice(rows, 1000)):

        def write(db: Connection, chunk: list[Any] = chunk) -> None:
            db.execute(session.insert(), [row for row, _ in chunk])
            db.execute(body.insert(), [whole for _, whole in chunk])
            add_changes(db, ORGANIZATION, [row["id"] for row, _ in chunk])

        database.write(ORGANIZATION, write)


def size_bytes(database: Database) -> int:
    with database.reading() as db:
        asked = (
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            if db.dialect.name == "sqlite"
            else "SELECT pg_database_size(current_database())"
        )
        return int(db.exec_driver_sql(asked).scalar_one())


def index(database: Database) -> list[float]:
    """Read everything; give how long each write held the writer, in milliseconds."""
    held_ms: list[float] = []

    def timed_batch(db: Connection, **given: Any) -> bool:
        began = time.perf_counter()
        done = backlog.add_batch(db, **given)
        held_ms.append((time.perf_counter() - began) * 1000)
        return done

    setattr(indexing, "add_batch", timed_batch)  # noqa: B010 - the name is another module's
    indexing.index_all(database, ORGANIZATION)
    return sorted(held_ms)


def bare(db: Connection, sought: list[Sought]) -> None:
    """The index alone: the newest 25 by rowid, and the count."""
    if db.dialect.name == "sqlite":
        hits = fulltext._hits_sqlite(ORGANIZATION, sought)
        db.execute(hits.order_by(fulltext._sqlite_words.c.rowid.desc()).limit(25)).all()
        fulltext._count_sqlite(db, ORGANIZATION, sought)
        return
    key = fulltext._postgres_words.c.session_id
    where = fulltext._postgres_where(ORGANIZATION, sought[0])
    db.execute(select(key).where(*where).order_by(key.desc()).limit(25)).all()
    db.execute(select(func.count()).select_from(fulltext._postgres_words).where(*where)).scalar_one()


def timed(work: Callable[[], Any]) -> float:
    took_ms = []
    for _ in range(7):
        began = time.perf_counter()
        work()
        took_ms.append((time.perf_counter() - began) * 1000)
    return statistics.median(took_ms)


def searches() -> list[str]:
    """The commonest word, rarer ones, several at once, a phrase, beginnings, and one of the user's."""
    one = [word(rank) for rank in (0, 10, 100, 1000, 15000)]
    return [*one, f"{one[2]} {word(200)}", f'"{word(1)} {word(2)}"', f"{one[1]}*", f"user:{one[1]}"]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[2] if len(sys.argv) > 2 else None
        settings = Settings(data=Path(folder), database_url=url)
        migrate(settings)
        database = open_database(settings)
        began = time.perf_counter()
        fill(database, count)
        print(f"{count:,} sessions written in {time.perf_counter() - began:.0f} s")
        before = size_bytes(database)
        began = time.perf_counter()
        held_ms = index(database)
        took_s = time.perf_counter() - began
        print(
            f"indexed {count / took_s:,.0f} sessions/s, {(size_bytes(database) - before) / count:,.0f} bytes a session"
        )
        print(f"a write holds the writer for {statistics.median(held_ms):.0f} ms, at most {held_ms[-1]:.0f} ms")
        if database.folder is None:  # as autovacuum does within a minute
            database.write(ORGANIZATION, lambda db: db.exec_driver_sql("ANALYZE search_words, session"))
        with database.reading() as db:
            for q in searches():
                query = read_query(q)
                values = [(one.field, value) for one in query.terms for value in one.values]
                parts = [(value, ("user",)) if name == "user" else (value, None) for name, value in values]
                found = [phrase(value, of) if of else phrase(value) for value, of in parts]
                sought = [Sought((one,)) for one in found if one]
                page = find_sessions(db, ORGANIZATION, query, END, limit=25)
                alone = timed(lambda sought=sought: bare(db, sought))  # type: ignore[misc]
                ours = timed(lambda query=query: find_sessions(db, ORGANIZATION, query, END, limit=25))  # type: ignore[misc]
                times = f"{ours:8.2f} ms, bare {alone:8.2f} ms, {ours / alone:5.1f} x"
                print(f"{q:16} {page.total_count:9,} found in {times}")
            common, rare = word(0), word(1000)
            for q in (
                f"{common} duration:>600",
                f"{rare} duration:>600",
                f"-{common}",
                f"{common} -{rare}",
                "turns:20",
            ):
                query = read_query(q)
                ours = timed(lambda query=query: find_sessions(db, ORGANIZATION, query, END, limit=25))  # type: ignore[misc]
                print(f"{q:20} {ours:8.2f} ms")
        database.close()


main()

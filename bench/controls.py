"""The controls: the same work by the bare driver, in this process, without HTTP, without a framework.

`Raw` reads with the statements a careful person would write by hand for these tables: prepared by the driver, the
ids of the page first and only then its 25 rows, the total by itself. `Keeper` writes: one row and one compressed body
a session, 25 sessions a transaction, with the same durability as the server.
"""

import re
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from bench.fill import Filled, moment_of_us
from hansard.db.tables import Moment, body, session
from hansard.kit.settings import Settings
from hansard.resources.sessions.store import FIELDS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PER_COMMIT = 25
_NAMED = re.compile(r":([a-z_]+)")

# What the list shows of a session: the same fields, read by the same join.
_SHOWN = [f"{column.table.name}.{column.name}" for column in FIELDS.values()]
_SHOWN += [
    f"session.{name}"
    for name in (
        "ended_at",
        "end_reason",
        "is_abandoned",
        "turn_count",
        "interruption_count",
        "has_tool_error",
        "has_recording",
        "received_at",
    )
]
_PAGE = f"""
SELECT {", ".join(_SHOWN)}, snapshot.llm_model, session.label_code
FROM (
  SELECT id FROM session {{path}} WHERE organization_id = :org AND {{where}}
  ORDER BY {{order}} LIMIT :limit OFFSET :offset
) AS found
JOIN session ON session.organization_id = :org AND session.id = found.id
JOIN snapshot ON snapshot.organization_id = :org AND snapshot.id = session.snapshot_id
ORDER BY {{outer}}
"""
_COUNT = "SELECT count(*) FROM session {path} WHERE organization_id = :org AND {where}"


class Raw:
    """A connection of the bare driver that reads, with what the server's readers set on theirs."""

    def __init__(self, filled: Filled) -> None:
        self._organization_id = filled.organization_id
        url = filled.settings.database_url
        self._db: Any = psycopg.connect(url, autocommit=True) if url else sqlite3.connect(filled.sqlite_file)
        self.is_postgres = url is not None
        if not self.is_postgres:
            for pragma in ("mmap_size=0", "cache_size=-16384", "temp_store=MEMORY", "query_only=ON"):
                self._db.execute(f"PRAGMA {pragma}")

    def rows(self, statement: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement with `:named` parameters and read all that it gives."""
        if self.is_postgres:
            statement = _NAMED.sub(r"%(\1)s", statement)
        found: list[tuple[Any, ...]] = self._db.execute(statement, dict(given)).fetchall()
        return found

    def page(
        self, where: str, order: str, given: Mapping[str, Any], offset: int, limit: int = 25, path: str = "session_wide"
    ) -> list[int]:
        """The rows of a page, of a file by this index; gives their ids."""
        outer = ", ".join(f"session.{one}" for one in order.split(", "))
        statement = _PAGE.format(where=where, order=order, outer=outer, path=self._hint(path))
        more = {"org": self._organization_id, "limit": limit, "offset": offset}
        place = list(FIELDS).index("session_id")
        return [int(row[place]) for row in self.rows(statement, {**given, **more})]

    def count(self, where: str, given: Mapping[str, Any], path: str) -> int:
        """The exact total, of a file by this index."""
        return int(
            self.rows(_COUNT.format(where=where, path=self._hint(path)), {**given, "org": self._organization_id})[0][0]
        )

    def _hint(self, path: str) -> str:
        return "" if self.is_postgres else f"INDEXED BY {path}"

    def moment(self, microseconds: int) -> int | datetime:
        """An instant as this database compares it."""
        return moment_of_us(microseconds) if self.is_postgres else microseconds

    def is_with(self, column: str, name: str) -> str:
        """A part of a number, looked for where each is once, by the fastest function the database has for it."""
        holds = "strpos" if self.is_postgres else "instr"
        return f"{column} IN (SELECT folded FROM party WHERE organization_id = :org AND {holds}(folded, :{name}) > 0)"

    def close(self) -> None:
        self._db.close()


def compressed(text: bytes) -> bytes:
    """A body as anybody would make it: zstd at the level the server uses, without its dictionary."""
    return zstd.compress(text, level=3)


class Keeper:
    """Inserts rows and bodies into a copy of the filled database: the tables and indexes the server has.

    SQLite in WAL with `synchronous=FULL` and its own checkpoints, as the driver comes; PostgreSQL with its own
    defaults, each table's 25 rows sent as one pipelined batch.
    """

    def __init__(self, settings: Settings, organization_id: int) -> None:
        from hansard.db.engine import FILE_NAME

        self._organization_id = organization_id
        self._db: Any
        if settings.database_url:
            self._db = psycopg.connect(settings.database_url)
        else:
            self._db = sqlite3.connect(settings.data / FILE_NAME, isolation_level=None)
            self._db.execute("PRAGMA synchronous=FULL")
        self.is_postgres = settings.database_url is not None
        self._next = 10_000_000

    def rows_of(self, sids: Sequence[str], snapshot_id: int, started_us: int) -> list[tuple[Any, ...]]:
        """The rows of new sessions, ready to be inserted."""
        made = []
        for sid in sids:
            self._next += 1
            made.append(tuple(self._row(sid, snapshot_id, started_us).values()))
        return made

    def _row(self, sid: str, snapshot_id: int, started_us: int) -> dict[str, Any]:
        values: dict[str, Any] = dict.fromkeys(session.c.keys())
        values |= {
            "organization_id": self._organization_id,
            "id": self._next,
            "service": "twilio",
            "sid": sid,
            "snapshot_id": snapshot_id,
            "conversation_id": str(self._next),
            "named_conversation": False,
            "started_at": started_us,
            "ended_at": started_us + 80_000_000,
            "is_abandoned": False,
            "end_reason": "hangup",
            "duration_s": 80.0,
            "source": "+18042221111",
            "target": "+18002832940",
            "source_folded": "+18042221111",
            "target_folded": "+18002832940",
            "is_test": False,
            "is_legacy": False,
            "is_outbound": False,
            "user_terminated": True,
            "turn_count": 20,
            "interruption_count": 0,
            "has_tool_error": False,
            "has_recording": False,
            "first_at": started_us,
            "last_at": started_us + 80_000_000,
            "received_at": started_us + 80_000_000,
        }
        if self.is_postgres:
            for column in session.columns:
                if isinstance(column.type, Moment) and values[column.name] is not None:
                    values[column.name] = moment_of_us(values[column.name])
        return values

    def insert(self, rows: Sequence[tuple[Any, ...]], bodies: Sequence[bytes]) -> None:
        """Insert and commit, 25 at a time."""
        mark = "%s" if self.is_postgres else "?"
        into_session = f"INSERT INTO session ({', '.join(session.c.keys())}) VALUES ({_marks(mark, len(session.c))})"
        into_body = f"INSERT INTO body ({', '.join(body.c.keys())}) VALUES ({_marks(mark, len(body.c))})"
        cursor = self._db.cursor()
        for first in range(0, len(rows), PER_COMMIT):
            some = rows[first : first + PER_COMMIT]
            packed = zip(some, bodies[first : first + PER_COMMIT], strict=True)
            if not self.is_postgres:
                cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(into_session, some)
            cursor.executemany(into_body, [(row[0], row[1], 0, one) for row, one in packed])
            self._db.commit()

    def close(self) -> None:
        self._db.close()


def _marks(mark: str, count: int) -> str:
    return ", ".join([mark] * count)

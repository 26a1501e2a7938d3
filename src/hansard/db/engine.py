"""Open SQLite or PostgreSQL: many readers, one writer."""

import fcntl
import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import make_url

from hansard.db.writer import ProcessLock, Writer
from hansard.kit.settings import Settings

if TYPE_CHECKING:
    from hansard.db.line import Line  # whose driver is not there where SQLite is enough

T = TypeVar("T")
FILE_NAME = "hansard.db"
SQLITE_POOL = 20
POOL_WAIT_S = 5.0
# What writes is prepared when a connection runs it for the third time: what runs all the time is, what comes once is
# not, and a connection keeps 200 at most. What reads is prepared where it goes by keys (`hot.py`), and never by itself:
# one plan for a filter with any values reads all of a large organization where the best for those it has does not.
PREPARE_AFTER, MOST_PREPARED = 2, 200
NEVER = sys.maxsize
# In another zone the first and the last day of the calendar could not be read back.
_IN_UTC = "-c timezone=UTC"
# A server that hangs in the midst of a write would hold its organization for ever; so PostgreSQL ends its
# connection, and the others answer 503 until then.
_WRITING = f"{_IN_UTC} -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s"


class AlreadyServed(Exception):
    """Another server has this data folder open."""


@dataclass(frozen=True)
class Database:
    """Where the record is kept: read through `reading`, write through `writer`.

    `most_reading` is how many may hold a connection for as long as they like. Fewer than there are connections, so
    that who needs one for a single look (who is asking?) never waits for them. `line` makes a further one, to
    PostgreSQL, for what is looked up by keys.
    """

    reader: Engine
    writer: Writer
    folder: Path | None
    most_reading: int
    line: "Callable[[Executor], Line] | None" = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view for as long as the block lasts; it sees no half of any write.

        Raises SQLAlchemy's TimeoutError when no connection comes free within `POOL_WAIT_S` seconds.
        """
        with self.reader.connect() as db:
            yield db

    def write(self, organization_id: int, work: Callable[[Connection], T]) -> T:
        """Do `work` in a transaction of its own kind and return, with the data on disk, what it returned."""
        return self.writer.submit(organization_id, work).result()

    def close(self) -> None:
        """Finish the waiting writes and close every connection."""
        self.writer.close()
        self.reader.dispose()


def database_url(settings: Settings) -> URL:
    """The database the settings name, for SQLAlchemy: psycopg 3, or the file in the data folder."""
    if not settings.database_url:
        return URL.create("sqlite", database=str(settings.data / FILE_NAME))
    url = make_url(settings.database_url)
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(f"database_url must start with postgresql://, not {url.drivername}://.")
    return url.set(drivername="postgresql+psycopg")


def open_database(settings: Settings) -> Database:
    """Open the database of the settings and start its writer; the tables must be there (`migrate`)."""
    url = database_url(settings)
    if url.get_backend_name() == "sqlite":
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = ProcessLock(settings.data / "writer.lock")
        writer = Writer(sqlite_engine(url, writing=True), lock=lock, most_waiting=settings.waiting_writes)
        return Database(sqlite_engine(url, writing=False), writer, settings.data, SQLITE_POOL)
    return _open_postgres(url, settings)


def _open_postgres(url: URL, settings: Settings) -> Database:
    """`settings.database_pool` connections to read with, opened as they are needed, and one to write."""
    from hansard.db import line, views  # whose driver is not there where SQLite is enough

    made: dict[str, Any] = {
        "hide_parameters": True,  # what people said has no place in a log
        "pool_pre_ping": True,
        "max_overflow": 0,
        "pool_timeout": POOL_WAIT_S,
    }
    size = settings.database_pool
    reader = create_engine(
        url,
        isolation_level="REPEATABLE READ",
        pool_size=size,
        pool_use_lifo=True,  # what a connection has prepared is there for the next request
        connect_args=_connecting(_IN_UTC, prepare_after=NEVER),
        **made,
    )
    event.listen(reader, "do_connect", views.connect)
    event.listen(reader, "connect", _prepare)
    event.listen(reader, "connect", _read_only)
    reader.dialect.do_ping = views.ReadingConnection.is_there  # type: ignore[assignment, method-assign]
    writing = create_engine(url, pool_size=1, connect_args=_connecting(_WRITING, prepare_after=PREPARE_AFTER), **made)
    event.listen(writing, "connect", _prepare)
    writer = Writer(writing, lock=None, most_waiting=settings.waiting_writes)
    given, named = reader.dialect.create_connect_args(url)
    connect = partial(line.connect, *given, **named, options=f"{_IN_UTC} {line.SETTINGS}")
    return Database(reader, writer, None, most_reading=size - max(1, size // 4), line=partial(line.Line, connect))


def _connecting(options: str, *, prepare_after: int) -> dict[str, Any]:
    return {"options": options, "prepare_threshold": prepare_after}


def _prepare(connection: Any, _record: Any) -> None:
    connection.prepared_max = MOST_PREPARED


def _read_only(connection: Any, _record: Any) -> None:
    connection.read_only = True


def sqlite_engine(url: URL, *, writing: bool) -> Engine:
    """Connections to the file with the pragmas the promise rests on.

    `synchronous=FULL` and WAL: a commit is on disk when it returns. No automatic checkpoint: the writer makes
    them under the process lock, for SQLite 3.7.0 to 3.51.2 can corrupt the file when a checkpoint and a write
    of another connection meet (storage decision 0002). `mmap_size=0` for the same reason.
    """
    size, more = (1, 0) if writing else (SQLITE_POOL, SQLITE_POOL)
    engine = create_engine(url, pool_size=size, max_overflow=more, pool_timeout=POOL_WAIT_S, hide_parameters=True)

    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        connection.create_function("lower", 1, _lower, deterministic=True)
        for pragma in (
            "page_size=8192",
            "journal_mode=WAL",
            "synchronous=FULL",
            "wal_autocheckpoint=0",
            "journal_size_limit=67108864",
            "mmap_size=0",
            "cache_size=-65536" if writing else "cache_size=-16384",
            "busy_timeout=10000",
            "temp_store=MEMORY",
            "query_only=OFF" if writing else "query_only=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: Any) -> None:
        connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")

    event.listen(engine, "connect", prepare)
    # Not a listener: where there is one, the framework looks for more of them at every statement.
    engine.dialect.do_begin = begin  # type: ignore[assignment]
    engine.dialect.statement_compiler = _Hinting
    return engine


class _Hinting(SQLiteCompiler):
    """Writes what `with_hint` says behind the table: `INDEXED BY …`, without which SQLite may choose any index."""

    def get_from_hint_text(self, _table: Any, text: str | None) -> str | None:
        return text


def _lower(value: Any) -> Any:
    """SQLite's own lower() knows only ASCII; PostgreSQL's knows every letter. Make them agree."""
    return value.lower() if isinstance(value, str) else value


@contextmanager
def served(folder: Path | None) -> Iterator[None]:
    """Hold the data folder as its one server. Raises AlreadyServed."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "server.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyServed(f"Another server has {folder} open.") from None
        yield

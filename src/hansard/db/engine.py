"""Open SQLite or PostgreSQL: many readers, one writer."""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from hansard.db.writer import ProcessLock, Writer
from hansard.kit.settings import Settings

T = TypeVar("T")
FILE_NAME = "hansard.db"


class AlreadyServed(Exception):
    """Another server has this data folder open."""


@dataclass(frozen=True)
class Database:
    """Where the record is kept: read through `reading`, write through `writer`."""

    reader: Engine
    writer: Writer
    folder: Path | None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view for as long as the block lasts; it sees no half of any write."""
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
        return Database(sqlite_engine(url, writing=False), writer, settings.data)
    # In another zone the first and the last day of the calendar could not be read back.
    in_utc = {"options": "-c timezone=UTC"}
    quiet = {"hide_parameters": True, "pool_pre_ping": True}  # what people said has no place in a log
    reader = create_engine(url, isolation_level="REPEATABLE READ", pool_size=20, connect_args=in_utc, **quiet)
    event.listen(reader, "connect", _read_only)
    writing = create_engine(url, pool_size=2, connect_args=in_utc, **quiet)
    return Database(reader, Writer(writing, lock=None, most_waiting=settings.waiting_writes), None)


def _read_only(connection: Any, _record: Any) -> None:
    connection.read_only = True


def sqlite_engine(url: URL, *, writing: bool) -> Engine:
    """Connections to the file with the pragmas the promise rests on.

    `synchronous=FULL` and WAL: a commit is on disk when it returns. No automatic checkpoint: the writer makes
    them under the process lock, for SQLite 3.7.0 to 3.51.2 can corrupt the file when a checkpoint and a write
    of another connection meet (storage decision 0002). `mmap_size=0` for the same reason.
    """
    size, more = (1, 0) if writing else (20, 20)
    engine = create_engine(url, pool_size=size, max_overflow=more, hide_parameters=True)

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

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


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

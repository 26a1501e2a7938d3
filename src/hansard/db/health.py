"""How a database is: which kind, how large, how much room it has. Nothing here reads a row of anybody's."""

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from hansard.db.dialect import is_sqlite
from hansard.db.engine import FILE_NAME, Database

LOW_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Health:
    """`free_bytes` and `folder` are None where the database is on a server of its own."""

    kind: str
    version: str
    size_bytes: int
    folder: Path | None
    free_bytes: int | None
    waiting_writes: int

    @property
    def is_low(self) -> bool:
        return self.free_bytes is not None and self.free_bytes <= LOW_BYTES


def health_of(database: Database, db: Connection) -> Health:
    """How this database is now."""
    folder = database.folder
    return Health(
        kind="SQLite" if is_sqlite(db) else "PostgreSQL",
        version=version_of(db),
        size_bytes=size_bytes(database, db),
        folder=folder.absolute() if folder else None,
        free_bytes=free_bytes(folder) if folder else None,
        waiting_writes=database.writer.waiting(),
    )


def version_of(db: Connection) -> str:
    """The version of the database program, without asking it again."""
    if is_sqlite(db):
        return sqlite3.sqlite_version
    known = db.dialect.server_version_info or ()
    return ".".join(str(part) for part in known)


def size_bytes(database: Database, db: Connection) -> int:
    """What it takes on disk, with what is on its way into it."""
    if database.folder is None:
        return int(db.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
    files = (database.folder / f"{FILE_NAME}{end}" for end in ("", "-wal", "-shm"))
    return sum(file.stat().st_size for file in files if file.exists())


def free_bytes(folder: Path) -> int:
    """What is free on the disk of this folder."""
    return shutil.disk_usage(folder).free


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether this SQLite may corrupt a file when a write and a checkpoint of two connections meet."""
    mended = ((3, 44, 6), (3, 50, 7))
    return (3, 7, 0) <= version < (3, 51, 3) and version not in mended

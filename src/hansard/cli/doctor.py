"""`hansard doctor`: whether all is well with a server's home, said line by line."""

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from sqlalchemy import Connection

from hansard import __version__
from hansard.cli.opening import with_settings
from hansard.db.engine import FILE_NAME, Database, open_database
from hansard.db.migrate import newest_revision, revision_of
from hansard.kit.settings import Settings, Sourced
from hansard.resources.accounts.store import list_organizations
from hansard.resources.sessions.store import count_sessions

Finding = tuple[str, str]
LOW_BYTES = 2 * 1024**3


@click.command()
@with_settings()
def doctor(sourced: Sourced) -> None:
    """Look at the database and say what is well and what is not; ends with 1 when something is broken."""
    findings = [_hansard(), *_sqlite(sourced.settings), *_storage(sourced.settings)]
    for state, sentence in findings:
        click.echo(f"{state:7} {sentence}")
    if any(state == "broken" for state, _ in findings):
        raise SystemExit(1)


def _hansard() -> Finding:
    return "well", f"Hansard {__version__} on Python {sys.version.split()[0]}."


def _sqlite(settings: Settings) -> Iterator[Finding]:
    if settings.database_url:
        return
    version = sqlite3.sqlite_version_info
    if has_wal_reset_bug(version):
        yield (
            "note",
            (
                f"SQLite {sqlite3.sqlite_version} has the WAL-reset bug (3.7.0 to 3.51.2). Hansard avoids it: one "
                "writer makes all checkpoints, under a lock between processes. Let no other program write the file."
            ),
        )
    else:
        yield "well", f"SQLite {sqlite3.sqlite_version}."


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether this SQLite may corrupt a file when a write and a checkpoint of two connections meet."""
    mended = ((3, 44, 6), (3, 50, 7))
    return (3, 7, 0) <= version < (3, 51, 3) and version not in mended


def _storage(settings: Settings) -> Iterator[Finding]:
    if not settings.database_url:
        file = settings.data / FILE_NAME
        if not file.exists():
            yield "note", f"There is no database at {file} yet; `hansard serve` makes it."
            return
        yield from _folder(settings.data)
    try:
        database = open_database(settings)
        with database.reading() as db:
            yield from _contents(db, database)
        database.close()
    except Exception as error:
        yield "broken", f"The database cannot be read: {str(error).splitlines()[0]}"


def _folder(folder: Path) -> Iterator[Finding]:
    free_bytes = shutil.disk_usage(folder).free
    state = "well" if free_bytes > LOW_BYTES else "note"
    yield state, f"{free_bytes / 1024**3:.1f} GiB are free in {folder}."
    if folder.stat().st_mode & 0o077:
        yield "note", f"Other users of this machine may enter {folder}; `chmod 700` keeps them out."


def _contents(db: Connection, database: Database) -> Iterator[Finding]:
    have, newest = revision_of(db), newest_revision()
    if have != newest:
        yield "broken", f"The tables are at {have}, this program's are at {newest}; `hansard serve` brings them up."
        return
    yield "well", f"The tables are at {have}, the newest."
    if database.folder:
        said = db.exec_driver_sql("PRAGMA quick_check").scalars().all()
        yield ("well", "The file is sound.") if said == ["ok"] else ("broken", f"The file is damaged: {said[0]}")
    for one in list_organizations(db):
        yield "well", f"Organization {one.name!r} has {count_sessions(db, one.id)} sessions."

"""`hansard doctor`: whether all is well with a server's home, said line by line."""

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from sqlalchemy import Connection

from hansard import __version__
from hansard.cli.dictionaries import measured
from hansard.cli.opening import walked, with_settings
from hansard.db.engine import FILE_NAME, Database, open_database
from hansard.db.health import LOW_BYTES, free_bytes, has_wal_reset_bug, size_bytes, version_of
from hansard.db.migrate import newest_revision, revision_of
from hansard.kit.blobs import Blob, Blobs, Folder, open_blobs
from hansard.kit.errors import HansardError
from hansard.kit.settings import SettingError, Settings, Sourced
from hansard.resources.accounts.store import list_organizations
from hansard.resources.sessions.backlog import find_backlog
from hansard.resources.sessions.dictionaries import count_bodies, list_dictionaries
from hansard.resources.sessions.fulltext import count_documents
from hansard.resources.sessions.packing import BUILT_IN
from hansard.resources.sessions.recordings import count_recordings, list_blobs
from hansard.resources.sessions.store import count_sessions, list_damaged

Finding = tuple[str, str]


@click.command()
@click.option("--records", "with_records", is_flag=True, help="Read the record of every session, too.")
@with_settings()
def doctor(sourced: Sourced, with_records: bool) -> None:
    """Look at the database and say what is well and what is not; ends with 1 when something is broken."""
    findings = [_hansard(), *_sqlite(sourced.settings), *_storage(sourced.settings, with_records=with_records)]
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


def _storage(settings: Settings, *, with_records: bool) -> Iterator[Finding]:
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
            is_newest = revision_of(db) == newest_revision()
            if is_newest:
                yield from _bodies(db)
                yield from _search(db)
                yield from _recordings(db, settings)
        if is_newest and with_records:
            yield from _records(database)
        database.close()
    except Exception as error:
        yield "broken", f"The database cannot be read: {str(error).splitlines()[0]}"


def _folder(folder: Path) -> Iterator[Finding]:
    free = free_bytes(folder)
    yield "well" if free > LOW_BYTES else "note", f"{free / 1024**3:.1f} GiB are free in {folder}."
    if folder.stat().st_mode & 0o077:
        yield "note", f"Other users of this machine may enter {folder}; `chmod 700` keeps them out."


def _contents(db: Connection, database: Database) -> Iterator[Finding]:
    have, newest = revision_of(db), newest_revision()
    if have != newest:
        yield "broken", f"The tables are at {have}, this program's are at {newest}; `hansard serve` brings them up."
        return
    yield "well", f"The tables are at {have}, the newest."
    yield "well", f"It takes {size_bytes(database, db) / 1024**2:.1f} MiB on disk."
    if database.folder:
        said = db.exec_driver_sql("PRAGMA quick_check").scalars().all()
        yield ("well", "The file is sound.") if said == ["ok"] else ("broken", f"The file is damaged: {said[0]}")
    else:
        yield "well", f"PostgreSQL {version_of(db)}."
    for one in list_organizations(db):
        yield "well", f"Organization {one.name!r} has {count_sessions(db, one.id)} sessions."


def _bodies(db: Connection) -> Iterator[Finding]:
    """What ended sessions are packed with, and whether every dictionary that they need is there."""
    for one in list_organizations(db):
        known, used = list_dictionaries(db, one.id), count_bodies(db, one.id)
        if known:
            yield "well", f"Organization {one.name!r} has a dictionary. {measured(known[0])}"
        missing = used.keys() - {BUILT_IN.packing, *(each.packing for each in known)}
        if missing:
            count = sum(used[packing].bodies for packing in missing)
            yield "broken", f"{count} sessions of {one.name!r} cannot be read: their dictionary is missing."


def _records(database: Database) -> Iterator[Finding]:
    """Whether what every record says is what was stored, by its checksum."""
    with database.reading() as db:
        organizations = list_organizations(db)
    for one in organizations:
        count, damaged = 0, list[int]()
        for db, keys in walked(database, one.id):
            count += len(keys)
            damaged += list_damaged(db, one.id, [key.id for key in keys])
        if damaged:
            numbers = ", ".join(map(str, damaged))
            yield "broken", f"The records of these sessions of {one.name!r} are damaged: {numbers}."
        else:
            yield "well", f"Of {count} sessions of {one.name!r} no record is damaged."


def _search(db: Connection) -> Iterator[Finding]:
    """How far the search index has read; a running server catches up by itself."""
    for one in list_organizations(db):
        behind = find_backlog(db, one.id)
        if not behind.count:
            yield (
                "well",
                f"Organization {one.name!r} can be searched, {count_documents(db, one.id)} sessions with words.",
            )
            continue
        oldest = f", the oldest since {behind.oldest_at:%Y-%m-%d %H:%M:%S} UTC" if behind.oldest_at else ""
        said = f"Organization {one.name!r} has {behind.count} sessions that search has yet to read{oldest}."
        yield "note", f"{said} A running server does that; `hansard search rebuild` does it now."


def _recordings(db: Connection, settings: Settings) -> Iterator[Finding]:
    """Where recordings lie, how they are, and whether their bytes are there: all in a folder, one in a bucket."""
    try:
        blobs = open_blobs(settings)
    except SettingError as error:
        yield "broken", str(error)
        return
    yield "well", f"Recordings lie in {blobs}."
    for one in list_organizations(db):
        count = count_recordings(db, one.id)
        ready, waiting, unreadable = (count.get(state, 0) for state in ("ready", "waiting", "unreadable"))
        if not count:
            continue
        said = f"{ready} recordings, {waiting} that wait to be read, {unreadable} that cannot be read"
        yield "note" if unreadable else "well", f"Organization {one.name!r} has {said}."
        wanted = list_blobs(db, one.id, most=None if isinstance(blobs, Folder) else 1)
        if missing := sum(not _is_there(blobs, blob) for blob in wanted):
            yield "broken", f"The bytes of {missing} of them are not where they were put, or cannot be reached."


def _is_there(blobs: Blobs, blob: Blob) -> bool:
    try:
        blobs.check(blob)
    except HansardError:
        return False
    return True

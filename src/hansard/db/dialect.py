"""The few things the two databases say differently."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

_LOCKS = 0x48414E53  # "HANS": keeps our advisory locks apart from those of other programs in the database
_COPY_FROM = 50  # rows; with fewer, COPY is no faster than INSERT


def is_sqlite(db: Connection) -> bool:
    return db.dialect.name == "sqlite"


def lock_organization(db: Connection, organization_id: int) -> None:
    """Let no other transaction write this organization until ours ends.

    One writer at a time gives each organization a change log in commit order and no deadlocks: SQLite has a
    single writer anyway, PostgreSQL takes an advisory lock, for which a writer waits a bounded time (`is_held_up`).
    """
    if not is_sqlite(db):
        key = organization_id & 0x7FFFFFFF
        db.execute(text("SELECT pg_advisory_xact_lock(:space, :key)"), {"space": _LOCKS, "key": key})


def upsert(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]) -> None:
    """Insert the rows; where the key is there already, overwrite the rest of that row."""
    if not rows:
        return
    statement = (sqlite if is_sqlite(db) else postgresql).insert(table)
    rest = {name: statement.excluded[name] for name in rows[0] if name not in key}
    db.execute(statement.on_conflict_do_update(index_elements=list(key), set_=rest), list(rows))


def insert_many(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns, by COPY where PostgreSQL is given many: a third of the time."""
    if not rows:
        return
    if is_sqlite(db) or len(rows) < _COPY_FROM:
        db.execute(table.insert(), list(rows))
        return
    from psycopg import Error  # which is not there where SQLite is enough
    from psycopg.sql import SQL, Identifier

    names = list(rows[0])
    columns = SQL(", ").join(map(Identifier, names))
    copying = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), columns)
    driver: Any = db.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(copying) as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])
    except Error as error:
        said: Any = error
        is_lost = db.dialect.is_disconnect(said, driver, None)
        raise DBAPIError.instance(
            "COPY", None, error, Error, hide_parameters=True, connection_invalidated=is_lost, dialect=db.dialect
        ) from error


def is_full(error: BaseException | None) -> bool:
    """Whether the database had no room left to write, now or in the error that led to this one.

    SQLite then takes back the whole transaction, so that leaving a savepoint of it fails in turn.
    """
    while error is not None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if getattr(cause, "sqlstate", None) == "53100" or getattr(cause, "sqlite_errorname", None) == "SQLITE_FULL":
            return True
        error = error.__context__
    return False


def is_held_up(error: DBAPIError) -> bool:
    """Whether another server had the organization for so long that waiting for it was given up."""
    return getattr(error.orig, "sqlstate", None) == "55P03"

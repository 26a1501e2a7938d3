"""The few things the two databases say differently."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, func, text
from sqlalchemy.exc import DBAPIError

_LOCKS = 0x48414E53  # "HANS": keeps our advisory locks apart from those of other programs in the database


def is_sqlite(db: Connection) -> bool:
    return db.dialect.name == "sqlite"


def numbers_in(told: Any) -> ColumnElement[int]:
    """The numbers of a list in JSON, or of a parameter that will be one, as a column of their own: SQLite's."""
    return func.json_each(told).table_valued("value").c.value


def lock_organization(db: Connection, organization_id: int) -> None:
    """Let no other transaction write this organization until ours ends.

    One writer at a time gives each organization a change log in commit order and no deadlocks: SQLite has a
    single writer anyway, PostgreSQL takes an advisory lock, for which a writer waits a bounded time (`is_held_up`).
    """
    if not is_sqlite(db):
        key = organization_id & 0x7FFFFFFF
        db.execute(text("SELECT pg_advisory_xact_lock(:space, :key)"), {"space": _LOCKS, "key": key})


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


def is_interrupted(error: DBAPIError) -> bool:
    """Whether SQLite was told to give a statement up."""
    return getattr(error.orig, "sqlite_errorname", None) == "SQLITE_INTERRUPT"

"""What a session takes on disk, table by table, beside its compressed body and its part of the search index."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg

from bench.figures import Bar, Figure, Spread
from bench.fill import Filled

SEARCH = "search"  # how the tables of the search index begin


@dataclass(frozen=True)
class Size:
    """Of a database that nobody has open: what each table takes with its indexes, and what is in the bodies."""

    parts: Mapping[str, int]
    body_bytes: int
    sessions: int

    @property
    def total_bytes(self) -> int:
        return sum(self.parts.values())


def size_of(filled: Filled) -> Size:
    """In SQLite the pages of each table and index; in PostgreSQL what it says each relation takes in all."""
    return _of_postgres(filled.settings.database_url) if filled.settings.database_url else _of_sqlite(filled)


def _of_sqlite(filled: Filled) -> Size:
    db = sqlite3.connect(filled.sqlite_file)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = db.execute("SELECT name, sum(pgsize) FROM dbstat WHERE aggregate = TRUE GROUP BY name").fetchall()
    owners = dict(db.execute("SELECT name, tbl_name FROM sqlite_schema").fetchall())
    parts: dict[str, int] = {}
    for name, size_bytes in pages:
        is_index = owners.get(name, name) != name
        part = _search_or(name) if name.startswith(SEARCH) else f"index {name}" if is_index else f"table {name}"
        parts[part] = parts.get(part, 0) + size_bytes
    (body_bytes,) = db.execute("SELECT coalesce(sum(length(packed)), 0) FROM body").fetchone()
    (sessions,) = db.execute("SELECT count(*) FROM session").fetchone()
    db.close()
    return Size(parts, body_bytes, sessions)


def _of_postgres(url: str) -> Size:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("VACUUM")
        asked = """SELECT relname, pg_total_relation_size(oid) FROM pg_class
                   WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"""
        found = db.execute(asked).fetchall()
        parts = {_search_or(name) if name.startswith(SEARCH) else f"table {name}": int(size) for name, size in found}
        body_bytes = int((db.execute("SELECT coalesce(sum(length(packed)), 0) FROM body").fetchone() or [0])[0])
        sessions = int((db.execute("SELECT count(*) FROM session").fetchone() or [0])[0])
    return Size(parts, body_bytes, sessions)


def _search_or(_name: str) -> str:
    return "search index"


def figures(before: Size, after: Size) -> Iterator[Figure]:
    """What the whole sessions recorded in between added, each."""
    sessions = after.sessions - before.sessions
    grown = {name: after.parts[name] - before.parts.get(name, 0) for name in after.parts}
    bodies = after.body_bytes - before.body_bytes
    needed = (bodies + grown.get("search index", 0)) / sessions
    total = (after.total_bytes - before.total_bytes) / sessions
    what = f"{sessions:,} whole sessions; control: compressed bodies + search index"
    yield Figure("size", what, "bytes/session", _one(total), _one(needed), _one(total / needed), [Bar("ratio", 1.25)])
    yield Figure("size", "of it: compressed bodies", "bytes/session", _one(bodies / sessions))
    for name, size_bytes in sorted(grown.items(), key=lambda one: -one[1]):
        if abs(size_bytes) >= sessions:
            yield Figure("size", f"of it: {name}", "bytes/session", _one(size_bytes / sessions))


def _one(value: float) -> Spread:
    return Spread(value, value, value, value, 1)

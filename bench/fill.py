"""Many sessions at once, written straight into the tables: a million take minutes and not hours.

Rows of `session`, `party`, `conversation`, `label`, `snapshot`, traits and metadata for every session, as ingest would
leave them; but of the order's numbers none is a trait, which ingest would make of the first 64.
Bodies, and entries in the change log, only for the newest 200,000: words alone, but whole calls for the newest of the
largest organization. No latency histograms and no events: no figure here reads them.
"""

import random
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Table

from bench.data import CHANNELS, EPOCH, TIERS, Talk, shares, spoken, talks, uses, whole
from hansard.db.counters import next_numbers
from hansard.db.engine import FILE_NAME, Database, open_database
from hansard.db.migrate import migrate
from hansard.db.tables import Moment, body, change, conversation, label, metadata_value, party, session
from hansard.kit.settings import Settings
from hansard.kit.text import fold
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Scope
from hansard.resources.sessions.kept import kept
from hansard.resources.sessions.packing import BUILT_IN, packed
from hansard.resources.sessions.snapshots import snapshot_ids
from hansard.resources.sessions.totals import recount
from hansard.resources.sessions.traits import VALUE, trait_sets
from hansard.wire import Child

MOST_BODIES = 200_000
WHOLE_CALLS = 300
_PLACES = 1 << 20
Row = dict[str, Any]


@dataclass(frozen=True)
class Filled:
    """What the measurements need to know of a filled database."""

    settings: Settings
    key: str
    organization_id: int
    talks: Sequence[Talk]
    sessions: int
    bodies: int
    whole_ids: Sequence[int]

    def at(self, settings: Settings) -> "Filled":
        """The same of a copy."""
        return replace(self, settings=settings)

    @property
    def sqlite_file(self) -> str:
        return str(self.settings.data / FILE_NAME)


def fill(settings: Settings, count: int) -> Filled:
    """Make the tables and fill them; the largest organization is the one that is measured."""
    migrate(settings)
    database = open_database(settings)
    first: Filled | None = None
    for place, many in enumerate(shares(count), start=1):
        made = talks(place, many)
        name = "default" if place == 1 else f"bench-{place}"
        number = database.write(0, partial(accounts.add_organization, name=name, now=datetime.now(EPOCH.tzinfo))).id
        newest = min(many, -(-many * MOST_BODIES // count))
        calls = min(WHOLE_CALLS, newest) if first is None else 0
        _fill_one(settings, database, number, made, newest, calls)
        if first is None:
            ids = range(many - calls + 1, many + 1)
            first = Filled(settings, _key(database, number), number, made, count, min(count, MOST_BODIES), ids)
    database.close()
    _tidy(settings)
    assert first is not None
    return first


def _key(database: Database, organization_id: int) -> str:
    now = datetime.now(EPOCH.tzinfo)
    scopes = (Scope.READ, Scope.INGEST)
    _, key = database.write(organization_id, lambda db: accounts.add_key(db, organization_id, "bench", scopes, now))
    return str(key)


def _fill_one(settings: Settings, database: Database, number: int, made: list[Talk], newest: int, calls: int) -> None:
    kinds = list({one.seen for one in made})
    said = [(CHANNELS[seen.channel][0], seen.fields()) for seen in kinds]
    ids = database.write(number, lambda db: snapshot_ids(db, number, said))
    for name, many in (("session", len(made)), ("change", newest)):
        database.write(number, partial(next_numbers, organization_id=number, name=name, count=many))
    seen_as = dict(zip(kinds, ids, strict=True))
    with_id = list(enumerate(made, start=1))
    insert = _insert_sqlite if settings.database_url is None else _insert_postgres
    found_by = _sets(database, number)
    insert(settings, session, (_session_row(number, *one, seen_as[one[1].seen], found_by) for one in with_id))
    insert(settings, metadata_value, (_value_row(number, *one) for one in with_id))
    insert(settings, party, _party_rows(number, made))
    insert(settings, conversation, (_conversation_row(number, *one, seen_as[one[1].seen]) for one in with_id))
    insert(settings, label, (_label_row(number, *one) for one in with_id if one[1].label))
    recent = with_id[len(made) - newest :]
    insert(settings, body, _body_rows(number, recent, calls))
    database.write(number, partial(recount, organization_id=number))
    insert(settings, change, (_change_row(number, *one) for one in enumerate((one[0] for one in recent), start=1)))


@dataclass(frozen=True)
class _Sets:
    """The sets of traits of each use, and of the metadata of each tier."""

    uses: Sequence[int | None]
    tiers: Mapping[str, int | None]


def _sets(database: Database, organization_id: int) -> _Sets:
    used = [
        {
            ("language", one.language),
            *(("tool", tool) for tool in one.tools),
            *(("failed", tool) for tool in one.failed),
        }
        for one in uses()
    ]
    told = [{("metadata", "order"), ("metadata", "tier"), (VALUE, f"tier={one}")} for one in TIERS]
    wanted = [(None, traits) for traits in (*used, *told)]
    ids = database.write(organization_id, lambda db: trait_sets(db, organization_id, wanted))
    return _Sets(ids[: len(used)], dict(zip(TIERS, ids[len(used) :], strict=True)))


def _value_row(organization_id: int, number: int, one: Talk) -> Row:
    return {"organization_id": organization_id, "word": f"order={one.order}", "session_id": number}


def _session_row(organization_id: int, number: int, one: Talk, snapshot_id: int, found_by: _Sets) -> Row:
    source, target = fold(one.source), fold(one.target)
    ended_us = one.started_us + int(one.duration_s * 1_000_000)
    return {
        "organization_id": organization_id,
        "id": number,
        "service": CHANNELS[one.seen.channel][0],
        "sid": f"CA{organization_id * 0x9E3779B97F4A7C15 * number % (1 << 128):032x}",
        "snapshot_id": snapshot_id,
        "conversation_id": str(number),
        "named_conversation": False,
        "started_at": one.started_us,
        "ended_at": ended_us,
        "is_abandoned": False,
        "end_reason": "hangup",
        "duration_s": one.duration_s,
        "source": one.source,
        "target": one.target,
        "source_folded": source,
        "target_folded": target,
        "is_test": one.is_test,
        "is_legacy": False,
        "is_outbound": one.is_outbound,
        "user_terminated": True,
        "label_id": number * _PLACES if one.label else None,
        "label_code": one.label or None,
        "turn_count": 20,
        "interruption_count": 0,
        "has_tool_error": False,
        "has_recording": False,
        "metadata": f'{{"order":"{one.order}","tier":"{one.tier}"}}',
        "trait_set_id": found_by.uses[one.use],
        "metadata_set_id": found_by.tiers[one.tier],
        "first_at": one.started_us,
        "last_at": ended_us,
        "received_at": ended_us,
    }


def _party_rows(organization_id: int, made: Sequence[Talk]) -> Iterator[Row]:
    for one in sorted({number for talk in made for number in (talk.source, talk.target)}):
        yield {"organization_id": organization_id, "folded": fold(one)}


def _conversation_row(organization_id: int, number: int, one: Talk, snapshot_id: int) -> Row:
    return {
        "organization_id": organization_id,
        "id": str(number),
        "started_at": one.started_us,
        "snapshot_id": snapshot_id,
        "is_legacy": False,
    }


def _label_row(organization_id: int, number: int, one: Talk) -> Row:
    return {
        "organization_id": organization_id,
        "id": number * _PLACES,
        "session_id": number,
        "at": one.started_us + 3_600_000_000,
        "type": "auto-rating",
        "code": one.label,
        "user_email": "",
        "issue_categories": "[]",
    }


def _body_rows(organization_id: int, recent: Sequence[tuple[int, Talk]], calls: int) -> Iterator[Row]:
    dice = random.Random(organization_id + 1000)
    for place, (number, one) in enumerate(recent):
        started = EPOCH + timedelta(microseconds=one.started_us)
        is_call = place >= len(recent) - calls
        children: list[Child] = whole(dice, one.seen, started, one.source) if is_call else spoken(dice, started)
        yield {
            "organization_id": organization_id,
            "session_id": number,
            "packing": BUILT_IN.packing,
            "packed": packed(map(kept, children)),
        }


def _change_row(organization_id: int, seq: int, session_id: int) -> Row:
    return {"organization_id": organization_id, "seq": seq, "session_id": session_id}


def _columns(table: Table, row: Row) -> list[str]:
    """The columns to write: what is not said is null, or what the table says it is by default."""
    return [column.name for column in table.columns if column.name in row]


def _insert_sqlite(settings: Settings, table: Table, rows: Iterable[Row]) -> None:
    """In one transaction a table, without waiting for the disk: nothing is measured here."""
    rows = iter(rows)
    for first in islice(rows, 1):
        names = _columns(table, first)
        db = sqlite3.connect(settings.data / FILE_NAME, isolation_level=None)
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA cache_size=-262144")
        db.execute("BEGIN IMMEDIATE")
        values = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        db.execute(values, [first[name] for name in names])
        db.executemany(values, ([row[name] for name in names] for row in rows))
        db.execute("COMMIT")
        db.close()


def _insert_postgres(settings: Settings, table: Table, rows: Iterable[Row]) -> None:
    rows = iter(rows)
    for first in islice(rows, 1):
        names = _columns(table, first)
        moments = {name for name in names if isinstance(table.c[name].type, Moment)}
        named = sql.SQL(", ").join(map(sql.Identifier, names))
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), named)
        with psycopg.connect(settings.database_url or "") as db, db.cursor().copy(copy) as into:
            for row in chain([first], rows):
                into.write_row(_with_moments(row, names, moments))


def _with_moments(row: Row, names: Sequence[str], moments: set[str]) -> list[Any]:
    return [moment_of_us(row[name]) if name in moments else row[name] for name in names]


def moment_of_us(microseconds: int) -> datetime:
    """As PostgreSQL keeps an instant; SQLite keeps the microseconds."""
    return EPOCH + timedelta(microseconds=microseconds)


def _tidy(settings: Settings) -> None:
    """What a database that grew over a year would have behind it: its log in the file, its statistics."""
    if settings.database_url:
        with psycopg.connect(settings.database_url, autocommit=True) as db:
            db.execute("VACUUM ANALYZE")
        return
    file = sqlite3.connect(settings.data / FILE_NAME)
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()

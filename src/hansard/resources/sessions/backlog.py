"""How far the search index has come, what it has yet to read, and what nobody will read again.

It follows the change log, which it is the last to need: what it has read is taken out behind it, but for the newest.
What was recorded before it first looked, and everything again when it is made anew, it reads in a walk over the
sessions, newest first, beside the log.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select

from hansard.db.dialect import lock_organization
from hansard.db.hot import upsert_rows
from hansard.db.tables import change, cursor, session
from hansard.kit.precedence import give_way, working
from hansard.resources.sessions.fulltext import Document, add_documents, remove_all_documents
from hansard.resources.sessions.spoken import Spoken
from hansard.resources.sessions.store import (
    find_newest_session,
    find_spoken,
    get_last_change,
    list_changes_after,
)
from hansard.resources.sessions.words import entries

LOG = "search"
WALK = "search walk"
_MOST_CHANGES = 1000
_MOST_SESSIONS = 250
_AT_ONCE = 10  # so few that a page need not wait for them
# Pages that follow the log come back after two seconds. While an organization records as fast as a server can, that is
# a tenth of these entries; with one change a second they last for more than an hour.
KEPT_CHANGES = 5_000
_EVERY = 1_000  # entries read, some are removed: one write for many
_MOST_REMOVED = 5_000  # at once, which takes some milliseconds; an old log is gone after a while
_MOST_CHARACTERS = 500_000  # so many are written in well under a tenth of a second


@dataclass(frozen=True)
class Place:
    """How far: to this entry of the log, and in the walk down to this session; None once the walk is done."""

    seq: int
    walk: int | None


@dataclass(frozen=True)
class Batch:
    """Sessions as they were at one moment, and how far the index has come with them."""

    before: Place | None
    after: Place
    documents: Sequence[Document]
    is_last: bool = False  # whether this was all there was to read


def is_behind(db: Connection, organization_id: int) -> bool:
    """Whether there is something that the index has yet to read of an organization."""
    place = find_place(db, organization_id)
    last = get_last_change(db, organization_id)
    return last > place.seq or place.walk is not None if place else last > 0


def find_place(db: Connection, organization_id: int) -> Place | None:
    """How far the index has come with an organization; None before it has begun."""
    mine = (cursor.c.organization_id == organization_id) & cursor.c.name.in_((LOG, WALK))
    seqs = {row.name: row.seq for row in db.execute(select(cursor.c.name, cursor.c.seq).where(mine))}
    return Place(seqs[LOG], seqs.get(WALK)) if LOG in seqs else None


def find_batch(db: Connection, organization_id: int) -> Batch | None:
    """What the index should read next; None when it has read everything. Changes come before the walk."""
    before = find_place(db, organization_id)
    if before is None:
        newest = find_newest_session(db, organization_id)
        after = Place(get_last_change(db, organization_id), None if newest is None else newest + 1)
        return Batch(None, after, ())
    changes = list_changes_after(db, organization_id, before.seq, _MOST_CHANGES)
    if changes:
        read, documents = _documents(db, organization_id, list(dict.fromkeys(one.session_id for one in changes)))
        known = set(read)
        whole = next((place for place, one in enumerate(changes) if one.session_id not in known), len(changes))
        is_last = whole == len(changes) < _MOST_CHANGES and before.walk is None
        return Batch(before, replace(before, seq=changes[whole - 1].seq), documents, is_last)
    if before.walk is None:
        return None
    ids = _ids_below(db, organization_id, before.walk)
    read, documents = _documents(db, organization_id, ids)
    return Batch(before, replace(before, walk=read[-1] if read else None), documents)


def _documents(db: Connection, organization_id: int, ids: Sequence[int]) -> tuple[Sequence[int], list[Document]]:
    """The first of these sessions, one at least and as many as one write can take, and their words.

    Those removed have none; of one whose record is damaged the index keeps the words it has.

    In one turn: while another thread has it, the view of the database would stay open, and the log could not be moved
    into the file.
    """
    made: list[Document] = []
    count = stop = 0
    with working():
        for start in range(0, min(len(ids), _MOST_SESSIONS), _AT_ONCE):
            stop = start + _AT_ONCE
            spoken = find_spoken(db, organization_id, ids[start:stop]).items()
            some = [_document(number, said) for number, said in spoken if said is not None]
            made += some
            count += sum(map(len, chain.from_iterable(one.columns for one in some)))
            if count >= _MOST_CHARACTERS:
                break
    return ids[:stop], made


def _document(number: int, spoken: Sequence[Spoken]) -> Document:
    give_way()
    return Document(number, entries(spoken))


def _ids_below(db: Connection, organization_id: int, below: int) -> list[int]:
    asked = select(session.c.id).where(session.c.organization_id == organization_id, session.c.id < below)
    return list(db.execute(asked.order_by(session.c.id.desc()).limit(_MOST_SESSIONS)).scalars())


def add_batch(db: Connection, organization_id: int, batch: Batch) -> bool:
    """Write a batch and how far it goes, together; False, and nothing is written, where another process was faster.

    Now and then what was read long before is taken out of the log.

    The transaction must hold the organization (`Database.write` does).
    """
    if find_place(db, organization_id) != batch.before:
        return False
    there = _still_there(db, organization_id, [one.session_id for one in batch.documents])
    add_documents(db, organization_id, [one for one in batch.documents if one.session_id in there])
    _change_place(db, organization_id, batch.after)
    if batch.before is None or batch.before.seq // _EVERY < batch.after.seq // _EVERY:
        _remove_changes(db, organization_id, batch.after.seq - KEPT_CHANGES)
    return True


def _remove_changes(db: Connection, organization_id: int, last: int) -> None:
    """Take the oldest entries out of the log, to this one and so many at once. None is above the index's place."""
    mine = change.c.organization_id == organization_id
    first = db.execute(select(func.min(change.c.seq)).where(mine)).scalar_one()
    if first is not None and first <= last:
        db.execute(delete(change).where(mine, change.c.seq <= min(last, first + _MOST_REMOVED - 1)))


def _still_there(db: Connection, organization_id: int, ids: Sequence[int]) -> set[int]:
    if not ids:
        return set()
    asked = select(session.c.id).where(session.c.organization_id == organization_id, session.c.id.in_(ids))
    return set(db.execute(asked).scalars())


def _change_place(db: Connection, organization_id: int, place: Place) -> None:
    rows = [{"organization_id": organization_id, "name": LOG, "seq": place.seq}]
    if place.walk is not None:
        rows.append({"organization_id": organization_id, "name": WALK, "seq": place.walk})
    else:
        mine = (cursor.c.organization_id == organization_id) & (cursor.c.name == WALK)
        db.execute(delete(cursor).where(mine))
    upsert_rows(db, cursor, rows)


def start_walk(db: Connection, organization_id: int) -> None:
    """Have the index read every session again; one it has not begun with, it reads whole anyway."""
    place = find_place(db, organization_id)
    newest = find_newest_session(db, organization_id)
    if place and newest is not None:
        _change_place(db, organization_id, replace(place, walk=newest + 1))


def start_anew(db: Connection, organizations: Sequence[int]) -> None:
    """Empty the index and have it read every session of all organizations again, together: a kill loses none."""
    for organization_id in sorted(organizations):
        lock_organization(db, organization_id)
        start_walk(db, organization_id)
    remove_all_documents(db, sorted(organizations))


@dataclass(frozen=True)
class Backlog:
    """How many sessions wait for the index, and when the one that waits longest was last written to."""

    count: int
    oldest_at: datetime | None


def find_backlog(db: Connection, organization_id: int) -> Backlog:
    """What the index of an organization has yet to read."""
    place = find_place(db, organization_id) or Place(0, 2**53)
    waiting = select(change.c.session_id).where(change.c.organization_id == organization_id, change.c.seq > place.seq)
    is_waiting: ColumnElement[bool] = session.c.id.in_(waiting)
    if place.walk is not None:
        is_waiting = or_(is_waiting, session.c.id < place.walk)
    asked = select(func.count(), func.min(session.c.received_at)).where(
        session.c.organization_id == organization_id, is_waiting
    )
    count, oldest_at = db.execute(asked).one()
    return Backlog(int(count), oldest_at)

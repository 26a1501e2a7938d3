"""Which sessions make one conversation (wire contract 2.10, T28).

A session is a conversation of its own, unless its writer names one, or it came over a messaging channel (SMS,
WhatsApp, e-mail) and continues what the same two parties wrote a short while before.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, select, tuple_, update

from hansard.db.hot import insert_rows, rows_among, upsert_rows
from hansard.db.tables import conversation, session

_MESSAGING = {"sms", "whatsapp", "email"}
_CHUNK = 100


def thread_of(service: str, said: Mapping[str, Any]) -> str | None:
    """Who writes to whom over which channel, short enough for an index; None where the session stands alone."""
    kind, source, target = said.get("channel_manager_type"), said.get("source"), said.get("target")
    if "conversation_id" in said or not (kind and source and target):
        return None
    if not _MESSAGING & set(kind.lower().split("_")):
        return None
    parts = "\0".join((service, kind, source, target))
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Move:
    """A session of this thread came to, changed at, or left this place in time."""

    thread: str
    started_at: datetime


@dataclass
class Moved:
    """Sessions that now belong to another conversation, and the conversations they left and joined."""

    session_ids: set[int] = field(default_factory=set)
    conversation_ids: set[str] = field(default_factory=set)


def link_threads(db: Connection, organization_id: int, moves: Iterable[Move], idle: timedelta) -> Moved:
    """Chain the sessions of the threads that changed: each continues the one before it, if that was not idle."""
    places: dict[str, list[datetime]] = {}
    for move in moves:
        places.setdefault(move.thread, []).append(move.started_at)
    moved = Moved()
    for thread, times in sorted(places.items()):
        for row, conversation_id in _relinked(db, organization_id, thread, min(times), max(times), idle):
            _move(db, organization_id, row["id"], conversation_id)
            moved.session_ids.add(row["id"])
            moved.conversation_ids |= {row["conversation_id"], conversation_id}
    return moved


def _relinked(
    db: Connection, organization_id: int, thread: str, first: datetime, last: datetime, idle: timedelta
) -> Iterator[tuple[RowMapping, str]]:
    """The sessions whose conversation is another than is stored, from the first change until all is as it was."""
    before = _before(db, organization_id, thread, first)
    talk_end, current = (before["talk_end"], before["conversation_id"]) if before else (None, None)
    for row in _from(db, organization_id, thread, first):
        continues = talk_end is not None and row["started_at"] - talk_end <= idle
        expected = current if continues and current is not None else str(row["id"])
        if expected != row["conversation_id"]:
            yield row, expected
        elif row["started_at"] > last:
            return
        talk_end, current = row["talk_end"], expected


def _thread(organization_id: int, thread: str) -> Any:
    talk_end = func.coalesce(session.c.last_at, session.c.started_at, type_=session.c.started_at.type)
    return select(session.c.id, session.c.started_at, talk_end.label("talk_end"), session.c.conversation_id).where(
        session.c.organization_id == organization_id, session.c.thread == thread
    )


def _before(db: Connection, organization_id: int, thread: str, at: datetime) -> RowMapping | None:
    asked = _thread(organization_id, thread).where(session.c.started_at < at)
    asked = asked.order_by(session.c.started_at.desc(), session.c.id.desc()).limit(1)
    return db.execute(asked).mappings().one_or_none()


def _from(db: Connection, organization_id: int, thread: str, at: datetime) -> Iterator[RowMapping]:
    """The sessions of a thread from this moment on, read a few at a time."""
    asked = _thread(organization_id, thread).order_by(session.c.started_at, session.c.id).limit(_CHUNK)
    after = session.c.started_at >= at
    while rows := db.execute(asked.where(after)).mappings().all():
        yield from rows
        last = rows[-1]
        after = tuple_(session.c.started_at, session.c.id) > (last["started_at"], last["id"])


def _move(db: Connection, organization_id: int, session_id: int, conversation_id: str) -> None:
    mine = (session.c.organization_id == organization_id) & (session.c.id == session_id)
    db.execute(update(session).where(mine).values(conversation_id=conversation_id))


def refresh_conversations(
    db: Connection, organization_id: int, ids: Iterable[str], born: Iterable[Mapping[str, Any]]
) -> None:
    """Make these conversations say what their sessions say: begun with the first, described as in the latest.

    `born` are rows of new sessions, which no older session can have joined in this transaction: where their
    conversation is new too, nothing has to be read.
    """
    ids = set(ids)
    members: dict[str, list[Mapping[str, Any]]] = {}
    for row in born:
        if row["conversation_id"] in ids:
            members.setdefault(row["conversation_id"], []).append(row)
    for (number,) in rows_among(db, organization_id, [conversation.c.id], {"id": members}):
        del members[number]
    insert_rows(db, conversation, [_described(rows) for rows in members.values()])
    _refold(db, organization_id, sorted(ids - members.keys()))


def _described(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The conversation of these sessions."""
    latest = max(rows, key=lambda row: (row["started_at"], row["id"]))
    return {
        "organization_id": latest["organization_id"],
        "id": latest["conversation_id"],
        "started_at": min(row["started_at"] for row in rows),
        "snapshot_id": latest["snapshot_id"],
        "is_legacy": latest["is_legacy"],
    }


def _refold(db: Connection, organization_id: int, wanted: Sequence[str]) -> None:
    if not wanted:
        return
    found = {row["id"]: dict(row) for row in _folded(db, organization_id, wanted)}
    upsert_rows(db, conversation, list(found.values()))
    gone = [{"key": number} for number in wanted if number not in found]
    if gone:
        mine = (conversation.c.organization_id == organization_id) & (conversation.c.id == bindparam("key"))
        db.execute(delete(conversation).where(mine), gone)


def _folded(db: Connection, organization_id: int, ids: Sequence[str]) -> Sequence[RowMapping]:
    members = (session.c.organization_id == organization_id) & session.c.conversation_id.in_(ids)
    of_one = session.c.conversation_id
    latest = func.row_number().over(partition_by=of_one, order_by=(session.c.started_at.desc(), session.c.id.desc()))
    ranked = (
        select(
            session.c.organization_id,
            of_one.label("id"),
            func.min(session.c.started_at).over(partition_by=of_one).label("started_at"),
            session.c.snapshot_id,
            session.c.is_legacy,
            latest.label("rank"),
        )
        .where(members)
        .subquery()
    )
    asked = select(*(ranked.c[name] for name in conversation.c.keys())).where(ranked.c.rank == 1)  # noqa: SIM118
    return db.execute(asked).mappings().all()

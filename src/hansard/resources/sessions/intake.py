"""The one way into the record: events in, sessions changed, all SQL that writes them.

Events may come in any order, any number of times, before the start or long after the end. Whatever the order,
the same events leave the same rows: a session is a fold over its children, and where only a few of them must be
read to know the result, only those are read.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection, Table, bindparam, delete, or_, select, update

from hansard.db.counters import next_numbers
from hansard.db.hot import insert_rows, upsert_rows
from hansard.db.tables import body, change, child, event, label, session
from hansard.kit.errors import Conflict
from hansard.kit.precedence import give_way
from hansard.resources.sessions.dictionaries import get_newest_dictionary
from hansard.resources.sessions.header import (
    TALK_KINDS,
    Header,
    duration_s,
    fields_of,
    header,
    span,
)
from hansard.resources.sessions.histograms import Cell, Counts, OfParts, add_counts, count_latencies, day_of, put_in
from hansard.resources.sessions.kept import Kept, Named, Told, child_of, is_same, told
from hansard.resources.sessions.labelling import label_row, shown_label
from hansard.resources.sessions.packing import Dictionary, packed
from hansard.resources.sessions.parties import add_parties
from hansard.resources.sessions.response import RESPONSE_KINDS, response_p95_ms
from hansard.resources.sessions.snapshots import snapshot_ids
from hansard.resources.sessions.store import find_kept_bodies, find_kept_rows, has_any
from hansard.resources.sessions.threads import Move, link_threads, refresh_conversations, thread_of
from hansard.resources.sessions.totals import change_totals
from hansard.resources.sessions.traits import TRAIT_KINDS, Trait, metadata_traits, trait_sets, traits
from hansard.resources.sessions.turns import json_text
from hansard.resources.sessions.values import Noted, note_values, told_apart, values_in
from hansard.wire import SESSION_KINDS, UNLISTED, Event, moment_of

DAMAGED = "The record of this session is damaged: nothing can be added to it."
_Sent = dict[Named, list[int]]  # where in the batch the events of each session are


@dataclass
class Intake:
    """What became of a batch: one outcome per event, in its order, and the ids of the sessions it touched."""

    accepted: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)  # events of sessions whose records cannot be read
    session_ids: dict[Named, int] = field(default_factory=dict)
    label_ids: list[int] = field(default_factory=list)

    def whole(self) -> "Intake":
        """The same, of events that belong together. Raises Conflict where the record of their session is damaged."""
        if self.damaged:
            raise Conflict(DAMAGED)
        return self

    def part(self, start: int, stop: int, names: Iterable[Named]) -> "Intake":
        """What became of the events from this place up to that one, which told of these sessions."""
        made = Intake(session_ids={name: self.session_ids[name] for name in names})
        for name in ("accepted", "duplicates", "conflicts", "damaged"):
            places = getattr(self, name)
            mine = places[bisect_left(places, start) : bisect_left(places, stop)]
            setattr(made, name, [place - start for place in mine])
        return made


@dataclass
class _Draft:
    """One session while a batch is being added to it."""

    row: dict[str, Any]
    before: dict[str, Any] | None  # the row as it is stored; None for a new session
    known: dict[str, Kept]  # of the stored children, all or as many as the batch makes it necessary to know
    is_damaged: bool = False  # whether these cannot be read
    fresh: dict[str, Kept] = field(default_factory=dict)
    fresh_by_kind: dict[str, list[Kept]] = field(default_factory=lambda: defaultdict(list))
    head: Header = field(default_factory=Header)
    traits: set[Trait] = field(default_factory=set)  # of what is fresh
    values: set[str] = field(default_factory=set)  # of its metadata, those that are noted beside it
    latencies: OfParts = field(default_factory=dict)  # likewise
    packing: int = 0  # with which dictionary
    packed: bytes = b""  # its body, once it has ended

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def children(self) -> list[Kept]:
        return [*self.known.values(), *self.fresh.values()]

    @property
    def was_packed(self) -> bool:
        return self.before is not None and self.before["ended_at"] is not None

    def has_fresh(self, *kinds: str) -> bool:
        return any(kind in self.fresh_by_kind for kind in kinds)

    def fresh_of(self, *kinds: str) -> list[Kept]:
        return [one for kind in kinds for one in self.fresh_by_kind.get(kind, ())]

    def all_of(self, *kinds: str) -> list[Kept]:
        return [*(one for one in self.known.values() if one.kind in kinds), *self.fresh_of(*kinds)]

    def differs(self, *names: str) -> bool:
        """Whether any of these columns is about to change; for a new session, whether there is one at all."""
        before = self.before
        return before is None or any(self.row[name] != before[name] for name in names)


def add_events(db: Connection, organization_id: int, events: Sequence[Event], now: datetime, idle: timedelta) -> Intake:
    """Add checked events to their sessions, founding those that are new.

    An event whose id the session has already is a duplicate when its content is the same, else a conflict: the
    first stays. To a session whose record is damaged nothing is added. `idle` is how long a messaging conversation
    stays open. The transaction must hold the organization (`Database.write` does).
    """
    return add_told(db, organization_id, [told(one) for one in events], now, idle)


def add_event(db: Connection, organization_id: int, event: Event, now: datetime, idle: timedelta) -> Intake:
    """The same of a single event that must not be left out. Raises Conflict where the session's record is damaged."""
    return add_events(db, organization_id, [event], now, idle).whole()


def add_told(db: Connection, organization_id: int, events: Sequence[Told], now: datetime, idle: timedelta) -> Intake:
    """The same of events as a request is cut into."""
    intake = Intake()
    sent: _Sent = defaultdict(list)
    for place, one in enumerate(events):
        sent[one.session].append(place)
    drafts = _drafts(db, organization_id, events, sent, now)
    newest = cache(partial(get_newest_dictionary, db, organization_id))
    for name, draft in drafts.items():
        give_way()
        if draft.is_damaged:
            intake.damaged += sent[name]
            continue
        _sort_in(draft, events, sent[name], intake)
        if draft.fresh:
            _fold(draft, now)
        if draft.fresh and draft.row["ended_at"]:
            _pack(draft, newest())
    for places in (intake.accepted, intake.duplicates, intake.conflicts, intake.damaged):
        places.sort()
    intake.session_ids = {name: draft.id for name, draft in drafts.items()}
    touched = [draft for draft in drafts.values() if draft.fresh]
    if touched:
        intake.label_ids = _describe(db, organization_id, touched)
        _write(db, organization_id, touched, idle)
    return intake


def _sort_in(draft: _Draft, events: Sequence[Told], places: Iterable[int], intake: Intake) -> None:
    known, fresh, by_kind, accepted = draft.known, draft.fresh, draft.fresh_by_kind, intake.accepted
    for place in places:
        one = events[place]
        name = one.id
        stored = known.get(name) or fresh.get(name)
        if stored is None:
            fresh[name] = one
            by_kind[one.kind].append(one)
            accepted.append(place)
        elif is_same(stored, one):
            intake.duplicates.append(place)
        else:
            intake.conflicts.append(place)


def _drafts(
    db: Connection, organization_id: int, events: Sequence[Told], sent: _Sent, now: datetime
) -> dict[Named, _Draft]:
    """The sessions of a batch, each with the stored children that can matter to it."""
    rows = _rows(db, organization_id, sent)
    numbers = iter(_new_ids(db, organization_id, len(sent) - len(rows)))
    known = _known(db, organization_id, rows, events, sent) if rows else {}
    return {
        name: _Draft(
            row=dict(rows[name]) if name in rows else _new_row(organization_id, next(numbers), name, now),
            before=rows.get(name),
            known=known.get(name) or {},
            is_damaged=name in known and known[name] is None,
        )
        for name in sent
    }


def _rows(db: Connection, organization_id: int, names: Collection[Named]) -> dict[Named, dict[str, Any]]:
    sids = {name.sid for name in names}
    if not has_any(db, organization_id, sids):
        return {}
    asked = select(session).where(session.c.organization_id == organization_id, session.c.sid.in_(sids))
    rows = {Named(row["service"], row["sid"]): dict(row) for row in db.execute(asked).mappings()}
    return {name: row for name, row in rows.items() if name in names}


def _new_ids(db: Connection, organization_id: int, count: int) -> range:
    return next_numbers(db, organization_id, "session", count) if count else range(0)


_COLUMNS = tuple(session.c.keys())


def _new_row(organization_id: int, number: int, name: Named, now: datetime) -> dict[str, Any]:
    return dict.fromkeys(_COLUMNS) | {
        "organization_id": organization_id,
        "id": number,
        "service": name.service,
        "sid": name.sid,
        "is_abandoned": False,
        "turn_count": 0,
        "interruption_count": 0,
        "has_tool_error": False,
        "has_recording": False,
        "received_at": now,
    }


def _known(
    db: Connection, organization_id: int, rows: dict[Named, dict[str, Any]], events: Sequence[Told], sent: _Sent
) -> dict[Named, dict[str, Kept] | None]:
    """Stored children by id: all of an ended session and of one that ends now, else the few that can matter.

    None where the record is damaged.
    """
    mine = {name: [events[place] for place in sent[name]] for name in rows}
    ended = [row["id"] for row in rows.values() if row["ended_at"] is not None]
    ends = {name for name, some in mine.items() if any(one.kind == "session.end" for one in some)}
    ending = [row["id"] for name, row in rows.items() if name in ends and row["ended_at"] is None]
    running = [row["id"] for row in rows.values() if row["id"] not in {*ended, *ending}]
    found: dict[int, list[Kept] | None] = {}
    if ended:
        found |= find_kept_bodies(db, organization_id, ended)
    if ending:
        found |= find_kept_rows(db, organization_id, ending)
    if running:
        sent_ids = {one.id for some in mine.values() for one in some}
        can_matter = or_(child.c.id.in_(sent_ids), child.c.kind.in_(SESSION_KINDS))
        found |= find_kept_rows(db, organization_id, running, can_matter)
    stored = {name: found[row["id"]] for name, row in rows.items()}
    return {name: None if some is None else {one.id: one for one in some} for name, some in stored.items()}


def _fold(draft: _Draft, now: datetime) -> None:
    """Fold what is known of a session into its row, but for what the database must be asked for.

    One session after the other: the children of one are in the processor's cache, those of a request are not.
    """
    row, head = draft.row, header(map(child_of, draft.all_of(*SESSION_KINDS)))
    draft.head = head
    draft.traits = traits(draft.fresh_of(*TRAIT_KINDS))
    draft.latencies = count_latencies(draft.fresh_of("latency"))
    _set_times(draft)
    _count(draft)
    row |= fields_of(head.fields)
    row["metadata"] = to_json(head.metadata).decode() if head.metadata else None
    row["response_p95_ms"] = response_p95_ms(draft.all_of(*RESPONSE_KINDS)) if row["ended_at"] else None
    row["received_at"] = now
    row["thread"] = thread_of(row["service"], head.fields)
    row["named_conversation"] = "conversation_id" in head.fields
    if row["named_conversation"]:
        row["conversation_id"] = head.fields["conversation_id"]
    elif draft.differs("thread", "named_conversation"):
        row["conversation_id"] = str(draft.id)


def _pack(draft: _Draft, dictionary: Dictionary) -> None:
    draft.packing, draft.packed = dictionary.packing, packed(draft.children, dictionary)


def _describe(db: Connection, organization_id: int, drafts: Sequence[_Draft]) -> list[int]:
    """Put into each row what is stored once for many sessions; give the ids of the labels that were added."""
    said = [(draft.row["service"], draft.head.fields) for draft in drafts]
    snapshots = snapshot_ids(db, organization_id, said)
    added, shown = _add_labels(db, organization_id, drafts)
    seen = [(draft.row["trait_set_id"], draft.traits) for draft in drafts]
    told = told_apart(db, organization_id, [metadata_traits(draft.head.metadata) for draft in drafts])
    sets = trait_sets(db, organization_id, [*seen, *((None, some) for some, _ in told)])
    sets_of_each = zip(sets[: len(drafts)], sets[len(drafts) :], strict=True)
    for draft, (_, values) in zip(drafts, told, strict=True):
        draft.values = values
    for draft, snapshot_id, of_each in zip(drafts, snapshots, sets_of_each, strict=True):
        row = draft.row
        row["snapshot_id"] = snapshot_id
        row["trait_set_id"], row["metadata_set_id"] = of_each
        if draft.id in shown:
            row["label_id"], row["label_code"] = shown[draft.id]
    return added


def _set_times(draft: _Draft) -> None:
    """When it began and ended, and how long it lasted, as far as that is known."""
    row, head = draft.row, draft.head
    if talk := span(draft.fresh_by_kind):
        row["first_at"] = min(talk[0], row["first_at"] or talk[0])
        row["last_at"] = max(talk[1], row["last_at"] or talk[1])
    row["started_at"] = head.started_at or row["first_at"] or _first_word(draft)
    if head.ended_at:
        row |= {"ended_at": head.ended_at, "end_reason": head.fields.get("reason"), "is_abandoned": False}
    elif draft.has_fresh(*TALK_KINDS):
        row |= {"ended_at": None, "end_reason": None, "is_abandoned": False}
    row["duration_s"] = duration_s(head, row["started_at"], row["last_at"]) if row["ended_at"] else None


def _count(draft: _Draft) -> None:
    """What the list says of a session without reading it. Every child comes in once, so each is counted once."""
    row = draft.row
    messages = draft.fresh_of("message")
    row["turn_count"] += len(messages)
    row["interruption_count"] += sum(bool(one.said.interrupted) for one in messages)
    if any(one.said.get("error") is not None for one in draft.fresh_of("tool_call")):
        row["has_tool_error"] = True


def _first_word(draft: _Draft) -> datetime:
    """The first instant of a session that so far has only labels and the like."""
    heard = [moment_of(one.at) for one in draft.fresh.values()]
    return min([*heard, draft.row["started_at"]] if draft.row["started_at"] else heard)


def _add_labels(
    db: Connection, organization_id: int, drafts: Sequence[_Draft]
) -> tuple[list[int], dict[int, tuple[int, str]]]:
    """Write the fresh labels; give their ids and, for each session that got any, id and code of the one it is now
    shown with.
    """
    fresh = {draft.id: draft.fresh_of("label") for draft in drafts if draft.has_fresh("label")}
    if not fresh:
        return [], {}
    asked = select(label.c.session_id, label.c.id, label.c.type, label.c.at, label.c.code).where(
        label.c.organization_id == organization_id, label.c.session_id.in_(fresh)
    )
    have: dict[int, list[dict[str, Any]]] = {number: [] for number in fresh}
    for row in db.execute(asked).mappings():
        have[row["session_id"]].append(dict(row))
    made = []
    for number, children in fresh.items():
        for one in children:
            made.append(label_row(organization_id, number, one, taken={row["id"] for row in have[number]}))
            have[number].append(made[-1])
    db.execute(label.insert(), made)
    shown = {number: shown_label(rows) for number, rows in have.items()}
    return [row["id"] for row in made], {number: (one["id"], one["code"]) for number, one in shown.items()}


def _write(db: Connection, organization_id: int, drafts: Sequence[_Draft], idle: timedelta) -> None:
    _write_latencies(db, organization_id, drafts)
    _write_sessions(db, organization_id, drafts)
    _write_children(db, organization_id, drafts)
    _write_events(db, organization_id, drafts)
    changed = {draft.id for draft in drafts}
    changed |= _write_conversations(db, organization_id, drafts, idle)
    add_changes(db, organization_id, sorted(changed))


def _write_latencies(db: Connection, organization_id: int, drafts: Sequence[_Draft]) -> None:
    """Count the fresh latencies; where a session turns out to be of another day, agent or prompt, move the others."""
    counts: Counts = {}
    for draft in drafts:
        put_in(counts, _cell(draft.row), draft.latencies)
        if draft.before is not None and draft.differs("started_at", "snapshot_id", "is_test"):
            before, now = _cell(draft.before), _cell(draft.row)
            if before != now:
                old = count_latencies(_latencies(db, organization_id, draft))
                put_in(counts, now, old)
                put_in(counts, before, old, is_taken_out=True)
    add_counts(db, organization_id, counts)


def _cell(row: dict[str, Any]) -> Cell:
    return Cell(day_of(row["started_at"]), row["snapshot_id"], row["is_test"])


def _latencies(db: Connection, organization_id: int, draft: _Draft) -> Collection[Kept]:
    """The stored latencies of a session, which of a running one are not all known."""
    if draft.was_packed:
        return [one for one in draft.known.values() if one.kind == "latency"]
    return find_kept_rows(db, organization_id, [draft.id], child.c.kind == "latency")[draft.id]


def _write_sessions(db: Connection, organization_id: int, drafts: Sequence[_Draft]) -> None:
    """Insert the new rows; of the others write only what changed, to spare the indexes of what did not."""
    insert_rows(db, session, [draft.row for draft in drafts if draft.before is None])
    add_parties(db, organization_id, (draft.row for draft in drafts if draft.differs("source_folded", "target_folded")))
    note_values(db, organization_id, (_noted(draft) for draft in drafts if draft.differs("metadata")))
    change_totals(db, organization_id, (draft.before for draft in drafts), (draft.row for draft in drafts))
    changes: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for draft in drafts:
        if draft.before is not None:
            names = tuple(name for name in draft.row if draft.differs(name))
            changes.setdefault(names, []).append({"key": draft.id} | {name: draft.row[name] for name in names})
    for names, rows in changes.items():
        mine = (session.c.organization_id == organization_id) & (session.c.id == bindparam("key"))
        db.execute(update(session).where(mine).values({name: bindparam(name) for name in names}), rows)


def _noted(draft: _Draft) -> Noted:
    return Noted(draft.id, values_in(draft.before["metadata"] if draft.before else None), draft.values)


def _write_children(db: Connection, organization_id: int, drafts: Sequence[_Draft]) -> None:
    """Keep the invariant: rows while a session runs, one body once it has ended."""
    bodies, rows, unrowed, unpacked = [], [], [], []
    for draft in drafts:
        if draft.row["ended_at"]:
            bodies.append(_body_row(organization_id, draft))
            if draft.before and not draft.was_packed:
                unrowed.append(draft.id)
            continue
        if draft.was_packed:
            unpacked.append(draft.id)
        rows += [
            _child_row(organization_id, draft.id, one)
            for one in (draft.children if draft.was_packed else draft.fresh.values())
        ]
    _remove(db, organization_id, child, unrowed)
    _remove(db, organization_id, body, unpacked)
    upsert_rows(db, body, bodies)
    insert_rows(db, child, rows)


def _body_row(organization_id: int, draft: _Draft) -> dict[str, Any]:
    return {
        "organization_id": organization_id,
        "session_id": draft.id,
        "packing": draft.packing,
        "packed": draft.packed,
    }


def _child_row(organization_id: int, number: int, one: Kept) -> dict[str, Any]:
    return {
        "organization_id": organization_id,
        "session_id": number,
        "id": one.id,
        "kind": one.kind,
        "at": one.at,
        "data": bytes(one.data).decode(),
    }


def _remove(db: Connection, organization_id: int, table: Table, ids: Sequence[int]) -> None:
    if ids:
        mine = (table.c.organization_id == organization_id) & table.c.session_id.in_(ids)
        db.execute(delete(table).where(mine))


def _write_events(db: Connection, organization_id: int, drafts: Sequence[_Draft]) -> None:
    """What the list of events shows; the children stay the truth."""
    names = ("source", "source_id", "category", "type", "user_id", "description")
    rows = [
        {
            "organization_id": organization_id,
            "session_id": draft.id,
            "id": one.id,
            "at": moment_of(one.at),
            "attributes": json_text(one.said.get("attributes")),
        }
        | {name: one.said.get(name) for name in names}
        for draft in drafts
        for one in draft.fresh_of("event")
        if one.said.get("category") not in UNLISTED
    ]
    insert_rows(db, event, rows)


def _write_conversations(db: Connection, organization_id: int, drafts: Sequence[_Draft], idle: timedelta) -> set[int]:
    """Bring conversations up to date; give the other sessions that moved to another one."""
    stale = set()
    moves = []
    for draft in drafts:
        row, before = draft.row, draft.before or {}
        if draft.differs("conversation_id", "started_at", "snapshot_id", "is_legacy"):
            stale |= {row["conversation_id"], before.get("conversation_id")} - {None}
        if (row["thread"] or before.get("thread")) and draft.differs("thread", "started_at", "last_at"):
            moves += [Move(one["thread"], one["started_at"]) for one in (row, before) if one.get("thread")]
    moved = link_threads(db, organization_id, moves, idle)
    joined = moved.conversation_ids | {draft.row["conversation_id"] for draft in drafts if draft.before is not None}
    born = [draft.row for draft in drafts if draft.row["conversation_id"] not in joined]
    refresh_conversations(db, organization_id, stale | moved.conversation_ids, born)
    return moved.session_ids


def add_changes(db: Connection, organization_id: int, ids: Sequence[int]) -> None:
    """Note in the change log that these sessions are no longer what they were."""
    seqs = next_numbers(db, organization_id, "change", len(ids))
    rows = [
        {"organization_id": organization_id, "seq": seq, "session_id": number}
        for seq, number in zip(seqs, ids, strict=True)
    ]
    insert_rows(db, change, rows)


def close_abandoned(db: Connection, organization_id: int, silent_since: datetime, most: int = 100) -> int:
    """Close the sessions from which nothing has come since then; give how many, at most `most`.

    They are packed like any ended session, and reopened by what still arrives.
    """
    asked = (
        select(session)
        .where(
            session.c.organization_id == organization_id,
            session.c.ended_at.is_(None),
            session.c.received_at < silent_since,
        )
        .order_by(session.c.received_at)
        .limit(most)
    )
    rows = [dict(row) for row in db.execute(asked).mappings()]
    found = find_kept_rows(db, organization_id, [row["id"] for row in rows])
    drafts = [_Draft(dict(row), row, {one.id: one for one in found[row["id"]]}) for row in rows]
    dictionary = get_newest_dictionary(db, organization_id)
    for draft in drafts:
        row = draft.row
        row["ended_at"] = row["last_at"] or row["started_at"]
        row |= {"is_abandoned": True, "end_reason": "abandoned"}
        head = header(map(child_of, draft.all_of(*SESSION_KINDS)))
        row["duration_s"] = duration_s(head, row["started_at"], row["ended_at"])
        row["response_p95_ms"] = response_p95_ms(draft.children)
        _pack(draft, dictionary)
    if drafts:
        _write_sessions(db, organization_id, drafts)
        _write_children(db, organization_id, drafts)
        add_changes(db, organization_id, [draft.id for draft in drafts])
    return len(drafts)

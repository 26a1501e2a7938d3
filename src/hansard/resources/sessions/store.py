"""All SQL that reads sessions. What writes them is in `intake.py`."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from msgspec.structs import asdict
from pydantic_core import from_json
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, bindparam, func, or_, select, type_coerce

from hansard.db.access import takes_long
from hansard.db.hot import Foreseen, first_row, rows_among, rows_by_id
from hansard.db.tables import Shown, body, change, child, session, snapshot
from hansard.kit.answers import Json, part, written
from hansard.kit.errors import Damaged, Invalid, NotFound
from hansard.kit.ids import find_id
from hansard.kit.listing import (
    Asked,
    Column,
    Columns,
    Page,
    chosen,
    contains,
    exact,
    moment,
    narrowed,
    number,
    number_id,
    page_fields,
    page_of,
    read_truth,
    truth,
)
from hansard.resources.sessions.dictionaries import get_dictionary
from hansard.resources.sessions.kept import Kept, child_of, read_again
from hansard.resources.sessions.packing import (
    Dictionary,
    Unreadable,
    kept_in,
    text_of,
    unpacked,
    unpacked_bytes,
)
from hansard.resources.sessions.parties import of_party
from hansard.resources.sessions.paths import Needs, Path, asking_only, choose_path, counting, read_by
from hansard.resources.sessions.schemas import Session
from hansard.resources.sessions.spoken import SPOKEN_KINDS, Spoken, spoken_in, spoken_of
from hansard.resources.sessions.talk import Talk, find_talk, read_talk
from hansard.resources.sessions.totals import count_all, count_seen_as
from hansard.wire import Child

T = TypeVar("T")
_log = logging.getLogger("hansard")

# The join of the list keeps one organization's snapshots with its sessions.
SNAPSHOT_OF = and_(snapshot.c.organization_id == session.c.organization_id, snapshot.c.id == session.c.snapshot_id)

FIELDS: dict[str, ColumnElement[Any]] = {
    **{name: snapshot.c[name] for name in Session.model_fields if name in snapshot.c},
    "timestamp": session.c.started_at,
    "session_id": session.c.id,
    "conversation_id": session.c.conversation_id,
    "channel_manager_service": session.c.service,
    "channel_manager_sid": session.c.sid,
    "duration": session.c.duration_s,
    "session_label_id": session.c.label_id,
    "source": session.c.source,
    "target": session.c.target,
    "is_legacy": session.c.is_legacy,
    "is_test": session.c.is_test,
    "is_outbound": session.c.is_outbound,
    "user_terminated": session.c.user_terminated,
    "transfer_voicemail_detected": session.c.transfer_voicemail_detected,
    "override_timestamp": session.c.override_timestamp,
}


NAMES = (
    "timestamp",
    "session_id",
    "conversation_id",
    "channel_manager_service",
    "channel_manager_type",
    "channel_manager_sid",
    "agent_type",
    "agent_id",
    "agent_name",
    "prompt_id",
    "prompt_name",
    "experiment_id",
    "experiment_variant_id",
    "source",
    "target",
    "duration",
    "is_outbound",
    "is_legacy",
    "is_test",
)


# What is searched in a session's snapshot: agent and prompt, which a conversation has as well, and the rest.
_AGENT_AND_PROMPT: Columns = {
    "agent_type": contains(snapshot.c.agent_type_folded, snapshot.c.agent_type),
    "agent_id": exact(snapshot.c.agent_id),
    "agent_name": contains(snapshot.c.agent_name_folded, snapshot.c.agent_name),
    "prompt_id": exact(snapshot.c.prompt_id),
    "prompt_name": contains(snapshot.c.prompt_name_folded, snapshot.c.prompt_name),
}
_SEEN: Columns = {
    **_AGENT_AND_PROMPT,
    "channel_manager_service": contains(snapshot.c.service_folded, snapshot.c.channel_manager_service),
    "channel_manager_type": contains(snapshot.c.type_folded, snapshot.c.channel_manager_type),
    "experiment_id": exact(snapshot.c.experiment_id),
    "experiment_variant_id": exact(snapshot.c.experiment_variant_id),
}


def _columns(organization_id: int) -> Columns:
    """The fields the SDKs may search and sort by (wire contract 2.1)."""
    return {
        "timestamp": moment(session.c.started_at),
        "session_id": number_id(session.c.id),
        "conversation_id": exact(session.c.conversation_id),
        "channel_manager_sid": exact(session.c.sid),
        **_through_snapshot(organization_id, session.c.snapshot_id, _SEEN),
        "source": of_party(organization_id, session.c.source_folded, session.c.source),
        "target": of_party(organization_id, session.c.target_folded, session.c.target),
        "duration": number(session.c.duration_s),
        "is_outbound": truth(session.c.is_outbound),
        "is_legacy": truth(session.c.is_legacy),
        "is_test": truth(session.c.is_test),
    }


def agent_and_prompt(organization_id: int, key: ColumnElement[Any]) -> Columns:
    """The agent and prompt of rows whose `key` names a snapshot, to search and sort by."""
    return _through_snapshot(organization_id, key, _AGENT_AND_PROMPT)


def _through_snapshot(organization_id: int, key: ColumnElement[Any], columns: Columns) -> Columns:
    return {name: through_snapshot(organization_id, key, column) for name, column in columns.items()}


def through_snapshot(organization_id: int, key: ColumnElement[Any], column: Column) -> Column:
    """Search a column of the snapshots: first which of the few match, then the rows whose `key` names one."""

    def where(value: str) -> ColumnElement[bool]:
        matching = select(snapshot.c.id).where(snapshot.c.organization_id == organization_id, column.where(value))
        return key.in_(matching)

    return Column(where, column.order)


_SOON_READ = 200_000  # bytes, which take a millisecond or two
Row = dict[str, Any]  # of a list, under the names and in the types of its JSON


def list_sessions(db: Connection, organization_id: int, asked: Asked) -> Page[Session]:
    """A page of sessions, newest first unless asked otherwise. Test sessions are left out unless `is_test=true`
    is searched for, which shows both (trap T1).
    """
    return Page[Session].model_validate(list_page(db, organization_id, asked), from_attributes=True)


def list_page(db: Connection, organization_id: int, asked: Asked) -> Row:
    """The same as what its JSON says, without a model for every session."""
    wanted, rest = _with_tests(asked)
    columns = _columns(organization_id)
    keys = select(session.c.id).where(session.c.organization_id == organization_id)
    if asked.order_by and asked.order_by in snapshot.c:
        keys = keys.join(snapshot, SNAPSHOT_OF)
    if not wanted:
        keys = keys.where(session.c.is_test.is_(False))
    newest = (session.c.started_at, session.c.id)
    known = _known_total(db, organization_id, rest, with_tests=wanted)
    hint, total = _path(db, narrowed(keys, rest, columns, newest[0]), rest, known, without_tests=not wanted)
    keys = read_by(hint, keys)
    rows, total = page_of(db, keys, rest, columns, timestamp=newest[0], newest=newest, known_total=total)
    found = rows_in_order(db, organization_id, _LISTED, [row["id"] for row in rows])
    items = found if asked.fields is None else [chosen(asdict(row), asked, always=("timestamp",)) for row in found]
    return page_fields(items, total, asked.page, asked.limit)


def _known_total(db: Connection, organization_id: int, asked: Asked, *, with_tests: bool) -> int | None:
    """How many there are, where that is kept: of all, and of what asks nothing but snapshots."""
    if asked.start or asked.end or not asked.search.keys() <= _SEEN.keys():
        return None
    if not asked.search:
        return count_all(db, organization_id, with_tests=with_tests)
    matching = [or_(*(_SEEN[name].where(value) for value in values)) for name, values in asked.search.items()]
    return count_seen_as(db, organization_id, matching, {False, with_tests})


def _path(db: Connection, keys: Select[Any], asked: Asked, total: int | None, *, without_tests: bool) -> Path:
    """The index for a list that the SDKs ask for."""
    sought = {_SOUGHT.get(name, name) for name in asked.search}
    if asked.start or asked.end:
        sought.add("started_at")
    columns = frozenset(sought | {"is_test"} if without_tests else sought)
    by = _SOUGHT.get(asked.order_by or "timestamp", asked.order_by)

    def count(hint: str | None, most: int | None, only: frozenset[str] | None) -> int:
        counted = counting(asking_only(keys, only), hint, is_bounded=most is not None)
        return int(db.execute(counted, {"most": most} if most else {}).scalar_one())

    return choose_path(db, count, Needs(columns, frozenset(sought)), by, total=total, with_total=True)


_SOUGHT = {
    **{name: "snapshot_id" for name in NAMES if name in snapshot.c},
    "timestamp": "started_at",
    "session_id": "id",
    "channel_manager_sid": "sid",
    "duration": "duration_s",
    "source": "source_folded",
    "target": "target_folded",
}


def _with_tests(asked: Asked) -> tuple[bool, Asked]:
    """Whether test sessions are wanted, and what else was asked for."""
    wanted = True in {read_truth(value) for value in asked.values("is_test")}
    search = {name: values for name, values in asked.search.items() if name != "is_test"}
    return wanted, replace(asked, search=search)


def rows_in_order(db: Connection, organization_id: int, which: Select[Any], ids: Sequence[int]) -> list[Any]:
    """The sessions with these ids, in this order, with the columns of a select that `listed` made as attributes."""
    by_id = {int(row.session_id): row for row in rows_by_id(db, which, organization_id, session.c.id, ids)}
    return [by_id[number] for number in ids if number in by_id]


def listed(model: type[Session], more: Mapping[str, ColumnElement[Any]]) -> Select[Any]:
    """The columns that are the fields of a model, of one organization's sessions; labels and bodies may be joined.

    To be made once: to put so many columns together takes longer than to read the rows.
    """
    columns = {**FIELDS, **more, **{name: type_coerce(FIELDS[name], Shown) for name in _SHOWN}}
    return (
        select(*(columns[name].label(name) for name in model.model_fields))
        .select_from(session)
        .join(snapshot, SNAPSHOT_OF)
        .where(session.c.organization_id == bindparam("mine"))
    )


_SHOWN = ("session_id", "session_label_id")
_LISTED = listed(Session, {})
_WHOLE = _LISTED.where(session.c.id == bindparam("id"))
_STORED = _WHOLE.add_columns(session.c.metadata, body.c.packing, body.c.packed).outerjoin(
    body, and_(body.c.organization_id == session.c.organization_id, body.c.session_id == session.c.id)
)


def get_session(db: Connection, organization_id: int, session_id: int) -> Session:
    """Raises NotFound."""
    return Session.model_validate(_get_row(db, _WHOLE, organization_id, session_id))


def _get_row(db: Connection, which: Select[Any], organization_id: int, session_id: int) -> Row:
    found = first_row(db, which, {"mine": organization_id, "id": session_id})
    if found is None:
        raise NotFound(f"There is no session {session_id}.")
    return found


def foresee_session(organization_id: int, session_id: int) -> Foreseen:
    """What `get_session` asks first."""
    return Foreseen(_WHOLE, {"mine": organization_id, "id": session_id})


def foresee_record(organization_id: int, session_id: int) -> Foreseen:
    """What `get_record` asks first: all of it where the session has ended."""
    return Foreseen(_STORED, {"mine": organization_id, "id": session_id})


def foresee_children(organization_id: int, session_id: int) -> Foreseen:
    """The same of `list_children`."""
    return Foreseen(_BODY, {"mine": organization_id, "id": session_id})


def get_record(db: Connection, organization_id: int, session_id: int) -> Json:
    """A session whole, as the JSON of a `SessionRecord`: what is stored as JSON goes out as it is. Raises NotFound,
    Damaged.
    """
    row = _get_row(db, _STORED, organization_id, session_id)
    metadata, packing, packed = (row.pop(name) for name in ("metadata", "packing", "packed"))
    if packed is None:
        events = _rows(db, organization_id, [session_id])[session_id]
    else:
        events = kept_in(_read(session_id, text_of, packed, get_dictionary(db, organization_id, packing)))
    return written({"session": row, "metadata": part(metadata or "{}"), "events": events})


def get_session_id(text: str) -> int:
    """The id a path names. Raises Invalid when it is no number (wire contract 2.3), NotFound when none can have it."""
    if not (text.isascii() and text.isdigit()):
        raise Invalid(f"{text!r} is not a session id; session ids are whole numbers.")
    number = find_id(text)
    if number is None:
        raise NotFound(f"There is no session {text}.")
    return number


def has_any(db: Connection, organization_id: int, sids: Collection[str]) -> bool:
    """Whether any session has one of these carrier's ids, of whatever service."""
    return bool(rows_among(db, organization_id, [session.c.id], {"sid": sids}))


def get_session_id_by_sid(db: Connection, organization_id: int, service: str, sid: str) -> int:
    """The session a carrier's id belongs to. Raises NotFound."""
    asked = select(session.c.id).where(
        session.c.organization_id == organization_id, session.c.sid == sid, session.c.service == service
    )
    is_storable = "\0" not in service + sid  # PostgreSQL cannot even compare a NUL
    found = db.execute(asked).scalar_one_or_none() if is_storable else None
    if found is None:
        raise NotFound(f"There is no session {sid!r} of the service {service!r}.")
    return int(found)


def get_summary(db: Connection, organization_id: int, session_id: int) -> RowMapping:
    """`summary` and `rating`, null until somebody wrote them. Raises NotFound."""
    asked = select(session.c.summary, session.c.rating)
    return _row(db, organization_id, session_id, asked)


def get_metadata(db: Connection, organization_id: int, session_id: int) -> dict[str, Any]:
    """The keys of the session events that we do not know. Raises NotFound."""
    stored = _row(db, organization_id, session_id, select(session.c.metadata))["metadata"]
    return dict(from_json(stored)) if stored else {}


def _row(db: Connection, organization_id: int, session_id: int, asked: Select[Any]) -> RowMapping:
    asked = asked.where(session.c.organization_id == organization_id, session.c.id == session_id)
    found = db.execute(asked).mappings().one_or_none()
    if found is None:
        raise NotFound(f"There is no session {session_id}.")
    return found


def list_children(db: Connection, organization_id: int, session_id: int) -> list[Child]:
    """Everything that happened in a session, in the order of the record: from its body, or its rows while it runs.

    Raises NotFound, Damaged.
    """
    found = first_row(db, _BODY, {"mine": organization_id, "id": session_id})
    if found:
        dictionary = get_dictionary(db, organization_id, found["packing"])
        return _read(session_id, unpacked, found["packed"], dictionary)
    _row(db, organization_id, session_id, select(session.c.id))
    return find_rows(db, organization_id, [session_id])[session_id]


_BODY = select(body.c.packing, body.c.packed).where(
    body.c.organization_id == bindparam("mine"), body.c.session_id == bindparam("id")
)


def find_children(db: Connection, organization_id: int, ids: Sequence[int]) -> dict[int, list[Child] | None]:
    """The children of each of these sessions; None where its record is damaged."""
    found = _read_bodies(db, organization_id, ids, unpacked)
    running = [number for number in ids if number not in found]
    return {**found, **find_rows(db, organization_id, running)} if running else found


def find_spoken(db: Connection, organization_id: int, ids: Sequence[int]) -> dict[int, list[Spoken] | None]:
    """What was said and done in each of these sessions, in the order of the record: none where there is no session, and
    None where its record is damaged.
    """
    found = _read_bodies(db, organization_id, ids, lambda *body: spoken_in(text_of(*body)))
    return {**found, **_find_spoken_rows(db, organization_id, [number for number in ids if number not in found])}


def find_talks(db: Connection, organization_id: int, ids: Sequence[int]) -> dict[int, Talk]:
    """The same for searches, which find no places in a record that is damaged."""
    bodies = {number: (packed, dictionary) for number, packed, dictionary in _packed(db, organization_id, ids)}
    found = {number: talk for number, body in bodies.items() if (talk := find_talk(*body))}
    unread = {number: body for number, body in bodies.items() if number not in found}
    unread_bytes = sum(unpacked_bytes(packed) or _SOON_READ for packed, _ in unread.values())
    if len(bodies) < len(ids) or unread_bytes > _SOON_READ:
        takes_long(db)
    found |= {number: _find_in(number, read_talk, *body) or Talk([]) for number, body in unread.items()}
    running = _find_spoken_rows(db, organization_id, [number for number in ids if number not in found])
    return found | {number: Talk(spoken) for number, spoken in running.items()}


def _find_spoken_rows(db: Connection, organization_id: int, ids: Sequence[int]) -> dict[int, list[Spoken]]:
    rows = _rows(db, organization_id, ids, child.c.kind.in_(SPOKEN_KINDS)) if ids else {}
    return {number: list(spoken_of(children)) for number, children in rows.items()}


def find_kept_bodies(db: Connection, organization_id: int, ids: Sequence[int]) -> dict[int, list[Kept] | None]:
    """The children of those of these sessions that have ended, as intake takes them; None where one is damaged."""
    return _read_bodies(db, organization_id, ids, lambda *body: list(map(read_again, kept_in(text_of(*body)))))


def list_damaged(db: Connection, organization_id: int, ids: Sequence[int]) -> list[int]:
    """Those of these sessions whose records cannot be read."""
    return [number for number, text in _read_bodies(db, organization_id, ids, text_of).items() if text is None]


def _read_bodies(
    db: Connection, organization_id: int, ids: Sequence[int], read: Callable[[bytes, Dictionary], T]
) -> dict[int, T | None]:
    """What `read` makes of each body; None where that is damaged."""
    bodies = _packed(db, organization_id, ids)
    return {number: _find_in(number, read, packed, dictionary) for number, packed, dictionary in bodies}


def _find_in(number: int, read: Callable[[bytes, Dictionary], T], packed: bytes, dictionary: Dictionary) -> T | None:
    """The same of one; that it is damaged is said in the log."""
    try:
        return _read(number, read, packed, dictionary)
    except Damaged as error:
        _log.error("%s", error.sentence)
        return None


def _read(number: int, read: Callable[[bytes, Dictionary], T], packed: bytes, dictionary: Dictionary) -> T:
    """What `read` makes of the body of a session. Raises Damaged."""
    try:
        return read(packed, dictionary)
    except Unreadable:
        sentence = f"The record of session {number} is damaged: its bytes are not those that were stored."
        raise Damaged(sentence) from None


def _packed(db: Connection, organization_id: int, ids: Sequence[int]) -> Iterator[tuple[int, bytes, Dictionary]]:
    """The bodies of those of these sessions that have ended, each with the dictionary it was packed with."""
    for row in rows_by_id(db, _BODIES, organization_id, body.c.session_id, ids):
        yield row.session_id, row.packed, get_dictionary(db, organization_id, row.packing)


_BODIES = select(body.c.session_id, body.c.packing, body.c.packed).where(body.c.organization_id == bindparam("mine"))


def find_rows(
    db: Connection, organization_id: int, ids: Sequence[int], *which: ColumnElement[bool]
) -> dict[int, list[Child]]:
    """The children of running sessions, or `which` of them, in the order of the record."""
    found = _rows(db, organization_id, ids, *which)
    return {session_id: list(map(child_of, some)) for session_id, some in found.items()}


def find_kept_rows(
    db: Connection, organization_id: int, ids: Sequence[int], *which: ColumnElement[bool]
) -> dict[int, list[Kept]]:
    """The same as intake takes them."""
    found = _rows(db, organization_id, ids, *which)
    return {session_id: list(map(read_again, some)) for session_id, some in found.items()}


def _rows(
    db: Connection, organization_id: int, ids: Sequence[int], *which: ColumnElement[bool]
) -> dict[int, list[Kept]]:
    asked = select(child.c.session_id, child.c.id, child.c.kind, child.c.at, child.c.data).where(
        child.c.organization_id == organization_id, child.c.session_id.in_(ids), *which
    )
    found: dict[int, list[Kept]] = {session_id: [] for session_id in ids}
    for session_id, name, kind, at, data in db.execute(asked.order_by(child.c.session_id, child.c.at, child.c.id)):
        found[session_id].append(Kept(name, kind, at, part(data)))
    return found


@dataclass(frozen=True)
class SessionRef:
    """A session's id and the key its events carry."""

    id: int
    service: str
    sid: str


def list_keys_after(db: Connection, organization_id: int, after: int, most: int) -> list[SessionRef]:
    """The sessions with an id above `after`, in order of id: for going through all of them, a few at a time."""
    asked = (
        select(session.c.id, session.c.service, session.c.sid)
        .where(session.c.organization_id == organization_id, session.c.id > after)
        .order_by(session.c.id)
        .limit(most)
    )
    return [SessionRef(*row) for row in db.execute(asked)]


def list_records(
    db: Connection, organization_id: int, keys: Sequence[SessionRef]
) -> Iterator[tuple[SessionRef, list[Child] | None]]:
    """These sessions with all their children, in this order; with None where the record is damaged."""
    children = find_children(db, organization_id, [key.id for key in keys])
    for key in keys:
        yield key, children[key.id]


def find_newest_session(db: Connection, organization_id: int) -> int | None:
    """The id of the session that came last; None where there is none yet."""
    mine = select(session.c.id).where(session.c.organization_id == organization_id)
    return db.execute(mine.order_by(session.c.id.desc()).limit(1)).scalar_one_or_none()


def count_sessions(db: Connection, organization_id: int, after: int = 0) -> int:
    """How many sessions an organization has with an id above `after`."""
    mine = (session.c.organization_id == organization_id) & (session.c.id > after)
    return int(db.execute(select(func.count()).select_from(session).where(mine)).scalar_one())


def get_last_change(db: Connection, organization_id: int) -> int:
    """The number of the newest entry of the change log, which stays; 0 before there is any."""
    newest = select(func.max(change.c.seq)).where(change.c.organization_id == organization_id)
    return int(db.execute(newest).scalar_one() or 0)


@dataclass(frozen=True)
class Change:
    """An entry of the change log: this session is no longer what it was."""

    seq: int
    session_id: int


def list_changes_after(db: Connection, organization_id: int, after: int, most: int = 1000) -> list[Change]:
    """What changed since the entry with the number `after`, in the order in which it was committed.

    The numbers have no gaps. Where the first is not the one behind `after`, those between are not kept any more.
    """
    asked = (
        select(change.c.seq, change.c.session_id)
        .where(change.c.organization_id == organization_id, change.c.seq > after)
        .order_by(change.c.seq)
        .limit(most)
    )
    return [Change(*row) for row in db.execute(asked)]


def is_running(db: Connection, organization_id: int, session_id: int) -> bool:
    """Whether a session has not ended; False for one that is not there."""
    asked = select(session.c.id).where(
        session.c.organization_id == organization_id, session.c.id == session_id, session.c.ended_at.is_(None)
    )
    return db.execute(asked).one_or_none() is not None

"""Sessions found by a filter: all SQL for `query.py`, pages with their exact total, and a session's neighbours."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, false, func, not_, or_, select, tuple_

from hansard.db.tables import session, snapshot
from hansard.kit.errors import Invalid
from hansard.kit.ids import find_id
from hansard.kit.listing import MOST_PER_PAGE, Column, Page, contains, exact, number, page_fields
from hansard.kit.times import read_moment
from hansard.resources.sessions import fulltext
from hansard.resources.sessions.fulltext import Newest, Search, Sought
from hansard.resources.sessions.hits import hits, sought_phrases
from hansard.resources.sessions.order import NEWEST, Cursor, Sort, cursor_behind
from hansard.resources.sessions.paths import (
    KEY,
    WIDE,
    Path,
    choose_path,
    count_by,
    direct_path,
    needs_of,
    read_by,
)
from hansard.resources.sessions.query import SPOKEN, Query, Term, phrases
from hansard.resources.sessions.schemas import FoundPage, FoundSession, Hit, SearchedSession
from hansard.resources.sessions.store import SNAPSHOT_OF, Row, find_spoken, listed, rows_in_order
from hansard.resources.sessions.totals import count_all, count_seen_as
from hansard.resources.sessions.traits import has_trait, list_words

_UNITS_MS = {"": 1000, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|[smhdw]?)")
_SIGN = re.compile(r"(>=|<=|>|<|)(.*)")
LAST_ROW = 10**9
_DIGITS_OF_A_NUMBER = 3


def find_sessions(
    db: Connection,
    organization_id: int,
    query: Query,
    now: datetime,
    *,
    sort: Sort = NEWEST,
    page: int = 0,
    limit: int = 50,
    after: Cursor | None = None,
    with_total: bool = True,
) -> FoundPage:
    """A page, from 0 or `after` a place, of the sessions a filter finds. Test sessions are among them.

    With their exact number, on all pages together, unless it is not wanted. Raises Invalid for a value that means
    nothing.
    """
    found = find_page(
        db, organization_id, query, now, sort=sort, page=page, limit=limit, after=after, with_total=with_total
    )
    return FoundPage.model_validate(found)


def find_page(
    db: Connection,
    organization_id: int,
    query: Query,
    now: datetime,
    *,
    sort: Sort = NEWEST,
    page: int = 0,
    limit: int = 50,
    after: Cursor | None = None,
    with_total: bool = True,
) -> Row:
    """The same as what its JSON says, without a model for every session."""
    limit = min(limit, MOST_PER_PAGE)
    if page * limit > LAST_ROW:
        raise Invalid(f"There is no page {page}.")
    search, others = _parts(db, organization_id, query, now, is_counted=with_total)
    beyond = [after.beyond()] if after else []
    known = _known_total(db, organization_id, query) if with_total or query.terms else None
    path = _path(db, query, search, select(session.c.id).where(*others), sort, known, with_total)
    found = _first_of(db, search, [*others, *beyond], sort, page * limit, limit + 1, path.hint)
    ids, total = found.ids, path.total if after or found.total is None else found.total
    if not with_total:
        total = None
    elif total is None:
        is_last = len(ids) <= limit and not after and (len(ids) > 0 or page == 0)
        total = page * limit + len(ids) if is_last else _count(db, search, others, path.hint)
    items = rows_in_order(db, organization_id, _FOUND, ids[:limit])
    following = str(cursor_behind(items[-1], sort)) if items and len(ids) > limit else None
    return {**page_fields(items, total, page, limit), "next": following}


def _known_total(db: Connection, organization_id: int, query: Query) -> int | None:
    """How many there are, where that is kept: of all, of snapshots, and of each whether they are tests."""
    if str(query) in ("", "is:live"):
        return count_all(db, organization_id, with_tests=not query.terms)
    kinds = {False, True}
    for term in query.terms:
        if term.field in _SNAPSHOTS:
            continue
        named = {_KINDS.get((term.field, value)) for value in term.values}
        if None in named:
            return None
        kinds = kinds - named if term.is_not else kinds & named
    return count_seen_as(db, organization_id, _seen_in(query), kinds)


_KINDS = {("is", "test"): True, ("is", "live"): False}


def _count(db: Connection, search: Search | None, others: Sequence[ColumnElement[bool]], hint: str | None) -> int:
    """How many there are: the index of words knows it of words alone."""
    is_of_words_alone = len(others) == 1  # the organization
    known = fulltext.count_found(db, search) if search and is_of_words_alone else None
    if known is not None:
        return known
    return count_by(db, _keys_of(search, others), hint)


def _path(
    db: Connection,
    query: Query,
    search: Search | None,
    keys: Select[Any],
    sort: Sort,
    total: int | None,
    with_total: bool,
) -> Path:
    if search:
        return Path(_direct_path(query, search) or WIDE, None)
    return choose_path(db, keys, needs_of(query), sort.column.key, total=total, with_total=with_total)


def _direct_path(query: Query, search: Search | None) -> str | None:
    """The index that leads at once to the sessions of few hits, or to those that are named."""
    return KEY if search and search.is_few else direct_path(needs_of(query))


def _keys_of(search: Search | None, others: Sequence[ColumnElement[bool]]) -> Select[Any]:
    return select(session.c.id).where(*others, *([fulltext.found(search)] if search else []))


def list_hits(
    db: Connection, organization_id: int, query: Query, found: Sequence[FoundSession]
) -> list[tuple[int, list[Hit]]]:
    """For each of these sessions how many hits it has and the first few, as its record has them now.

    None for a filter that searches no words.
    """
    return _hits_in(db, organization_id, query, [(int(one.session_id or 0), one.timestamp) for one in found])


def _hits_in(
    db: Connection, organization_id: int, query: Query, places: Sequence[tuple[int, datetime]]
) -> list[tuple[int, list[Hit]]]:
    """Of sessions as id and start."""
    wanted = sought_phrases(query)
    if not wanted:
        return [(0, []) for _ in places]
    spoken = find_spoken(db, organization_id, [number for number, _ in places])
    return [hits(spoken[number], wanted, started_at) for number, started_at in places]


def search_sessions(
    db: Connection, organization_id: int, query: Query, now: datetime, *, page: int, limit: int
) -> Page[SearchedSession]:
    """A page of the sessions that a filter finds, newest first, each with its hits. Raises Invalid."""
    found = search_page(db, organization_id, query, now, page=page, limit=limit)
    return Page[SearchedSession].model_validate(found)


def search_page(db: Connection, organization_id: int, query: Query, now: datetime, *, page: int, limit: int) -> Row:
    """The same as what its JSON says, without a model for every session."""
    found = find_page(db, organization_id, query, now, page=page, limit=limit)
    found.pop("next")
    places = [(int(row["session_id"]), row["timestamp"]) for row in found["items"]]
    told = _hits_in(db, organization_id, query, places)
    for row, (count, first) in zip(found["items"], told, strict=True):
        row.update(hit_count=count, hits=[vars(one) for one in first])
    return found


def count_sessions_after(db: Connection, organization_id: int, query: Query, now: datetime, after: int) -> int:
    """How many sessions with an id above `after` a filter finds: those that came since a page was shown."""
    keys = select(session.c.id).where(*_matching(db, organization_id, query, now), session.c.id > after)
    return count_by(db, keys, KEY)


def find_neighbours(
    db: Connection, organization_id: int, query: Query, now: datetime, session_id: int
) -> tuple[int | None, int | None]:
    """The next newer and the next older session that the filter finds beside this one; None at the ends."""
    mine = (session.c.organization_id == organization_id) & (session.c.id == session_id)
    started_at = db.execute(select(session.c.started_at).where(mine)).scalar_one_or_none()
    if started_at is None:
        return None, None
    search, others = _parts(db, organization_id, query, now)
    place = tuple_(session.c.started_at, session.c.id)
    here = (started_at, session_id)  # a plain tuple, so that each part is written as its column is
    up, down = session.c.started_at.asc(), session.c.started_at.desc()
    keys = read_by(_direct_path(query, search) or WIDE, _keys_of(search, others)).limit(1)
    newer = keys.where(place > here).order_by(up, session.c.id.asc())
    older = keys.where(place < here).order_by(down, session.c.id.desc())
    return db.execute(newer).scalar_one_or_none(), db.execute(older).scalar_one_or_none()


def list_found(db: Connection, organization_id: int, ids: Sequence[int]) -> list[FoundSession]:
    """The sessions with these ids as a list shows them, in this order."""
    return [FoundSession.model_validate(row) for row in rows_in_order(db, organization_id, _FOUND, ids)]


_FOUND = listed(
    FoundSession,
    {
        "ended_at": session.c.ended_at,
        "end_reason": session.c.end_reason,
        "is_abandoned": session.c.is_abandoned,
        "received_at": session.c.received_at,
        "turn_count": session.c.turn_count,
        "interruption_count": session.c.interruption_count,
        "has_tool_error": session.c.has_tool_error,
        "has_recording": session.c.has_recording,
        "response_p95_ms": session.c.response_p95_ms,
        "label_code": session.c.label_code,
        "llm_model": snapshot.c.llm_model,
    },
)


def list_values(db: Connection, organization_id: int) -> dict[str, list[str]]:
    """What was seen so far of agents, prompts, models, channels and traits: suggestions for a filter."""
    seen = {
        "agent": snapshot.c.agent_name,
        "prompt": snapshot.c.prompt_name,
        "model": snapshot.c.llm_model,
        "channel": snapshot.c.channel_manager_type,
    }
    words = {name: list_words(db, organization_id, kind) for name, (_, (kind, *_)) in _TRAITS.items()}
    return {name: _seen(db, organization_id, column) for name, column in seen.items()} | words


def _seen(db: Connection, organization_id: int, column: ColumnElement[Any]) -> list[str]:
    asked = select(column).distinct().where(snapshot.c.organization_id == organization_id, column.is_not(None))
    return [str(value) for value in db.execute(asked.order_by(column).limit(100)).scalars()]


Parts = tuple[Search | None, list[ColumnElement[bool]]]


def _parts(db: Connection, organization_id: int, query: Query, now: datetime, *, is_counted: bool = False) -> Parts:
    """What a filter asks of the index of words, and what it asks of the sessions themselves.

    `is_counted` where the number of what it finds will be asked for: the index gives it of words alone.
    """
    terms = [one for one in query.terms if not _is_spoken(one)]
    wheres = _wheres(db, organization_id, now) if terms else {}
    others = [_where(wheres, term) for term in terms if term.field not in _SNAPSHOTS]
    if seen := _seen_in(query):
        others.append(_seen_as(organization_id, seen))
    search = fulltext.find_search(db, organization_id, _sought(query), is_counted=is_counted and not terms)
    return search, [session.c.organization_id == organization_id, *others]


def _seen_in(query: Query) -> list[ColumnElement[bool]]:
    """What a filter asks of a session's snapshot."""
    return [_where(_SNAPSHOTS, term) for term in query.terms if term.field in _SNAPSHOTS]


def _matching(db: Connection, organization_id: int, query: Query, now: datetime) -> list[ColumnElement[bool]]:
    search, others = _parts(db, organization_id, query, now)
    return [*others, fulltext.found(search)] if search else others


def _sought(query: Query) -> list[Sought]:
    """The terms that the index of words answers alone."""
    return [Sought(phrases(one.field, one.values), one.is_not) for one in query.terms if _is_spoken(one)]


def _is_spoken(term: Term) -> bool:
    """Whether every value of a term is searched in what was said and done and nowhere else."""
    if term.field not in SPOKEN or len(phrases(term.field, term.values)) < len(term.values):
        return False
    return term.field != "text" or not any(_may_be_a_number(value) for value in term.values)


def _may_be_a_number(value: str) -> bool:
    """Whether it may be part of a telephone number or of an id."""
    return sum(one.isdigit() for one in value) >= _DIGITS_OF_A_NUMBER


def _where(wheres: "Mapping[str, Where]", term: Term) -> ColumnElement[bool]:
    """What is unknown is not found, and found where the term is turned round.

    Only there it is said, for it keeps both databases from their indexes.
    """
    found = or_(*(wheres[term.field](value) for value in term.values))
    return not_(func.coalesce(found, false())) if term.is_not else found


def _first_of(
    db: Connection,
    search: Search | None,
    others: Sequence[ColumnElement[bool]],
    sort: Sort,
    offset: int,
    limit: int,
    hint: str | None,
) -> Newest:
    if search and sort == NEWEST:
        known = fulltext.list_newest(db, search, others, offset=offset, limit=limit)
        if known is not None:
            return known
    keys = _keys(sort, hint).where(*others, *([fulltext.found(search)] if search else []))
    return Newest(list(db.execute(keys, {"most": limit, "first": offset}).scalars().all()), None)


@cache
def _keys(sort: Sort, hint: str | None) -> Select[Any]:
    keys = read_by(hint, select(session.c.id))
    if sort.by == "agent":
        keys = keys.join(snapshot, SNAPSHOT_OF)
    return keys.order_by(*sort.order()).limit(bindparam("most")).offset(bindparam("first"))


Where = Callable[[str], ColumnElement[bool]]


def _wheres(db: Connection, organization_id: int, now: datetime) -> dict[str, Where]:
    """What each field of the filter asks of a session."""
    source = contains(session.c.source_folded, session.c.source).where
    target = contains(session.c.target_folded, session.c.target).where

    def spoken(field: str, value: str) -> ColumnElement[bool]:
        wanted = phrases(field, [value])
        search = fulltext.find_search(db, organization_id, [Sought(wanted)] if wanted else [])
        return fulltext.found(search) if search else false()

    def anywhere(value: str) -> ColumnElement[bool]:
        named = or_(source(value), target(value), _sid(organization_id, value), _id(value))
        wanted = phrases("text", [value])
        if wanted and not _may_be_a_number(value):
            return spoken("text", value)
        return or_(spoken("text", value), named) if wanted else named

    return {
        "direction": _direction,
        "from": source,
        "to": target,
        "label": _label,
        "duration": lambda value: _ranged(session.c.duration_s, value),
        "response": lambda value: _ranged(session.c.response_p95_ms, value, unit_ms=1),
        "turns": lambda value: _ranged(session.c.turn_count, value),
        "interruptions": lambda value: _ranged(session.c.interruption_count, value),
        "is": _is,
        "has": _has,
        "since": lambda value: session.c.started_at >= _before(now, _length(value)),
        "after": lambda value: session.c.started_at >= read_moment(value),
        "before": lambda value: session.c.started_at < read_moment(value),
        "id": _id,
        "sid": partial(_sid, organization_id),
        "conversation": lambda value: session.c.conversation_id == value,
        "user": partial(spoken, "user"),
        "reply": partial(spoken, "reply"),
        "text": anywhere,
        **{name: partial(has_trait, organization_id, *where) for name, where in _TRAITS.items()},
    }


# Of each field, which set of a session's traits is asked, and for which kinds of them.
_TRAITS: Mapping[str, tuple[ColumnElement[Any], tuple[str, ...]]] = {
    "language": (session.c.trait_set_id, ("language",)),
    "tool": (session.c.trait_set_id, ("tool",)),
    "failed": (session.c.trait_set_id, ("failed",)),
    "category": (session.c.trait_set_id, ("category",)),
    "metadata": (session.c.metadata_set_id, ("metadata", "value")),
}


def _id(value: str) -> ColumnElement[bool]:
    found = find_id(value)
    return false() if found is None else session.c.id == found


def _sid(organization_id: int, value: str) -> ColumnElement[bool]:
    """By the key first: beside other terms both databases would rather walk the list, which does not hold it."""
    same = select(session.c.id).where(session.c.organization_id == organization_id, session.c.sid == value)
    found: ColumnElement[bool] = session.c.id.in_(same)
    return found


def _seen_as(organization_id: int, matching: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """In one look at the snapshots: with two, SQLite would go through all sessions of one to find the other's."""
    snapshots = select(snapshot.c.id).where(snapshot.c.organization_id == organization_id, *matching)
    found: ColumnElement[bool] = session.c.snapshot_id.in_(snapshots)
    return found


def _any_of(columns: Sequence[Column], value: str) -> ColumnElement[bool]:
    return or_(*(column.where(value) for column in columns))


def _version(value: str) -> ColumnElement[bool]:
    same = snapshot.c.prompt_version == value
    if value.isascii() and value.isdigit():
        same = or_(same, number(snapshot.c.prompt_version_number).where(value))
    return same


def _model(value: str) -> ColumnElement[bool]:
    return func.lower(snapshot.c.llm_model).contains(value.lower(), autoescape=True)


# What the fields that are told by a session's snapshot ask of that.
_SNAPSHOTS: Mapping[str, Where] = {
    "agent": partial(
        _any_of, (contains(snapshot.c.agent_name_folded, snapshot.c.agent_name), exact(snapshot.c.agent_id))
    ),
    "prompt": partial(
        _any_of, (contains(snapshot.c.prompt_name_folded, snapshot.c.prompt_name), exact(snapshot.c.prompt_id))
    ),
    "channel": partial(
        _any_of,
        (
            contains(snapshot.c.service_folded, snapshot.c.channel_manager_service),
            contains(snapshot.c.type_folded, snapshot.c.channel_manager_type),
        ),
    ),
    "version": _version,
    "model": _model,
}


def _direction(value: str) -> ColumnElement[bool]:
    is_outbound = func.coalesce(session.c.is_outbound, false())
    return is_outbound if value == "outbound" else not_(is_outbound)


def _label(value: str) -> ColumnElement[bool]:
    return session.c.label_code.is_(None) if value.lower() == "none" else session.c.label_code == value.upper()


def _is(value: str) -> ColumnElement[bool]:
    return {
        "running": session.c.duration_s.is_(None),  # every ended session has one, and the list's index covers it
        "ended": session.c.duration_s.is_not(None),
        "abandoned": session.c.is_abandoned.is_(True),
        "test": session.c.is_test.is_(True),
        "live": session.c.is_test.is_(False),
    }[value]


def _has(value: str) -> ColumnElement[bool]:
    return {
        "recording": session.c.has_recording.is_(True),
        "tool-error": session.c.has_tool_error.is_(True),
        "interruption": session.c.interruption_count > 0,
        "label": session.c.label_code.is_not(None),
    }[value]


def _ranged(column: ColumnElement[Any], value: str, unit_ms: int = 1000) -> ColumnElement[bool]:
    """`>60`, `<=5m`, `1m..2m` (both ends included), or the very same number. The column counts in units."""
    least, dots, most = value.partition("..")
    if dots:
        return and_(column >= _length(least, unit_ms), column <= _length(most, unit_ms))
    found = _SIGN.fullmatch(value)
    sign, text = (found[1], found[2]) if found else ("", value)
    limit = _length(text, unit_ms)
    signs = {">": column > limit, ">=": column >= limit, "<": column < limit, "<=": column <= limit}
    return signs.get(sign, column == limit)


def _length(value: str, unit_ms: int = 1000) -> float:
    """A length of time in units of so many milliseconds, seconds unless said otherwise."""
    found = _LENGTH.fullmatch(value.strip())
    if found is None:
        raise Invalid(f"{value!r} is no number and no length of time; write 90, 90s, 5m, 24h or 7d.")
    return float(Decimal(found[1]) * _UNITS_MS[found[2]] / unit_ms)


def _before(now: datetime, seconds: float) -> datetime:
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:
        raise Invalid("That is longer ago than the calendar reaches.") from None

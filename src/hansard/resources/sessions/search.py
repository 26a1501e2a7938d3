"""Sessions found by a filter: all SQL for `query.py`, pages with their exact total, and a session's neighbours."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from json import dumps
from typing import Any, NamedTuple

from msgspec import Struct, defstruct
from msgspec.structs import astuple
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    any_,
    bindparam,
    false,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)

from hansard.db.dialect import is_sqlite
from hansard.db.hot import rows_of, value_of
from hansard.db.tables import session, snapshot
from hansard.kit.errors import Invalid
from hansard.kit.listing import MOST_PER_PAGE, Page, page_fields
from hansard.resources.sessions import fulltext
from hansard.resources.sessions.conditions import (
    SEEN,
    TRAITS,
    Shape,
    Wanted,
    all_wanted,
    among,
    any_of,
    by_cost,
    is_among,
    is_condition,
    of_session,
    of_values,
    opened,
    wanted,
    what_they_lack,
)
from hansard.resources.sessions.fulltext import Newest, Search, Sought
from hansard.resources.sessions.hits import Hit, hits, sought_phrases
from hansard.resources.sessions.order import NEWEST, Cursor, Sort, cursor_behind
from hansard.resources.sessions.parties import PARTIES
from hansard.resources.sessions.paths import (
    KEY,
    WIDE,
    Needs,
    Path,
    asking_only,
    choose_path,
    counting,
    direct_path,
    narrow_by,
    needs_of,
    read_by,
)
from hansard.resources.sessions.query import SPOKEN, Query, Term, phrases
from hansard.resources.sessions.schemas import FoundPage, FoundSession, SearchedSession
from hansard.resources.sessions.store import SNAPSHOT_OF, Row, find_talks, listed, rows_in_order
from hansard.resources.sessions.totals import count_all, counting_seen_as
from hansard.resources.sessions.traits import VALUE, find_traits, list_words, traits_given
from hansard.resources.sessions.values import find_few

LAST_ROW = 10**9
_DIGITS_OF_A_NUMBER = 3
_MOST_KEPT = 1000  # of each kind of statement
_MOST_TOLD = 5000  # snapshots
_MOST_NAMED = 2000  # sessions that a number is in


@dataclass(frozen=True)
class _Asked:
    """What a filter asks: of the index of words, of the sessions by the shape of their conditions, and of both at once.

    The shape is that of `terms`; `values` are the organization and those that it leaves open. `seen` are the snapshots
    that a file was asked for once, each with the numbers of its sessions and of its test sessions: in the count and
    again in the page they would be looked for anew. `is_few` where what is asked names few sessions by their ids.
    """

    organization_id: int
    search: Search | None
    terms: Sequence[Wanted]
    shape: Shape
    more: Sequence[ColumnElement[bool]]
    values: Mapping[str, Any]
    seen: Sequence[tuple[int, int, int]] | None
    is_few: bool
    needs: Needs

    @property
    def others(self) -> list[ColumnElement[bool]]:
        """What is asked of the sessions; the organization comes first."""
        return [*self.shape.of_session, *self.more]

    @property
    def is_kept(self) -> bool:
        """Whether its statements are the same as those of every filter of this shape."""
        return not self.search and not self.more

    @property
    def is_of_words_alone(self) -> bool:
        return self.search is not None and len(self.others) == 1

    def behind(self, place: Cursor) -> "_Asked":
        """The same of the sessions behind a place in a list."""
        terms = [*self.terms, Wanted((place.condition(),), is_not=False, is_seen=False)]
        shape, given = opened(terms)
        return replace(self, terms=terms, shape=_told(shape, self.seen), values={**self.values, **given})


@dataclass(frozen=True)
class Paging:
    """Which page of a list is wanted, from 0 or `after` a place, in which order, and whether with its total."""

    sort: Sort = NEWEST
    page: int = 0
    limit: int = 50
    after: Cursor | None = None
    with_total: bool = True


def find_sessions(
    db: Connection, organization_id: int, query: Query, now: datetime, wished: Paging = Paging()
) -> FoundPage:
    """A page of the sessions a filter finds. Test sessions are among them.

    With their exact number, on all pages together, unless it is not wanted. Raises Invalid for a value that means
    nothing.
    """
    return FoundPage.model_validate(find_page(db, organization_id, query, now, wished), from_attributes=True)


def find_page(db: Connection, organization_id: int, query: Query, now: datetime, wished: Paging) -> Row:
    """The same as what its JSON says, without a model for every session."""
    page, after, sort, with_total = wished.page, wished.after, wished.sort, wished.with_total
    limit = min(wished.limit, MOST_PER_PAGE)
    if page * limit > LAST_ROW:
        raise Invalid(f"There is no page {page}.")
    asked = _asked(db, organization_id, query, now, is_counted=with_total)
    known = _known_total(db, query, asked) if with_total or query.terms else None
    if known is None and with_total:
        known = _total_of_others(db, query, asked, now)
    if known is not None and page * limit >= known:
        return {**page_fields([], known if with_total else None, page, limit), "next": None}
    path = _path(db, asked, sort, known, with_total=with_total)
    found = _first_of(db, asked.behind(after) if after else asked, sort, path.hint, page * limit, limit + 1)
    ids, total = found.ids, path.total if after or found.total is None else found.total
    if not with_total:
        total = None
    elif total is None:
        is_last = len(ids) <= limit and not after and (len(ids) > 0 or page == 0)
        total = page * limit + len(ids) if is_last else _count(db, asked, path.hint)
    items = rows_in_order(db, organization_id, _FOUND, ids[:limit])
    following = str(cursor_behind(items[-1], sort)) if items and len(ids) > limit else None
    return {**page_fields(items, total, page, limit), "next": following}


def _total_of_others(db: Connection, query: Query, asked: _Asked, now: datetime) -> int | None:
    """How many there are that lack something, where nothing else is asked: all but those that have it, which are
    counted sooner.
    """
    if len(query.terms) != 1 or (lacked := what_they_lack(query.terms[0])) is None:
        return None
    having = _asked(db, asked.organization_id, Query((lacked,)), now)
    return count_all(db, asked.organization_id, with_tests=True) - _counted(db, having)


def _known_total(db: Connection, query: Query, asked: _Asked) -> int | None:
    """How many there are, where that is kept: of all, of snapshots, and of each whether they are tests."""
    kinds = frozenset({False, True})
    for term in query.terms:
        if term.field in SEEN:
            continue
        named = {_KINDS.get((term.field, value)) for value in term.values}
        if None in named:
            return None
        kinds = kinds - named if term.is_not else kinds & named
    if False in kinds and not asked.shape.of_snapshot:
        return count_all(db, asked.organization_id, with_tests=True in kinds)
    if asked.seen is not None:
        return sum(one[1 + is_test] for one in asked.seen for is_test in kinds)
    return int(value_of(db, _known(asked.shape, kinds), asked.values, is_planned_anew=True))


_KINDS = {("is", "test"): True, ("is", "live"): False}


@lru_cache(maxsize=_MOST_KEPT)
def _known(shape: Shape, kinds: frozenset[bool]) -> Select[Any]:
    return counting_seen_as([snapshot.c.organization_id == bindparam("mine"), *shape.of_snapshot], kinds)


def _counted(db: Connection, asked: _Asked) -> int:
    path = _path(db, asked, NEWEST, None, with_total=True)
    return _count(db, asked, path.hint) if path.total is None else path.total


def _count(db: Connection, asked: _Asked, hint: str | None) -> int:
    """How many there are: the index of words knows it of words alone."""
    known = fulltext.count_found(db, asked.search) if asked.search and asked.is_of_words_alone else None
    return _count_rows(db, asked, hint, None) if known is None else known


def _count_rows(
    db: Connection, asked: _Asked, hint: str | None, most: int | None, only: frozenset[str] | None = None
) -> int:
    """How many there are by an index, of which no more than `most` are counted; of what asks `only` these columns."""
    values = {**asked.values, "most": most}
    if asked.is_kept:
        count = value_of(db, _counting(asked.shape, hint, most is not None, only), values, is_planned_anew=True)
    else:
        keys = asking_only(_keys_of(asked), only)
        count = db.execute(counting(keys, hint, is_bounded=most is not None), values).scalar_one()
    return int(count)


@lru_cache(maxsize=_MOST_KEPT)
def _counting(shape: Shape, hint: str | None, is_bounded: bool, only: frozenset[str] | None) -> Select[Any]:
    keys = asking_only(select(session.c.id).where(*shape.of_session), only)
    return counting(keys, hint, is_bounded=is_bounded)


def _path(db: Connection, asked: _Asked, sort: Sort, total: int | None, *, with_total: bool) -> Path:
    if asked.search or asked.is_few:
        return Path(_direct_path(asked) or WIDE, None)
    count = partial(_count_rows, db, asked)
    return choose_path(db, count, asked.needs, sort.column.key, total=total, with_total=with_total)


def _direct_path(asked: _Asked) -> str | None:
    """The index that leads at once to the sessions of few hits, or to those that are named."""
    is_few = asked.is_few or (asked.search is not None and asked.search.is_few)
    return KEY if is_few else direct_path(asked.needs)


def _keys_of(asked: _Asked) -> Select[Any]:
    return select(session.c.id).where(*asked.others, *([fulltext.found(asked.search)] if asked.search else []))


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
    sought = sought_phrases(query)
    if not sought:
        return [(0, []) for _ in places]
    talks = find_talks(db, organization_id, [number for number, _ in places])
    return [hits(talks[number], sought, started_at) for number, started_at in places]


def search_sessions(
    db: Connection, organization_id: int, query: Query, now: datetime, *, page: int, limit: int
) -> Page[SearchedSession]:
    """A page of the sessions that a filter finds, newest first, each with its hits. Raises Invalid."""
    found = search_page(db, organization_id, query, now, page=page, limit=limit)
    return Page[SearchedSession].model_validate(found, from_attributes=True)


def search_page(db: Connection, organization_id: int, query: Query, now: datetime, *, page: int, limit: int) -> Row:
    """The same as what its JSON says, without a model for every session."""
    found = find_page(db, organization_id, query, now, Paging(page=page, limit=limit))
    found.pop("next")
    rows = found["items"]
    told = _hits_in(db, organization_id, query, [(int(row.session_id), row.timestamp) for row in rows])
    if rows:
        searched = _searched(rows[0].__struct_fields__)
        found["items"] = [searched(*astuple(row), *mine) for row, mine in zip(rows, told, strict=True)]
    return found


@lru_cache(maxsize=4)
def _searched(names: tuple[str, ...]) -> type[Struct]:
    """A row with these columns, how many hits it has and the first of them."""
    return defstruct("Searched", [*names, "hit_count", "hits"], gc=False)


def count_sessions_after(db: Connection, organization_id: int, query: Query, now: datetime, after: int) -> int:
    """How many sessions with an id above `after` a filter finds: those that came since a page was shown."""
    asked = _asked(db, organization_id, query, now)
    keys = _keys_of(asked).where(session.c.id > after)
    return int(db.execute(counting(keys, KEY), asked.values).scalar_one())


def find_neighbours(
    db: Connection, organization_id: int, query: Query, now: datetime, session_id: int
) -> tuple[int | None, int | None]:
    """The next newer and the next older session that the filter finds beside this one; None at the ends."""
    mine = (session.c.organization_id == organization_id) & (session.c.id == session_id)
    started_at = db.execute(select(session.c.started_at).where(mine)).scalar_one_or_none()
    if started_at is None:
        return None, None
    asked = _asked(db, organization_id, query, now)
    place = tuple_(session.c.started_at, session.c.id)
    here = (started_at, session_id)  # a plain tuple, so that each part is written as its column is
    up, down = session.c.started_at.asc(), session.c.started_at.desc()
    keys = read_by(_direct_path(asked) or WIDE, _keys_of(asked)).limit(1)
    newer = keys.where(place > here).order_by(up, session.c.id.asc())
    older = keys.where(place < here).order_by(down, session.c.id.desc())
    first, second = (db.execute(one, asked.values).scalar_one_or_none() for one in (newer, older))
    return first, second


def list_found(db: Connection, organization_id: int, ids: Sequence[int]) -> list[FoundSession]:
    """The sessions with these ids as a list shows them, in this order."""
    rows = rows_in_order(db, organization_id, _FOUND, ids)
    return [FoundSession.model_validate(row, from_attributes=True) for row in rows]


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
    words = {name: list_words(db, organization_id, kind) for name, (_, (kind, *_)) in TRAITS.items()}
    return {name: _values_of(db, organization_id, column) for name, column in seen.items()} | words


def _values_of(db: Connection, organization_id: int, column: ColumnElement[Any]) -> list[str]:
    asked = select(column).distinct().where(snapshot.c.organization_id == organization_id, column.is_not(None))
    return [str(value) for value in db.execute(asked.order_by(column).limit(100)).scalars()]


def _asked(db: Connection, organization_id: int, query: Query, now: datetime, *, is_counted: bool = False) -> _Asked:
    """What a filter asks. Raises Invalid for a value that means nothing.

    `is_counted` where the number of what it finds will be asked for: the index gives it of words alone.
    """
    rare = {one: found for one in query.terms if (found := _rare(db, organization_id, one))}
    asked = sorted((one for one in query.terms if is_condition(one) and one not in rare), key=by_cost)
    terms = [*all_wanted(asked, now), *(one.wanted for one in rare.values())]
    mixed = [one for one in query.terms if not is_condition(one) and not _is_spoken(one)]
    told = [_where_mixed(db, organization_id, one, now) for one in mixed]
    is_counted = is_counted and not terms and not told
    search = fulltext.find_search(db, organization_id, _sought(query), is_counted=is_counted)
    names_few = any(one.is_few for one in told) or any(one.is_few for one in rare.values())
    is_few = names_few or (search is not None and search.hits is not None)
    if (words := fulltext.conditions(search)) is not None:
        terms += [Wanted((one,), is_not=False, is_seen=False) for one in words]
        search = None
    shape, given = opened(terms)
    values = {"mine": organization_id, **given}
    seen = rows_of(db, _seen_as(shape), values) if shape.of_snapshot and is_sqlite(db) else None
    if seen is not None:
        shape = _told(shape, seen)
        values["seen"] = dumps([one[0] for one in seen])
    needs = needs_of([one for one in query.terms if one not in rare])
    if rare:
        needs = replace(needs, columns=needs.columns | {"id"})
    return _Asked(organization_id, search, terms, shape, [one.condition for one in told], values, seen, is_few, needs)


class _Rare(NamedTuple):
    """What is asked of values that may be noted beside their sessions, and whether that names few of these."""

    wanted: Wanted
    is_few: bool


def _rare(db: Connection, organization_id: int, term: Term) -> _Rare | None:
    """What a term asks of metadata of which some values may be rare; None where all are traits, or none is a value."""
    if term.field != "metadata":
        return None
    _, kinds = TRAITS[term.field]
    words = traits_given(kinds, term.values)
    if not any("=" in word for word in words):
        return None
    known = find_traits(db, organization_id, kinds, words)
    if all("=" not in word or (VALUE, word) in known for word in words):
        return None
    some_are_traits = bool(known) or not all("=" in word for word in words)
    if not some_are_traits and not term.is_not and is_sqlite(db):
        ids = find_few(db, organization_id, words, _MOST_NAMED)
        if ids is not None:
            return _Rare(Wanted((among(ids),), is_not=False, is_seen=False), True)
    return _Rare(of_values(words, some_are_traits=some_are_traits, is_not=term.is_not), False)


def _told(shape: Shape, seen: Sequence[tuple[int, int, int]] | None) -> Shape:
    """The shape to which snapshots that were looked for are told, unless there are too many."""
    return shape.told if shape.told and seen is not None and len(seen) <= _MOST_TOLD else shape


@lru_cache(maxsize=_MOST_KEPT)
def _seen_as(shape: Shape) -> Select[Any]:
    columns = (snapshot.c.id, snapshot.c.live_sessions, snapshot.c.test_sessions)
    return select(*columns).where(snapshot.c.organization_id == bindparam("mine"), *shape.of_snapshot)


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


class _Mixed(NamedTuple):
    """What is asked of a session, and whether that names few of them by their ids."""

    condition: ColumnElement[bool]
    is_few: bool


def _where_mixed(db: Connection, organization_id: int, term: Term, now: datetime) -> _Mixed:
    """What a term asks that is searched in what was said, or in other places, or in both."""
    found = [_anywhere(db, organization_id, term.field, value, now) for value in term.values]
    condition = any_of([one.condition for one in found], is_not=term.is_not)
    return _Mixed(condition, not term.is_not and all(one.is_few for one in found))


def _anywhere(db: Connection, organization_id: int, field: str, value: str, now: datetime) -> _Mixed:
    sought = phrases(field, [value])
    is_named = field == "text" and (not sought or _may_be_a_number(value))
    search = fulltext.find_search(db, organization_id, [Sought(sought)]) if sought else None
    places = [(hint, _has(organization_id, one, value, now)) for one, hint in _NAMING.items()] if is_named else []
    if search:
        places.append((KEY, fulltext.found(search)))
    is_quick = search is None or search.is_few or not search.is_sqlite
    ids = _few_in(db, organization_id, places) if is_quick else None
    if ids is None:
        return _Mixed(or_(false(), *(one for _, one in places)), False)
    return _Mixed(_is_one_of(db, ids), True)


# Where a number is looked for beside what was said, each with the index that finds it there.
_NAMING = {name: narrow_by(column) for name, column in PARTIES.items()} | {"sid": KEY, "id": KEY}


def _few_in(
    db: Connection, organization_id: int, places: Iterable[tuple[str, ColumnElement[bool]]]
) -> list[int] | None:
    """The sessions for which any of these holds, looked for one after the other by its index: together, all sessions
    would be gone through. None where they are many.
    """
    mine = session.c.organization_id == organization_id
    found = [read_by(hint, select(session.c.id).where(mine, one)) for hint, one in places]
    ids = list(db.execute(union_all(*found).limit(_MOST_NAMED + 1)).scalars()) if found else []
    return sorted(set(ids)) if len(ids) <= _MOST_NAMED else None


def _is_one_of(db: Connection, ids: list[int]) -> ColumnElement[bool]:
    """That a session has one of these ids. They are one parameter: of many values there may be too many for more."""
    if not is_sqlite(db):
        return session.c.id == any_(literal(ids, ARRAY(BigInteger)))
    return is_among(None, dumps(ids))


def _has(organization_id: int, field: str, value: str, now: datetime) -> ColumnElement[bool]:
    _, condition = of_session(organization_id, [wanted(Term(field, (value,)), now)])
    return condition


def _first_of(db: Connection, asked: _Asked, sort: Sort, hint: str | None, offset: int, limit: int) -> Newest:
    values = {**asked.values, "most": limit, "offset": offset}
    if asked.is_kept:
        rows = rows_of(db, _keys(asked.shape, sort, hint), values, is_planned_anew=True)
        return Newest([row[0] for row in rows], None)
    if asked.search and sort == NEWEST:
        known = fulltext.list_newest(db, asked.search, asked.others, asked.values, offset=offset, limit=limit)
        if known is not None:
            return known
    keys = _in_order(_keys_of(asked), sort, hint)
    return Newest(list(db.execute(keys, values).scalars().all()), None)


@lru_cache(maxsize=_MOST_KEPT)
def _keys(shape: Shape, sort: Sort, hint: str | None) -> Select[Any]:
    return _in_order(select(session.c.id).where(*shape.of_session), sort, hint)


def _in_order(keys: Select[Any], sort: Sort, hint: str | None) -> Select[Any]:
    keys = read_by(hint, keys)
    if sort.by == "agent":
        keys = keys.join(snapshot, SNAPSHOT_OF)
    return keys.order_by(*sort.order()).limit(bindparam("most")).offset(bindparam("offset"))

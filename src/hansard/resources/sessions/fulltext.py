"""All SQL of the search index: which sessions hold which words.

SQLite has one FTS5 table without content. A document is a session; its rowid is organization and session in one
number, so that a search walks one organization's postings only. PostgreSQL has a row with a tsvector for each session,
and for a long one several, for a tsvector keeps at most 255 places of a word. FTS5 gets plain texts, which it cuts into
the very words that `words.py` tells apart; a tsvector is made of those words. What is in the index is in `search_doc`
too; both are written in one transaction.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from itertools import chain
from json import dumps
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal,
    not_,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from hansard.db.access import takes_long
from hansard.db.dialect import is_sqlite, numbers_in
from hansard.db.hot import keep_to_indexes, rows_of, upsert_rows, value_of
from hansard.db.tables import search_doc, session
from hansard.resources.sessions.conditions import Condition, among
from hansard.resources.sessions.paths import KEY, WIDE, read_by
from hansard.resources.sessions.store import count_sessions
from hansard.resources.sessions.words import (
    BETWEEN_TEXTS,
    MOST_PHRASE_WORDS,
    PARTS,
    Entry,
    Phrase,
    joined,
    keys_of,
    plain_words,
    with_keys,
)

# Of the 63 bits of a rowid, 40 are the session's: 10^12 sessions for each of 8 million organizations.
_SESSION_BITS = 40
_LAST_SESSION = 2**_SESSION_BITS - 1
_BETWEEN_COLUMNS = "\u00a7"  # no plain text has it
_ROWS_A_STATEMENT = 50
_RARE = 100  # hits that are named at once
_FEW = 2000  # hits that are looked up one by one
_MOST_PLACES = 255  # of one word, and
_LAST_PLACE = 3000  # of all, in one tsvector, which holds a megabyte: so many of the longest words there can be
_COLUMNS = {"user": "said_by_user", "agent": "said_by_agent", "tool": "done_by_tool"}
_WEIGHTS = {"user": "A", "agent": "B", "tool": "C"}

_log = logging.getLogger("hansard")
_sqlite_words = table("search_words", column("rowid"), column("search_words"))
_postgres_words = table("search_words", column("organization_id"), column("session_id"), column("words", TSVECTOR))


@dataclass(frozen=True)
class Document:
    """The words of a session as they are now."""

    session_id: int
    entries: list[Entry]
    columns: tuple[str, ...] = field(init=False)  # of each of `PARTS`, a plain text
    digest: bytes = field(init=False)  # of these

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _columns(self.entries))
        object.__setattr__(self, "digest", _digest(self.columns))


@dataclass(frozen=True)
class Sought:
    """One term of a filter: any of these phrases, or none of them if it is turned round."""

    phrases: tuple[Phrase, ...]
    is_not: bool = False


@dataclass
class _Held:
    """What the index holds of a session."""

    digest: bytes
    keys: bytes = field(repr=False)


def add_documents(db: Connection, organization_id: int, documents: Iterable[Document]) -> int:
    """Bring sessions in the index to what they are now; give how many were not so already.

    The transaction must hold the organization (`Database.write` does). What is there already is left alone, so doing it
    again changes nothing.
    """
    given = sorted(documents, key=lambda one: one.session_id)
    held = _held(db, organization_id, [one.session_id for one in given])
    changed = []
    for one in given:
        before = held.get(one.session_id)
        if one.entries if before is None else before.digest != one.digest:
            changed.append(one)
    if not changed:
        return 0
    write = _write_sqlite if is_sqlite(db) else _write_postgres
    write(db, organization_id, changed, held)
    rows = [
        {
            "organization_id": organization_id,
            "session_id": one.session_id,
            "digest": one.digest,
            "keys": keys_of(one.entries),
        }
        for one in changed
    ]
    upsert_rows(db, search_doc, rows)
    return len(changed)


def remove_document(db: Connection, organization_id: int, document: Document) -> None:
    """Take a session out of the index: to be called with what its record still holds, before that is removed.

    A session that is not in the index is left alone.
    """
    number = document.session_id
    held = _held(db, organization_id, [number])
    if number not in held:
        return
    if is_sqlite(db):
        _execute_sqlite(db, _deletion(organization_id, document, held[number]))
    else:
        _remove_postgres(db, organization_id, [number])
    mine = (search_doc.c.organization_id == organization_id) & (search_doc.c.session_id == number)
    db.execute(delete(search_doc).where(mine))


def remove_all_documents(db: Connection, organizations: Sequence[int]) -> None:
    """Empty the index, whatever state it is in. These must be all organizations; the transaction must hold them."""
    if is_sqlite(db):
        db.execute(text("INSERT INTO search_words(search_words) VALUES ('delete-all') -- of every organization"))
    for organization_id in organizations:
        if not is_sqlite(db):
            db.execute(text("DELETE FROM search_words WHERE organization_id = :mine"), {"mine": organization_id})
        db.execute(delete(search_doc).where(search_doc.c.organization_id == organization_id))


def count_documents(db: Connection, organization_id: int) -> int:
    """How many sessions of an organization have words in the index."""
    mine = select(func.count()).select_from(search_doc).where(search_doc.c.organization_id == organization_id)
    return int(db.execute(mine).scalar_one())


def _held(db: Connection, organization_id: int, ids: Sequence[int]) -> dict[int, _Held]:
    mine = (search_doc.c.organization_id == organization_id) & search_doc.c.session_id.in_(ids)
    asked = select(search_doc).where(mine)
    return {row.session_id: _Held(bytes(row.digest), bytes(row.keys)) for row in db.execute(asked)}


def _columns(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple([joined([one.text for one in entries if one.part == part]) for part in PARTS])


def _digest(columns: Iterable[str]) -> bytes:
    return blake2b(_BETWEEN_COLUMNS.join(columns).encode(), digest_size=8).digest()


def _write_sqlite(db: Connection, organization_id: int, documents: Sequence[Document], held: dict[int, _Held]) -> None:
    rows = []
    for one in documents:
        before = held.get(one.session_id)
        if before:
            rows += _deletion(organization_id, one, before)
        rows.append(_row(None, organization_id, one.session_id, one.columns))
    _execute_sqlite(db, rows)


def _deletion(organization_id: int, document: Document, held: _Held) -> list[tuple[Any, ...]]:
    """FTS5 forgets a document only when told its very words: those of the events that were in it.

    Where they are others now, because another Python tells letters apart differently, the old ones stay until the index
    is made anew.
    """
    known = _columns(with_keys(document.entries, held.keys))
    if _digest(known) != held.digest:
        _log.warning("The search index holds old words of a session; `hansard search rebuild --empty` clears them.")
        return []
    return [_row("delete", organization_id, document.session_id, known)]


def _execute_sqlite(db: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Many rows a statement: the interpreter lets go of its lock for each, and waits to get it back."""
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        some = rows[start : start + _ROWS_A_STATEMENT]
        db.exec_driver_sql(_insert(len(some)), tuple(chain.from_iterable(some)))


def _insert(count: int) -> str:
    into = "INSERT INTO search_words(search_words, rowid, said_by_user, said_by_agent, done_by_tool) VALUES "
    return into + ", ".join(["(?, ?, ?, ?, ?)"] * count) + " -- a rowid is organization and session"


def _row(command: str | None, organization_id: int, session_id: int, columns: tuple[str, ...]) -> tuple[Any, ...]:
    return (command, _first_rowid(organization_id) + session_id, *columns)


def _first_rowid(organization_id: int) -> int:
    return organization_id << _SESSION_BITS


def _write_postgres(
    db: Connection, organization_id: int, documents: Sequence[Document], held: dict[int, _Held]
) -> None:
    _remove_postgres(db, organization_id, [one.session_id for one in documents if one.session_id in held])
    rows = [
        {"organization_id": organization_id, "session_id": one.session_id, "piece": piece, "words": words}
        for one in documents
        for piece, words in enumerate(_tsvectors(organization_id, one))
    ]
    if rows:
        db.execute(
            text(
                "INSERT INTO search_words (organization_id, session_id, piece, words) "
                "VALUES (:organization_id, :session_id, :piece, CAST(:words AS tsvector))"
            ),
            rows,
        )


def _remove_postgres(db: Connection, organization_id: int, ids: list[int]) -> None:
    if ids:
        mine = _postgres_words.c.organization_id == organization_id
        db.execute(delete(_postgres_words).where(mine, _postgres_words.c.session_id.in_(ids)))


def _tsvectors(organization_id: int, document: Document) -> Iterator[str]:
    """The words with their places, as PostgreSQL writes a tsvector; a new one where one can hold no more."""
    piece = _Piece()
    for part, told in zip(PARTS, document.columns, strict=True):
        piece.add(part, plain_words(told))
    pieces = [piece] if piece.is_within_limits() else _pieces(document.entries)
    return (one.written(organization_id) for one in pieces)


def _pieces(entries: Iterable[Entry]) -> "Iterator[_Piece]":
    piece = _Piece()
    for one in entries:
        for told in one.text.split(BETWEEN_TEXTS):
            for words in _in_reach(plain_words(told)):
                if not piece.takes(words):
                    yield piece
                    piece = _Piece()
                piece.add(one.part, words)
    yield piece


def _in_reach(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """A text in portions that a tsvector can hold, each beginning with the end of the one before: no phrase is cut."""
    start, counts = 0, Counter[str]()
    for place, word in enumerate(words):
        counts[word] += 1
        if counts[word] > _MOST_PLACES or place - start >= _LAST_PLACE:
            yield words[start:place]
            start = place - MOST_PHRASE_WORDS + 1
            counts = Counter(words[start : place + 1])
    yield words[start:]


class _Piece:
    """A tsvector in the making."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}
        self._last = 0

    def takes(self, words: Sequence[str]) -> bool:
        if not self._last:
            return True
        counts = Counter(words)
        return self._last + len(words) < _LAST_PLACE and all(
            len(self._places.get(word, ())) + count <= _MOST_PLACES for word, count in counts.items()
        )

    def is_within_limits(self) -> bool:
        return self._last < _LAST_PLACE and max(map(len, self._places.values()), default=0) <= _MOST_PLACES

    def add(self, part: str, words: Sequence[str]) -> None:
        weight = _WEIGHTS[part]
        for place, word in enumerate(words, start=self._last + 2):  # a gap, which no phrase reaches over
            self._places.setdefault(word, []).append(f"{place}{weight}")
        self._places.pop(BETWEEN_TEXTS, None)
        self._last += len(words) + 1

    def written(self, organization_id: int) -> str:
        words = (f"'{word}':{','.join(places)}" for word, places in self._places.items())
        return " ".join((f"'{_organization_word(organization_id)}'", *words))


def _organization_word(organization_id: int) -> str:
    """The organization as a word that no text can have, so that a search reads its postings and nobody else's."""
    return f"\u00a7{organization_id}"


@dataclass(frozen=True)
class Search:
    """What is sought in an organization. `count` is how many sessions hold it, where that is known: where they are few
    enough to look each up, or where words were given by their beginnings. `hits` are these sessions, where they are a
    handful. PostgreSQL's planner sees to it by itself.
    """

    organization_id: int
    sought: Sequence[Sought]
    is_sqlite: bool
    count: int | None = None
    hits: Sequence[int] | None = None

    @property
    def is_few(self) -> bool:
        """Whether each session that holds what is sought can be looked up."""
        return self.count is not None and self.count <= _FEW

    @property
    def is_turned(self) -> bool:
        """Whether it is sought by what a session does not hold, and by nothing else."""
        return all(one.is_not for one in self.sought)

    @property
    def is_a_word(self) -> bool:
        """Whether it is one whole word, said by anybody: the index goes from hit to hit, and past nothing else."""
        phrases = [one for term in self.sought for one in term.phrases]
        return not self.is_turned and len(phrases) == 1 and phrases[0] == Phrase(phrases[0].words[:1])


def find_search(
    db: Connection, organization_id: int, sought: Sequence[Sought], *, is_counted: bool = False
) -> Search | None:
    """Look how many hits there may be, and how many there are if they are to be counted; None where nothing is sought.

    It is counted by the way where words are given by their beginnings: all of them are gathered before the first hit.
    """
    if not sought:
        return None
    search = Search(organization_id, sought, is_sqlite(db))
    if not search.is_sqlite:
        keep_to_indexes(db)
        return search
    if search.is_a_word:
        hits = [row[0] for row in rows_of(db, _FEW_HITS, _given(search, most=_RARE + 1))]
        if len(hits) <= _RARE:
            return replace(search, count=len(hits), hits=hits)
    takes_long(db)  # within a single one of the steps that SQLite counts
    if search.is_turned:
        return search
    if is_counted or any(one.is_prefix for term in sought for one in term.phrases):
        return replace(search, count=_count_sqlite(db, search))
    count = _count_few(db, search, _FEW)
    return search if count > _FEW else replace(search, count=count)


def _count_few(db: Connection, search: Search, most: int) -> int:
    """How many sessions hold what is sought; one more than `most` where they are more."""
    return int(value_of(db, _COUNT_OF_FEW, _given(search, most=most + 1)))


def conditions(search: Search | None) -> list[Condition] | None:
    """What is sought, as conditions that are kept and need not be made anew; None where the index must be asked."""
    if search is None:
        return []
    if not search.is_sqlite:
        return [Condition(_lacks if one.is_not else _holds, (_tsqueries(search, one),)) for one in search.sought]
    return None if search.hits is None else [among(search.hits)]


def found(search: Search) -> ColumnElement[bool]:
    """That a session holds what is sought, every term of it."""
    known = conditions(search)
    if known is not None:
        return and_(*(one.form(search.organization_id, *map(literal, one.given)) for one in known))
    key: ColumnElement[int] = session.c.id
    if not search.is_few:
        key = _unindexed(key)
    return _found_sqlite(search, key)


def count_found(db: Connection, search: Search) -> int | None:
    """How many sessions hold what is sought, asked of the index alone; None where it cannot say."""
    if not search.is_sqlite or search.count is not None:
        return search.count
    count = _count_sqlite(db, search)
    return count_sessions(db, search.organization_id) - count if search.is_turned else count


@dataclass(frozen=True)
class Newest:
    """The sessions of a page, and how many there are on all pages, where that came to light."""

    ids: Sequence[int]
    total: int | None


def list_newest(
    db: Connection,
    search: Search,
    others: Sequence[ColumnElement[bool]],
    values: Mapping[str, Any],
    *,
    offset: int,
    limit: int,
) -> Newest | None:
    """Of the sessions that hold what is sought and are as `others` say, with the values that are open in that, the
    newest, in order.

    Few hits are looked up and sorted, and of few sessions that are as `others` say those are taken that the index
    names. Where there are many of both, ever more of the newest sessions are gone through, and the index asked for
    those alone, so that not every hit is read. None where the database had better do it by itself.
    """
    if not search.is_sqlite:
        return None
    _, *more = others  # the first is the organization
    if search.is_few:
        given = {**values, **_given(search, most=limit, offset=offset)}
        return Newest(_ids(db, _newest_of_few, more, given), None)
    if more:
        newest = read_by(WIDE, select(session.c.id)).where(*others)
        newest = newest.order_by(session.c.started_at.desc(), session.c.id.desc())
        some_ids = list(db.execute(newest.limit(_FEW + 1), values).scalars())
        if len(some_ids) <= _FEW:
            hits = _hits_among(db, search, some_ids)
            return Newest(hits[offset : offset + limit], len(hits))
    count = 4 * (offset + limit)
    while True:
        ids, is_all = _among_newest(db, search, more, {**values, "count": count}, offset, limit)
        if is_all or len(ids) == limit:
            return Newest(ids, None)
        count *= 8


def _hits_among(db: Connection, search: Search, ids: Sequence[int]) -> list[int]:
    """Those of these sessions that hold what is sought, in their order."""
    if not ids:
        return []
    number = numbers_in(dumps(list(ids)))
    asked = select(number).where(_found_sqlite(search, _unindexed(number), min(ids), max(ids)))
    there = set(db.execute(asked).scalars())
    return [one for one in ids if one in there]


def _among_newest(
    db: Connection,
    search: Search,
    more: Sequence[ColumnElement[bool]],
    values: Mapping[str, Any],
    offset: int,
    limit: int,
) -> tuple[list[int], bool]:
    """The hits among the newest sessions that are as `more` say, as many as the values' `count`, and whether there are
    no more sessions.
    """
    ((first, last, there),) = _rows(db, _ends_of_newest, more, values)
    if not there:
        return [], True
    given = {**values, **_given(search, first, last, most=limit, offset=offset)}
    ids = _ids(db, _left_of_newest if search.is_turned else _found_of_newest, more, given)
    return ids, there < values["count"]


# What follows is asked with the parameters of `_given`; `more` is what else a filter asks of the sessions.
Made = Callable[..., Select[Any]]


def _given(search: Search, first: int = 0, last: int = _LAST_SESSION, **more: int) -> dict[str, Any]:
    """The parameters of a search among the sessions with ids from `first` to `last`."""
    base = _first_rowid(search.organization_id)
    given = {"mine": search.organization_id, "base": base, "first": base + first, "last": base + last}
    return {**given, "sought": _fts5(search.sought), **more}


def _ids(db: Connection, make: Made, more: Sequence[ColumnElement[bool]], given: Mapping[str, Any]) -> list[int]:
    return [row[0] for row in _rows(db, make, more, given)]


def _rows(db: Connection, make: Made, more: Sequence[ColumnElement[bool]], given: Mapping[str, Any]) -> list[Any]:
    """The rows of a select, which is kept where nothing but words is sought: to make it takes longer than to run it."""
    return list(db.execute(make(*more), given)) if more else rows_of(db, _kept(make), given)


@cache
def _kept(make: Made) -> Select[Any]:
    return make()


def _newest_of_few(*more: ColumnElement[bool]) -> Select[Any]:
    some = read_by(KEY, select(session.c.id)).where(_IS_MINE, *more, session.c.id.in_(_HITS))
    return _page(some.order_by(session.c.started_at.desc(), session.c.id.desc()))


def _ends_of_newest(*more: ColumnElement[bool]) -> Select[Any]:
    some = _newest(more)
    return select(*(ask(some.c.id) for ask in (func.min, func.max, func.count)))


def _found_of_newest(*more: ColumnElement[bool]) -> Select[Any]:
    some = _newest(more)
    return _those_of(some, _unindexed(some.c.id).in_(_HITS))


def _left_of_newest(*more: ColumnElement[bool]) -> Select[Any]:
    some = _newest(more)
    return _those_of(some, _unindexed(some.c.id).not_in(_HITS))


def _those_of(some: Subquery, which: ColumnElement[bool]) -> Select[Any]:
    return _page(select(some.c.id).where(which).order_by(some.c.started_at.desc(), some.c.id.desc()))


def _newest(more: Sequence[ColumnElement[bool]]) -> Subquery:
    some = read_by(WIDE, select(session.c.id, session.c.started_at)).where(_IS_MINE, *more)
    return some.order_by(session.c.started_at.desc(), session.c.id.desc()).limit(bindparam("count")).subquery("newest")


def _unindexed(key: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same number, written so that SQLite does not look up every hit by it."""
    return key.op("+")(0)


def _page(some: Select[Any]) -> Select[Any]:
    paged: Select[Any] = some.limit(bindparam("most")).offset(bindparam("offset"))
    return paged


def _count_sqlite(db: Connection, search: Search) -> int:
    """How many sessions hold what is sought, or what is sought not to be held."""
    return int(value_of(db, _COUNT, _given(search)))


def _found_sqlite(
    search: Search, key: ColumnElement[int], first: int = 0, last: int = _LAST_SESSION
) -> ColumnElement[bool]:
    given = _given(search, first, last)
    hits = _hits_sqlite(given["base"], given["sought"], given["first"], given["last"])
    return key.not_in(hits) if search.is_turned else key.in_(hits)


def _hits_sqlite(base: Any, sought: Any, first: Any, last: Any) -> Select[Any]:
    """The sessions, of those with rowids from `first` to `last`, that hold what is sought."""
    is_hit = _sqlite_words.c.search_words.op("MATCH")(sought)
    return select((_sqlite_words.c.rowid - base).label("session_id")).where(
        is_hit, _sqlite_words.c.rowid.between(first, last)
    )


# Asked with the parameters of `_given`.
_HITS = _hits_sqlite(*map(bindparam, ("base", "sought", "first", "last")))
_COUNT = select(func.count()).select_from(_HITS.subquery("of_organization"))
_FEW_HITS = _HITS.limit(bindparam("most"))
_COUNT_OF_FEW = select(func.count()).select_from(_FEW_HITS.subquery("of_organization"))
_IS_MINE = session.c.organization_id == bindparam("mine")


def _fts5(sought: Sequence[Sought]) -> str:
    """The expression of FTS5: only words of ours in quotes, which hold no quote. Of terms that are all turned round,
    what they leave out.
    """
    wanted = [_any(one) for one in sought if not one.is_not]
    unwanted = [_any(one) for one in sought if one.is_not]
    if not wanted:
        return " OR ".join(unwanted)
    return "".join((f"({' AND '.join(wanted)})", *(f" NOT {one}" for one in unwanted)))


def _any(one: Sought) -> str:
    return "(" + " OR ".join(map(_fts5_phrase, one.phrases)) + ")"


def _fts5_phrase(one: Phrase) -> str:
    columns = "" if one.parts == PARTS else "{" + " ".join(_COLUMNS[part] for part in one.parts) + "} : "
    return f'{columns}"{" ".join(one.words)}"{" *" if one.is_prefix else ""}'


def _tsqueries(search: Search, one: Sought) -> str:
    """The words of one term and the organization's, as PostgreSQL looks for them."""
    return f"'{_organization_word(search.organization_id)}' & ({' | '.join(map(_tsquery, one.phrases))})"


def _holds(mine: Any, query: Any) -> ColumnElement[bool]:
    """That a session holds a term. Each for itself, for the words of a long session may lie in several rows."""
    is_hit: ColumnElement[bool] = _postgres_words.c.words.op("@@", is_comparison=True)(cast(query, TSQUERY))
    is_mine = _postgres_words.c.organization_id == mine
    held: ColumnElement[bool] = session.c.id.in_(select(_postgres_words.c.session_id).where(is_mine, is_hit))
    return held


def _lacks(mine: Any, query: Any) -> ColumnElement[bool]:
    return not_(_holds(mine, query))


def _tsquery(one: Phrase) -> str:
    weights = "" if one.parts == PARTS else "".join(_WEIGHTS[part] for part in one.parts)
    *first, last = one.words
    ends = ("*" if one.is_prefix else "") + weights
    written = [f"'{word}'" + (f":{weights}" if weights else "") for word in first]
    return "(" + " <-> ".join((*written, f"'{last}'" + (f":{ends}" if ends else ""))) + ")"

"""Which index SQLite reads a list of sessions by.

SQLite keeps no statistics, and guesses badly between several indexes of one organization's sessions: it is told. The
widest holds all that a filter can ask, newest sessions first; a narrow one begins with what is sought. PostgreSQL has
statistics, and none of the narrow ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Select, bindparam, func, select
from sqlalchemy.sql.visitors import iterate

from hansard.db.dialect import is_sqlite
from hansard.db.tables import NARROW, PARTIAL, session
from hansard.resources.sessions.conditions import HAS_LABEL, SEEN, TRAITS, seeks_nothing
from hansard.resources.sessions.parties import PARTIES
from hansard.resources.sessions.query import Term

KEY = "INDEXED BY sqlite_autoindex_session_1"  # the primary key
WIDE = "INDEXED BY session_wide"
# So many are sorted in a few milliseconds. Among all sessions, newest first, a page of them may be found as soon, or
# behind all the others: the sessions of an old version of a prompt.
_FEW = 20_000
_FEW_ROWS = 2_000  # are read in as much time
_RARE = dict.fromkeys((*PARTIES.values(), *(column for column, _ in TRAITS.values())))  # what few sessions may have
_NAMED = {"id": KEY, "sid": "INDEXED BY session_key", "conversation_id": "INDEXED BY session_conversation"}

# Which column of a session each field of a filter seeks a value or a range of.
_SOUGHT: Mapping[str, str] = {
    **dict.fromkeys(SEEN, "snapshot_id"),
    **PARTIES,
    **{field: column for field, (column, _) in TRAITS.items()},
    **dict.fromkeys(("since", "after", "before"), "started_at"),
    "label": "label_code",
    "duration": "duration_s",
    "id": "id",
    "sid": "id",  # which it asks for the ids first
    "conversation": "conversation_id",
}
# And which one a word of a field asks, where there is a narrow index with that column.
_ASKED: Mapping[tuple[str, str], str] = {
    ("is", "test"): "is_test",
    ("is", "live"): "is_test",
    ("is", "running"): "duration_s",
    ("is", "ended"): "duration_s",
    ("has", "label"): "label_code",
}


@dataclass(frozen=True)
class Needs:
    """Which columns of a session a list asks, and of which it seeks a value or a range. Others have no narrow index."""

    columns: frozenset[str]
    sought: frozenset[str]


class Path(NamedTuple):
    """The index to read a list by, and how many rows it has on all pages, where that is known."""

    hint: str | None
    total: int | None


def needs_of(terms: Sequence[Term]) -> Needs:
    """What the terms of a filter ask."""
    sought = frozenset(column for one in terms if (column := _sought(one)))
    return Needs(frozenset(column for one in terms for column in _columns(one)), sought)


def _sought(term: Term) -> str | None:
    if term.is_not or seeks_nothing(term):
        return None
    return "label_code" if term == HAS_LABEL else _SOUGHT.get(term.field)


def _columns(term: Term) -> Iterable[str]:
    if term.field in _SOUGHT:
        return [_SOUGHT[term.field]]
    return [_ASKED.get((term.field, value), term.field) for value in term.values]


# How many there are by an index, of which no more are counted than; of what asks nothing but these columns.
Count = Callable[[str | None, int | None, frozenset[str] | None], int]


def choose_path(
    db: Connection, count: Count, needs: Needs, by: str | None, *, total: int | None, with_total: bool
) -> Path:
    """The index for sessions that can be counted, in the order of the column `by`.

    What a narrow index holds is counted by it first, unless the `total` is known: a few are sorted, many gone through
    in their order.
    """
    if not is_sqlite(db):
        return Path(None, total)
    if named := direct_path(needs):
        return Path(named, total)
    narrow = _narrow(needs)
    if narrow is None:
        return Path(_of_few(count, needs) or _in_order(needs, by), total)
    counted = count(narrow, None if with_total else _FEW + 1, None) if total is None else total
    return Path(narrow if counted <= _FEW else _in_order(needs, by), counted if with_total else None)


def direct_path(needs: Needs) -> str | None:
    """The index by which one finds what is sought by its name at once, if any is."""
    return next((hint for column, hint in _NAMED.items() if column in needs.sought), None)


def _narrow(needs: Needs) -> str | None:
    """The narrow index that begins with something sought and holds all that is asked."""
    held = (name for name, held in NARROW.items() if held[0] in needs.sought and needs.columns <= set(held))
    return next((f"INDEXED BY {name}" for name in held), None)


def _of_few(count: Count, needs: Needs) -> str | None:
    """The narrow index by which the sessions of a number or a trait are found, where they are so few that their rows
    may be read for what it does not hold.
    """
    for column in _RARE:
        hint, theirs = narrow_by(column), frozenset({"organization_id", column})
        if column in needs.sought and count(hint, _FEW_ROWS + 1, theirs) <= _FEW_ROWS:
            return hint
    return None


def narrow_by(column: str) -> str:
    """The narrow index that begins with a column. Raises StopIteration where there is none."""
    return next(f"INDEXED BY {name}" for name, (first, *_) in NARROW.items() if first == column)


def _in_order(needs: Needs, by: str | None) -> str:
    """The index to go through in order, or as near to it as there is."""
    is_held = by == "duration_s" and needs.columns <= set(NARROW["session_duration"])
    return "INDEXED BY session_duration" if is_held else WIDE


def read_by(hint: str | None, asked: Select[Any]) -> Select[Any]:
    """The same of sessions, by this index; None lets the database choose."""
    if hint is None:
        return asked
    begins = _BEGINS.get(hint)  # SQLite must be told, or it does not see that the index has them all
    if begins is not None:
        asked = asked.where(session.c[begins].is_not(None))
    return asked.with_hint(session, hint, "sqlite")


_BEGINS = {f"INDEXED BY {name}": NARROW[name][0] for name in PARTIAL}


def counting(keys: Select[Any], hint: str | None, *, is_bounded: bool = False) -> Select[Any]:
    """How many sessions there are that `keys` selects; where it is bounded, no more than the parameter `most`."""
    some = read_by(hint, keys)
    if not is_bounded:
        return some.with_only_columns(func.count(), maintain_column_froms=True)
    return select(func.count()).select_from(some.limit(bindparam("most")).subquery("of_organization"))


def asking_only(keys: Select[Any], columns: frozenset[str] | None) -> Select[Any]:
    """The same with no condition that asks anything of a session but these; None leaves all."""
    return keys if columns is None else select(session.c.id).where(*_within(keys, columns))


def _within(keys: Select[Any], columns: frozenset[str]) -> Iterator[ColumnElement[bool]]:
    for one in getattr(keys.whereclause, "clauses", ()):
        of_session = (part.name for part in iterate(one) if isinstance(part, Column) and part.table is session)
        if columns.issuperset(of_session):
            yield one

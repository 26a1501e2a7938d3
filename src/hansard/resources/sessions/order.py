"""The order of a list, and a place in it to go on from, so that the next page costs what the first does."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import ColumnElement, and_, or_, tuple_, type_coerce

from hansard.db.tables import session, snapshot
from hansard.kit.errors import Invalid
from hansard.kit.ids import LARGEST_ID
from hansard.resources.sessions.conditions import Condition, Form
from hansard.wire import instant, instant_of, moment_of

SORTS: Mapping[str, ColumnElement[Any]] = {
    "started": session.c.started_at,
    "duration": session.c.duration_s,
    "turns": session.c.turn_count,
    "agent": snapshot.c.agent_name,
    "source": session.c.source,
    "target": session.c.target,
}
_SHOWN = {
    "started": "timestamp",
    "duration": "duration",
    "turns": "turn_count",
    "agent": "agent_name",
    "source": "source",
    "target": "target",
}
_LARGEST = 1e15  # what a number of a cursor may be: more than any session has


@dataclass(frozen=True)
class Sort:
    """By what a list is ordered. Nulls come last either way."""

    by: str = "started"
    is_upwards: bool = False

    def __str__(self) -> str:
        return self.by if self.is_upwards else f"-{self.by}"

    @property
    def column(self) -> ColumnElement[Any]:
        return SORTS[self.by]

    @property
    def can_be_null(self) -> bool:
        return bool(getattr(self.column, "nullable", True))

    def order(self) -> list[ColumnElement[Any]]:
        """What to order by: the column, then the id. Nulls last is said only where there are any (`kit.listing`)."""
        first, last = (one.asc() if self.is_upwards else one.desc() for one in (self.column, session.c.id))
        return [first.nulls_last() if self.can_be_null else first, last]


NEWEST = Sort()


def read_sort(text: str) -> Sort:
    """Read `duration` or `-duration`; newest first for an empty text. Raises Invalid."""
    by = text.removeprefix("-")
    if not text:
        return NEWEST
    if by not in SORTS:
        raise Invalid(f"Sessions cannot be sorted by {by!r}; there are {', '.join(SORTS)}.")
    return Sort(by, not text.startswith("-"))


@dataclass(frozen=True)
class Cursor:
    """A place in an ordered list: behind the session with this id, which had this value."""

    sort: Sort
    value: datetime | float | str | None
    id: int

    def __str__(self) -> str:
        value = instant_of(self.value) if isinstance(self.value, datetime) else self.value
        return urlsafe_b64encode(to_json([str(self.sort), value, self.id])).decode().rstrip("=")

    def condition(self) -> Condition:
        """What comes after it in its order."""
        is_null = self.value is None
        return Condition(_beyond(self.sort, is_null), (self.id,) if is_null else (self.id, self.value))


@cache
def _beyond(sort: Sort, is_null: bool) -> Form:
    column, key = sort.column, session.c.id

    def beyond(_mine: Any, number: Any, value: Any = None) -> ColumnElement[bool]:
        further = key > number if sort.is_upwards else key < number
        if is_null:
            return and_(column.is_(None), further)
        given = type_coerce(value, column.type)
        if not sort.can_be_null:  # as one comparison, which an index can begin with
            here, place = tuple_(given, number), tuple_(column, key)
            return place > here if sort.is_upwards else place < here
        past = column > given if sort.is_upwards else column < given
        return or_(past, and_(column == given, further), column.is_(None))

    return beyond


def cursor_behind(row: Any, sort: Sort) -> Cursor:
    """The place behind this session, which has the fields of a `FoundSession`."""
    return Cursor(sort, getattr(row, _SHOWN[sort.by]), int(row.session_id))


def read_cursor(text: str, sort: Sort) -> Cursor:
    """Read what an earlier page of the same order gave as `next`. Raises Invalid for anything else."""
    try:
        said, value, number = from_json(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)), allow_inf_nan=False)
        if said != str(sort) and said.removeprefix("-") in SORTS:
            raise Invalid(f"That place is in the order {said!r}, but the list is asked for in the order {str(sort)!r}.")
        if said == str(sort):
            return Cursor(sort, _value(sort, value), _id(number))
    except (ValueError, TypeError, AttributeError):
        pass
    raise Invalid("That is no place in a list; `after` takes what an earlier page gave as `next`.")


def _value(sort: Sort, value: Any) -> datetime | float | str | None:
    """A value that the column of this order can be compared with. Raises ValueError."""
    if value is None and sort.can_be_null:
        return None
    if sort.by == "started" and isinstance(value, str):
        return moment_of(instant(value))
    if sort.by in ("duration", "turns") and type(value) in (int, float) and abs(value) < _LARGEST:
        return value if sort.by == "duration" else int(value)
    if sort.by in ("agent", "source", "target") and isinstance(value, str) and "\0" not in value:
        return value
    raise ValueError


def _id(number: Any) -> int:
    if type(number) is int and 0 < number <= LARGEST_ID:
        return number
    raise ValueError

"""The SDK's nine list parameters and its page envelope, once for every list (wire contract 1.8, 1.9)."""

import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    false,
    func,
    nulls_last,
    or_,
)

from hansard.kit.errors import Invalid, Malformed
from hansard.kit.ids import find_id
from hansard.kit.text import fold, has_part, lower
from hansard.kit.times import read_moment

MOST_PER_PAGE = 1000
LAST_PAGE = 10**9
LONGEST_VALUE = 1000

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A page of a list and how much there is in all."""

    items: list[Item]
    page: int
    page_size: int
    total_pages: int | None
    total_count: int | None


class Direction(StrEnum):
    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True)
class Column:
    """A name of the API's: how a value searches it, and what it sorts by. A `_list` name does not sort."""

    where: Callable[[str], ColumnElement[bool]]
    order: ColumnElement[Any] | None = None


Columns = Mapping[str, Column]


def exact(column: ColumnElement[Any]) -> Column:
    """The very same text."""
    return Column(lambda value: column == value, column)


def number_id(column: ColumnElement[Any]) -> Column:
    """An id; a text that is none matches nothing."""

    def where(value: str) -> ColumnElement[bool]:
        number = find_id(value)
        return false() if number is None else column == number

    return Column(where, column)


def any_id(column: ColumnElement[Any]) -> Column:
    """Any of the ids of a comma-separated list; blanks and empty items do not count."""

    def where(value: str) -> ColumnElement[bool]:
        return column.in_([n for item in value.split(",") if (n := find_id(item.strip())) is not None])

    return Column(where)


def contains(folded: ColumnElement[Any], order: ColumnElement[Any]) -> Column:
    """A literal part of the text in any case; `folded` holds the text as `fold` left it."""
    return Column(lambda value: has_part(folded, folded_part(value)), order)


def folded_part(value: str) -> str:
    """What a folded text has to hold."""
    return fold(value, LONGEST_VALUE) or ""


def holds(column: ColumnElement[Any]) -> Column:
    """A literal part of a text that has no folded twin: lists and objects kept as JSON text, descriptions."""
    return Column(lambda value: has_part(lower(column), value.lower()), column)


def same_word(column: ColumnElement[Any]) -> Column:
    """The same word in any case: codes and types."""
    return Column(lambda value: lower(column) == value.lower(), column)


def truth(column: ColumnElement[Any]) -> Column:
    """True or false; what was not said counts as false."""
    return Column(lambda value: func.coalesce(column, false()) == read_truth(value), column)


def number(column: ColumnElement[Any]) -> Column:
    """The same number."""

    def where(value: str) -> ColumnElement[bool]:
        try:
            wanted = float(value)
        except ValueError:
            raise Invalid(f"{value!r} is not a number.") from None
        return column == wanted

    return Column(where, column)


def moment(column: ColumnElement[Any]) -> Column:
    """The same instant."""
    return Column(lambda value: column == read_moment(value), column)


def read_truth(value: str) -> bool:
    """Read `true`, `false`, `1` or `0` in any case. Raises Invalid."""
    word = value.strip().lower()
    if word not in ("true", "false", "1", "0"):
        raise Invalid(f"{value!r} is neither true nor false.")
    return word in ("true", "1")


@dataclass(frozen=True)
class Asked:
    """What a list was asked for."""

    page: int = 0
    limit: int = 25
    search: Mapping[str, Sequence[str]] = field(default_factory=dict)
    order_by: str | None = None
    direction: Direction | None = None
    fields: Collection[str] | None = None
    start: datetime | None = None
    end: datetime | None = None

    def values(self, name: str) -> Sequence[str]:
        """The values one name is searched for; empty when it is not searched."""
        return self.search.get(name, ())


def asked(names: Collection[str], also_sorts: Collection[str] | None = None) -> Callable[..., Awaitable[Asked]]:
    """Give the FastAPI dependency that reads the nine parameters of a list whose fields are `names`.

    `also_sorts` narrows what `order_by` may name. The dependency raises Malformed for what the schema forbids
    and Invalid for a value that means nothing.
    """
    sortable = names if also_sorts is None else also_sorts
    known = {"enum": sorted(names)}

    async def read(
        page: Annotated[int | None, Query(ge=0, le=LAST_PAGE, description="The page, from 0.")] = 0,
        limit: Annotated[int, Query(ge=0, le=MOST_PER_PAGE, description="0 asks for the count alone.")] = 25,
        search_fields: Annotated[list[str] | None, Query(json_schema_extra={"items": known})] = None,
        search_field_values: Annotated[list[str] | None, Query()] = None,
        order_by: Annotated[str | None, Query()] = None,
        order_by_direction: Annotated[Direction | None, Query()] = None,
        fields: Annotated[list[str] | None, Query(description="What to include.")] = None,
        start_datetime: Annotated[str | None, Query(description="From this instant on.")] = None,
        end_datetime: Annotated[str | None, Query(description="Before this instant.")] = None,
    ) -> Asked:
        _only(search_fields or [], names, "search_fields")
        _only(fields or [], names, "fields")
        _only([order_by] if order_by else [], sortable, "order_by")
        return Asked(
            page=page or 0,
            limit=limit,
            search=_pairs(search_fields or [], search_field_values or []),
            order_by=order_by or None,
            direction=order_by_direction,
            fields=fields or None,
            start=read_moment(start_datetime) if start_datetime else None,
            end=read_moment(end_datetime) if end_datetime else None,
        )

    return read


def _only(given: Sequence[str], names: Collection[str], parameter: str) -> None:
    for name in given:
        if name not in names:
            raise Malformed(("query", parameter), f"{name!r} is not one of {', '.join(sorted(names))}.")


def _pairs(names: Sequence[str], values: Sequence[str]) -> dict[str, list[str]]:
    if len(names) != len(values):
        raise Invalid(f"There are {len(names)} search_fields but {len(values)} search_field_values.")
    search: dict[str, list[str]] = {}
    for name, value in zip(names, values, strict=True):
        if "\0" in value or len(value) > LONGEST_VALUE:
            raise Invalid(f"The value for {name} is too long or holds a NUL character.")
        if value:
            search.setdefault(name, []).append(value)
    return search


def narrowed(query: Select[Any], asked: Asked, columns: Columns, timestamp: ColumnElement[Any]) -> Select[Any]:
    """Keep the rows that were asked for: OR within a name, AND across, start inclusive, end exclusive."""
    wanted = [or_(*(columns[name].where(value) for value in values)) for name, values in asked.search.items()]
    if asked.start:
        wanted.append(timestamp >= asked.start)
    if asked.end:
        wanted.append(timestamp < asked.end)
    return query.where(*wanted)


def arranged(query: Select[Any], asked: Asked, columns: Columns, newest: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """Put the rows in order. `newest`, all descending, is the order nobody asked for; its last part is the
    key, which breaks ties. Nulls come last in both directions.
    """
    order = columns[asked.order_by].order if asked.order_by else None
    if order is None:
        downwards = asked.direction is not Direction.ASC
        return query.order_by(*(_directed(column, downwards) for column in newest))
    downwards = asked.direction is Direction.DESC
    return query.order_by(*(_directed(column, downwards) for column in (order, *newest[-1:])))


def _directed(column: ColumnElement[Any], downwards: bool) -> ColumnElement[Any]:
    """Nulls last is said only where there can be any, for it keeps SQLite from walking an index."""
    directed = column.desc() if downwards else column.asc()
    return nulls_last(directed) if getattr(column, "nullable", True) else directed


def page_of(
    db: Connection,
    query: Select[Any],
    asked: Asked,
    columns: Columns,
    *,
    timestamp: ColumnElement[Any],
    newest: Sequence[ColumnElement[Any]],
    details: Callable[[Select[Any]], Select[Any]] = lambda query: query,
    known_total: int | None = None,
) -> tuple[Sequence[RowMapping], int]:
    """Run a list: the rows of the page asked for, and the exact number of rows on all pages.

    `details` adds what the rows show but the count need not touch; a `known_total` is not counted again.
    """
    matching = narrowed(query, asked, columns, timestamp)
    total = _count(db, matching) if known_total is None else known_total
    if not asked.limit or asked.page * asked.limit >= total:
        return [], total
    page = arranged(details(matching), asked, columns, newest).limit(asked.limit).offset(asked.page * asked.limit)
    return db.execute(page).mappings().all(), total


def _count(db: Connection, matching: Select[Any]) -> int:
    counted = matching.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    return int(db.execute(counted).scalar_one())


def as_page(items: list[Item], total: int, asked: Asked) -> Page[Item]:
    """Put items into the envelope."""
    return Page(**page_fields(items, total, asked.page, asked.limit))


def page_fields(items: list[Item], total: int | None, page: int, limit: int) -> dict[str, Any]:
    """The fields of the envelope. With `limit=0`, or without a total, the number of pages means nothing and is null."""
    pages = math.ceil(total / limit) if limit and total is not None else None
    return {"items": items, "page": page, "page_size": limit, "total_pages": pages, "total_count": total}


def chosen(row: Mapping[str, Any] | RowMapping, asked: Asked, always: Collection[str]) -> dict[str, Any]:
    """Blank what was not asked for with `fields`; what the schema requires always stays (T5)."""
    if asked.fields is None:
        return dict(row)
    return {k: v if k in asked.fields or k in always else None for k, v in row.items()}

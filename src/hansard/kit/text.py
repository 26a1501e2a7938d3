"""How text is compared when case must not matter: folded the same way in every database."""

import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, Integer, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


def fold(text: str | None, most: int = 256) -> str | None:
    """Fold case and compatibility forms; at most `most` characters, so that an index row stays small."""
    if text is None:
        return None
    return unicodedata.normalize("NFKC", text).casefold()[:most]


class lowered(GenericFunction[str]):  # noqa: N801 - reads as the SQL function it becomes
    """A column in lower case, every letter of it, for text that has no folded twin."""

    type = String()
    inherit_cache = True


@compiles(lowered)
def _lowered(element: lowered, compiler: Any, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(lowered, "postgresql")
def _lowered_by_locale(element: lowered, compiler: Any, **options: Any) -> str:
    """Our columns compare byte by byte, where lower() would change ASCII only; ask the database's own locale."""
    return f'lower({compiler.process(element.clauses, **options)} COLLATE "default")'


def lower(column: ColumnElement[Any]) -> ColumnElement[str]:
    """`lowered`, typed."""
    made: ColumnElement[str] = lowered(column)
    return made


class place_of(GenericFunction[int]):  # noqa: N801 - likewise
    """Where a text holds another, counted from 1; 0 where it does not. Sooner told than by LIKE, and no pattern."""

    type = Integer()
    inherit_cache = True


@compiles(place_of)
def _place_of(element: place_of, compiler: Any, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(place_of, "postgresql")
def _place_of_postgres(element: place_of, compiler: Any, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


def has_part(text: ColumnElement[Any], part: Any) -> ColumnElement[bool]:
    """Whether a text holds another, letter by letter; unknown of a null."""
    held: ColumnElement[bool] = place_of(text, part) > 0
    return held

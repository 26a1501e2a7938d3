"""Statements that run for every request of a recorder, worked out once for each database and not once a request."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from hansard.db.dialect import is_sqlite


class _Statement(NamedTuple):
    """SQL as the driver takes it, and each parameter's name with what makes it fit, in order."""

    sql: str
    parts: tuple[tuple[str, Callable[[Any], Any] | None], ...]


_made: dict[tuple[str, ...], _Statement] = {}


def insert_rows(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have the same columns, all of them named."""
    if rows:
        _run(db, _statement(db, table, tuple(rows[0]), ()), rows)


def upsert_rows(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows; where the primary key is there already, overwrite the rest of that row."""
    if rows:
        _run(db, _statement(db, table, tuple(rows[0]), tuple(one.name for one in table.primary_key)), rows)


def next_value(db: Connection, table: Table, key: Mapping[str, Any], name: str, more: int) -> int:
    """Add to a number of the one row with this key, founding it with that, and give what it is then."""
    mark = "?" if is_sqlite(db) else "%s"
    names = ", ".join((*key, name))
    marks = ", ".join([mark] * (len(key) + 1))
    sql = (
        f"INSERT INTO {table.name} ({names}) VALUES ({marks}) "  # noqa: S608 - names of our own tables
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {name} = {table.name}.{name} + excluded.{name} RETURNING {name}"
    )
    return int(db.exec_driver_sql(sql, (*key.values(), more)).scalar_one())


def rows_among(
    db: Connection, organization_id: int, columns: Sequence[Column[Any]], among: Mapping[str, Collection[Any]]
) -> list[Any]:
    """These columns of an organization's rows in which each column `among` has one of its values; none of no value.

    Values go in and come out as the driver has them: for columns that need no fitting, such as text and numbers.
    """
    if not all(among.values()):
        return []
    mark = "?" if is_sqlite(db) else "%s"
    table = columns[0].table
    wanted = "".join(f" AND {name} IN ({', '.join([mark] * len(values))})" for name, values in among.items())
    sql = f"SELECT {', '.join(one.name for one in columns)} FROM {table} WHERE organization_id = {mark}{wanted}"  # noqa: S608 - names of our own tables
    given = (organization_id, *(value for values in among.values() for value in values))
    return list(db.exec_driver_sql(sql, given))


def _run(db: Connection, one: _Statement, rows: Sequence[Mapping[str, Any]]) -> None:
    if is_sqlite(db):
        db.exec_driver_sql(
            one.sql, [tuple([fit(row[name]) if fit else row[name] for name, fit in one.parts]) for row in rows]
        )
    else:
        db.exec_driver_sql(
            one.sql, [{name: fit(row[name]) if fit else row[name] for name, fit in one.parts} for row in rows]
        )


def _statement(db: Connection, table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> _Statement:
    place = (db.dialect.name, table.name, *names, "by", *key)
    if place not in _made:
        _made[place] = _make(db, table, names, key)
    return _made[place]


def _make(db: Connection, table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> _Statement:
    statement = (sqlite if is_sqlite(db) else postgresql).insert(table)
    if key:
        rest = {name: statement.excluded[name] for name in names if name not in key}
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=rest)
    compiled = statement.compile(dialect=db.dialect, column_keys=list(names))
    order = compiled.positiontup or names
    types = {name: table.c[name].type.dialect_impl(db.dialect) for name in order}
    return _Statement(str(compiled), tuple((name, types[name].bind_processor(db.dialect)) for name in order))

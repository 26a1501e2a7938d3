"""Statements that run for every request, worked out once for each database and not once a request."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import islice, starmap
from typing import Any, NamedTuple

from msgspec import Struct, defstruct
from msgspec.json import decode
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Float,
    LargeBinary,
    Select,
    Table,
    TypeDecorator,
    Update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from hansard.db.dialect import is_sqlite
from hansard.kit.precedence import give_way


class _Statement(NamedTuple):
    """SQL as the driver takes it, and each parameter's name with what makes it fit, in order."""

    sql: str
    parts: tuple[tuple[str, Callable[[Any], Any] | None], ...]


class _Selection(NamedTuple):
    """SQL as the driver takes it, its parameters in order, those it brings along and what makes some fit, the names of
    its columns, what makes values of some, and what SQLite can make JSON of its rows with: what stands before the SQL
    and behind it.
    """

    sql: str
    given: tuple[str, ...]
    known: dict[str, Any]
    binds: tuple[tuple[str, Callable[[Any], Any]], ...]
    names: tuple[str, ...]
    fits: tuple[tuple[int, Callable[[Any], Any]], ...]
    as_json: tuple[str, str] | None


Rows = list[tuple[Any, ...]]


class Foreseen(NamedTuple):
    """A select that is going to be asked, and what for: as `rows_of` and `first_row` will be given it."""

    chosen: Select[Any]
    given: Mapping[str, Any]


class Numbered(NamedTuple):
    """SQL as PostgreSQL itself takes it, with `$1` for the first of what is given.

    `is_kept` where the same plan is the best for all values: the connection then keeps it.
    """

    sql: str
    given: tuple[Any, ...]
    is_kept: bool = True


class Unforeseen(Exception):
    """Something was asked of which the answer is not there yet."""


class Foretold:
    """Stands in the place of a connection where what will be asked was asked beforehand.

    It has the answers to these statements with these values. Whatever else is wanted of it raises Unforeseen.
    """

    def __init__(self, engine: Engine, answers: Mapping[Numbered, Rows]) -> None:
        self.engine, self.dialect, self.answers = engine, engine.dialect, answers

    def __getattr__(self, name: str) -> Any:
        raise Unforeseen(name)

    def rows_of(self, asked: Numbered) -> Rows:
        try:
            return self.answers[asked]
        except KeyError:
            raise Unforeseen(asked.sql) from None


_COPY_FROM = 50  # rows; with fewer, COPY is no faster than INSERT
_made: dict[tuple[str, ...], _Statement] = {}
_MOST_SELECTIONS = 4000


def insert_rows(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have the same columns, all of them named; by COPY where PostgreSQL is given many."""
    if len(rows) >= _COPY_FROM and not is_sqlite(db):
        _copy(db, table, rows)
    elif rows:
        _run(db, _statement(db, table, tuple(rows[0]), ()), rows)


def upsert_rows(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows; where the primary key is there already, overwrite the rest of that row, if any."""
    if rows:
        _run(db, _statement(db, table, tuple(rows[0]), tuple(one.name for one in table.primary_key)), rows)


def update_rows(db: Connection, change: Update, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run an update once for each of these, which are its parameters. `change` is kept, so it must be made once."""
    if rows:
        _run(db, _update(db.dialect, change), rows)


def next_value(db: Connection, table: Table, key: Mapping[str, Any], name: str, more: int) -> int:
    """Add to a number of the one row with this key, founding it with that, and give what it is then."""
    names = ", ".join((*key, name))
    marks = ", ".join(_marks(db, len(key) + 1))
    sql = (
        f"INSERT INTO {table.name} ({names}) VALUES ({marks}) "  # noqa: S608 - names of our own tables
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {name} = {table.name}.{name} + excluded.{name} RETURNING {name}"
    )
    ((value,),) = _rows_of_text(db, sql, (*key.values(), more))
    return int(value)


def rows_among(
    db: Connection, organization_id: int, columns: Sequence[Column[Any]], among: Mapping[str, Collection[Any]]
) -> list[Any]:
    """These columns of an organization's rows in which each column `among` has one of its values; none of no value.

    Values go in and come out as the driver has them: for columns that need no fitting, such as text and numbers.
    """
    if not all(among.values()):
        return []
    given = (organization_id, *(value for values in among.values() for value in values))
    mine, *marks = _marks(db, len(given))
    left = iter(marks)
    wanted = "".join(f" AND {name} IN ({', '.join(islice(left, len(values)))})" for name, values in among.items())
    names, table = ", ".join(one.name for one in columns), columns[0].table
    sql = f"SELECT {names} FROM {table} WHERE organization_id = {mine}{wanted}"  # noqa: S608 - names of our own tables
    return _rows_of_text(db, sql, given)


def keep_to_indexes(db: Connection) -> None:
    """Let what follows in this view be found by indexes, where PostgreSQL would read a table row by row that looks
    short to it: it does not count the long values that it has to look into. SQLite is told its indexes by name.
    """
    driver = _driver(db)
    if hasattr(driver, "keep_to_indexes"):
        driver.keep_to_indexes()


def rows_by_id(
    db: Connection, chosen: Select[Any], organization_id: int, key: Column[Any], ids: Sequence[int]
) -> list[Any]:
    """The rows of an organization whose `key` is one of `ids`, in no order: each with its columns as attributes.

    `chosen` is kept, so it must be made once: a select whose only parameter, `mine`, is the organization.
    """
    if not ids:
        return []
    made = _worked_out(db.dialect, chosen)
    if is_sqlite(db):
        sql = f"{made.sql} AND {key.table.name}.{key.name} IN ({', '.join('?' * len(ids))})"
        rows = _all_of_file(db, made, sql, (organization_id, *ids))
    else:
        # Row by row, which OFFSET 0 keeps: it is the best way for every organization, so the plan can be kept.
        one = f"{made.sql} AND {key.table.name}.{key.name} = wanted.id OFFSET 0"
        sql = f"SELECT found.* FROM unnest(%(ids)s::bigint[]) AS wanted (id) CROSS JOIN LATERAL ({one}) AS found"  # noqa: S608 - a select of ours
        rows = _rows_of_server(db, sql, {"mine": organization_id, "ids": list(ids)})
    return list(starmap(_row_of(made.names), _fitted(made, rows)))


def first_row(db: Connection, chosen: Select[Any], given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The row of a select that has one at most, by the names of the columns; None where there is none."""
    made = _worked_out(db.dialect, chosen)
    rows = _rows_of(db, made, given, is_one=True)
    if not rows:
        return None
    values = list(rows[0])
    for place, fit in made.fits:
        values[place] = fit(values[place])
    return dict(zip(made.names, values, strict=True))


def rows_of(
    db: Connection, chosen: Select[Any], given: Mapping[str, Any], *, is_planned_anew: bool = False
) -> list[Any]:
    """The rows of a select, as the driver has them.

    `chosen` is kept, so it must be made once. It is asked without SQLAlchemy, which takes twenty times as long as to
    read a row. So no listener hears of the statement; that it keeps to one organization is tested of `chosen`.
    `is_planned_anew` where the best way to the rows depends on the values given.
    """
    return _rows_of(db, _worked_out(db.dialect, chosen), given, is_kept=not is_planned_anew)


def value_of(db: Connection, chosen: Select[Any], given: Mapping[str, Any], *, is_planned_anew: bool = False) -> Any:
    """The same of a select that has one row with one column, such as a count."""
    made = _worked_out(db.dialect, chosen)
    ((value,),) = _rows_of(db, made, given, is_kept=not is_planned_anew, is_one=True)
    return value


def _rows_of(
    db: Connection, made: _Selection, given: Mapping[str, Any], *, is_kept: bool = True, is_one: bool = False
) -> list[Any]:
    """`is_one` where there is one row at most: SQLite gives it in one step as it is."""
    values = _values_of(made, given)
    if isinstance(db, Foretold):
        return db.rows_of(_numbered(made.sql, values))
    if not is_sqlite(db):
        return _rows_of_server(db, made.sql, values, is_kept=is_kept)
    placed = [values[name] for name in made.given]
    return _rows_of_file(db, made.sql, placed) if is_one else _all_of_file(db, made, made.sql, placed)


def _values_of(made: _Selection, given: Mapping[str, Any]) -> dict[str, Any]:
    values = {**made.known, **given}
    for name, fit in made.binds:
        values[name] = fit(values[name])
    return values


def numbered(dialect: Dialect, foreseen: Foreseen, *, is_kept: bool = True) -> Numbered:
    """What is to be asked of PostgreSQL beforehand, and by which its answer is found again."""
    made = _worked_out(dialect, foreseen.chosen)
    return _numbered(made.sql, _values_of(made, foreseen.given), is_kept=is_kept)


def _numbered(sql: str, values: Mapping[str, Any], *, is_kept: bool = True) -> Numbered:
    text, names = _with_numbers(sql)
    return Numbered(text, tuple([values[name] for name in names]), is_kept)


@lru_cache(maxsize=_MOST_SELECTIONS)
def _with_numbers(sql: str) -> tuple[str, tuple[str, ...]]:
    """SQL as psycopg takes it, with a number for each name; and the names in that order."""
    places: dict[str, int] = {}
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${places.setdefault(found[1], len(places) + 1)}", sql)
    return text.replace("%%", "%"), tuple(places)


def _all_of_file(db: Connection, made: _Selection, sql: str, given: Sequence[Any]) -> list[Any]:
    """The rows of a file in one step, as SQLite writes them.

    At every step the driver lets go of the interpreter's lock. Where other threads are busy, as with recording, it
    waits milliseconds to get it back: for each row.
    """
    if made.as_json is None:
        return _rows_of_file(db, sql, given)
    before, behind = made.as_json
    ((told,),) = _rows_of_file(db, before + sql + behind, given)
    return decode(told)  # type: ignore[no-any-return]  # a list, as SQLite wrote it


def _rows_of_text(db: Connection, sql: str, given: Sequence[Any]) -> list[Any]:
    """The rows of a statement that was put together of names of our own and `_marks`."""
    if is_sqlite(db):
        return _rows_of_file(db, sql, given)
    return _rows_of_server(db, sql, {f"v{place}": one for place, one in enumerate(given)})


def _marks(db: Connection, count: int) -> list[str]:
    """What stands for values in their order."""
    return ["?"] * count if is_sqlite(db) else [f"%(v{place})s" for place in range(count)]


def _run_text(db: Connection, sql: str, rows: Sequence[Any]) -> None:
    """Run such a statement once for each of these."""
    try:
        with closing(_driver(db).cursor()) as cursor:
            cursor.executemany(sql, rows)
    except db.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy_does(db, sql, error) from error


def _rows_of_file(db: Connection, sql: str, given: Sequence[Any]) -> list[Any]:
    try:
        return _driver(db).execute(sql, given).fetchall()  # type: ignore[no-any-return]  # of the driver, which is Any
    except db.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy_does(db, sql, error) from error


def _rows_of_server(db: Connection, sql: str, given: Mapping[str, Any], *, is_kept: bool = True) -> Rows:
    """The answer to a statement; the plan of one that goes by keys is kept, whatever their values."""
    driver = _driver(db)
    if not hasattr(driver, "ask"):  # one that writes, too
        return _asked(db, sql, lambda: driver.execute(sql, given, prepare=is_kept).fetchall())
    asked = _numbered(sql, given, is_kept=is_kept)
    return _asked(db, sql, lambda: driver.ask([asked])[0])


def _asked(db: Connection, sql: str, ask: Callable[[], list[Any]]) -> list[Any]:
    try:
        return ask()
    except db.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy_does(db, sql, error) from error


def _driver(db: Connection) -> Any:
    """The driver's own connection, in a transaction that SQLAlchemy knows of."""
    if not db.in_transaction():
        db.begin()
    return db.connection.driver_connection


def _as_sqlalchemy_does(db: Connection, sql: str, error: Any) -> Exception:
    """What SQLAlchemy would have made of an error of the driver's."""
    dialect = db.dialect
    is_lost = dialect.is_disconnect(error, _driver(db), None)
    if is_lost:
        db.invalidate(error)
    told: Exception = DBAPIError.instance(
        sql,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )
    return told


def _fitted(made: _Selection, rows: Sequence[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    """Rows with what makes values of the driver's done: a column at a time."""
    columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
    for place, fit in made.fits if columns else ():
        columns[place] = map(fit, columns[place])
    return zip(*columns, strict=True)


@lru_cache(maxsize=_MOST_SELECTIONS)
def _row_of(names: tuple[str, ...]) -> type[Struct]:
    """A row with these columns, which is made and written in a fourth of the time that a dict takes."""
    return defstruct("Row", names, gc=False)


def _copy(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    from psycopg.sql import SQL, Identifier  # which is not there where SQLite is enough

    names = list(rows[0])
    columns = SQL(", ").join(map(Identifier, names))
    copying = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), columns)
    try:
        with _driver(db).cursor() as cursor, cursor.copy(copying) as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])
    except db.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy_does(db, "COPY", error) from error


def _run(db: Connection, one: _Statement, rows: Sequence[Mapping[str, Any]]) -> None:
    give_way()
    if is_sqlite(db):
        told: list[Any] = [tuple([fit(row[name]) if fit else row[name] for name, fit in one.parts]) for row in rows]
    else:
        told = [{name: fit(row[name]) if fit else row[name] for name, fit in one.parts} for row in rows]
    _run_text(db, one.sql, told)


def _statement(db: Connection, table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> _Statement:
    place = (db.dialect.name, table.name, *names, "by", *key)
    if place not in _made:
        _made[place] = _make(db, table, names, key)
    return _made[place]


def _make(db: Connection, table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> _Statement:
    statement = (sqlite if is_sqlite(db) else postgresql).insert(table)
    if key:
        rest = {name: statement.excluded[name] for name in names if name not in key}
        if rest:
            statement = statement.on_conflict_do_update(index_elements=list(key), set_=rest)
        else:
            statement = statement.on_conflict_do_nothing(index_elements=list(key))
    return _as_statement(db.dialect, statement.compile(dialect=db.dialect, column_keys=list(names)))


@lru_cache
def _update(dialect: Dialect, change: Update) -> _Statement:
    return _as_statement(dialect, change.compile(dialect=dialect))


def _as_statement(dialect: Dialect, compiled: Any) -> _Statement:
    """A statement that was worked out, and how its parameters become what the driver takes."""
    types = {name: one.type.dialect_impl(dialect) for one, name in compiled.bind_names.items()}
    order = compiled.positiontup or tuple(types)
    return _Statement(str(compiled), tuple((name, types[name].bind_processor(dialect)) for name in order))


@lru_cache(maxsize=_MOST_SELECTIONS)
def _worked_out(dialect: Dialect, chosen: Select[Any]) -> _Selection:
    columns = list(chosen.selected_columns)
    fits = tuple((place, fit) for place, one in enumerate(columns) if (fit := _fit_of(one.type, dialect)))
    compiled: Any = chosen.compile(dialect=dialect)
    given, names = tuple(compiled.positiontup or ()), tuple(str(one.name) for one in columns)
    known = {name: value for name, value in compiled.params.items() if value is not None}
    types = {name: one.type.dialect_impl(dialect) for one, name in compiled.bind_names.items()}
    binds = tuple((name, fit) for name, one in types.items() if (fit := one.bind_processor(dialect)))
    as_json = _as_json(columns) if dialect.name == "sqlite" else None
    return _Selection(str(compiled), given, known, binds, names, fits, as_json)


def _as_json(columns: Sequence[ColumnElement[Any]]) -> tuple[str, str] | None:
    """What makes one JSON text of a select's rows, unless there are bytes in them."""
    if any(isinstance(one.type, LargeBinary) for one in columns):
        return None
    names = [f"c{place}" for place in range(len(columns))]
    values = ", ".join(_value_as_json(name, one) for name, one in zip(names, columns, strict=True))
    behind = f") SELECT json_group_array(json_array({values})) FROM found"  # noqa: S608 - names of our own
    return f"WITH found ({', '.join(names)}) AS (", behind


def _value_as_json(name: str, one: ColumnElement[Any]) -> str:
    """A value; a float with all its digits, of which SQLite writes fifteen by itself."""
    return f"iif({name} IS NULL, NULL, json(printf('%!.20g', {name})))" if isinstance(one.type, Float) else name


def _fit_of(kept: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """What makes a value of a column out of the driver's; None for numbers and texts, which are the same."""
    if not isinstance(kept, Boolean | TypeDecorator):
        return None
    return kept.dialect_impl(dialect).result_processor(dialect, None)

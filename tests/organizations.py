"""Whether a statement keeps to one organization: what Citus needs to find the one place where all its rows lie.

A statement of SQLAlchemy's is judged by its structure: in every SELECT, UPDATE and DELETE, subqueries included, each
distributed table must have its own `organization_id = value` among what is ANDed, or be tied by `organization_id` to
one that has. Text is judged by its words.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, Engine, Table, event
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, BooleanClauseList, ColumnElement, Grouping
from sqlalchemy.sql.expression import Alias, ColumnClause, CompoundSelect, FromClause, Join, Select, TextClause
from sqlalchemy.sql.selectable import CTE, Exists, ScalarSelect, SelectBase, SelectStatementGrouping, Subquery

import hansard
from hansard.db import hot
from hansard.db.tables import REFERENCE_TABLES, metadata

DISTRIBUTED = {name for name in metadata.tables if name not in REFERENCE_TABLES}
KEY = "organization_id"
_OURS = str(Path(hansard.__file__).parent)
_THEIRS = (f"{_OURS}/db/migrations/",)  # which change the rows of all, before anybody is served


def strays_of(statement: Any) -> list[str]:
    """The distributed tables of a statement of SQLAlchemy's that it does not keep to one organization."""
    if isinstance(statement, Insert):
        return _strays_of_insert(statement)
    if isinstance(statement, Update | Delete):
        return _strays_within([statement.table], _conjuncts(statement._where_criteria), frozenset())
    return [name for one in _selects(statement) for name in _strays_of_select(one, frozenset())]


def strays_of_text(sql: str) -> list[str]:
    """The same of SQL as text: each mention of such a table needs a comparison of its own."""
    named = re.findall(r'\b(?:FROM|JOIN|UPDATE|INTO)\s+(?:ONLY\s+)?"?(\w+)"?', sql, re.IGNORECASE)
    strays = [name for name in named if name in DISTRIBUTED]
    if re.match(r"\s*INSERT\b", sql, re.IGNORECASE) and KEY in sql.partition(")")[0]:
        strays = strays[1:]
    kept = re.findall(rf"\b{KEY}\s*=\s*(?:[:%?$]|\w+\.{KEY}|\d)", sql, re.IGNORECASE)
    return strays[len(kept) :]


def _strays_of_insert(statement: Insert) -> list[str]:
    """Those of what it selects; its columns are looked at where they are known, in its text."""
    return [] if statement.select is None else strays_of(statement.select)


def _selects(statement: Any) -> Iterator[Select[Any]]:
    """The SELECTs that a statement is made of, side by side; not those within them."""
    if isinstance(statement, Select):
        yield statement
    elif isinstance(statement, CompoundSelect):
        for one in statement.selects:
            yield from _selects(one)
    elif isinstance(statement, SelectStatementGrouping | Subquery | CTE | ScalarSelect | Exists | Grouping):
        yield from _selects(statement.element)


def _strays_of_select(statement: Select[Any], outer: frozenset[FromClause]) -> list[str]:
    froms: list[FromClause] = []
    conditions = list(_conjuncts(statement._where_criteria))
    for one in statement.get_final_froms():
        _flatten(one, froms, conditions)
    if not set(froms) <= outer:  # else it is no correlation: it reads the same table once more
        froms = [one for one in froms if one not in outer]
        known = outer
    else:
        known = frozenset()
    expressions = [*statement._where_criteria, *statement._raw_columns, *statement._order_by_clauses]
    expressions += [*statement._having_criteria, *statement._group_by_clauses, *conditions]
    return _strays_within(froms, conditions, known, expressions)


def _strays_within(
    froms: Iterable[FromClause],
    conditions: Iterable[ColumnElement[Any]],
    outer: frozenset[FromClause],
    expressions: Iterable[Any] | None = None,
) -> list[str]:
    every = list(conditions)
    kept = frozenset(_kept(every, set(outer)))
    strays = []
    for one in froms:
        if isinstance(one, Subquery | CTE):
            strays += [name for inner in _selects(one) for name in _strays_of_select(inner, frozenset())]
        elif (name := _table_of(one)) in DISTRIBUTED and one not in kept:
            strays.append(name)
    for expression in every if expressions is None else expressions:
        for inner in _within(expression):
            strays += [name for one in _selects(inner) for name in _strays_of_select(one, kept)]
    return sorted(set(strays))


def _within(expression: Any) -> Iterator[Any]:
    """The SELECTs inside an expression, each only once: the outermost."""
    if isinstance(expression, FromClause) and not isinstance(expression, SelectBase):
        return
    if isinstance(expression, SelectBase | ScalarSelect | Exists):
        yield expression.element if isinstance(expression, Exists) else expression
        return
    for child in expression.get_children():
        if not isinstance(child, FromClause) or isinstance(child, SelectBase):
            yield from _within(child)


def _flatten(one: FromClause, froms: list[FromClause], conditions: list[ColumnElement[Any]]) -> None:
    if not isinstance(one, Join):
        froms.append(one)
        return
    _flatten(one.left, froms, conditions)
    _flatten(one.right, froms, conditions)
    if one.onclause is not None:
        conditions += _conjuncts([one.onclause])


def _table_of(one: FromClause) -> str:
    if isinstance(one, Alias):
        return _table_of(one.element)
    return one.name if isinstance(one, Table) else ""


def _conjuncts(conditions: Iterable[Any]) -> list[ColumnElement[Any]]:
    """What is ANDed; what stands under an OR or a NOT keeps nothing."""
    found: list[ColumnElement[Any]] = []
    for one in conditions:
        if isinstance(one, BooleanClauseList) and one.operator is operators.and_:
            found += _conjuncts(one.clauses)
        elif isinstance(one, Grouping):
            found += _conjuncts([one.element])
        else:
            found.append(one)
    return found


def _kept(conditions: Iterable[ColumnElement[Any]], kept: set[FromClause]) -> set[FromClause]:
    """What is bound to one organization, by itself or through what it is joined to."""
    ties: list[tuple[FromClause, FromClause]] = []
    for one in conditions:
        if not isinstance(one, BinaryExpression) or one.operator is not operators.eq:
            continue
        sides = [_owner(one.left), _owner(one.right)]
        values = [isinstance(side, BindParameter) for side in (one.left, one.right)]
        kept |= {side for side, is_value in zip(sides, reversed(values), strict=True) if side is not None and is_value}
        if sides[0] is not None and sides[1] is not None:
            ties.append((sides[0], sides[1]))
    for _ in ties:
        for left, right in ties:
            if left in kept or right in kept:
                kept |= {left, right}
    return kept


def _owner(side: Any) -> FromClause | None:
    """Whose `organization_id` this is."""
    return side.table if isinstance(side, ColumnClause) and side.name == KEY else None


_heard: "WeakKeyDictionary[Engine, list[str]]" = WeakKeyDictionary()


def note_statements(engine: Engine, statements: list[str]) -> None:
    """Have all that a database is asked noted: by SQLAlchemy, and by the driver as text."""
    event.listen(engine, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement))
    _heard[engine] = statements


class Judge:
    """Listens to every statement that Hansard's own code executes in this process, on any database.

    What it asks without a listener (`db/hot.py`) is judged as it is worked out.
    """

    def __init__(self) -> None:
        self.strays: list[str] = []
        self.count = 0
        self.kept: set[Select[Any]] = set()
        self._known: set[str] = set()
        self._work_out, self._run_text, self._rows_of_text = hot._worked_out, hot._run_text, hot._rows_of_text

    def listen(self) -> None:
        event.listen(Engine, "before_cursor_execute", self._hear)
        hot._worked_out = self._hear_kept  # type: ignore[assignment]  # which is asked in the same way
        hot._run_text, hot._rows_of_text = self._hear_run, self._hear_rows

    def stop(self) -> None:
        event.remove(Engine, "before_cursor_execute", self._hear)
        hot._worked_out, hot._run_text, hot._rows_of_text = self._work_out, self._run_text, self._rows_of_text

    def _hear_run(self, db: Any, sql: str, rows: Any) -> None:
        self._hear_text(db, sql)
        self._run_text(db, sql, rows)

    def _hear_rows(self, db: Any, sql: str, given: Any) -> list[Any]:
        self._hear_text(db, sql)
        return self._rows_of_text(db, sql, given)

    def _hear_text(self, db: Connection, sql: str) -> None:
        """Text that goes to the driver."""
        self.count += 1
        _heard.get(db.engine, []).append(sql)
        strays = strays_of_text(sql)
        conflict = re.search(r"ON CONFLICT \(([^)]*)\)", sql)
        if conflict and KEY not in conflict[1]:
            strays.append(sql.partition("INTO ")[2].split()[0])
        if strays:
            self.strays.append(f"{', '.join(strays)} in: {sql}")

    def _hear_kept(self, dialect: Dialect, chosen: Select[Any]) -> Any:
        if chosen not in self.kept:
            self.kept.add(chosen)
            if strays := strays_of(chosen):
                self.strays.append(f"{', '.join(strays)} in: {chosen}")
        return self._work_out(dialect, chosen)

    def _hear(self, _db: Any, _cursor: Any, sql: str, _given: Any, context: Any, _many: bool) -> None:
        self.count += 1
        if sql in self._known:
            return
        compiled = getattr(context, "compiled", None)
        statement = compiled.statement if compiled is not None else None
        is_text = statement is None or isinstance(statement, TextClause)
        strays = strays_of_text(sql) if is_text else strays_of(statement)
        if isinstance(statement, Insert):
            strays = [*strays, *_strays_of_columns(statement, sql)]
        if not strays:
            self._known.add(sql)
        elif _is_ours():
            self.strays.append(f"{', '.join(strays)} in: {sql}")


def _strays_of_columns(statement: Insert, sql: str) -> list[str]:
    name = statement.table.name
    if name not in DISTRIBUTED:
        return []
    columns = sql.partition("(")[2].partition(")")[0]
    conflict = re.search(r"ON CONFLICT \(([^)]*)\)", sql)
    is_kept = KEY in columns and (conflict is None or KEY in conflict[1])
    return [] if is_kept else [name]


def _is_ours() -> bool:
    """Whether the statement comes out of Hansard's own rooms rather than out of a test."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        name = frame.f_code.co_filename
        if name.startswith(_THEIRS) or "alembic" in name:
            return False
        if name.startswith(_OURS):
            return True
        if "/tests/" in name and not name.endswith("organizations.py"):
            return False
        frame = frame.f_back
    return False

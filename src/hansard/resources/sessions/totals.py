"""How many sessions an organization has, kept as they come: to count them for every first page takes too long."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from hansard.db.counters import add_to_number, find_number
from hansard.db.tables import counter, session

_NAMES = {False: "live_sessions", True: "test_sessions"}


_MINE = select(func.sum(counter.c.value)).where(counter.c.organization_id == bindparam("mine"))
_NO_TESTS, _TESTS = (counter.c.name == _NAMES[is_test] for is_test in (False, True))
_SUMS = {True: _MINE.where(_NO_TESTS | _TESTS), False: _MINE.where(_NO_TESTS)}


def count_all(db: Connection, organization_id: int, *, with_tests: bool) -> int:
    """The exact number of sessions, with test sessions or without."""
    return int(db.execute(_SUMS[with_tests], {"mine": organization_id}).scalar_one() or 0)


def change_totals(
    db: Connection, organization_id: int, before: Iterable[Mapping[str, Any] | None], after: Iterable[Mapping[str, Any]]
) -> None:
    """Count what became of session rows: as they were, None for one that is new, and as they are now."""
    more = Counter(bool(row["is_test"]) for row in after)
    more.subtract(bool(row["is_test"]) for row in before if row is not None)
    for is_test, count in sorted(more.items()):
        if count:
            add_to_number(db, organization_id, _NAMES[is_test], count)


def recount(db: Connection, organization_id: int) -> None:
    """Count the rows anew, for those who wrote them by another way."""
    asked = select(session.c.is_test, func.count()).where(session.c.organization_id == organization_id)
    found = {bool(is_test): count for is_test, count in db.execute(asked.group_by(session.c.is_test))}
    for is_test, name in _NAMES.items():
        missing = found.get(is_test, 0) - (find_number(db, organization_id, name) or 0)
        add_to_number(db, organization_id, name, missing)

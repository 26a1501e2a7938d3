"""How many sessions there are, in all and of each snapshot, kept as they come: to count them takes too long."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, literal, select, update

from hansard.db.counters import add_to_number, find_number
from hansard.db.hot import update_rows, value_of
from hansard.db.tables import counter, session, snapshot

_NAMES = {False: "live_sessions", True: "test_sessions"}  # of the numbers of all, and of a snapshot's columns
_Counts = Mapping[tuple[int, bool], int]  # by snapshot, and whether they are tests

_MINE = select(func.sum(counter.c.value)).where(counter.c.organization_id == bindparam("mine"))
_NO_TESTS, _TESTS = (counter.c.name == _NAMES[is_test] for is_test in (False, True))
_SUMS = {True: _MINE.where(_NO_TESTS | _TESTS), False: _MINE.where(_NO_TESTS)}
_MORE = (
    update(snapshot)
    .where(snapshot.c.organization_id == bindparam("mine"), snapshot.c.id == bindparam("key"))
    .values({name: snapshot.c[name] + bindparam(f"more_{name}") for name in _NAMES.values()})
)


def count_all(db: Connection, organization_id: int, *, with_tests: bool) -> int:
    """The exact number of sessions, with test sessions or without."""
    return int(value_of(db, _SUMS[with_tests], {"mine": organization_id}) or 0)


def count_seen_as(
    db: Connection, organization_id: int, matching: Sequence[ColumnElement[bool]], kinds: Collection[bool]
) -> int:
    """The exact number of sessions of those snapshots for which all of this holds; of tests where `kinds` has True,
    of others where it has False.
    """
    asked = counting_seen_as([snapshot.c.organization_id == organization_id, *matching], kinds)
    return int(db.execute(asked).scalar_one())


def counting_seen_as(matching: Sequence[ColumnElement[bool]], kinds: Collection[bool]) -> Select[Any]:
    """The same as a select; what is asked says the organization, too."""
    counts = [snapshot.c[name] for is_test, name in _NAMES.items() if is_test in kinds]
    return select(func.coalesce(func.sum(sum(counts, start=literal(0))), 0)).where(*matching)


def change_totals(
    db: Connection, organization_id: int, before: Iterable[Mapping[str, Any] | None], after: Iterable[Mapping[str, Any]]
) -> None:
    """Count what became of session rows: as they were, None for one that is new, and as they are now."""
    more = Counter(_counted_as(row) for row in after)
    more.subtract(_counted_as(row) for row in before if row is not None)
    _add(db, organization_id, more)


def _counted_as(row: Mapping[str, Any]) -> tuple[int, bool]:
    return row["snapshot_id"], bool(row["is_test"])


def _add(db: Connection, organization_id: int, more: _Counts) -> None:
    for is_test, name in _NAMES.items():
        if count := sum(count for (_, test), count in more.items() if test == is_test):
            add_to_number(db, organization_id, name, count)
    keys = sorted({key for (key, _), count in more.items() if count})
    update_rows(db, _MORE, [_row(organization_id, key, more) for key in keys])


def _row(organization_id: int, key: int, more: _Counts) -> dict[str, int]:
    counts = {f"more_{name}": more.get((key, is_test), 0) for is_test, name in _NAMES.items()}
    return {"mine": organization_id, "key": key} | counts


def recount(db: Connection, organization_id: int) -> None:
    """Count the rows anew, for those who wrote them by another way."""
    columns = (session.c.snapshot_id, session.c.is_test)
    asked = select(*columns, func.count()).where(session.c.organization_id == organization_id).group_by(*columns)
    found = {(number, bool(is_test)): count for number, is_test, count in db.execute(asked)}
    seen = select(snapshot.c.id, *(snapshot.c[name] for name in _NAMES.values()))
    for number, *counts in db.execute(seen.where(snapshot.c.organization_id == organization_id)).all():
        for is_test, count in zip(_NAMES, counts, strict=True):
            found[number, is_test] = found.get((number, is_test), 0) - count
    _add(db, organization_id, found)
    for is_test, name in _NAMES.items():
        told = count_seen_as(db, organization_id, [], [is_test])
        add_to_number(db, organization_id, name, told - (find_number(db, organization_id, name) or 0))

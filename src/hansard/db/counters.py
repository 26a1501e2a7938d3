"""Numbers given out one after another, per organization and kind; and when something was last done."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from hansard.db.hot import next_value, upsert_rows
from hansard.db.tables import counter


def next_numbers(db: Connection, organization_id: int, name: str, count: int) -> range:
    """Take `count` numbers that nobody else has; the first ever is 1. The organization must be locked."""
    last = add_to_number(db, organization_id, name, count)
    return range(last - count + 1, last + 1)


def add_to_number(db: Connection, organization_id: int, name: str, more: int) -> int:
    """Add to a number that is kept under a name, from 0 on, and give what it is then."""
    return next_value(db, counter, {"organization_id": organization_id, "name": name}, "value", more)


def find_number(db: Connection, organization_id: int, name: str) -> int | None:
    """What is kept under a name; None before anything was."""
    mine = (counter.c.organization_id == organization_id) & (counter.c.name == name)
    return db.execute(select(counter.c.value).where(mine)).scalar_one_or_none()


def change_number(db: Connection, organization_id: int, name: str, value: int) -> None:
    """Keep this under a name, in the place of what was there."""
    upsert_rows(db, counter, [{"organization_id": organization_id, "name": name, "value": value}])


def take_turn(db: Connection, organization_id: int, name: str, now: datetime, every: timedelta) -> bool:
    """Whether this is due again; then it is noted as done at `now`, and of all servers only who asked does it.

    A note from the future, by a clock that was wrong, is worth as much as one from the past. The organization must
    be locked.
    """
    now_s = int(now.timestamp())
    last_s = find_number(db, organization_id, name)
    if last_s is not None and abs(now_s - last_s) < every.total_seconds():
        return False
    change_number(db, organization_id, name, now_s)
    return True

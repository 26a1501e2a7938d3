"""Numbers given out one after another, per organization and kind."""

from sqlalchemy import Connection

from hansard.db.hot import next_value
from hansard.db.tables import counter


def next_numbers(db: Connection, organization_id: int, name: str, count: int) -> range:
    """Take `count` numbers that nobody else has; the first ever is 1. The organization must be locked."""
    last = add_to_number(db, organization_id, name, count)
    return range(last - count + 1, last + 1)


def add_to_number(db: Connection, organization_id: int, name: str, more: int) -> int:
    """Add to a number that is kept under a name, from 0 on, and give what it is then."""
    return next_value(db, counter, {"organization_id": organization_id, "name": name}, "value", more)

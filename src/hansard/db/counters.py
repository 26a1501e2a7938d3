"""Numbers given out one after another, per organization and kind."""

from sqlalchemy import Connection, select, update

from hansard.db.tables import counter


def next_numbers(db: Connection, organization_id: int, name: str, count: int) -> range:
    """Take `count` numbers that nobody else has; the first ever is 1. The organization must be locked."""
    mine = (counter.c.organization_id == organization_id) & (counter.c.name == name)
    last = db.execute(select(counter.c.value).where(mine)).scalar_one_or_none()
    if last is None:
        db.execute(counter.insert().values(organization_id=organization_id, name=name, value=count))
        return range(1, count + 1)
    db.execute(update(counter).where(mine).values(value=last + count))
    return range(last + 1, last + count + 1)

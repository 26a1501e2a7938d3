"""What a disk may do to a record."""

from sqlalchemy import Connection, select, update

from hansard.db.tables import body
from hansard.resources.sessions.intake import add_changes
from tests.conftest import House
from tests.door import Door


def damage(house: House, door: Door, session_id: str) -> None:
    """Turn a bit round in the middle of a body, and let the index look at it again."""
    mine, number = door.organization_id, int(session_id)
    which = (body.c.organization_id == mine) & (body.c.session_id == number)

    def turn(db: Connection) -> None:
        stored = bytearray(db.execute(select(body.c.packed).where(which)).scalar_one())
        stored[len(stored) // 2] ^= 4
        db.execute(update(body).where(which).values(packed=bytes(stored)))
        add_changes(db, mine, [number])

    house.database.write(mine, turn)

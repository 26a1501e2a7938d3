"""Packing older bodies anew with the newest dictionary, beside a server that goes on recording."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, bindparam, func, select, update

from hansard.db.engine import Database
from hansard.db.tables import body
from hansard.resources.sessions.dictionaries import (
    get_dictionary,
    get_newest_dictionary,
    list_unused,
    remove_dictionaries,
)
from hansard.resources.sessions.packing import Unreadable, text_of

_AT_ONCE = 250
_MOST_BYTES_AT_ONCE = 2_000_000  # packed; so many are written in a fraction of a second


@dataclass(frozen=True)
class Repacked:
    """How many bodies were packed anew, what they took and take, and how many dictionaries nobody needed any more."""

    bodies: int
    before_bytes: int
    after_bytes: int
    removed: int


def repack(database: Database, organization_id: int) -> Repacked:
    """Pack what is packed otherwise with the newest dictionary, some hundreds a write, and remove the dictionaries that
    no body needs any more.

    Every write leaves all sessions readable, so it may be broken off at any moment and begun again, and sessions may be
    recorded meanwhile. Again, there is nothing to do.
    """
    count = before_bytes = after_bytes = last = 0
    while ids := _others(database, organization_id, last):
        for before, after in database.write(
            organization_id, partial(_repack, organization_id=organization_id, ids=ids)
        ):
            count, before_bytes, after_bytes = count + 1, before_bytes + before, after_bytes + after
        last = ids[-1]
    with database.reading() as db:
        unused = list_unused(db, organization_id)
    if unused:
        write = partial(remove_dictionaries, organization_id=organization_id, packings=unused)
        database.write(organization_id, write)
    return Repacked(count, before_bytes, after_bytes, len(unused))


def _others(database: Database, organization_id: int, after: int) -> list[int]:
    """The next sessions whose body is not packed with the newest dictionary, as many as one write can take."""
    with database.reading() as db:
        newest = get_newest_dictionary(db, organization_id).packing
        asked = (
            select(body.c.session_id, func.length(body.c.packed))
            .where(body.c.organization_id == organization_id, body.c.session_id > after, body.c.packing != newest)
            .order_by(body.c.session_id)
            .limit(_AT_ONCE)
        )
        found, left = list[int](), _MOST_BYTES_AT_ONCE
        for number, size_bytes in db.execute(asked):
            left -= size_bytes
            if found and left < 0:
                break
            found.append(number)
    return found


def _repack(db: Connection, organization_id: int, ids: Sequence[int]) -> list[tuple[int, int]]:
    """Pack these bodies anew; give for each what it took and takes. What is damaged is left as it is.

    The transaction must hold the organization.
    """
    newest = get_newest_dictionary(db, organization_id)
    asked = select(body.c.session_id, body.c.packing, body.c.packed).where(
        body.c.organization_id == organization_id, body.c.session_id.in_(ids), body.c.packing != newest.packing
    )
    rows, sizes = [], []
    for row in db.execute(asked).all():
        try:
            frame = newest.compressed(text_of(row.packed, get_dictionary(db, organization_id, row.packing)))
        except Unreadable:
            continue
        rows.append({"key": row.session_id, "packing": newest.packing, "packed": frame})
        sizes.append((len(row.packed), len(frame)))
    if rows:
        mine = (body.c.organization_id == organization_id) & (body.c.session_id == bindparam("key"))
        db.execute(update(body).where(mine), rows)
    return sizes

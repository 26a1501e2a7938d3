"""The dictionaries that an organization's bodies are packed with: all SQL for them, and which a process has at hand.

What writes a body asks, in the transaction that writes it, which dictionary is the newest. So every process uses a new
one from the next write on, and one that no body needed after it was replaced is never needed again.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, bindparam, delete, func, select

from hansard.db.counters import next_numbers
from hansard.db.hot import insert_rows, rows_of
from hansard.db.tables import body, dictionary
from hansard.kit.at_hand import AtHand
from hansard.kit.errors import Damaged
from hansard.resources.sessions.packing import BUILT_IN, Dictionary, packing_of

MOST_AT_HAND = 32  # of a database's; one takes a megabyte once it packs
_log = logging.getLogger("hansard")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """On how many sessions a dictionary was trained, and what the bodies of some others take together, with the
    dictionary before it and with this one.
    """

    sessions: int
    measured_sessions: int
    before_bytes: int
    after_bytes: int

    @property
    def saved(self) -> float:
        """The part that it takes less, from 0 to 1; below 0 where it takes more."""
        return 1 - self.after_bytes / self.before_bytes


@dataclass(frozen=True, kw_only=True)
class Trained(Measured):
    """A dictionary as it was made."""

    content: bytes

    @property
    def packing(self) -> int:
        """The number that stands beside the bodies."""
        return packing_of(self.content)


@dataclass(frozen=True, kw_only=True)
class Known(Measured):
    """A stored dictionary without its bytes."""

    packing: int
    made_at: datetime


_Found = AtHand[tuple[int, int], Dictionary]  # by organization and number
_lock = threading.Lock()
_at_hand: "WeakKeyDictionary[Engine, _Found]" = WeakKeyDictionary()


def _of_database(db: Connection) -> _Found:
    with _lock:
        return _at_hand.setdefault(db.engine, _Found(MOST_AT_HAND))


# Made once: asked in every write that ends a session.
_NEWEST = (
    select(dictionary.c.packing)
    .where(dictionary.c.organization_id == bindparam("mine"))
    .order_by(dictionary.c.version.desc())
    .limit(1)
)


def get_newest_dictionary(db: Connection, organization_id: int) -> Dictionary:
    """What bodies are packed with now: the newest trained dictionary, the built-in one where there is none.

    For a write, the transaction must hold the organization (`Database.write` does).
    """
    newest = rows_of(db, _NEWEST, {"mine": organization_id})
    return get_dictionary(db, organization_id, newest[0][0]) if newest else BUILT_IN


def get_dictionary(db: Connection, organization_id: int, packing: int) -> Dictionary:
    """The dictionary of this number. Raises Damaged when it is gone or its bytes are not what they were."""
    if packing == BUILT_IN.packing:
        return BUILT_IN
    key, at_hand = (organization_id, packing), _of_database(db)
    return at_hand.find(key) or at_hand.keep(key, _read(db, organization_id, packing))


def _read(db: Connection, organization_id: int, packing: int) -> Dictionary:
    asked = select(dictionary.c.content).where(
        dictionary.c.organization_id == organization_id, dictionary.c.packing == packing
    )
    content = db.execute(asked).scalar_one_or_none()
    if content is None or packing_of(content) != packing:
        problem = "is missing" if content is None else "is damaged"
        sentence = f"Dictionary {packing} of organization {organization_id} {problem}; its sessions cannot be read."
        _log.error(sentence)
        raise Damaged(sentence)
    return Dictionary(packing, content)


def add_dictionary(db: Connection, organization_id: int, made: Trained, before: int, now: datetime) -> bool:
    """Use `made` from here on in the place of the dictionary with the number `before`.

    False, and nothing is written, where another process replaced that one first, or had this very one before. The
    transaction must hold the organization.
    """
    if get_newest_dictionary(db, organization_id).packing != before:
        return False
    if made.packing in {one.packing for one in list_dictionaries(db, organization_id)}:
        return False
    (version,) = next_numbers(db, organization_id, "dictionary", 1)
    row = {
        "organization_id": organization_id,
        "version": version,
        "packing": made.packing,
        "made_at": now,
        "sessions": made.sessions,
        "measured_sessions": made.measured_sessions,
        "before_bytes": made.before_bytes,
        "after_bytes": made.after_bytes,
        "content": made.content,
    }
    insert_rows(db, dictionary, [row])
    return True


def list_dictionaries(db: Connection, organization_id: int) -> list[Known]:
    """The trained dictionaries, the newest first."""
    asked = (
        select(*(dictionary.c[one.name] for one in fields(Known)))
        .where(dictionary.c.organization_id == organization_id)
        .order_by(dictionary.c.version.desc())
    )
    return [Known(**row) for row in db.execute(asked).mappings()]


@dataclass(frozen=True)
class Use:
    """How many bodies are packed with a dictionary, and what they take."""

    bodies: int
    size_bytes: int


def count_bodies(db: Connection, organization_id: int) -> dict[int, Use]:
    """The use of each dictionary by its number, the built-in one among them. Goes through all bodies."""
    asked = (
        select(body.c.packing, func.count(), func.sum(func.length(body.c.packed)))
        .where(body.c.organization_id == organization_id)
        .group_by(body.c.packing)
    )
    return {packing: Use(bodies, int(size)) for packing, bodies, size in db.execute(asked)}


def list_unused(db: Connection, organization_id: int) -> list[int]:
    """The numbers of the dictionaries that no body is packed with, without the newest. Goes through all bodies.

    None of them will be used again: whoever wrote a body after the newest was there used that one.
    """
    used = count_bodies(db, organization_id)
    return [one.packing for one in list_dictionaries(db, organization_id)[1:] if one.packing not in used]


def remove_dictionaries(db: Connection, organization_id: int, packings: Sequence[int]) -> None:
    """Remove those of these numbers, which `list_unused` gave. The transaction must hold the organization."""
    mine = (dictionary.c.organization_id == organization_id) & dictionary.c.packing.in_(packings)
    db.execute(delete(dictionary).where(mine))

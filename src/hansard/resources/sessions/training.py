"""Training: a dictionary made of what an organization's sessions say again and again.

A thread trains by itself, once there is enough to learn from and again whenever there is twice as much. What it
makes is used only where sessions that it was not trained on become smaller by it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, func, select

from hansard.db.counters import change_number, find_number, take_turn
from hansard.db.engine import Database
from hansard.db.tables import body
from hansard.kit.background import Background, tried
from hansard.resources.accounts.store import list_organizations
from hansard.resources.sessions.dictionaries import (
    Trained,
    add_dictionary,
    get_dictionary,
    get_newest_dictionary,
)
from hansard.resources.sessions.packing import Dictionary, Unreadable, packing_of, text_of, trained
from hansard.resources.sessions.store import find_newest_session
from hansard.resources.sessions.totals import count_all

T = TypeVar("T")

LOOK_EVERY_S = 30.0
TURN = timedelta(minutes=5)  # after that, whoever began is gone
FEWEST_SESSIONS = 1000  # before it is tried by itself
FEWEST_SAMPLES = 200
MOST_SAMPLES = 2000
MOST_SAMPLE_BYTES = 8_000_000
LONGEST_BYTES = 65_536  # packed; a longer body has the words of its own to lean on
SIZE_BYTES = 112_640  # what zstd itself takes for enough
MUST_SAVE = 0.03
_SIZE_PART = 16  # of what it is trained on, a dictionary is no more than this part
_HELD_OUT = 5  # every fifth session is kept to measure with
_LOOK_BACK = 10_000
_AT_ONCE = 250
_LOOKED_AT = "sessions when a dictionary was last trained"


@dataclass(frozen=True)
class Training:
    """What came of one: `made` is None where there was too little to learn from, `is_used` says whether it is used."""

    samples: int
    made: Trained | None = None
    is_used: bool = False


def train(samples: Sequence[bytes], before: Dictionary) -> Trained | None:
    """A dictionary for texts like these; None where there is too little in them.

    Trained on four fifths of them, and measured on the others beside the dictionary of before.
    """
    measured = samples[::_HELD_OUT]
    learned = [text for place, text in enumerate(samples) if place % _HELD_OUT]
    size_bytes = min(SIZE_BYTES, sum(map(len, learned)) // _SIZE_PART)
    content = trained(learned, size_bytes)
    if content is None:
        return None
    after = Dictionary(packing_of(content), content)
    return Trained(
        content=content,
        sessions=len(learned),
        measured_sessions=len(measured),
        before_bytes=sum(len(before.compressed(text)) for text in measured),
        after_bytes=sum(len(after.compressed(text)) for text in measured),
    )


def retrain(database: Database, organization_id: int, now: datetime) -> Training:
    """Train on the newest ended sessions, and use what was made where it saves enough.

    Beside another process that does the same, one of the two is used. Again with the same sessions it is not.
    """
    with database.reading() as db:
        before = get_newest_dictionary(db, organization_id)
        count = count_all(db, organization_id, with_tests=True)
        samples = list(_samples(db, organization_id))
    made = train(samples, before) if len(samples) >= FEWEST_SAMPLES else None
    write = partial(_add, organization_id=organization_id, made=made, before=before.packing, count=count, now=now)
    return Training(len(samples), made, is_used=database.write(organization_id, write))


def _add(db: Connection, organization_id: int, made: Trained | None, before: int, count: int, now: datetime) -> bool:
    change_number(db, organization_id, _LOOKED_AT, count)
    return made is not None and made.saved >= MUST_SAVE and add_dictionary(db, organization_id, made, before, now)


def _samples(db: Connection, organization_id: int) -> Iterator[bytes]:
    """What the newest ended sessions say, newest first, as much as there is to look at."""
    newest, left = find_newest_session(db, organization_id) or 0, MOST_SAMPLE_BYTES
    asked = (
        select(body.c.packing, body.c.packed)
        .where(body.c.organization_id == organization_id, func.length(body.c.packed) <= LONGEST_BYTES)
        .order_by(body.c.session_id.desc())
    )
    count = 0
    for top in range(newest, max(0, newest - _LOOK_BACK), -_AT_ONCE):
        for row in db.execute(asked.where(body.c.session_id > top - _AT_ONCE, body.c.session_id <= top)).all():
            try:
                text = text_of(row.packed, get_dictionary(db, organization_id, row.packing))
            except Unreadable:
                continue
            count, left = count + 1, left - len(text)
            if count > MOST_SAMPLES or left < 0:
                return
            yield text


def is_due(db: Connection, organization_id: int) -> bool:
    """Whether there are enough sessions to train on, and twice as many as when it was last done."""
    looked_at = find_number(db, organization_id, _LOOKED_AT) or 0
    return count_all(db, organization_id, with_tests=True) >= max(FEWEST_SESSIONS, 2 * looked_at)


class Trainer(Background):
    """A thread that trains for every organization where it is due; one takes a second or two."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        super().__init__("dictionaries")
        self._database = database
        self._clock = clock

    def run(self) -> None:
        """Look, and train; what is wrong with one organization keeps no other waiting."""
        wait_s = 0.0
        while not self.stopped.wait(wait_s):
            for organization_id in tried(self._due, "Looking for what to train on") or ():
                tried(partial(self._train, organization_id), f"Training for organization {organization_id}")
            wait_s = LOOK_EVERY_S

    def _due(self) -> list[int]:
        with self._database.reading() as db:
            return [one.id for one in list_organizations(db) if is_due(db, one.id)]

    def _train(self, organization_id: int) -> None:
        """Train, unless another process has begun to; two would do no harm, but the work twice."""
        if self.stopped.is_set():
            return
        now = self._clock()
        asking = partial(take_turn, organization_id=organization_id, name="training", now=now, every=TURN)
        if self._database.write(organization_id, asking):
            retrain(self._database, organization_id, now)

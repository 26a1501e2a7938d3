"""The thread that keeps the search index up to date: it reads what changed and writes its words, a batch at a time.

Reading and folding happen outside of the writer, which is held for as long as one batch is written. The batch moves the
index on in the same transaction, so a kill at any moment loses nothing and repeats at most one batch.
"""

import time
from enum import Enum
from functools import partial

from hansard.db.engine import Database
from hansard.kit.background import Background, tried
from hansard.resources.accounts.store import list_organizations
from hansard.resources.sessions.backlog import add_batch, find_batch, is_behind

LOOK_EVERY_S = 0.2
PAUSE_S = 0.4  # after the last batch, while more is being recorded: a few large ones are less work than many small
LOOK_AT_ALL_EVERY_S = 1.0
LOOK_AT_EACH_S = 0.05  # so that looking takes a small part of the time, however many there are
AGAIN_AFTER_S = 1.0  # an error, or another process that does the same work
FAILED_AGAIN_AFTER_S = 3.0


class Indexer(Background):
    """A thread that looks for changes, of all organizations in turn; the next server goes on where it stopped."""

    def __init__(self, database: Database) -> None:
        super().__init__("search")
        self._database = database
        self._written: set[int] = set()
        self._look_at_all_after = 0.0
        self._failed: dict[int, float] = {}  # when to try these organizations again

    def run(self) -> None:
        """Round after round."""
        wait_s: float | None = 0.0
        while not self.stopped.wait(AGAIN_AFTER_S if wait_s is None else wait_s):
            wait_s = tried(self._round, "Indexing")

    def _round(self) -> float:
        """A batch of each organization, so that one with many does not keep the others waiting.

        Gives how many seconds to wait for the next round.
        """
        outcomes = set()
        for organization_id in self._behind():
            if not self.stopped.is_set():
                outcomes.add(self._try(organization_id))
        waits = {Outcome.WRITTEN: 0.0, Outcome.CAUGHT_UP: PAUSE_S, Outcome.OVERTAKEN: AGAIN_AFTER_S}
        return min((waits[one] for one in outcomes if one in waits), default=LOOK_EVERY_S)

    def _try(self, organization_id: int) -> "Outcome":
        """A batch of one organization; what is wrong with it keeps no other waiting."""
        outcome = tried(
            partial(index_batch, self._database, organization_id), f"Indexing organization {organization_id}"
        )
        if outcome is None:
            self._failed[organization_id] = time.monotonic() + FAILED_AGAIN_AFTER_S
        return outcome or Outcome.NOTHING

    def _behind(self) -> list[int]:
        """The organizations with something to read: at once where we wrote it, after a while where others did."""
        self._written |= self._database.writer.take_written()
        is_time = time.monotonic() >= self._look_at_all_after
        if not (is_time or self._written):
            return []
        with self._database.reading() as db:
            numbers = [one.id for one in list_organizations(db) if self._failed.get(one.id, 0) <= time.monotonic()]
            behind = [number for number in numbers if (is_time or number in self._written) and is_behind(db, number)]
        if is_time:
            self._look_at_all_after = time.monotonic() + max(LOOK_AT_ALL_EVERY_S, len(numbers) * LOOK_AT_EACH_S)
        self._written = set(behind)
        return behind


class Outcome(Enum):
    """What became of an attempt to bring the index on."""

    WRITTEN = "written"  # and there is more
    CAUGHT_UP = "caught up"  # written, and that was all
    OVERTAKEN = "overtaken"  # another process wrote the same first
    NOTHING = "nothing"  # there was nothing to read


def index_batch(database: Database, organization_id: int) -> Outcome:
    """Bring the index of an organization one batch on."""
    with database.reading() as db:
        batch = find_batch(db, organization_id)
    if batch is None:
        return Outcome.NOTHING
    write = partial(add_batch, organization_id=organization_id, batch=batch)
    if not database.write(organization_id, write):
        return Outcome.OVERTAKEN
    return Outcome.CAUGHT_UP if batch.is_last else Outcome.WRITTEN


def index_all(database: Database, organization_id: int) -> None:
    """Bring the index of an organization up to date, beside whoever else does so."""
    while index_batch(database, organization_id) is not Outcome.NOTHING:
        pass

"""The job that reads stored recordings: how long they are, how many channels they have, how loud they are when.

One recording at a time and each in a process of its own (`analysis.py`), so that a file that takes a decoder down
takes nothing else with it. Several servers on one database share the work: who takes a recording up notes when.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter

from hansard.db.engine import Database
from hansard.kit.background import Background, tried
from hansard.kit.blobs import Blobs
from hansard.kit.errors import Busy, DiskFull, NotFound
from hansard.resources.accounts.store import list_organizations
from hansard.resources.recordings.analysis import MOST_CHANNELS, MOST_RESULT_BYTES, MOST_WORK_S, Found
from hansard.resources.sessions.recordings import (
    Heard,
    Recording,
    change_to_heard,
    change_to_tried,
    change_to_untried,
    find_heard,
    find_waiting,
)

LOOK_EVERY_S = 30.0
MOST_S = MOST_WORK_S + 120.0
TRIED_FOR = timedelta(seconds=MOST_S + 300.0)  # after that, whoever took it up is gone
MOST_TRIES = 3
_FOUND = TypeAdapter(Found)


class Stopped(Exception):
    """The server is shutting down."""


class Listener(Background):
    """A thread that reads what waits, woken after an upload and looking by itself for what a crash left."""

    def __init__(self, database: Database, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        super().__init__("recordings")
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._waiting: set[int] = set()
        self._lock = threading.Lock()
        self._woken = threading.Event()

    def wake(self, organization_id: int) -> None:
        """Something new of this organization waits."""
        with self._lock:
            self._waiting.add(organization_id)
        self._woken.set()

    def close(self) -> None:
        """Stop; what is being read is left for the next server."""
        self.stopped.set()
        self._woken.set()
        super().close()

    def run(self) -> None:
        """Look through everything now and then, and read what waits."""
        self._quietly(lambda: self._blobs.remove_leftovers(time.time()))
        look_at = 0.0
        while not self.stopped.is_set():
            self._woken.clear()
            if time.monotonic() >= look_at:
                self._quietly(self._look)
                look_at = time.monotonic() + LOOK_EVERY_S
            self._quietly(self._read_round)
            self._woken.wait(max(0.0, look_at - time.monotonic()))

    def _look(self) -> None:
        """Look through all organizations, which an upload need not wait for."""
        tried_before = self._clock() - TRIED_FOR
        with self._database.reading() as db:
            found = [one.id for one in list_organizations(db) if find_waiting(db, one.id, tried_before)]
        with self._lock:
            self._waiting.update(found)

    def _quietly(self, work: Callable[[], object]) -> None:
        def unless_stopped() -> None:
            with contextlib.suppress(Stopped):
                work()

        tried(unless_stopped, "Reading recordings")

    def _read_round(self) -> None:
        """One of each organization, so that one with many does not keep the others waiting."""
        for organization_id in self._take():
            if self._read_one(organization_id):
                self.wake(organization_id)

    def _take(self) -> set[int]:
        with self._lock:
            taken, self._waiting = self._waiting, set()
        return taken

    def _read_one(self, organization_id: int) -> bool:
        """Read the oldest recording that waits; False when there is none."""
        now = self._clock()
        with self._database.reading() as db:
            found = find_waiting(db, organization_id, now - TRIED_FOR)
        if found is None or self.stopped.is_set():
            return False
        taking = partial(change_to_tried, tried_before=now - TRIED_FOR, now=now)
        tries = self._database.write(organization_id, lambda db: taking(db, organization_id, found.id))
        if tries is not None:
            self._read(found, tries, now)
        return True

    def _read(self, found: Recording, tries: int, now: datetime) -> None:
        mine = found.organization_id
        try:
            heard = self._heard(found, tries)
        except Stopped:
            self._database.write(mine, lambda db: change_to_untried(db, mine, found.id, None))
            raise
        except (Busy, DiskFull):
            self._database.write(mine, lambda db: change_to_untried(db, mine, found.id, now))
            raise
        self._database.write(mine, lambda db: change_to_heard(db, mine, found, heard))

    def _heard(self, found: Recording, tries: int) -> Heard:
        """Raises Stopped, and Busy or DiskFull where the bytes cannot be had now."""
        with self._database.reading() as db:
            known = find_heard(db, found.organization_id, found.sha256)
        if known:
            return known
        if tries > MOST_TRIES:
            return Heard("unreadable", problem="It was read several times and the server ended each time.")
        try:
            with self._blobs.local(found.blob) as path:
                return read(path, found.media_type, self.stopped)
        except NotFound as error:
            return Heard("unreadable", problem=error.sentence)


def read(path: Path, media_type: str, stopped: threading.Event) -> Heard:
    """Read a sound file in a process of its own; whatever happens to that, this says what came of it.

    Raises Stopped as soon as `stopped` is set.
    """
    with path.open("rb") as file, tempfile.TemporaryFile() as result:
        try:
            ended_well = _run_analysis(file, result, media_type, stopped)
        except TimeoutError:
            return Heard("unreadable", problem=f"It could not be read within {MOST_S:.0f} seconds.")
        result.seek(0)
        said = result.read(MOST_RESULT_BYTES + 1)
    heard = _heard(said) if ended_well else None
    return heard or Heard("unreadable", problem="The decoder failed on it.")


def _run_analysis(file: IO[bytes], result: IO[bytes], media_type: str, stopped: threading.Event) -> bool:
    """Whether the analysis ended by itself and well. It gets nothing of our environment that could be a secret."""
    passed = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    process = subprocess.Popen(  # noqa: S603 - our own program, and the media type is one of our own table
        [sys.executable, "-m", "hansard.resources.recordings.analysis", media_type],
        stdin=file,
        stdout=result,
        stderr=subprocess.DEVNULL,
        env=passed,
        start_new_session=True,
    )
    until = time.monotonic() + MOST_S
    try:
        while process.poll() is None:
            if stopped.wait(0.05):
                raise Stopped
            if time.monotonic() > until:
                raise TimeoutError
    finally:
        process.kill()
        process.wait()
    return process.returncode == 0


def _heard(said: bytes) -> Heard | None:
    """What the analysis says; None for anything that it would not, for who knows what a file made of it."""
    line, _, peaks = said.partition(b"\n")
    try:
        found = _FOUND.validate_json(line)
    except ValueError:
        return None
    if found.unreadable:
        return Heard("unreadable", problem=found.unreadable)
    if not (0 <= found.duration_ms < 1e9 and 1 <= found.channels <= MOST_CHANNELS):
        return None
    return Heard("ready", found.duration_ms, found.channels, peaks, found.problem)

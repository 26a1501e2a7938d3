"""The one writer: a thread that commits what is waiting in groups and answers once it is on disk.

Every write of a process goes through here, so a commit's fsync is shared by all that wait for it, and no two
connections of ours ever write or checkpoint at the same moment.
"""

import contextlib
import fcntl
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from hansard.db.dialect import is_full, is_held_up, lock_organization
from hansard.kit.errors import Busy, DiskFull, HansardError

T = TypeVar("T")
G = TypeVar("G")
MOST_PER_COMMIT = 128
CHECKPOINT_BYTES = 4 * 1024 * 1024
CHECKPOINT_EVERY_S = 1.0
CHECKPOINT_AGAIN_S = 0.1  # where a reader was in the way
LONG_LOG_BYTES = 32 * 1024 * 1024  # which waits for readers to be out of its way,
WAIT_FOR_READERS_MS = 1000  # for so long
IDLE_S = 1.0
MOST_WRITTEN = 10_000  # of what nobody asks for


class ProcessLock:
    """Keeps processes that share a data folder from writing or checkpointing at the same moment."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock, and hold it for the block."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class _Job:
    organization_id: int
    work: Callable[[Connection, int, list[Any]], Sequence[Any]]
    given: Any
    answer: "Future[Any]"


class Writer:
    """Runs pieces of work one after another in as few transactions as it can."""

    def __init__(self, engine: Engine, *, lock: ProcessLock | None, most_waiting: int) -> None:
        self._engine = engine
        self._lock = lock
        self._jobs: queue.Queue[_Job | None] = queue.Queue(maxsize=most_waiting)
        self._written: deque[int] = deque(maxlen=MOST_WRITTEN)
        self._is_closed = False
        self._checkpoint_after = 0.0
        self._thread = threading.Thread(target=self._run, name="hansard-writer", daemon=True)
        self._thread.start()

    def submit(self, organization_id: int, work: Callable[[Connection], T]) -> "Future[T]":
        """Queue work for one organization; the future is done when its commit is on disk.

        If the work raises, nothing of it is written and the future raises the same. Raises Busy at once when
        too many wait, or the writer is closed.
        """
        return self.submit_joined(organization_id, lambda db, *_: [work(db)], None)

    def submit_joined(
        self, organization_id: int, work: Callable[[Connection, int, list[G]], Sequence[T]], given: G
    ) -> "Future[T]":
        """The same for what is cheaper done to several at once: `work` gives an answer to each, in their order.

        What waits at one moment for the same organization and the same `work` is given to it together. Where that
        raises, each is done alone, so that none pays for another.
        """
        answer: Future[T] = Future()
        if self._is_closed:
            raise Busy("The server is shutting down.")
        try:
            self._jobs.put_nowait(_Job(organization_id, work, given, answer))
        except queue.Full:
            raise Busy("Too many writes are waiting; try again in a moment.") from None
        return answer

    def take_written(self) -> set[int]:
        """The organizations that were written to since somebody last asked."""
        return {self._written.popleft() for _ in range(len(self._written))}

    def waiting(self) -> int:
        """How many pieces of work wait for a commit."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Write what is waiting, then stop."""
        if self._is_closed:
            return
        self._is_closed = True
        self._jobs.put(None)
        self._thread.join()
        self._checkpoint()
        self._engine.dispose()
        if self._lock:
            self._lock.close()

    def _run(self) -> None:
        while self._commit_next():
            self._checkpoint_if_due()
        while not self._jobs.empty():
            late = self._jobs.get_nowait()
            if late:
                late.answer.set_exception(Busy("The server is shutting down."))

    def _commit_next(self) -> bool:
        """Commit what waits, and let go of it; False once there will be no more."""
        group, is_open = self._next_group()
        if group:
            self._commit(group)
        while group:
            group.pop()  # one by one: to free what thousands of events are made of is one step to the interpreter
        return is_open

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Wait for work and take all that is there, in order of organization so that locks cannot cross."""
        taken: list[_Job | None] = []
        with contextlib.suppress(queue.Empty):
            taken.append(self._jobs.get(timeout=IDLE_S))
            while len(taken) < MOST_PER_COMMIT:
                taken.append(self._jobs.get_nowait())
        group = sorted((job for job in taken if job), key=lambda job: job.organization_id)
        return group, None not in taken

    def _commit(self, group: list[_Job]) -> None:
        done: list[tuple[_Job, Any]] = []
        try:
            with self._held(), self._engine.connect() as db, db.begin():
                for _, jobs in groupby(group, lambda job: (job.organization_id, job.work)):
                    self._do(db, [job for job in jobs if job.answer.set_running_or_notify_cancel()], done)
        except Exception as error:
            for job in group:
                if not job.answer.done():
                    job.answer.set_exception(_for_reader(error))
            return
        self._written.extend({job.organization_id for job, _ in done})
        for job, result in done:
            job.answer.set_result(result)

    def _do(self, db: Connection, jobs: list[_Job], done: list[tuple[_Job, Any]]) -> None:
        """Do jobs of one kind behind a savepoint, so that their failure takes back nothing of the others."""
        if not jobs:
            return
        organization_id, work = jobs[0].organization_id, jobs[0].work
        try:
            with db.begin_nested():
                lock_organization(db, organization_id)
                results = work(db, organization_id, [job.given for job in jobs])
        except Exception as error:
            if isinstance(error, DBAPIError) and _ends_all(error):
                raise  # the next would only wait as long
            if len(jobs) == 1:
                jobs[0].answer.set_exception(_for_reader(error))
                return
            for job in jobs:
                self._do(db, [job], done)
        else:
            done += zip(jobs, results, strict=True)

    def _held(self) -> contextlib.AbstractContextManager[None]:
        return self._lock.held() if self._lock else contextlib.nullcontext()

    def _checkpoint_if_due(self) -> None:
        if self._wal_bytes() > CHECKPOINT_BYTES and time.monotonic() > self._checkpoint_after:
            self._checkpoint()
            is_moved = self._wal_bytes() <= CHECKPOINT_BYTES
            self._checkpoint_after = time.monotonic() + (CHECKPOINT_EVERY_S if is_moved else CHECKPOINT_AGAIN_S)

    def _wal_bytes(self) -> int:
        if not self._lock:
            return 0
        try:
            return os.stat(f"{self._engine.url.database}-wal").st_size
        except OSError:
            return 0

    def _checkpoint(self) -> None:
        """Move the log into the file. A reader in the way makes it do less, which the next one makes up for.

        One reader after another can be in the way, so a long log waits for those that are. Who comes then is not.
        """
        if not self._lock:
            return
        with contextlib.suppress(DBAPIError), self._lock.held(), self._engine.connect() as db:
            driver = db.connection.driver_connection
            if driver is not None:
                wait_ms = WAIT_FOR_READERS_MS if self._wal_bytes() > LONG_LOG_BYTES else 0
                driver.execute(f"PRAGMA busy_timeout={wait_ms}")
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                driver.execute("PRAGMA busy_timeout=10000")


def _ends_all(error: DBAPIError) -> bool:
    return error.connection_invalidated or is_full(error) or is_held_up(error)


def _for_reader(error: Exception) -> Exception:
    """Say in a sentence why a write could not be done; only what passes by itself is worth another try."""
    if isinstance(error, HansardError) or not isinstance(error, DBAPIError):
        return error
    if is_full(error):
        return DiskFull("There is no room left on the disk; nothing was written.")
    if is_held_up(error):
        return Busy("Another server is writing for too long; nothing was written.")
    if error.connection_invalidated:
        return Busy("The database cannot be reached; nothing was written.")
    return error

"""Events on their way to the server: a bounded queue and one background thread that batches and tries again.

The agent's thread only appends. The thread starts with the first event, so that importing or forking starts
nothing, and a forked child gets an empty queue and a thread of its own: what was queued is its parent's to send.
"""

import atexit
import gzip
import json
import logging
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from hansard.wire import PATH

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

MOST_EVENTS = 10_000
MOST_BYTES = 32 * 1024 * 1024
BATCH_EVENTS = 500
BATCH_BYTES = 512 * 1024
GATHER_S = 0.2
TIMEOUT_S = 10.0
LONGEST_PAUSE_S = 30.0

_log = logging.getLogger("hansard.recorder")


@dataclass(frozen=True)
class Stats:
    """What became of the events so far; `dropped` counts by reason those that no server has."""

    queued: int
    sent: int
    dropped: Mapping[str, int]


@dataclass
class _Tally:
    sent: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class Outbox:
    """Takes encoded events and delivers them in order."""

    def __init__(self, url: str, api_key: str) -> None:
        # Not in the thread: a fork in the middle of an import leaves the child half a module.
        from urllib3 import PoolManager

        self._new_pool = partial(PoolManager, maxsize=1, retries=False)
        self._address = url.rstrip("/") + PATH
        self._headers = {
            "Syllable-API-Key": api_key,
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
        }
        self._tally = _Tally()
        self._told: set[str] = set()
        self._begin()
        os.register_at_fork(after_in_child=_beginning_again(self))
        atexit.register(_closing(self))

    def _begin(self) -> None:
        self._lines: deque[bytes] = deque()
        self._size_bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, line: bytes) -> None:
        """Queue one event, or count it as dropped when the queue is full. Returns at once."""
        with self._lock:
            if len(self._lines) >= MOST_EVENTS or self._size_bytes + len(line) > MOST_BYTES:
                self._drop("queue full", 1)
                return
            self._lines.append(line)
            self._size_bytes += len(line)
            self._idle.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hansard-recorder", daemon=True)
                self._thread.start()
        self._wake.set()

    def drop(self, reason: str) -> None:
        """Count an event that could not even be queued."""
        with self._lock:
            self._drop(reason, 1)

    def stats(self) -> Stats:
        with self._lock:
            return Stats(len(self._lines), self._tally.sent, dict(self._tally.dropped))

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything queued is delivered or dropped; False when that took too long."""
        return self._idle.wait(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Deliver what can be delivered in time; the rest is counted as dropped."""
        self.flush(timeout_s)
        self._stop.set()
        self._wake.set()
        with self._lock:
            left = len(self._lines)
            self._lines.clear()
            self._size_bytes = 0
            if left:
                self._drop("closed before delivery", left)

    def _drop(self, reason: str, count: int) -> None:
        self._tally.dropped[reason] += count
        self._tell_once(reason, "Hansard dropped events: %s. Recorder.stats() counts them.", reason)

    def _tell_once(self, what: str, sentence: str, *values: Any) -> None:
        if what not in self._told:
            self._told.add(what)
            _log.warning(sentence, *values)

    def _run(self) -> None:
        pool = self._new_pool()
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            time.sleep(GATHER_S)
            while (batch := self._next_batch()) and not self._stop.is_set():
                self._deliver(pool, batch)
        pool.clear()

    def _next_batch(self) -> list[bytes]:
        """The oldest events, left in the queue until they are delivered."""
        with self._lock:
            batch: list[bytes] = []
            size_bytes = 0
            for line in self._lines:
                size_bytes += len(line)
                if batch and (size_bytes > BATCH_BYTES or len(batch) == BATCH_EVENTS):
                    break
                batch.append(line)
            if not batch:
                self._idle.set()
            return batch

    def _deliver(self, pool: "PoolManager", batch: list[bytes]) -> None:
        """Send one batch until the server has taken or refused it."""
        body = gzip.compress(b"\n".join(batch), compresslevel=3)
        pause_s = 0.5
        while not self._stop.is_set():
            wait_s = self._try(pool, batch, body, pause_s)
            if wait_s is None:
                return
            self._stop.wait(wait_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _try(self, pool: "PoolManager", batch: list[bytes], body: bytes, pause_s: float) -> float | None:
        """One attempt: None when the batch is done with, else how long to wait before the next."""
        try:
            answer = pool.request("POST", self._address, body=body, headers=self._headers, timeout=TIMEOUT_S)
        except Exception as error:
            self._tell_once("network", "Hansard's server cannot be reached (%s); trying again.", error)
            return pause_s
        if answer.status == 200:
            self._delivered(batch, answer)
            return None
        if answer.status in (401, 403, 408, 429) or answer.status >= 500:
            self._tell_once(str(answer.status), "Hansard's server answered %s; trying again.", answer.status)
            return _retry_after_s(answer) or pause_s
        self._refused(pool, batch, answer.status)
        return None

    def _refused(self, pool: "PoolManager", batch: list[bytes], status: int) -> None:
        """The server refuses a request whole for one event it cannot read: halve it until that one stands alone."""
        if len(batch) > 1:
            middle = len(batch) // 2
            self._deliver(pool, batch[:middle])
            self._deliver(pool, batch[middle:])
            return
        with self._lock:
            self._forget(batch)
            self._drop(f"refused with {status}", 1)

    def _delivered(self, batch: list[bytes], answer: "BaseHTTPResponse") -> None:
        rejected = json.loads(answer.data).get("rejected", [])
        with self._lock:
            self._forget(batch)
            self._tally.sent += len(batch) - len(rejected)
            if rejected:
                self._drop("rejected", len(rejected))
                self._tell_once("why", "The first rejected event: %s", rejected[0])

    def _forget(self, batch: list[bytes]) -> None:
        for line in batch:
            if self._lines and self._lines[0] is line:
                self._lines.popleft()
                self._size_bytes -= len(line)


def _retry_after_s(answer: "BaseHTTPResponse") -> float | None:
    try:
        return min(float(answer.headers.get("Retry-After", "")), LONGEST_PAUSE_S)
    except ValueError:
        return None


def _beginning_again(outbox: Outbox) -> Any:
    """For a forked child: an empty outbox; its locks may be held by threads that do not exist there."""
    held = weakref.ref(outbox)

    def begin() -> None:
        if found := held():
            found._begin()

    return begin


def _closing(outbox: Outbox) -> Any:
    held = weakref.ref(outbox)

    def close() -> None:
        if found := held():
            found.close(timeout_s=2.0)

    return close

"""Events on their way to the server.

The agent's thread only appends to a bounded queue. One background thread moves what is queued to the spool, a few
times a second, and a second one sends from there: so a server that hangs keeps nothing from the disk, and a killed
process loses at most what it recorded in the last moment (`GATHER_S`, plus the time a commit takes).

Threads start with the first event, so that importing or forking starts nothing. A forked child begins with an empty
queue and threads of its own: what was queued is its parent's to send.
"""

import atexit
import gzip
import json
import logging
import os
import sys
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hansard.recorder.recordings import RecordingLane
from hansard.recorder.spoken import Spoken
from hansard.recorder.spool import Line, Store
from hansard.wire import PATH

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

MOST_EVENTS = 10_000
MOST_BYTES = 32 * 1024 * 1024
BATCH_EVENTS = 500
BATCH_BYTES = 512 * 1024
GATHER_S = 0.05
CONNECT_S = 3.0
READ_S = 10.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
AT_EXIT_S = 2.0

_log = logging.getLogger("hansard.recorder")

BeforeSend = Callable[[dict[str, Any]], dict[str, Any] | None]


@dataclass(frozen=True)
class Stats:
    """What became of the events so far: still in memory, waiting on disk, the server's, or lost and why."""

    queued: int
    sent: int
    dropped: Mapping[str, int]
    spooled: int = 0
    recordings: int = 0  # that wait for upload


class Sink(Protocol):
    """Where a recorder puts what was said."""

    def put(self, spoken: Spoken) -> None:
        """Take one event. Returns at once."""

    def recording(self, path: Path, about: Mapping[str, Any]) -> None:
        """Take a finished recording over. Raises OSError when it cannot be had."""

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is delivered or dropped; False when that took too long."""

    def close(self, timeout_s: float) -> None:
        """Deliver what can be delivered in time, and stop."""

    def stats(self) -> Stats:
        """What became of the events so far."""


@dataclass
class MemorySink:
    """Keeps events in a list, for the tests of those who record: `Recorder(sink=MemorySink())`."""

    events: list[dict[str, Any]] = field(default_factory=list)
    recordings: list[tuple[Path, Mapping[str, Any]]] = field(default_factory=list)

    def put(self, spoken: Spoken) -> None:
        self.events.append(json.loads(spoken.line()))

    def recording(self, path: Path, about: Mapping[str, Any]) -> None:
        self.recordings.append((path, about))

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - the signature of a sink
        return True

    def close(self, timeout_s: float) -> None:
        pass

    def stats(self) -> Stats:
        return Stats(0, len(self.events), {})


class Outbox:
    """Takes encoded events, keeps them in a store, and delivers them in order."""

    def __init__(
        self,
        url: str,
        api_key: str,
        store: Store,
        *,
        lane: RecordingLane | None = None,
        is_durable: bool = False,
        before_send: BeforeSend | None = None,
    ) -> None:
        # Not in the thread: a fork in the middle of an import leaves the child half a module.
        from urllib3 import PoolManager, Timeout

        self._new_pool = partial(PoolManager, maxsize=1, retries=False, timeout=Timeout(connect=CONNECT_S, read=READ_S))
        self._address = url.rstrip("/") + PATH
        self._headers = {
            "Syllable-API-Key": api_key,
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
        }
        self._store = store
        self._lane = lane
        self._is_durable = is_durable
        self._before_send = before_send
        self._sent = 0
        self._dropped: Counter[str] = Counter()
        self._told: set[str] = set()
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_while_alive(self, Outbox._begin_again))
        _at_exit(_while_alive(self, partial(Outbox.close, timeout_s=AT_EXIT_S)))

    def _begin(self) -> None:
        self._lines: deque[Spoken] = deque()
        self._size_bytes = 0
        self._moving = threading.Lock()
        self._counting = threading.Lock()
        self._queued = threading.Event()
        self._stored = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._asked_pause_s: float | None = None  # by the server's last answer
        self._unkept_pool = self._new_pool()  # of the thread that moves

    def _begin_again(self) -> None:
        """In a forked child: the locks may be held by threads that do not exist here."""
        self._begin()
        self._sent, self._dropped = 0, Counter()
        self._store.begin_again()
        if self._lane:
            self._lane.begin_again()

    def recording(self, path: Path, about: Mapping[str, Any]) -> None:
        if self._lane is None:
            self._drop("recording without a spool", 1)
            return
        self._lane.put(path, about)

    def put(self, spoken: Spoken) -> None:
        if self._is_durable or self._stop.is_set():
            self._keep([spoken])
            self._stored.set()
        elif len(self._lines) >= MOST_EVENTS or self._size_bytes + spoken.size_bytes > MOST_BYTES:
            self._drop("queue full", 1)
        else:
            self._lines.append(spoken)
            self._size_bytes += (
                spoken.size_bytes
            )  # near enough: a race makes it a little wrong, the move below rights it
            self._queued.set()
        if not self._threads:
            self._start()

    def stats(self) -> Stats:
        waiting = self._waiting()
        recordings = len(self._lane.waiting()) if self._lane else 0
        with self._counting:
            dropped = dict(self._dropped)
        if self._lane and self._lane.dropped:
            dropped["recording"] = self._lane.dropped
        return Stats(len(self._lines), self._sent, dropped, waiting, recordings)

    def flush(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        self._queued.set()
        if self._lane:
            self._lane.hurry()
        while self._lines or self._moving.locked() or self._waiting() or (self._lane and self._lane.is_busy()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def close(self, timeout_s: float) -> None:
        """Deliver in time what can be; the rest stays in the spool, or is counted as dropped where there is none.

        Doing it again is harmless; what is recorded afterwards goes straight to the spool.
        """
        if self._stop.is_set():
            return
        self.flush(timeout_s)
        self._stop.set()
        self._queued.set()
        self._stored.set()
        self._move()
        self._store.release()
        if self._lane:
            self._lane.close()
        if lost := self._store.leave():
            self._drop("closed before delivery", lost)

    def _waiting(self) -> int:
        try:
            return self._store.count()
        except Exception as error:
            self._tell_once("count", "Hansard's spool cannot be read (%s).", error)
            return 0

    def _start(self) -> None:
        """Start the threads; at the interpreter's end none can, and `close` does what they would."""
        with self._counting:
            if self._threads or self._stop.is_set():
                return
            self._threads = [
                threading.Thread(target=self._move_for_ever, name="hansard-recorder", daemon=True),
                threading.Thread(target=self._send_for_ever, name="hansard-sender", daemon=True),
            ]
            try:
                for thread in self._threads:
                    thread.start()
            except RuntimeError as error:
                self._tell_once("thread", "Hansard cannot start a thread now (%s).", error)

    def _drop(self, reason: str, count: int) -> None:
        with self._counting:
            self._dropped[reason] += count
        self._tell_once(reason, "Hansard dropped events: %s. Recorder.stats() counts them.", reason)

    def _tell_once(self, what: str, sentence: str, *values: Any) -> None:
        if what not in self._told:
            self._told.add(what)
            _log.warning(sentence, *values)

    def _move_for_ever(self) -> None:
        while not self._stop.is_set():
            self._queued.wait()
            self._stop.wait(GATHER_S)
            self._queued.clear()
            self._move()

    def _move(self) -> None:
        """Move what is queued to the store."""
        with self._moving:
            while self._lines:
                taken = [self._lines.popleft() for _ in range(min(len(self._lines), BATCH_EVENTS))]
                self._size_bytes = max(0, self._size_bytes - sum(one.size_bytes for one in taken))
                self._keep(taken)
                self._stored.set()

    def _keep(self, spoken: Sequence[Spoken]) -> None:
        """Store what `before_send` leaves of these; what cannot be written or stored is counted."""
        ready = [line for line in map(self._line, spoken) if line is not None]
        if not ready:
            return
        try:
            gone = self._store.add(ready)
        except Exception as error:
            self._tell_once("spool", "Hansard's spool cannot be written (%s).", error)
            self._send_unkept(ready)
            return
        if gone:
            self._drop("spool full", gone)

    def _send_unkept(self, lines: Sequence[bytes]) -> None:
        """With no room on the disk there is one chance left: the server, now. From the agent's thread not even that."""
        if threading.current_thread() not in self._threads:
            self._drop("spool failed", len(lines))
            return
        status = self._posted(self._unkept_pool, [Line(0, line) for line in lines])
        if status != 200:
            self._drop("spool failed", len(lines))

    def _line(self, spoken: Spoken) -> bytes | None:
        try:
            return self._redacted(spoken.line())
        except Exception as error:
            self._tell_once("json", "Hansard cannot write this as JSON: %s", error)
            self._drop("not JSON", 1)
            return None

    def _redacted(self, line: bytes) -> bytes | None:
        if self._before_send is None:
            return line
        try:
            event = self._before_send(json.loads(line))
            return None if event is None else json.dumps(event, ensure_ascii=False).encode()
        except Exception:
            self._tell_once("before_send", "before_send failed; what it cannot redact is not sent.")
            self._drop("before_send failed", 1)
            return None

    def _send_for_ever(self) -> None:
        pool = self._new_pool()
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                is_done = self._send_next(pool)
            except Exception as error:
                self._tell_once("sender", "Hansard's spool cannot be read (%s); trying again.", error)
                is_done = False
            pause_s = FIRST_PAUSE_S if is_done else min(pause_s * 2, LONGEST_PAUSE_S)
            if not is_done:
                self._store.release()  # another process may have a better key
                self._stop.wait(self._asked_pause_s or pause_s / 2)
        pool.clear()

    def _send_next(self, pool: "PoolManager") -> bool:
        """Send the oldest batch, or wait for one; False when it should be tried again later."""
        if not self._store.lease():
            self._stop.wait(1.0)
            return True
        batch = self._store.oldest(BATCH_EVENTS, BATCH_BYTES)
        if batch:
            return self._deliver(pool, batch)
        self._store.release()
        self._stored.wait(5.0)
        self._stored.clear()
        return True

    def _deliver(self, pool: "PoolManager", batch: list[Line]) -> bool:
        """Bring one batch to its end, delivered or refused; False when the server cannot take it now.

        The server refuses a request whole for one event it cannot read: halve it until that one stands alone.
        """
        status = self._posted(pool, batch)
        if status is None or status in (401, 403, 408, 429) or status >= 500:
            return False
        if status != 200 and len(batch) > 1:
            middle = len(batch) // 2
            return self._deliver(pool, batch[:middle]) and self._deliver(pool, batch[middle:])
        if status != 200:
            self._drop(f"refused with {status}", 1)
        self._store.remove(batch)
        return True

    def _posted(self, pool: "PoolManager", batch: Sequence[Line]) -> int | None:
        """Post a batch once; the status, or None when no answer came. Counts what a 200 says of it."""
        body = gzip.compress(b"\n".join(line.text for line in batch), compresslevel=3)
        self._asked_pause_s = None
        try:
            answer = pool.request("POST", self._address, body=body, headers=self._headers)
        except Exception as error:
            self._tell_once("network", "Hansard's server cannot be reached (%s); trying again.", error)
            return None
        if answer.status == 200:
            self._count_sent(batch, answer)
        else:
            self._asked_pause_s = _retry_after_s(answer)
            self._tell_once(str(answer.status), "Hansard's server answered %s: %.200s", answer.status, answer.data)
        return int(answer.status)

    def _count_sent(self, batch: Sequence[Line], answer: "BaseHTTPResponse") -> None:
        try:
            rejected = json.loads(answer.data).get("rejected", [])
        except (ValueError, AttributeError):
            rejected = []
        with self._counting:
            self._sent += len(batch) - len(rejected)
        if rejected:
            self._drop("rejected", len(rejected))
            self._tell_once("why", "The first rejected event: %s", rejected[0])


def _retry_after_s(answer: "BaseHTTPResponse") -> float | None:
    try:
        return min(float(answer.headers.get("Retry-After", "")), LONGEST_PAUSE_S)
    except ValueError:
        return None


def _while_alive(outbox: Outbox, work: Callable[[Outbox], None]) -> Callable[[], None]:
    """Do this to the outbox later, if there still is one; waiting for it does not keep it."""
    held = weakref.ref(outbox)

    def run() -> None:
        if found := held():
            work(found)

    return run


def _at_exit(work: Callable[[], None]) -> None:
    """When the interpreter ends; a process of multiprocessing ends without that, but runs its own finalizers."""
    atexit.register(work)
    if "multiprocessing" in sys.modules:
        from multiprocessing.util import Finalize

        Finalize(None, work, exitpriority=10)

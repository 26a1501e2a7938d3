"""Events that wait on disk for the server: written before they are sent, gone once it has them.

One SQLite file for all processes of a host. Each event is a row; rows leave oldest first, and only one process sends
at a time, so that a session's events arrive in order. It uses a rollback journal, not WAL: several processes write
here, and the SQLite of many systems has a bug that lets a WAL corrupt when they do (decision 0002).
"""

import hashlib
import os
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

MOST_BYTES = 256 * 1024 * 1024
MOST_AGE_S = 7 * 24 * 3600.0
FILE_NAME = "spool.db"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS line (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    address TEXT NOT NULL, account TEXT NOT NULL, origin TEXT NOT NULL,
    queued_at REAL NOT NULL, line BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS total (one INTEGER PRIMARY KEY CHECK (one = 1), size_bytes INTEGER NOT NULL);
INSERT OR IGNORE INTO total VALUES (1, 0);
"""
# A fork while another thread is inside SQLite leaves the child with a mutex that nobody will ever give back.
_disk = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_disk.acquire, after_in_parent=_disk.release, after_in_child=_disk.release)

_inherited: list[Any] = []  # connections a fork brought along: the parent's, and not even to be closed here


@dataclass(frozen=True)
class Line:
    """An event as it waits: its place in the order, and its JSON."""

    id: int
    text: bytes


class Store(Protocol):
    """Where events wait between the agent and the server."""

    def add(self, lines: Sequence[bytes]) -> int:
        """Keep these; give how many of the oldest had to go for them."""

    def oldest(self, most_events: int, most_bytes: int) -> list[Line]:
        """The next to send, at least one where there is any."""

    def remove(self, lines: Sequence[Line]) -> None:
        """These are the server's now, or nobody's."""

    def count(self) -> int:
        """How many of this recorder's own wait."""

    def lease(self) -> bool:
        """Whether this recorder may send now; no other does then."""

    def release(self) -> None:
        """Let another send."""

    def leave(self) -> int:
        """The process ends: how many of those that wait end with it."""

    def begin_again(self) -> None:
        """This is a forked child now."""


class Spool:
    """The store on disk. Raises sqlite3.Error or OSError when the disk does not have it."""

    def __init__(
        self,
        folder: Path,
        address: str,
        account: str,
        *,
        most_bytes: int = MOST_BYTES,
        most_age_s: float = MOST_AGE_S,
        is_durable: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._mine = hashlib.sha256(f"{address} {account}".encode()).hexdigest()[:12]
        self._address = address
        self._account = account
        self._most_bytes = most_bytes
        self._most_age_s = most_age_s
        self._is_durable = is_durable
        self._lock_file: IO[bytes] | None = None
        self.begin_again()

    def begin_again(self) -> None:
        _inherited.append(self.__dict__.get("_connections"))
        self.release()  # a copy of the parent's lock would outlive the parent's own
        self._connections = threading.local()
        self._origin = os.urandom(8).hex()

    def _db(self) -> sqlite3.Connection:
        """This thread's connection."""
        found: sqlite3.Connection | None = getattr(self._connections, "db", None)
        if found is None:
            try:
                found = self._opened()
            except sqlite3.OperationalError:  # busy, full: not the file's fault
                raise
            except sqlite3.DatabaseError:
                (self.folder / FILE_NAME).rename(self.folder / f"{FILE_NAME}.broken-{time.time_ns()}")
                found = self._opened()
            self._connections.db = found
        return found

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.folder / FILE_NAME, timeout=5.0, isolation_level=None)
        db.execute("PRAGMA journal_mode=PERSIST")
        db.execute(f"PRAGMA synchronous={'FULL' if self._is_durable else 'NORMAL'}")
        db.executescript(_SCHEMA)
        return db

    def add(self, lines: Sequence[bytes]) -> int:
        now = time.time()
        rows = [(self._address, self._account, self._origin, now, line) for line in lines]
        with _disk, _transaction(self._db()) as db:
            db.executemany("INSERT INTO line (address, account, origin, queued_at, line) VALUES (?,?,?,?,?)", rows)
            db.execute("UPDATE total SET size_bytes = size_bytes + ?", (sum(map(len, lines)),))
            return self._make_room(db, now)

    def _make_room(self, db: sqlite3.Connection, now: float) -> int:
        """Let the oldest go: those past their time, and as many as are too much."""
        (size_bytes,) = db.execute("SELECT size_bytes FROM total").fetchone()
        gone: list[tuple[int, int]] = []
        for number, length, queued_at in db.execute("SELECT id, length(line), queued_at FROM line ORDER BY id"):
            if size_bytes <= self._most_bytes and queued_at >= now - self._most_age_s:
                break
            gone.append((number, length))
            size_bytes -= length
        self._delete(db, gone)
        return len(gone)

    def _delete(self, db: sqlite3.Connection, gone: Sequence[tuple[int, int]]) -> None:
        if gone:
            deleted = sum(
                length for number, length in gone if db.execute("DELETE FROM line WHERE id = ?", (number,)).rowcount
            )
            db.execute("UPDATE total SET size_bytes = size_bytes - ?", (deleted,))

    def oldest(self, most_events: int, most_bytes: int) -> list[Line]:
        """Of this server and account; what was recorded under a key that names no account is anybody's."""
        asked = "SELECT id, line FROM line WHERE address = ? AND account IN (?, '') ORDER BY id LIMIT ?"
        with _disk:
            rows = self._db().execute(asked, (self._address, self._account, most_events)).fetchall()
        taken: list[Line] = []
        for number, text in rows:
            most_bytes -= len(text)
            if taken and most_bytes < 0:
                break
            taken.append(Line(number, bytes(text)))
        return taken

    def remove(self, lines: Sequence[Line]) -> None:
        with _disk, _transaction(self._db()) as db:
            self._delete(db, [(line.id, len(line.text)) for line in lines])

    def count(self) -> int:
        with _disk:
            (count,) = self._db().execute("SELECT count(*) FROM line WHERE origin = ?", (self._origin,)).fetchone()
            return int(count)

    def lease(self) -> bool:
        """Held until released, or until this process ends, however it does."""
        with _disk:  # a fork in between would leave the child a lock that it does not know of
            if self._lock_file is None:
                self._lock_file = locked_file(self.folder / f"sender-{self._mine}.lock")
            return self._lock_file is not None

    def release(self) -> None:
        with _disk:
            if self._lock_file is not None:
                self._lock_file.close()
                self._lock_file = None

    def leave(self) -> int:
        return 0


class _transaction:  # noqa: N801 - reads as a statement
    """BEGIN IMMEDIATE to COMMIT, or ROLLBACK when the block raises."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:
            self._db.execute("ROLLBACK")


class Backlog:
    """The store in memory, where there is no disk to be had: it ends with the process."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.begin_again()

    def begin_again(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque()
        self._size_bytes = 0
        self._last = 0

    def add(self, lines: Sequence[bytes]) -> int:
        with self._lock:
            for text in lines:
                self._last += 1
                self._lines.append(Line(self._last, text))
                self._size_bytes += len(text)
            gone = 0
            while self._size_bytes > self._most_bytes:
                self._size_bytes -= len(self._lines.popleft().text)
                gone += 1
            return gone

    def oldest(self, most_events: int, most_bytes: int) -> list[Line]:
        with self._lock:
            taken: list[Line] = []
            for line in self._lines:
                most_bytes -= len(line.text)
                if taken and (most_bytes < 0 or len(taken) == most_events):
                    break
                taken.append(line)
            return taken

    def remove(self, lines: Sequence[Line]) -> None:
        gone = {line.id for line in lines}
        with self._lock:
            while self._lines and self._lines[0].id in gone:
                self._size_bytes -= len(self._lines.popleft().text)

    def count(self) -> int:
        return len(self._lines)

    def lease(self) -> bool:
        return True

    def release(self) -> None:
        pass

    def leave(self) -> int:
        with self._lock:
            count = len(self._lines)
            self._lines.clear()
            self._size_bytes = 0
            return count


def default_folder() -> Path:
    """Where this system keeps what a program must not lose but a user need not see; HANSARD_SPOOL names another."""
    if given := os.environ.get("HANSARD_SPOOL"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "hansard" / "spool"
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "hansard" / "spool"


def locked_file(path: Path) -> IO[bytes] | None:
    """The file, open and locked until it is closed, by this process or by its end; None while another has it."""
    with _disk:
        file = path.open("ab")
        if _locked(file):
            return file
        file.close()
        return None


if sys.platform == "win32":
    import msvcrt

    def _locked(file: IO[bytes]) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

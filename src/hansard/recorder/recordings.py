"""Recordings on their way to the server: a lane of their own, so that no sound ever holds up a word.

A recording is taken over as a hard link, or copied where the spool lies on another disk, and waits as a file with a
note beside it until the server has it. A thread uploads one after another, whichever process left them.
"""

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hansard.recorder.spool import locked_file
from hansard.wire import RECORDINGS_PATH

if TYPE_CHECKING:
    from urllib3 import PoolManager

MOST_BYTES = 2 * 1024**3
MOST_AGE_S = 7 * 24 * 3600.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 600.0
UPLOAD_S = 120.0

_log = logging.getLogger("hansard.recorder")


@dataclass(frozen=True)
class Waiting:
    """A recording that waits, and what is known of it."""

    note: Path
    about: Mapping[str, Any]

    @property
    def sound(self) -> Path:
        return self.note.with_suffix(".sound")

    def forget(self) -> None:
        self.sound.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


class RecordingLane:
    """Takes recordings and uploads them; those of other servers and accounts in the same folder are left alone."""

    def __init__(self, folder: Path, url: str, api_key: str, account: str) -> None:
        self._folder = folder / "recordings"
        self._url = url.rstrip("/")
        self._headers = {"Syllable-API-Key": api_key}
        self._account = account
        self.dropped = 0
        self.begin_again()

    def begin_again(self) -> None:
        """Also in a forked child, where no thread runs."""
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, path: Path, about: Mapping[str, Any]) -> None:
        """Take a finished recording over; `path` may be deleted afterwards. Raises OSError when it cannot be had.

        A link takes no time; a copy, where the disks differ, takes as long as the file is large.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        note = self._folder / f"{time.time_ns():020}-{os.urandom(4).hex()}.json"
        one = Waiting(note, {**about, "url": self._url, "account": self._account})
        try:
            os.link(path, one.sound)
        except OSError:
            shutil.copyfile(path, one.sound)
        half = note.with_suffix(".half")
        half.write_text(json.dumps(one.about))
        half.rename(note)
        self._wake.set()
        self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="hansard-recordings", daemon=True)
                self._thread.start()

    def waiting(self) -> list[Waiting]:
        """This account's recordings that the server does not have yet, oldest first."""
        notes = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        return [one for one in map(_read, notes) if one and self._is_mine(one)]

    def _is_mine(self, one: Waiting) -> bool:
        return one.about.get("url") == self._url and one.about.get("account") in (self._account, "")

    def is_busy(self) -> bool:
        """Whether recordings wait that this process could still bring to the server."""
        return self._thread is not None and bool(self.waiting())

    def hurry(self) -> None:
        """Try again now, however long the last pause was to be."""
        self._wake.set()

    def close(self) -> None:
        """Stop; what waits stays for another process."""
        self._stop.set()
        self._wake.set()

    def _run(self) -> None:
        from urllib3 import PoolManager, Timeout

        pool = PoolManager(maxsize=1, retries=False, timeout=Timeout(connect=5.0, read=UPLOAD_S))
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            self._wake.clear()
            is_done = self._upload_all(pool)
            pause_s = FIRST_PAUSE_S if is_done else min(pause_s * 2, LONGEST_PAUSE_S)
            self._wake.wait(None if is_done else pause_s)

    def _upload_all(self, pool: "PoolManager") -> bool:
        """Upload what waits; False when some of it must be tried again."""
        try:
            with self._alone() as is_alone:
                if not is_alone:
                    return not self.waiting()
                self._make_room()
                return all(self._upload(pool, one) for one in self.waiting())
        except OSError as error:
            _log.warning("Hansard's recordings cannot be read (%s).", error)
            return False

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Only one process uploads at a time."""
        file = locked_file(self._folder / "uploader.lock")
        try:
            yield file is not None
        finally:
            if file is not None:
                file.close()

    def _upload(self, pool: "PoolManager", one: Waiting) -> bool:
        """Upload one; True when it is the server's now, or refused for good, which is counted."""
        if self._stop.is_set():
            return False
        try:
            with one.sound.open("rb") as sound:
                answer = pool.request("PUT", self._address(one), body=sound, headers=self._about(one))
        except FileNotFoundError:
            one.forget()
            return True
        except Exception as error:
            _log.info("A recording could not be uploaded (%s); trying again.", error)
            return False
        if answer.status in (200, 201, 204):
            one.forget()
            return True
        # A server that cannot take recordings yet answers 404 or 405: they wait for one that can.
        if answer.status in (400, 409, 413, 415, 422):
            self._drop(one, f"the server refused it with {answer.status}")
            return True
        return False

    def _address(self, one: Waiting) -> str:
        parts = (one.about["service"], one.about["sid"], one.about["name"])
        return f"{self._url}{RECORDINGS_PATH}/" + "/".join(quote(part, safe="") for part in parts)

    def _about(self, one: Waiting) -> dict[str, str]:
        said = {f"Hansard-{name.title()}": str(one.about[name]) for name in ("channels", "at") if one.about.get(name)}
        size_bytes = str(one.sound.stat().st_size)
        return {**self._headers, **said, "Content-Length": size_bytes, "Content-Type": "application/octet-stream"}

    def _make_room(self) -> None:
        """Let the oldest go: those past their time, and as many as are too much."""
        waiting = self.waiting()
        size_bytes = sum(_size_bytes(one) for one in waiting)
        for one in waiting:
            age_s = time.time() - int(one.note.name.split("-")[0]) / 1e9
            if size_bytes <= MOST_BYTES and age_s <= MOST_AGE_S:
                return
            size_bytes -= _size_bytes(one)
            self._drop(one, "it waited too long, or too much waits")

    def _drop(self, one: Waiting, why: str) -> None:
        self.dropped += 1
        _log.warning("Hansard dropped the recording %s of %s: %s.", one.about.get("name"), one.about.get("sid"), why)
        one.forget()


def _read(note: Path) -> Waiting | None:
    try:
        return Waiting(note, json.loads(note.read_text()))
    except (OSError, ValueError):
        return None


def _size_bytes(one: Waiting) -> int:
    try:
        return one.sound.stat().st_size
    except OSError:
        return 0

"""kill -9 while events come in: everything acknowledged is there afterwards, nothing is half-written."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from hansard.db.engine import open_database
from hansard.kit.settings import Settings
from hansard.resources.sessions.store import list_children
from tests.conftest import free_port
from tests.door import Door
from tests.make import called, end, said, start
from tests.sounds import put, wav

KILLS = 20
UPLOAD_KILLS = 5
WRITERS = 4


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hansard", *arguments]


@contextmanager
def served(data: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command("serve", "--data", str(data), "--port", str(port)), stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(port)
        yield process
    finally:
        process.kill()
        process.wait(timeout=20)


def wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if urllib3.request("GET", f"http://127.0.0.1:{port}/healthz", retries=False, timeout=5).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.02)
    raise AssertionError("the server did not come up")


class Journal:
    """What a writer sent and what the server acknowledged, kept outside the server."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: dict[str, list[list[dict[str, Any]]]] = {}
        self.acked: dict[str, list[list[dict[str, Any]]]] = {}
        self._count = 0

    def batches(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Sessions of five batches each, the last one ending the session."""
        while True:
            self._count += 1
            sid = f"{self.name}-{self._count}"
            yield sid, [start(sid), said(sid, "agent", "Hello", 1)]
            for number in range(3):
                at = 2.0 + number
                yield sid, [said(sid, "user", "x" * 500, at), called(sid, "t", at, arguments={"n": number})]
            yield sid, [end(sid, 9)]

    def write_until(self, stop: threading.Event, door: Door) -> None:
        for sid, batch in self.batches():
            if stop.is_set():
                return
            self.sent.setdefault(sid, []).append(batch)
            try:
                answer = door.post("/ingest/v1/events", {"events": batch})
            except urllib3.exceptions.HTTPError:
                return
            if answer.status == 200:
                self.acked.setdefault(sid, []).append(batch)


@pytest.mark.long
def test_twenty_kills_lose_nothing_acknowledged_and_leave_nothing_half_written(tmp_path: Path) -> None:
    dice = random.Random(9)
    data, port = tmp_path / "data", free_port()
    key = subprocess.run(
        command("keys", "create", "--name", "test", "--data", str(data)), capture_output=True, text=True, check=True
    ).stdout.strip()
    door = Door(f"http://127.0.0.1:{port}", key)
    journals = []
    for kill in range(KILLS):
        with served(data, port) as process:
            stop = threading.Event()
            round_of = [Journal(f"k{kill}-w{number}") for number in range(WRITERS)]
            threads = [threading.Thread(target=one.write_until, args=(stop, door)) for one in round_of]
            for thread in threads:
                thread.start()
            time.sleep(dice.uniform(0.05, 0.6))
            os.kill(process.pid, signal.SIGKILL)
            stop.set()
            for thread in threads:
                thread.join(timeout=30)
            journals += round_of
    acknowledged = sum(len(batches) for one in journals for batches in one.acked.values())
    assert acknowledged > KILLS * WRITERS
    verify(data, journals)


def verify(data: Path, journals: list[Journal]) -> None:
    """Against the file itself: the acknowledged batches are whole, the others whole or absent."""
    database = open_database(Settings(data=data))
    with database.reading() as db:
        assert db.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
        ids = {row.sid: row.id for row in db.exec_driver_sql("SELECT sid, id FROM session")}
        for journal in journals:
            for sid, batches in journal.sent.items():
                stored = {one["id"]: one for one in list_children(db, 1, ids[sid])} if sid in ids else {}
                for batch in batches:
                    have = [one["id"] in stored for one in batch]
                    assert all(have) or not any(have), f"{sid} has half a batch"
                    assert all(have) or batch not in journal.acked.get(sid, []), f"{sid} lost an acknowledged batch"
                    for one in batch if all(have) else []:
                        assert json.loads(json.dumps(stored[one["id"]]["data"])) == one["data"]
        rows_of_ended = (
            "SELECT count(*) FROM session JOIN child ON child.session_id = session.id WHERE ended_at IS NOT NULL"
        )
        assert db.exec_driver_sql(rows_of_ended).scalar_one() == 0
    database.close()


class Uploads:
    """What an uploader sent and what the server acknowledged, kept outside the server."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: dict[str, bytes] = {}
        self.acked: set[str] = set()

    def upload_until(self, stop: threading.Event, door: Door) -> None:
        while not stop.is_set():
            sid = f"{self.name}-{len(self.sent)}"
            self.sent[sid] = wav()[:44] + os.urandom(3_000_000)
            try:
                answer = put(door, self.sent[sid], sid=sid)
            except urllib3.exceptions.HTTPError:
                return
            if answer.status == 201:
                self.acked.add(sid)


@pytest.mark.long
def test_kills_during_uploads_leave_all_of_a_recording_or_nothing(tmp_path: Path) -> None:
    dice = random.Random(4)
    data, port = tmp_path / "data", free_port()
    made = subprocess.run(
        command("keys", "create", "--name", "test", "--data", str(data)), capture_output=True, text=True, check=True
    )
    door = Door(f"http://127.0.0.1:{port}", made.stdout.strip())
    uploaders = []
    for kill in range(UPLOAD_KILLS):
        with served(data, port) as process:
            stop = threading.Event()
            round_of = [Uploads(f"k{kill}-u{number}") for number in range(3)]
            threads = [threading.Thread(target=one.upload_until, args=(stop, door)) for one in round_of]
            for thread in threads:
                thread.start()
            deadline = time.monotonic() + 20  # a busy machine is slow, and a kill before the first shows nothing
            while sum(len(one.acked) for one in round_of) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(dice.uniform(0, 0.4))
            os.kill(process.pid, signal.SIGKILL)
            stop.set()
            for thread in threads:
                thread.join(timeout=30)
            uploaders += round_of
    sent = {sid: body for one in uploaders for sid, body in one.sent.items()}
    acked = set().union(*(one.acked for one in uploaders))
    assert len(acked) > UPLOAD_KILLS
    assert len(acked) < len(sent)
    with served(data, port):
        there = {one["channel_manager_sid"]: one["session_id"] for one in door.search()}
        assert acked <= set(there) <= set(sent)
        for sid, session_id in there.items():
            (link,) = door.post(f"/api/v1/sessions/recording/{session_id}").json["recordings"]
            assert urllib3.request("GET", link).data == sent[sid], sid
        for sid in sorted(set(sent) - acked)[:3]:
            assert put(door, sent[sid], sid=sid).status in (200, 201)

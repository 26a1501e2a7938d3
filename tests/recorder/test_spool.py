"""The spool: what the server cannot take now it has later, whatever happens to server, disk or process."""

import asyncio
import gzip
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hansard import Recorder
from hansard.recorder import MemorySink
from hansard.recorder.session import account_of
from hansard.recorder.spool import Spool
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Scope
from tests.conftest import House, free_port
from tests.door import Door
from tests.recorder.test_recorder import troubled

DEAD = f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def door(sqlite_house: House) -> Door:
    return sqlite_house.door()


def recorded(door: Door) -> set[str]:
    """Everything the server has: the text of every turn of every session."""
    sessions = door.search(is_test="true")
    found = set()
    for one in sessions:
        transcript = door.get(f"/api/v1/sessions/transcript/{one['session_id']}").json
        texts = [turn["text"] for turn in transcript["transcription"]]
        assert len(texts) == len(set(texts)), "twice"
        found |= set(texts)
    return found


def run(code: str, door: Door, *arguments: str, url: str | None = None, wait: bool = True) -> "subprocess.Popen[str]":
    environ = os.environ | {"HANSARD_URL": url or door.url, "HANSARD_API_KEY": door.key}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if wait:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    return process


def drain(door: Door, seconds: float = 30.0) -> None:
    """A later process delivers what an earlier one left."""
    recorder = Recorder(door.url, door.key)
    recorder.session(service="drain", sid="drain")
    deadline = time.monotonic() + seconds
    while left() and time.monotonic() < deadline:
        time.sleep(0.02)
    recorder.close(5)
    assert left() == 0


def left() -> int:
    file = Path(os.environ["HANSARD_SPOOL"]) / "spool.db"
    if not file.exists():
        return 0
    db = sqlite3.connect(file, timeout=10)
    count = db.execute("SELECT count(*) FROM line").fetchone()[0]
    db.close()
    return int(count)


SAY = """
import sys
import hansard
recorder = hansard.Recorder()
session = recorder.session(service="s", sid=sys.argv[1])
for number in range(int(sys.argv[2])):
    session.user(f"{sys.argv[1]} {number}")
"""


@pytest.mark.long
def test_a_server_that_is_away_for_the_first_half_gets_all_of_twenty_thousand_events(door: Door) -> None:
    recorder = Recorder(DEAD, door.key)
    session = recorder.session(service="s", sid="1")
    for number in range(20_000):
        session.user(f"turn {number}")
        if number == 10_000:
            assert recorder.stats().sent == 0
            sink: Any = recorder._sink
            sink._address = door.url + "/ingest/v1/events"
        if number % 100 == 0:
            time.sleep(0.005)
    assert recorder.flush(60)
    stats = recorder.stats()
    assert (stats.sent, stats.dropped, stats.spooled, stats.queued) == (20_001, {}, 0, 0)
    assert recorded(door) == {f"turn {number}" for number in range(20_000)}
    recorder.close()


def test_what_is_queued_when_the_interpreter_ends_is_delivered_or_waits_on_disk(door: Door) -> None:
    run(SAY, door, "up", "1000")
    drain(door)
    run(SAY, door, "down", "1000", url=DEAD)
    assert left() == 1001
    Spool(Path(os.environ["HANSARD_SPOOL"]), DEAD, account_of(door.key))
    db = sqlite3.connect(Path(os.environ["HANSARD_SPOOL"]) / "spool.db")
    db.execute("UPDATE line SET address = ?", (door.url,))
    db.commit()
    db.close()
    drain(door)
    assert recorded(door) == {f"{sid} {n}" for sid in ("up", "down") for n in range(1000)}


KILLED = """
import sys, time
import hansard
recorder = hansard.Recorder(durable=sys.argv[2] == "durable")
session = recorder.session(service="s", sid=sys.argv[1])
for number in range(100_000):
    session.user(f"{sys.argv[1]} {number}")
    print(number, time.monotonic(), flush=True)
    if number % 20 == 0:
        time.sleep(0.001)
    if number == 300 and sys.argv[2] == "flush":
        recorder.flush(10)
"""


@pytest.mark.long
def test_an_agent_killed_at_fifty_moments_loses_at_most_its_last_one(door: Door) -> None:
    """Durable loses nothing that was recorded; otherwise only what the moving thread had not had time for."""
    dice = random.Random(7)
    expected: set[str] = set()
    possible: set[str] = set()
    for number in range(50):
        mode = ("durable", "plain", "flush")[number % 3]
        sid = f"kill-{number}"
        url = door.url if number % 2 else DEAD
        process = run(KILLED, door, sid, mode, url=url, wait=False)
        assert process.stdout
        first = process.stdout.readline()
        time.sleep(dice.uniform(0.0, 0.4))
        os.kill(process.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        lines = [first, *process.stdout.readlines()]
        process.communicate()
        said = [(int(line.split()[0]), float(line.split()[1])) for line in lines if line.endswith("\n")]
        grace_s = 0.0 if mode == "durable" else 1.0
        possible |= {f"{sid} {n}" for n in range(len(said) + 2)}
        expected |= {f"{sid} {n}" for n, at in said if mode == "durable" or at < killed_at - grace_s}
    db = sqlite3.connect(Path(os.environ["HANSARD_SPOOL"]) / "spool.db", timeout=10)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.execute("UPDATE line SET address = ?", (door.url,))
    db.commit()
    db.close()
    drain(door)
    have = recorded(door)
    assert len(expected) > 100  # else it shows nothing
    assert expected - have == set()
    assert have - possible == set()


def test_a_key_that_opens_nothing_costs_no_event_once_there_is_a_good_one(sqlite_house: House) -> None:
    door = sqlite_house.door()
    mine = door.organization_id
    sqlite_house.database.write(mine, lambda db: accounts.change_key_to_revoked(db, mine, 1, sqlite_house.clock()))
    recorder = Recorder(door.url, door.key)
    recorder.session(service="s", sid="1").user("said under a revoked key")
    recorder.flush(0.5)
    assert recorder.stats().spooled == 2
    recorder.close(0.1)
    good = Door(door.url, sqlite_house.key(mine), mine)
    drain(good)
    assert recorded(good) == {"said under a revoked key"}


def test_another_organization_never_sends_what_is_not_its_own(sqlite_house: House) -> None:
    one, other = sqlite_house.door(), sqlite_house.door()
    recorder = Recorder(DEAD, one.key)
    recorder.session(service="s", sid="1").user("private")
    recorder.close(0.2)
    db = sqlite3.connect(Path(os.environ["HANSARD_SPOOL"]) / "spool.db")
    db.execute("UPDATE line SET address = ?", (one.url,))
    db.commit()
    db.close()
    strange = Recorder(other.url, other.key)
    strange.session(service="s", sid="2").user("mine")
    assert strange.flush(10)
    time.sleep(0.3)
    strange.close()
    assert recorded(other) == {"mine"}
    assert left() == 2
    drain(one)
    assert recorded(one) == {"private"}


@pytest.mark.long
def test_two_processes_on_one_spool_deliver_each_event_once(door: Door) -> None:
    processes = [run(SAY, door, f"p{number}", "3000", wait=False) for number in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    drain(door)
    assert recorded(door) == {f"p{number} {n}" for number in range(2) for n in range(3000)}


FULL = """
import resource, signal, sys
import hansard
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
recorder = hansard.Recorder()
session = recorder.session(service="s", sid="full")
for number in range(2000):
    session.user(f"full {number} " + "x" * 200)
recorder.close(4)
stats = recorder.stats()
print(stats.sent, stats.queued, sum(stats.dropped.values()))
"""


def test_with_no_room_on_the_disk_the_server_gets_it_or_the_loss_is_counted(door: Door) -> None:
    process = run(FULL, door, wait=False)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    sent, queued, dropped = map(int, output.split())
    assert queued == 0
    assert len(recorded(door)) + 1 + dropped + left() >= 2001
    assert sent + dropped + left() == 2001
    process = run(FULL, door, url=DEAD, wait=False)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    sent, queued, dropped = map(int, output.split())
    assert (sent, queued) == (0, 0)
    assert dropped > 0
    assert dropped + left() >= 2001


def test_the_oldest_go_when_the_spool_is_full_or_too_old(spool: Path) -> None:
    one = Spool(spool, "a", "b", most_bytes=1000)
    assert one.add([b"x" * 300] * 3) == 0
    assert one.add([b"y" * 300]) == 1
    assert [line.text[:1] for line in one.oldest(10, 10_000)] == [b"x", b"x", b"y"]
    aged = Spool(spool, "a", "b", most_age_s=0.01)
    time.sleep(0.05)
    assert aged.add([b"z"]) == 3
    assert aged.count() == 1


def test_a_broken_spool_is_put_aside_and_a_new_one_begun(spool: Path, door: Door) -> None:
    spool.mkdir()
    (spool / "spool.db").write_bytes(b"this is not a database" * 1000)
    recorder = Recorder(door.url, door.key)
    recorder.session(service="s", sid="1").user("hello")
    assert recorder.flush(10)
    assert recorder.stats().dropped == {}
    assert recorded(door) == {"hello"}
    assert len(list(spool.glob("spool.db.broken-*"))) == 1
    recorder.close()


def test_without_a_folder_the_recorder_goes_on_in_memory(door: Door, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recorder = Recorder(door.url, door.key, spool=tmp_path / "file" / "spool")
    recorder.session(service="s", sid="1").user("hello")
    assert recorder.flush(10)
    assert recorded(door) == {"hello"}
    recorder.close()


def test_the_key_is_not_on_the_disk(spool: Path, door: Door) -> None:
    recorder = Recorder(DEAD, door.key)
    recorder.session(service="s", sid="1").user("hello")
    recorder.close(0.2)
    secret = door.key.split("_")[3]
    assert all(secret.encode() not in file.read_bytes() for file in spool.iterdir())
    assert spool.stat().st_mode & 0o077 == 0


def test_before_send_redacts_before_disk_and_network_and_its_failure_sends_nothing(spool: Path, door: Door) -> None:
    def redact(event: dict[str, Any]) -> dict[str, Any] | None:
        text = event["data"].get("text", "")
        if text == "drop me":
            return None
        if text == "fail":
            raise ValueError(text)
        return json.loads(json.dumps(event).replace("4111 1111", "[card]"))  # type: ignore[no-any-return]

    for url in (DEAD, door.url):
        recorder = Recorder(url, door.key, before_send=redact)
        session = recorder.session(service="s", sid="1")
        for text in ("my card is 4111 1111", "drop me", "fail"):
            session.user(text)
        recorder.flush(0.5 if url == DEAD else 10)
        assert recorder.stats().dropped == {"before_send failed": 1}
        recorder.close(0.1)
    assert recorded(door) == {"my card is [card]"}
    assert all(b"4111 1111" not in file.read_bytes() for file in spool.iterdir())


def test_a_memory_sink_keeps_what_was_said_for_a_test() -> None:
    sink = MemorySink()
    recorder = Recorder(sink=sink)
    with recorder.session(service="s", sid="1", agent_name="Shop") as session:
        session.user("hello", id="m1")
    assert [(one["kind"], one["data"].get("text")) for one in sink.events] == [
        ("session.start", None),
        ("message", "hello"),
        ("session.end", None),
    ]
    assert sink.events[1]["id"] == "m1"
    assert sink.events[2]["data"]["counts"]["message"] == 1
    assert recorder.stats().sent == 3


def test_it_can_be_flushed_and_closed_from_an_event_loop(door: Door) -> None:
    async def record() -> bool:
        recorder = Recorder(door.url, door.key)
        recorder.session(service="s", sid="1").user("hello")
        done = await recorder.aflush(10)
        await recorder.aclose()
        return done

    assert asyncio.run(record())
    assert recorded(door) == {"hello"}


SPAWNED = """
import multiprocessing, sys
import hansard

def work(sid):
    recorder = hansard.Recorder()
    recorder.session(service="s", sid=sid).user(sid)

if __name__ == "__main__":
    for method in ("fork", "forkserver", "spawn"):
        one = multiprocessing.get_context(method).Process(target=work, args=(method,))
        one.start()
        one.join(30)
        assert one.exitcode == 0, method
"""


@pytest.mark.long
def test_processes_of_every_start_method_deliver_at_their_end(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "spawned.py"
    file.write_text(SPAWNED)
    environ = os.environ | {"HANSARD_URL": door.url, "HANSARD_API_KEY": door.key}
    subprocess.run([sys.executable, file], env=environ, check=True, timeout=60)
    drain(door)
    assert recorded(door) == {"fork", "forkserver", "spawn"}


def test_a_batch_answered_503_halfway_is_neither_lost_nor_doubled(sqlite_house: House) -> None:
    door = sqlite_house.door()
    with troubled(503, 429, 500) as (url, handler):
        recorder = Recorder(url, door.key)
        session = recorder.session(service="s", sid="1")
        for number in range(50):
            session.user(f"turn {number}")
        assert recorder.flush(20)
        recorder.close()
    lines = b"\n".join(gzip.decompress(body) for body in handler.taken).splitlines()
    texts = [json.loads(line)["data"].get("text") for line in lines]
    assert texts == [None, *(f"turn {number}" for number in range(50))]


def test_scopes_are_asked_for_as_ever(sqlite_house: House) -> None:
    recorder = Recorder(sqlite_house.url, sqlite_house.key(sqlite_house.organization(), Scope.READ))
    recorder.session(service="s", sid="1")
    assert not recorder.flush(0.7)
    assert recorder.stats().spooled == 1
    recorder.close(0.1)


FORKING = """
import os
import hansard
recorder = hansard.Recorder()
session = recorder.session(service="s", sid="parent")
children = []
for fork in range(20):
    for number in range(100):
        session.user(f"parent {fork} {number}")
    child = os.fork()
    if child == 0:
        mine = recorder.session(service="s", sid=f"child-{fork}")
        for number in range(5):
            mine.user(f"child {fork} {number}")
        recorder.close(20)
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
recorder.close(20)
"""


@pytest.mark.long
def test_twenty_forks_while_sending_lose_and_double_nothing(door: Door) -> None:
    run(FORKING, door)
    drain(door)
    of_parent = {f"parent {fork} {number}" for fork in range(20) for number in range(100)}
    assert recorded(door) == of_parent | {f"child {fork} {number}" for fork in range(20) for number in range(5)}

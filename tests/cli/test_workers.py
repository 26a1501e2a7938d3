"""`hansard serve --workers`: several processes behind one socket, run and killed as in earnest."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import urllib3

from hansard.cli import workers
from hansard.cli.workers import GAVE_UP, run_workers
from hansard.db.engine import open_database
from hansard.kit.settings import Settings
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Scope
from hansard.resources.sessions.store import list_children
from tests.cli.test_commands import run
from tests.conftest import Postgres, free_port
from tests.door import Door
from tests.make import START, end, said, start
from tests.test_killed import command, wait_until_ready


@contextmanager
def served(url: str, port: int, log: Path, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`hansard serve` with two processes; what it says is in the log."""
    given = command("serve", "--workers", "2", "--database-url", url, "--port", str(port), *more)
    with log.open("wb") as file:
        process = subprocess.Popen([*given, "--data", str(log.parent / "data")], stdout=file, stderr=file)
    try:
        wait_until_ready(port)
        until(lambda: len(children(process.pid)) == 2)
        yield process
    finally:
        left = children(process.pid)
        process.kill()
        process.wait(timeout=20)
        for pid in left:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def children(parent: int) -> list[int]:
    """The serving processes of this parent."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z" and b"spawn_main" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return sorted(found)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(is_so: Callable[[], bool], within_s: float = 40) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.05)


def door_to(url: str, port: int) -> Door:
    database = open_database(Settings(database_url=url))
    _, key = database.write(1, lambda db: accounts.add_key(db, 1, "test", [Scope.READ, Scope.INGEST], START))
    database.close()
    return Door(f"http://127.0.0.1:{port}", key, 1)


def is_well(port: int) -> bool:
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/healthz", retries=False, timeout=5).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def test_several_processes_on_sqlite_are_refused_with_the_reason(tmp_path: Path) -> None:
    refused = run("serve", "--workers", "2", "--data", str(tmp_path / "data"), code=1)
    assert "2 workers need PostgreSQL: SQLite has one writer at a time" in refused.stderr
    assert "HANSARD_DATABASE_URL=postgresql://" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_process_that_dies_is_started_again_and_all_end_when_told_to(postgres: Postgres, tmp_path: Path) -> None:
    url, port, log = postgres.fresh(), free_port(), tmp_path / "log"
    with served(url, port, log) as process:
        first = children(process.pid)
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(set(children(process.pid)) - set(first)) == 1)
        until(lambda: is_well(port))
        os.kill(children(process.pid)[0], signal.SIGTERM)  # one that ends in good order leaves the others their socket
        until(lambda: len(set(children(process.pid)) - set(first)) == 2)
        until(lambda: is_well(port))
        mine = children(process.pid)
        process.terminate()
        assert process.wait(timeout=20) == 0
        assert not any(is_alive(pid) for pid in mine)
    said_of_it = log.read_text()
    assert said_of_it.count("/set-up?token=") == 1
    assert f"Process {first[0]} ended with -9; another takes its place." in said_of_it
    assert "Traceback" not in said_of_it


@pytest.mark.long
def test_told_to_end_all_processes_write_what_they_acknowledge(postgres: Postgres, tmp_path: Path) -> None:
    url, port = postgres.fresh(), free_port()
    acknowledged: set[str] = set()
    sent: set[str] = set()

    def write(name: str, door: Door) -> None:
        for number in range(10_000):
            sid = f"{name}-{number}"
            sent.add(sid)
            try:
                if door.post("/ingest/v1/events", {"events": [start(sid), end(sid, 9)]}).status != 200:
                    return
            except urllib3.exceptions.HTTPError:
                return
            acknowledged.add(sid)

    with served(url, port, tmp_path / "log") as process:
        door = door_to(url, port)
        threads = [threading.Thread(target=write, args=(f"w{number}", door)) for number in range(6)]
        for thread in threads:
            thread.start()
        until(lambda: len(acknowledged) > 30)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        for thread in threads:
            thread.join(timeout=30)
    database = open_database(Settings(database_url=url))
    with database.reading() as db:
        stored = set(db.exec_driver_sql("SELECT sid FROM session WHERE organization_id = 1").scalars())
    database.close()
    assert acknowledged <= stored <= sent


@pytest.mark.long
def test_connections_that_come_together_are_dealt_out_over_the_processes(postgres: Postgres, tmp_path: Path) -> None:
    port = free_port()
    with served(postgres.fresh(), port, tmp_path / "log") as process, ExitStack() as held:
        until(lambda: all(sockets_of(pid) for pid in children(process.pid)))
        time.sleep(1)  # until both listen
        before = {pid: sockets_of(pid) for pid in children(process.pid)}
        for _ in range(40):
            held.enter_context(socket.create_connection(("127.0.0.1", port)))
        until(lambda: sum(sockets_of(pid) - count for pid, count in before.items()) >= 40)
        assert min(sockets_of(pid) - count for pid, count in before.items()) >= 5


def sockets_of(pid: int) -> int:
    return sum(os.readlink(one).startswith("socket:") for one in Path(f"/proc/{pid}/fd").iterdir())


def test_kill_9_of_the_parent_ends_its_processes_too(postgres: Postgres, tmp_path: Path) -> None:
    url, port = postgres.fresh(), free_port()
    with served(url, port, tmp_path / "log") as process:
        mine = children(process.pid)
        process.kill()
        until(lambda: not any(is_alive(pid) for pid in mine))
    assert not is_well(port)


@pytest.mark.long
def test_a_port_that_is_taken_ends_it_as_ever(postgres: Postgres, tmp_path: Path) -> None:
    url, port = postgres.fresh(), free_port()
    with served(url, port, tmp_path / "log"):
        again = command("serve", "--workers", "2", "--database-url", url, "--port", str(port))
        done = subprocess.run([*again, "--data", str(tmp_path / "data")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "in use" in done.stderr


@pytest.mark.long
def test_a_setting_that_cannot_be_ends_all_processes_with_its_sentence(postgres: Postgres, tmp_path: Path) -> None:
    given = command("serve", "--workers", "2", "--database-url", postgres.fresh(), "--port", str(free_port()))
    wrong = os.environ | {"HANSARD_RECORDINGS_URL": "ftp://somewhere"}
    done = subprocess.run(
        [*given, "--data", str(tmp_path / "data")], capture_output=True, text=True, timeout=60, env=wrong
    )
    assert done.returncode == 3
    assert "recordings_url must be like s3://bucket/prefix" in done.stderr
    assert "Traceback" not in done.stderr


def test_processes_that_die_again_and_again_are_given_up(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers, "work", print)  # which ends at once
    kept = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert run_workers(Settings(database_url="postgresql://nobody", port=free_port()), None) == GAVE_UP
    finally:
        for one, handler in kept.items():
            signal.signal(one, handler)
    assert "ended 5 times within 60 seconds" in capfd.readouterr().err


@pytest.mark.long
def test_the_samples_are_loaded_once_and_read_through_every_process(postgres: Postgres, tmp_path: Path) -> None:
    url, port, log = postgres.fresh(), free_port(), tmp_path / "log"
    with served(url, port, log, "--demo"):
        (key,) = (line.split()[-1] for line in log.read_text().splitlines() if line.startswith("API key"))
        door = Door(f"http://127.0.0.1:{port}", key)
        totals = set()
        for _ in range(20):
            with urllib3.PoolManager() as fresh:  # a connection of its own each, so that both processes are asked
                headers = {"Syllable-API-Key": key}
                answer = fresh.request("GET", f"{door.url}/api/v1/sessions/?limit=1", headers=headers)
                totals.add(json.loads(answer.data)["total_count"])
        assert len(totals) == 1
        assert min(totals) > 200
        assert log.read_text().count("sample sessions are in the organization") == 1


def test_servers_that_start_together_on_an_empty_database_make_it_once(postgres: Postgres, tmp_path: Path) -> None:
    given = command("organizations", "list", "--database-url", postgres.fresh(), "--data", str(tmp_path))
    starting = [subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    for one in starting:
        out, err = one.communicate(timeout=60)
        assert one.returncode == 0, err
        assert out.decode().count("\n") == 1
        assert out.startswith(b"1\tdefault")


@pytest.mark.long
def test_a_word_said_through_one_process_is_read_through_the_other(postgres: Postgres, tmp_path: Path) -> None:
    url, port = postgres.fresh(), free_port()
    with served(url, port, tmp_path / "log"):
        door = door_to(url, port)
        for number in range(30):
            sid = f"S{number}"
            door.send([start(sid), said(sid, "user", f"word {number}", 1)])
            with urllib3.PoolManager() as fresh:
                headers = {"Syllable-API-Key": door.key}
                answer = fresh.request("GET", f"{door.url}/api/v1/sessions/", headers=headers)
                assert json.loads(answer.data)["total_count"] == number + 1
    database = open_database(Settings(database_url=url))
    with database.reading() as db:
        assert len(list_children(db, 1, 30)) == 2
    database.close()

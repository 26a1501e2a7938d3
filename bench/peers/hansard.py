"""Hansard itself, by its own door: the line that the others are compared with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import to_json

from bench.client import Connection, get, post
from bench.data import Recorded
from bench.peers.peer import Form
from bench.serving import Served, serving
from hansard import __version__
from hansard.db.engine import open_database
from hansard.db.migrate import migrate
from hansard.kit.settings import Settings
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Scope
from hansard.wire import PATH


class Hansard:
    """As `hansard serve` runs with nothing set."""

    name = "Hansard"
    durability = "SQLite, WAL, synchronous=FULL: an answer means the disk has it"
    forms: Sequence[Form] = (Form(14, 4), Form(1, 4))

    def __init__(self) -> None:
        self._key = ""
        self._ids: dict[str, str] = {}

    def version(self) -> str:
        return __version__

    @contextmanager
    def serve(self, folder: Path) -> Iterator[Served]:
        settings = Settings(data=folder)
        migrate(settings)
        database, now = open_database(settings), datetime.now(UTC)
        mine = database.write(0, lambda db: accounts.add_organization(db, "default", now)).id
        scopes = (Scope.READ, Scope.INGEST)
        self._key = database.write(mine, lambda db: accounts.add_key(db, mine, "bench", scopes, now))[1]
        database.close()
        with serving(settings) as served:
            yield served

    def request(self, sessions: Sequence[Recorded]) -> bytes:
        return post(PATH, to_json({"events": [event for one in sessions for event in one.events()]}), self._key)

    def seen(self, client: Connection) -> int:
        return int(client.expect(get("/hansard/v1/sessions", self._key, limit=1)).json["total_count"])

    def parts(self) -> int:
        return 1

    def open(self, client: Connection, session: Recorded) -> int:
        service, sid = session.key["service"], session.key["sid"]
        if sid not in self._ids:  # the others are asked by the trace id that the client chose
            found = client.expect(get("/hansard/v1/sessions", self._key, q=f"sid:{sid}", limit=1)).json["items"]
            self._ids[sid] = found[0]["session_id"]
            assert found[0]["channel_manager_service"] == service
        record = client.expect(get(f"/hansard/v1/sessions/{self._ids[sid]}/record", self._key)).json
        return sum(event["kind"] in ("message", "tool_call", "latency") for event in record["events"])

"""Two writers on one database (a server and an import, or two servers): nothing is lost, doubled or refused."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hansard.db.engine import Database, open_database
from hansard.db.migrate import migrate
from hansard.kit.settings import Settings
from hansard.resources.ingest.receipt import take
from hansard.resources.ingest.validation import checked
from hansard.resources.sessions.store import list_children
from tests.conftest import DIALECTS
from tests.make import end, make_event, said, start

ROUNDS = 40
SESSIONS = 8


def write(database: Database, name: str, failures: list[BaseException]) -> None:
    """Both writers tell of the same sessions; each says its own words and all founding words are the same."""
    try:
        for number in range(ROUNDS):
            for place in range(SESSIONS):
                sid = f"S{place}"
                word = said(sid, "user", f"{name} {number}", number) | {"id": f"{name}-{number}"}
                events = [start(sid, 0) | {"id": "start"}, word]
                if number == ROUNDS - 1:
                    events.append(end(sid, 99) | {"id": "end"})
                given = checked([*events, make_event("event", {"type": name}, sid=sid) | {"id": f"e-{name}-{number}"}])
                for organization_id in (2, 1) if place % 2 else (1, 2):
                    database.write(
                        organization_id,
                        lambda db, mine=organization_id, given=given: take(  # type: ignore[misc]
                            db, mine, given, datetime.now(UTC), timedelta(days=1)
                        ),
                    )
    except BaseException as error:
        failures.append(error)


@pytest.mark.long
@pytest.mark.parametrize("dialect", DIALECTS)
def test_two_writers_lose_and_double_nothing(dialect: str, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(dialect)
    migrate(settings)
    databases = [open_database(settings), open_database(settings)]
    failures: list[BaseException] = []
    threads = [
        threading.Thread(target=write, args=(database, name, failures))
        for database, name in zip(databases, "ab", strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=200)
    assert failures == []
    with databases[0].reading() as db:
        for organization_id in (1, 2):
            for number in range(1, SESSIONS + 1):
                ids = [one["id"] for one in list_children(db, organization_id, number)]
                assert len(ids) == len(set(ids)) == 4 * ROUNDS + 2
            seqs = db.exec_driver_sql(
                f"SELECT seq FROM change WHERE organization_id = {organization_id} ORDER BY seq"
            ).scalars()
            assert list(seqs) == list(range(1, 2 * ROUNDS * SESSIONS + 1))
    for database in databases:
        database.close()

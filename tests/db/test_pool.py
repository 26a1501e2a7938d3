"""More requests than connections: they wait their turn or are refused in bounded time, never for each other."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from hansard.db.dialect import lock_organization
from hansard.db.engine import open_database
from hansard.db.hot import insert_rows
from hansard.db.migrate import migrate
from hansard.db.tables import counter
from hansard.kit.errors import Busy
from hansard.kit.settings import Settings
from tests.conftest import DIALECTS, House, open_house
from tests.make import make_session

CLIENTS = 120  # three times as many as there are threads


@pytest.mark.parametrize("dialect", DIALECTS)
def test_requests_by_the_hundred_do_not_wait_for_each_other(
    dialect: str, make_settings: Callable[..., Settings]
) -> None:
    """A request that has its connection needs a thread to go on, and must not find them all waiting for connections."""
    serving = open_house(make_settings(dialect, database_pool=2))
    house: House = next(serving)
    door = house.door()
    make_session(door)
    statuses: Counter[int] = Counter()

    def ask() -> None:
        statuses[door.get("/api/v1/sessions/").status] += 1

    began = time.monotonic()
    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert statuses.total() == CLIENTS
    assert set(statuses) <= {200, 503}
    assert statuses[200] > CLIENTS / 4
    assert time.monotonic() - began < 25
    next(serving, None)


def test_without_a_free_connection_a_request_is_refused_in_bounded_time(make_settings: Callable[..., Settings]) -> None:
    serving = open_house(make_settings("postgres", database_pool=2))
    house: House = next(serving)
    door = house.door()
    assert door.get("/api/v1/sessions/").status == 200
    pool: Any = house.database.reader.pool
    pool._timeout = 0.3
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(house.database.reading())
        began = time.monotonic()
        answer = door.get("/api/v1/sessions/")
        assert time.monotonic() - began < 3
        assert answer.status == 503
        assert answer.detail == "Every connection to the database is in use; try again in a moment."
        assert answer.headers["retry-after"] == "1"
    assert door.get("/api/v1/sessions/").status == 200
    next(serving, None)


def test_an_organization_that_another_server_holds_too_long_gets_503_and_the_others_go_on(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings("postgres")
    migrate(settings)
    stuck, ours = open_database(settings), open_database(settings)
    event.listen(ours.writer._engine, "begin", lambda db: db.exec_driver_sql("SET LOCAL lock_timeout = '200ms'"))
    counting = text("INSERT INTO counter (organization_id, name, value) VALUES (7, 'n', 1)")
    with stuck.writer._engine.begin() as db:
        lock_organization(db, 7)
        with pytest.raises(Busy, match="Another server is writing"):
            ours.write(7, lambda db: db.execute(counting))
        assert ours.write(8, lambda _db: "done") == "done"
    ours.write(7, lambda db: db.execute(counting))
    for database in (stuck, ours):
        database.close()


def test_a_write_whose_connection_breaks_in_the_midst_of_many_rows_is_refused_whole_and_the_next_is_done(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings("postgres")
    migrate(settings)
    database, other = open_database(settings), open_database(settings)
    rows = [{"organization_id": 7, "name": f"n{number}", "value": 1} for number in range(60)]

    def broken(db: Connection) -> None:
        mine = db.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with other.reading() as theirs:
            theirs.exec_driver_sql(f"SELECT pg_terminate_backend({mine}, 5000)")
        insert_rows(db, counter, rows)

    with pytest.raises(Busy, match="cannot be reached; nothing was written"):
        database.write(7, broken)
    database.write(7, lambda db: insert_rows(db, counter, rows))
    for one in (database, other):
        one.close()


def test_what_a_writer_may_hold_up_is_bounded_by_the_database(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings("postgres")
    migrate(settings)
    database = open_database(settings)
    with database.writer._engine.connect() as db:
        assert db.exec_driver_sql("SHOW lock_timeout").scalar_one() == "20s"
        assert db.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar_one() == "1min"
    database.close()

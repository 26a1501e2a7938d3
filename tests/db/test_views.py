"""PostgreSQL is read in views that cost little: nobody pays for a connection that broke, and nothing stays open."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest
from psycopg import Connection as Driver
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from hansard.db.access import Readers
from hansard.db.engine import Database
from hansard.db.exchange import Speaker
from hansard.db.hot import Numbered, keep_to_indexes
from hansard.db.views import ReadingConnection
from hansard.kit.settings import Settings
from tests.conftest import House, open_house
from tests.door import Door
from tests.make import make_session

COUNT = text("SELECT count(*) FROM counter WHERE organization_id = 1")
WRITE = text("INSERT INTO counter (organization_id, name, value) VALUES (1, :name, 1)")
OURS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


@pytest.fixture
def lonely_house(make_settings: Callable[..., Settings]) -> Iterator[House]:
    """A server on a PostgreSQL database that no other test uses."""
    yield from open_house(make_settings("postgres"))


def ask(house: House, sql: str) -> list[Any]:
    """Of the database, by a connection that is not the server's."""
    with Driver.connect(str(house.settings.database_url), autocommit=True) as other:
        return other.execute(sql.encode()).fetchall()


def end_connections(house: House) -> None:
    """What a restart of the database does to its clients."""
    assert ask(house, f"SELECT pg_terminate_backend(pid, 5000) {OURS}") != []


def test_nobody_hears_that_the_database_was_restarted(lonely_house: House) -> None:
    door = lonely_house.door()
    session_id = make_session(door)
    for path in (f"/hansard/v1/sessions/{session_id}/record", "/hansard/v1/sessions", "/api/v1/sessions/"):
        end_connections(lonely_house)
        assert door.get(path).status == 200, path
        end_connections(lonely_house)
        assert make_session(door)  # whose key is looked up by itself, and once


def test_a_farewell_is_seen_before_anything_is_asked(lonely_house: House) -> None:
    with ReadingConnection.connect(str(lonely_house.settings.database_url)) as db:
        for _ in range(2):
            assert db.is_there()
            assert db.ask([Numbered("SELECT 1", ())]) == [[(1,)]]
            db.rollback()
        end_connections(lonely_house)
        assert not db.is_there()


def test_a_server_that_went_without_a_farewell_is_noticed_by_a_connection_that_was_still(
    lonely_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = lonely_house.door()
    make_session(door)
    monkeypatch.setattr(ReadingConnection, "_has_more_to_hear", lambda _: False)
    monkeypatch.setattr("hansard.db.views.STILL_S", -1.0)
    end_connections(lonely_house)
    assert make_session(door)


def test_a_read_whose_connection_breaks_is_done_again_and_another_error_is_not(postgres_database: Database) -> None:
    seen = []

    def broken_once(db: Connection) -> int:
        seen.append(db.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        if len(seen) == 1:
            db.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        return int(db.execute(COUNT).scalar_one())

    def wrong(db: Connection) -> None:
        seen.append(db.exec_driver_sql("SELECT 1 / 0"))

    async def read() -> int:
        readers = Readers(postgres_database)
        found = await readers.read(broken_once)
        with pytest.raises(DBAPIError, match="division by zero"):
            await readers.read(wrong)
        readers.close()
        return found

    assert asyncio.run(read()) == 0
    assert len(set(seen)) == len(seen) == 2


def test_a_view_shows_nothing_that_was_written_after_it_began_and_the_next_all_of_it(
    postgres_database: Database,
) -> None:
    for number in range(3):  # a new connection, then twice the same
        with postgres_database.reading() as db:
            assert db.execute(COUNT).scalar_one() == number
            postgres_database.write(1, lambda db, n=number: db.execute(WRITE, {"name": f"n{n}"}))  # type: ignore[misc]
            assert db.execute(COUNT).scalar_one() == number
            assert db.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "repeatable read"
            with pytest.raises(DBAPIError, match="read-only"):
                db.execute(WRITE, {"name": "by a reader"})


def test_a_view_that_was_given_up_in_the_midst_is_followed_by_a_new_one(postgres_database: Database) -> None:
    with postgres_database.reading() as db:
        assert db.execute(COUNT).scalar_one() == 0
        postgres_database.write(1, lambda db: db.execute(WRITE, {"name": "n"}))
        db.rollback()
        assert db.execute(COUNT).scalar_one() == 1
        assert db.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "repeatable read"
        assert db.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on"


def test_an_answer_leaves_no_view_open(lonely_house: House) -> None:
    door = lonely_house.door()
    session_id = make_session(door)
    for path in (f"/hansard/v1/sessions/{session_id}/record", "/hansard/v1/sessions", "/api/v1/sessions/0"):
        door.get(path)
    open_views = f"SELECT query {OURS} AND state <> 'idle' AND state_change < now() - interval '50 ms'"
    ask(lonely_house, "SELECT pg_sleep(0.2)")
    assert ask(lonely_house, open_views) == []


def test_what_goes_by_keys_stays_prepared_and_a_filter_is_planned_for_its_values(lonely_house: House) -> None:
    door = lonely_house.door()
    make_session(door)
    prepared: set[str] = set()  # by whichever connection comes first; the server reads bodies by itself, too
    for _ in range(8):
        assert door.get("/hansard/v1/sessions?q=duration:>1").status == 200
        with lonely_house.database.reading() as db:
            prepared |= set(db.exec_driver_sql("SELECT statement FROM pg_prepared_statements").scalars())
    assert {_known_by(one) for one in prepared} - {"body"} == {"api_key", "unnest"}


def _known_by(statement: str) -> str:
    return next((name for name in ("unnest", "body", "api_key") if name in statement), statement)


def test_a_list_waits_for_three_answers(lonely_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key; which sessions; their rows. A view begins with the first, and that it ended is heard by whoever comes
    next.
    """
    door = lonely_house.door()
    make_session(door)
    exchanges = _exchanges_of(door, "/hansard/v1/sessions?q=duration:>1", monkeypatch)
    assert exchanges == ["api_key", "session", "unnest"]


def test_a_search_keeps_to_the_index_of_words(lonely_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL does not count what it takes to look into the words of every session, and would read them all."""
    door = lonely_house.door()
    make_session(door)
    said: list[list[bytes]] = []
    say = Speaker.say

    def saying(self: Speaker, those: Sequence[Numbered], before: Iterable[bytes] = ()) -> None:
        if any("search_words" in one.sql for one in those):
            said.append(list(before))
        say(self, those, before)

    monkeypatch.setattr(Speaker, "say", saying)
    assert door.get("/hansard/v1/sessions/search?q=appointment").status == 200
    assert said
    assert said[0][-1] == b"SET LOCAL enable_seqscan = off"


@pytest.mark.parametrize("is_by_sqlalchemy", [True, False])
def test_a_view_that_keeps_to_indexes_does_so_to_its_end(lonely_house: House, is_by_sqlalchemy: bool) -> None:
    shown = text("SHOW enable_seqscan")
    with lonely_house.database.reading() as db:
        keep_to_indexes(db)
        if is_by_sqlalchemy:
            assert db.execute(shown).scalar_one() == "off"
        driver: Any = db.connection.driver_connection
        assert driver.ask([Numbered("SHOW enable_seqscan", ())]) == [[("off",)]]
    with lonely_house.database.reading() as db:
        assert db.execute(shown).scalar_one() == "on"
        keep_to_indexes(db)
    with lonely_house.database.reading() as db:
        assert db.execute(shown).scalar_one() == "on"


def _exchanges_of(door: Door, path: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each exchange asked of PostgreSQL, the fewest of several times."""
    asked: list[str] = []
    say, wait = Speaker.say, ReadingConnection.wait

    def saying(self: Speaker, those: Sequence[Numbered], before: Iterable[bytes] = ()) -> None:
        if _is_of_a_request():
            asked.append(" ".join(map(_table_of, those)))
        say(self, those, before)

    def waiting(self: ReadingConnection, *given: Any, **named: Any) -> Any:
        if _is_of_a_request():
            asked.append("something else")
        return wait(self, *given, **named)

    for _ in range(5):
        assert door.get(path).status == 200
    monkeypatch.setattr(Speaker, "say", saying)
    monkeypatch.setattr(ReadingConnection, "wait", waiting)
    found = []
    for _ in range(9):
        asked.clear()
        assert door.get(path).status == 200
        found.append(list(asked))
    return min(found, key=len)


def _is_of_a_request() -> bool:
    """And not of what the server reads by itself: in a reader's thread or the event loop's, which has no name."""
    return threading.current_thread().name.startswith(("hansard-reader", "Thread-"))


def _table_of(one: Numbered) -> str:
    return next(name for name in ("unnest", "api_key", "session", "body") if f"FROM {name}" in one.sql)


def test_opening_a_session_is_one_exchange(lonely_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    door = lonely_house.door()
    session_id = make_session(door)
    for path, table in (
        (f"/hansard/v1/sessions/{session_id}/record", "session"),
        (f"/api/v1/sessions/{session_id}", "session"),
        (f"/api/v1/sessions/transcript/{session_id}", "body"),
        (f"/api/v1/sessions/latency/{session_id}", "body"),
    ):
        with monkeypatch.context() as patched:
            assert _exchanges_of(door, path, patched) == [f"api_key {table}"], path

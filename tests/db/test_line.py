"""What is looked up by keys in PostgreSQL is asked ahead, and that never shows but in the time it takes."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from psycopg import Connection as Driver
from sqlalchemy import Connection, text

from hansard.db.access import Readers
from hansard.db.engine import Database
from hansard.db.hot import Foreseen, Numbered, Rows, rows_of
from hansard.db.line import Line
from hansard.kit.settings import Settings
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.keys import KeyIds, find_key_ids, new_key
from tests.conftest import House, open_house
from tests.door import Door
from tests.make import make_session

WRITE = text("INSERT INTO counter (organization_id, name, value) VALUES (1, :name, 1)")
COUNT = Numbered("SELECT count(*) FROM counter WHERE organization_id = $1 AND name LIKE 'n%'", (1,))


@pytest.fixture
def lonely_house(make_settings: Callable[..., Settings]) -> Iterator[House]:
    """A server on a PostgreSQL database that no other test uses."""
    yield from open_house(make_settings("postgres"))


async def asked(line: Line, *those: Numbered) -> list[Rows] | None:
    """The answer, once the line is open."""
    for _ in range(200):
        answer = await line.ask(those)
        if answer is not None:
            return answer
        await asyncio.sleep(0.02)
    return None


def on_a_line(database: Database, ask: Callable[[Line], Any]) -> Any:
    """What is asked of a line, closed afterwards."""

    async def run() -> Any:
        assert database.line
        with ThreadPoolExecutor(1) as threads:
            line = database.line(threads)
            try:
                return await ask(line)
            finally:
                line.close()

    return asyncio.run(run())


def test_many_questions_at_once_are_each_given_their_own_answer(postgres_database: Database) -> None:
    async def ask(line: Line) -> list[Any]:
        await asked(line, COUNT)
        told = [
            line.ask([Numbered("SELECT $1::bigint", (n,)), Numbered("SELECT $1::text", (f"é{n}",))]) for n in range(30)
        ]
        return list(await asyncio.gather(*told))

    assert on_a_line(postgres_database, ask) == [[[(n,)], [(f"é{n}",)]] for n in range(30)]


def test_each_question_sees_what_was_written_before_it_and_one_moment(postgres_database: Database) -> None:
    async def ask(line: Line) -> list[Any]:
        seen = []
        for number in range(3):
            seen.append(await asked(line, COUNT, Numbered("SELECT pg_sleep(0.05) IS NULL", ()), COUNT))
            await asyncio.to_thread(
                postgres_database.write, 1, lambda db, n=number: db.execute(WRITE, {"name": f"n{n}"})
            )
        slow = asyncio.ensure_future(line.ask([COUNT, Numbered("SELECT pg_sleep(0.5) IS NULL", ()), COUNT]))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(postgres_database.write, 1, lambda db: db.execute(WRITE, {"name": "n9"}))
        return [[one[0], one[2]] for one in (*seen, await slow) if one]

    assert on_a_line(postgres_database, ask) == [[[(n,)], [(n,)]] for n in range(4)]


def test_it_only_reads(postgres_database: Database) -> None:
    told = Numbered("INSERT INTO counter (organization_id, name, value) VALUES (1, 'n', 1) RETURNING value", ())

    async def ask(line: Line) -> list[Any]:
        await asked(line, COUNT)
        return [await line.ask([told]), await asked(line, COUNT)]

    assert on_a_line(postgres_database, ask) == [None, [[(0,)]]]


def test_whoever_waits_for_a_connection_that_breaks_is_told_that_there_is_no_answer(
    postgres_database: Database,
) -> None:
    async def ask(line: Line) -> list[Any]:
        ((mine,),), *_ = await asked(line, Numbered("SELECT pg_backend_pid()", ())) or []
        waiting = [asyncio.ensure_future(line.ask([Numbered("SELECT pg_sleep(20) IS NULL", ())])) for _ in range(3)]
        await asyncio.sleep(0.1)
        with postgres_database.reading() as db:
            db.exec_driver_sql(f"SELECT pg_terminate_backend({mine})")
        return [*await asyncio.gather(*waiting), await asked(line, COUNT)]

    assert on_a_line(postgres_database, ask) == [None, None, None, [[(0,)]]]


def test_a_line_that_is_silent_is_given_up(postgres_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansard.db.line.SILENT_S", 0.2)

    async def ask(line: Line) -> list[Any]:
        await asked(line, COUNT)
        stuck = asyncio.ensure_future(line.ask([Numbered("SELECT pg_sleep(20) IS NULL", ())]))
        await asyncio.sleep(0.4)
        return [await asked(line, COUNT), await stuck]

    assert on_a_line(postgres_database, ask) == [[[(0,)]], None]


def test_what_was_not_foreseen_is_asked_in_a_view_of_its_own(postgres_database: Database) -> None:
    ids = KeyIds(1, 1)
    foreseen = accounts.foresee_caller(ids)
    other = Foreseen(foreseen.chosen, {"mine": 2, "id": 1})

    def work(db: Connection) -> tuple[str, list[Any]]:
        return type(db).__name__, [rows_of(db, *foreseen), rows_of(db, *other)]

    async def look() -> list[str]:
        readers = Readers(postgres_database)
        kinds = []
        for hints in ([foreseen, other], [foreseen, other], [foreseen], list[Foreseen]()):
            kinds.append((await readers.look_up(work, partial(list, hints)))[0])
            await asyncio.sleep(0.5 if len(kinds) == 1 else 0)  # until the line is open
        readers.close()
        return kinds

    assert asyncio.run(look()) == ["Connection", "Foretold", "Connection", "Connection"]


def test_a_revoked_key_opens_nothing_from_the_next_request_on(lonely_house: House) -> None:
    door = lonely_house.door()
    path = f"/hansard/v1/sessions/{make_session(door)}/record"
    for _ in range(5):
        assert door.get(path).status == 200
    ids = find_key_ids(door.key)
    assert ids
    lonely_house.database.write(
        door.organization_id,
        lambda db: accounts.change_key_to_revoked(db, ids.organization_id, ids.key_id, lonely_house.clock()),
    )
    for _ in range(3):
        answer = door.get(path)
        assert (answer.status, "session" in answer.json) == (401, False)


def test_nothing_is_asked_for_a_key_that_was_not_good_yet(lonely_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time it takes would tell a stranger, who can make up a key of any organization, what that has."""
    door = lonely_house.door()
    path = f"/hansard/v1/sessions/{make_session(door)}/record"
    for _ in range(5):
        assert door.get(path).status == 200
    stranger = Door(lonely_house.url, new_key(door.organization_id, 1), door.organization_id)
    questions: list[int] = []
    ask = Line.ask

    async def counting(self: Line, those: Any) -> Any:
        questions.append(len(those))
        return await ask(self, those)

    monkeypatch.setattr(Line, "ask", counting)
    assert [stranger.get(path).status for _ in range(3)] == [401] * 3
    assert questions == [1, 1, 1]


def test_a_database_that_was_away_is_asked_again(lonely_house: House) -> None:
    door = lonely_house.door()
    path = f"/hansard/v1/sessions/{make_session(door)}/record"
    with Driver.connect(str(lonely_house.settings.database_url), autocommit=True) as other:
        for _ in range(3):
            assert door.get(path).status == 200
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            assert door.get(path).status == 200

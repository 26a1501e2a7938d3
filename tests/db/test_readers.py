"""Reading in turns, in threads, and where it is asked for: always as it is now, and nothing is left open."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, text

from hansard.db.access import Readers, takes_long
from hansard.db.engine import Database

T = TypeVar("T")
WRITE = text("INSERT INTO counter (organization_id, name, value) VALUES (1, :name, 1)")
COUNT = text("SELECT count(*) FROM counter WHERE organization_id = 1 AND name LIKE 'n%'")


def count(db: Connection) -> int:
    return int(db.execute(COUNT).scalar_one())


def broken(_db: Connection) -> int:
    raise LookupError


def test_each_look_sees_what_was_written_before_it(database: Database) -> None:
    async def look(readers: Readers) -> list[tuple[int, int]]:
        seen = []
        for number in range(3):
            seen.append((await readers.read(count), await readers.look_up(count)))
            await asyncio.to_thread(database.write, 1, lambda db, n=number: db.execute(WRITE, {"name": f"n{n}"}))
            with pytest.raises(LookupError):
                await readers.look_up(broken)
        return seen

    assert _asked(database, look) == [(0, 0), (1, 1), (2, 2)]


def test_a_file_is_looked_up_where_it_is_asked_and_everything_else_in_a_thread(database: Database) -> None:
    async def names(readers: Readers) -> tuple[str, str]:
        return await readers.read(_thread), await readers.look_up(_thread)

    read, looked_up = _asked(database, names)
    assert read.startswith("hansard-reader")
    assert looked_up == threading.current_thread().name if database.folder else looked_up.startswith("hansard-reader")


def _asked(database: Database, ask: Callable[[Readers], Coroutine[Any, Any, T]]) -> T:
    """What readers answer, closed afterwards."""

    async def run() -> T:
        readers = Readers(database)
        try:
            return await ask(readers)
        finally:
            readers.close()

    return asyncio.run(run())


def _thread(_db: Connection) -> str:
    return threading.current_thread().name


def test_what_takes_long_is_given_up_where_it_was_asked_and_done_in_a_thread(sqlite_database: Database) -> None:
    """So that no list, however long it is counted, keeps the others waiting; the next is asked at once again."""

    long, short = list[str](), list[str]()

    async def look(readers: Readers) -> tuple[int, int]:
        first = await readers.look_up(partial(_counted_to, 3_000_000, told=long))
        return first, await readers.look_up(partial(_counted_to, 300, told=short))

    assert _asked(sqlite_database, look) == (3_000_000, 300)
    here = threading.current_thread().name
    assert (long[0], short) == (here, [here])
    assert long[1].startswith("hansard-reader")


def test_what_says_that_it_takes_long_is_done_in_a_thread(sqlite_database: Database) -> None:
    def work(db: Connection) -> str:
        takes_long(db)
        return _thread(db)

    async def look(readers: Readers) -> tuple[str, str]:
        return await readers.look_up(work), await readers.look_up(_thread)

    long, short = _asked(sqlite_database, look)
    assert long.startswith("hansard-reader")
    assert short == threading.current_thread().name


def _counted_to(most: int, db: Connection, told: list[str]) -> int:
    told.append(_thread(db))
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most) SELECT max(i) FROM n"
    return int(db.execute(text(numbers), {"most": most}).scalar_one())


def test_what_was_given_up_or_broken_off_leaves_no_view_of_the_past(sqlite_database: Database) -> None:
    async def look() -> list[int]:
        readers, seen = Readers(sqlite_database), []
        for number in range(2):
            await readers.look_up(partial(_counted_to, 3_000_000, told=[]))
            with pytest.raises(LookupError):
                await readers.look_up(_broken_off)
            await asyncio.to_thread(sqlite_database.write, 1, lambda db, n=number: db.execute(WRITE, {"name": f"n{n}"}))
            seen.append(await readers.look_up(count))
        readers.close()
        return seen

    assert asyncio.run(look()) == [1, 2]


def _broken_off(db: Connection) -> int:
    """In the midst of reading: a row of two is left."""
    db.execute(text("SELECT 1 UNION ALL SELECT count(*) FROM counter")).fetchone()
    raise LookupError


def test_more_readers_than_turns_are_all_answered(database: Database) -> None:
    async def ask() -> list[int]:
        readers = Readers(database)
        found = await asyncio.gather(*(readers.read(count) for _ in range(150)))
        readers.close()
        return found

    assert asyncio.run(ask()) == [0] * 150

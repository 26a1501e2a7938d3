"""What a route asks for: the database, a consistent view of it, the time.

What asks the database nothing is a coroutine, here and in every room: the framework sends a plain function to a
thread, which takes longer than most of them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request
from fastapi.concurrency import contextmanager_in_threadpool
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hansard.db.dialect import is_interrupted
from hansard.db.engine import POOL_WAIT_S, Database
from hansard.db.hot import Foreseen, Foretold, Unforeseen, numbered
from hansard.kit.errors import Busy
from hansard.kit.precedence import going_first

T = TypeVar("T")
Foresee = Callable[[], Iterable[Foreseen]]
# In a request that is answered at once SQLite takes half a million steps, some five milliseconds. It is counted in
# steps and not in time, so that the same request is always answered in the same way.
_MOST_PACES, _STEPS_A_PACE = 10, 50_000
_AT_ONCE = "hansard.at_once"  # in what is known of a connection: that the event loop waits for it


class _Long(Exception):
    """What was begun at once turned out to take long."""


def takes_long(db: Connection) -> None:
    """Say that what follows does. Where the event loop waits for it, it is given up, and done anew in a thread."""
    if _AT_ONCE in db.info:
        raise _Long


class Readers:
    """The turns in which requests read, and a thread for each of them.

    Who waits for a connection waits in the event loop: in a thread it would keep the very threads busy that those
    who have one need to go on.

    Who knows what will be asked says so, `foresee` gives it: PostgreSQL is asked all of it at once, on a connection
    for that alone (`db/line.py`), and `work` finds the answers there. It is only a hint: whatever else is asked, or
    goes wrong with it, and `work` is done anew with a connection of its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(database.most_reading)
        self._threads = ThreadPoolExecutor(database.most_reading, "hansard-reader")
        self._line = database.line(self._threads) if database.line else None
        self._here: tuple[Connection, Any] | None = None
        self._paces = 0  # of the request at hand

    async def read(self, work: Callable[[Connection], T], foresee: Foresee | None = None) -> T:
        """What `work` makes of one consistent view of the database, in a thread. Raises Busy."""
        told = await self._foretold(foresee)
        async with self.turn():
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work, told)

    async def look_up(self, work: Callable[[Connection], T], foresee: Foresee | None = None) -> T:
        """The same for what is soon answered: where the database is a file, or all that is asked was foreseen, a
        change of threads takes longer than to look a few rows up, and it is done at once. For a file, on a connection
        that nobody else has.

        What takes SQLite long, or says so itself (`takes_long`), is given up, and done anew in a thread.
        """
        if not self._database.folder:
            return await self._look_up_foretold(work, foresee)
        try:
            return self._look_up(work)
        except _Long:
            pass
        except DBAPIError as error:
            if not is_interrupted(error):
                raise
        return await self.read(work)

    async def _look_up_foretold(self, work: Callable[[Connection], T], foresee: Foresee | None) -> T:
        with going_first():
            told = await self._foretold(foresee)
            if told:
                try:
                    return work(told)
                except Unforeseen:
                    pass
        return await self.read(going_first()(work))

    async def _foretold(self, foresee: Foresee | None) -> Connection | None:
        """What has the answers to all that is foreseen; None where there is nothing, or it cannot be had like that."""
        if self._line is None or foresee is None:
            return None
        engine = self._database.reader
        asked = [numbered(engine.dialect, one) for one in foresee()]
        answers = await self._line.ask(asked) if asked else None
        if answers is None:
            return None
        return cast(Connection, Foretold(engine, dict(zip(asked, answers, strict=True))))

    def _look_up(self, work: Callable[[Connection], T]) -> T:
        here, driver = self._here = self._here or self._opened()
        self._paces = 0
        with going_first():
            driver.execute("BEGIN")
            try:
                return work(here)
            finally:
                driver.rollback()  # of nothing, for it only read

    def _opened(self) -> tuple[Connection, Any]:
        """A connection, and the driver's that it stands on.

        To SQLAlchemy all that is read there is one transaction, which it begins here. The driver begins and ends the
        real ones, one a request: by way of SQLAlchemy that takes a third as long as to look the key up.
        """
        here = self._database.reader.connect()
        here.begin()
        here.info[_AT_ONCE] = True
        driver: Any = here.connection.driver_connection
        driver.rollback()
        driver.set_progress_handler(self._is_long, _STEPS_A_PACE)
        return here, driver

    def _is_long(self) -> bool:
        self._paces += 1
        return self._paces > _MOST_PACES

    def _read(self, work: Callable[[Connection], T], told: Connection | None) -> T:
        """Once more where the connection broke in the midst of it: nothing was written."""
        if told:
            try:
                return work(told)
            except Unforeseen:
                pass
        try:
            return self._read_once(work)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._read_once(work)

    def _read_once(self, work: Callable[[Connection], T]) -> T:
        with self._database.reading() as db:
            return work(db)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One of the turns, waited for `POOL_WAIT_S` seconds at most. Raises Busy."""
        try:
            if self._turns.locked():
                await asyncio.wait_for(self._turns.acquire(), POOL_WAIT_S)
            else:
                await self._turns.acquire()  # at once; to wait within a time begins a task
        except TimeoutError:
            raise Busy("Too many requests are being answered; try again in a moment.") from None
        try:
            yield
        finally:
            self._turns.release()

    def close(self) -> None:
        """Let the threads end, and the connections."""
        if self._line:
            self._line.close()
        self._threads.shutdown()
        if self._here:
            self._here[0].close()


async def _database(request: Request) -> Database:
    found = request.app.state.database
    assert isinstance(found, Database)  # noqa: S101 - for the type checker; create_app put it there
    return found


Storage = Annotated[Database, Depends(_database)]


async def readers(request: Request) -> Readers:
    """The turns and threads of this server."""
    found = request.app.state.readers
    assert isinstance(found, Readers)  # noqa: S101 - for the type checker; create_app put it there
    return found


async def _reading(request: Request, database: Storage) -> AsyncIterator[Connection]:
    """A view of the database for the whole of a request."""
    async with (await readers(request)).turn(), contextmanager_in_threadpool(database.reading()) as db:
        yield db


async def _now(request: Request) -> datetime:
    now = request.app.state.clock()
    assert isinstance(now, datetime)  # noqa: S101 - for the type checker; create_app put it there
    return now


Reading = Annotated[Connection, Depends(_reading, scope="function")]
Now = Annotated[datetime, Depends(_now)]

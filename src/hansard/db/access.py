"""What a route asks for: the database, a consistent view of it, the time.

What asks the database nothing is a coroutine, here and in every room: the framework sends a plain function to a
thread, which takes longer than most of them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import contextmanager_in_threadpool
from sqlalchemy import Connection

from hansard.db.engine import POOL_WAIT_S, Database
from hansard.kit.errors import Busy


async def _database(request: Request) -> Database:
    found = request.app.state.database
    assert isinstance(found, Database)  # noqa: S101 - for the type checker; create_app put it there
    return found


Storage = Annotated[Database, Depends(_database)]


async def _reading(request: Request, database: Storage) -> AsyncIterator[Connection]:
    """A view of the database for the whole of a request.

    Who waits for a connection waits in the event loop: in a thread it would keep the very threads busy that those
    who have one need to go on.
    """
    async with _turn(request.app.state.turns), contextmanager_in_threadpool(database.reading()) as db:
        yield db


@asynccontextmanager
async def _turn(turns: asyncio.Semaphore) -> AsyncIterator[None]:
    """One of the turns, waited for `POOL_WAIT_S` seconds at most. Raises Busy."""
    try:
        await asyncio.wait_for(turns.acquire(), POOL_WAIT_S)
    except TimeoutError:
        raise Busy("Too many requests are being answered; try again in a moment.") from None
    try:
        yield
    finally:
        turns.release()


async def _now(request: Request) -> datetime:
    now = request.app.state.clock()
    assert isinstance(now, datetime)  # noqa: S101 - for the type checker; create_app put it there
    return now


Reading = Annotated[Connection, Depends(_reading, scope="function")]
Now = Annotated[datetime, Depends(_now)]

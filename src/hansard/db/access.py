"""What a route asks for: the database, a consistent view of it, the time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection

from hansard.db.engine import Database


def _database(request: Request) -> Database:
    found = request.app.state.database
    assert isinstance(found, Database)  # noqa: S101 - for the type checker; create_app put it there
    return found


Storage = Annotated[Database, Depends(_database)]


def _reading(database: Storage) -> Iterator[Connection]:
    with database.reading() as db:
        yield db


def _now(request: Request) -> datetime:
    now = request.app.state.clock()
    assert isinstance(now, datetime)  # noqa: S101 - for the type checker; create_app put it there
    return now


Reading = Annotated[Connection, Depends(_reading, scope="function")]
Now = Annotated[datetime, Depends(_now)]

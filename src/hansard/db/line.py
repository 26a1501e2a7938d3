"""One connection to PostgreSQL for all that is looked up by keys: what is asked goes out together, and the event loop
waits for the answers as it waits for requests.

A statement by way of a thread, SQLAlchemy and the driver's cursor takes several times as long as the database does. So
this speaks to libpq, in its pipeline mode. Whatever goes wrong is no more than no answer: who asked does it again by
the ordinary way, which says what is wrong.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

from psycopg import Connection, Error, OperationalError
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from hansard.db.exchange import Speaker
from hansard.db.hot import Numbered, Rows

MOST_WAITING = 32  # questions under way, whose few kilobytes never fill what the system holds for the other side
SILENT_S = 5.0
SETTINGS = r"-c default_transaction_isolation=repeatable\ read -c default_transaction_read_only=on"


def connect(*given: Any, **named: Any) -> Connection[Any]:
    """A connection for a `Line`: each transaction sees one view of the database, and none is begun by the driver."""
    return Connection.connect(*given, **named, autocommit=True)


class _Question(NamedTuple):
    """When something was asked, who waits for it, and the answers to its statements that are here already."""

    asked_at: float
    waiting: "asyncio.Future[list[Rows] | None]"
    answers: list[Rows]


class Line:
    """The connection, opened by a thread when it is first needed and again after it was lost; of one event loop.

    The statements of one question see one view of the database: until the end of a pipeline they are one transaction.
    """

    def __init__(self, connect: Callable[[], Connection[Any]], threads: Executor) -> None:
        self._connect = connect
        self._threads = threads
        self._open: Speaker | None = None
        self._socket = -1  # the file descriptor, which a connection that broke does not tell any more
        self._opening: asyncio.Future[Connection[Any]] | None = None
        self._waiting: deque[_Question] = deque()

    async def ask(self, asked: Sequence[Numbered]) -> list[Rows] | None:
        """The rows of each statement; None where there is no answer to be had here and now."""
        speaker = self._opened()
        if speaker is None or len(self._waiting) >= MOST_WAITING:
            return None
        question = _Question(time.monotonic(), asyncio.get_running_loop().create_future(), [])
        self._waiting.append(question)
        try:
            speaker.say(asked)
            if speaker.db.pgconn.flush():
                self.lose()  # the other side does not take what it is asked
        except Error:
            self.lose()
        return await question.waiting

    def _opened(self) -> Speaker | None:
        if self._waiting and time.monotonic() > self._waiting[0].asked_at + SILENT_S:
            self.lose()
        if self._open is None and self._opening is None:
            loop = asyncio.get_running_loop()
            self._opening = loop.run_in_executor(self._threads, self._connect)
            self._opening.add_done_callback(self._use)
        return self._open

    def _use(self, opening: "asyncio.Future[Connection[Any]]") -> None:
        self._opening = None
        if opening.cancelled() or opening.exception():
            return  # the ordinary way says why
        db = opening.result()
        db.pgconn.nonblocking = 1
        db.pgconn.enter_pipeline_mode()
        self._open, self._socket = Speaker(db), db.fileno()
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    def _hear(self) -> None:
        """Take what the server said; without anybody waiting, that is a farewell."""
        speaker = self._open
        if speaker is None:
            return
        pgconn = speaker.db.pgconn
        try:
            pgconn.consume_input()
            while self._waiting and not pgconn.is_busy():
                result = pgconn.get_result()
                if result is not None:
                    self._take(speaker, result)
        except Error:
            self.lose()
            return
        if pgconn.transaction_status == TransactionStatus.UNKNOWN:
            self.lose()

    def _take(self, speaker: Speaker, result: PGresult) -> None:
        question = self._waiting[0]
        if result.status == ExecStatus.TUPLES_OK:
            question.answers.append(speaker.rows(result))
        elif result.status == ExecStatus.PIPELINE_SYNC:
            self._waiting.popleft()
            _answer(question, question.answers)
        elif result.status != ExecStatus.COMMAND_OK:
            raise OperationalError(result.error_message)

    def close(self) -> None:
        """End, for good."""
        if self._opening:
            self._opening.cancel()
        self.lose()

    def lose(self) -> None:
        """Close the connection. Who waits is told that there is no answer."""
        waiting, self._waiting = self._waiting, deque()
        if self._open:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._open.db.close()
            self._open = None
        for one in waiting:
            _answer(one, None)


def _answer(question: _Question, told: list[Rows] | None) -> None:
    if not question.waiting.done():  # whoever asked may have gone
        question.waiting.set_result(told)

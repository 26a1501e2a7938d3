"""How PostgreSQL is read: one consistent view after another, with as few waits for an answer as it takes."""

import select
import time
from collections.abc import Sequence
from typing import Any

from psycopg import Connection, OperationalError
from psycopg.errors import error_from_result
from psycopg.generators import execute
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

from hansard.db.exchange import Speaker
from hansard.db.hot import Numbered, Rows

# A server that lost its power says no goodbye: a connection that was still for longer is asked whether it is there.
STILL_S = 5.0
_BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class ReadingConnection(Connection[Any]):
    """A connection that begins a view with what is asked first, and says that it ends without waiting: it hears the
    answer before it asks more.
    """

    _is_told = False  # and has not heard the answer
    _heard_at = 0.0
    _speaker: Speaker | None = None
    _before: tuple[bytes, ...] = ()  # what is asked next

    def is_there(self) -> bool:
        """False where the server is gone, or says that it goes."""
        was_still = time.monotonic() > self._heard_at + STILL_S
        self._hear()
        if was_still:
            self._tell(b"")
            self._hear()
        return not self._has_more_to_hear()

    def ask(self, asked: Sequence[Numbered]) -> list[Rows]:
        """The rows of each of these statements, of which one waits for all. Raises what the driver raises."""
        self._hear()
        is_first = self.pgconn.transaction_status == TransactionStatus.IDLE
        self._speaker = self._speaker or Speaker(self)
        self.pgconn.enter_pipeline_mode()
        try:
            before, self._before = self._before, ()
            self._speaker.say(asked, [*([_BEGIN] if is_first else []), *before])
            return self._answers(self._speaker)
        finally:
            if not self.broken:
                self.pgconn.exit_pipeline_mode()
            self._heard_at = time.monotonic()

    def keep_to_indexes(self) -> None:
        """Have nothing read row by row, to the end of the view, where there is an index for it."""
        self._before = (b"SET LOCAL enable_seqscan = off",)

    def _answers(self, speaker: Speaker) -> list[Rows]:
        """To all that was said. Raises the first error among them once all of it was heard."""
        answers: list[Rows] = []
        failed: Exception | None = None
        while self.pgconn.status != ConnStatus.BAD:
            result = self.pgconn.get_result()
            if result is None:
                continue  # between the answers to two statements
            if result.status == ExecStatus.PIPELINE_SYNC:
                break
            if result.status == ExecStatus.TUPLES_OK:
                answers.append(speaker.rows(result))
            elif result.status == ExecStatus.FATAL_ERROR:
                failed = failed or error_from_result(result)
        else:
            failed = failed or OperationalError("The connection is lost.")
        if failed:
            raise failed
        return answers

    def rollback(self) -> None:
        """End the view, by COMMIT: after a ROLLBACK the driver would forget all that it has prepared."""
        self._before = ()
        self._hear()
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            self._tell(b"COMMIT")

    def wait(self, *given: Any, **named: Any) -> Any:
        """What the driver calls for everything that it asks."""
        if self._before:
            self.ask(())
        self._hear()
        try:
            return super().wait(*given, **named)
        finally:
            self._heard_at = time.monotonic()

    def _tell(self, command: bytes) -> None:
        self.pgconn.send_query(command)
        self._is_told = True

    def _hear(self) -> None:
        if self._is_told:
            self._is_told = False
            super().wait(execute(self.pgconn))

    def _has_more_to_hear(self) -> bool:
        """Whether there is something that nobody asked for: a farewell."""
        waiting = select.poll()
        waiting.register(self.fileno(), select.POLLIN)
        return bool(waiting.poll(0))


def connect(_dialect: Any, _record: Any, given: Any, named: Any) -> ReadingConnection:
    """What SQLAlchemy calls for a new connection."""
    return ReadingConnection.connect(*given, **named)

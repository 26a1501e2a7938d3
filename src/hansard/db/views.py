"""How PostgreSQL is read: one consistent view after another, with as few waits for an answer as it takes."""

import select
import time
from typing import Any

from psycopg import Connection
from psycopg.generators import execute
from psycopg.pq import TransactionStatus

# A server that lost its power says no goodbye: a connection that was still for longer is asked whether it is there.
STILL_S = 5.0
_BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class ReadingConnection(Connection[Any]):
    """A connection that says where a view begins and ends without waiting: it hears the answer before it asks more."""

    _is_told = False  # and has not heard the answer
    _heard_at = 0.0

    def begin(self) -> bool:
        """Begin a view; False where the server is not there any more, or says that it goes."""
        was_still = time.monotonic() > self._heard_at + STILL_S
        self._hear()
        if was_still:
            self._tell(b"")
            self._hear()
        if self._has_more_to_hear():
            return False
        self._tell(_BEGIN)
        return True

    def rollback(self) -> None:
        """End the view, by COMMIT: after a ROLLBACK the driver would forget all that it has prepared."""
        self._hear()
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            self._tell(b"COMMIT")

    def wait(self, *given: Any, **named: Any) -> Any:
        """What the driver calls for everything that it asks."""
        self._hear()
        return super().wait(*given, **named)

    def _tell(self, command: bytes) -> None:
        self.pgconn.send_query(command)
        self._is_told = True

    def _hear(self) -> None:
        if self._is_told:
            self._is_told = False
            super().wait(execute(self.pgconn))
            self._heard_at = time.monotonic()

    def _has_more_to_hear(self) -> bool:
        """Whether there is something that nobody asked for: a farewell."""
        waiting = select.poll()
        waiting.register(self.fileno(), select.POLLIN)
        return bool(waiting.poll(0))


def connect(_dialect: Any, _record: Any, given: Any, named: Any) -> ReadingConnection:
    """What SQLAlchemy calls for a new connection."""
    return ReadingConnection.connect(*given, **named)

"""Statements to PostgreSQL by way of libpq, several of them in one exchange.

The driver's cursor takes longer for a small statement than the database does, and asks one after the other.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import Format
from psycopg.pq.abc import PGresult

from hansard.db.hot import Numbered, Rows

MOST_PREPARED = 200


class Speaker:
    """What says statements on a connection that is in libpq's pipeline mode, and reads their answers.

    Values go out as text, which the server reads in the types that a kept statement says, else in their own; they come
    back in its own form.
    """

    def __init__(self, db: Connection[Any]) -> None:
        self.db = db
        self._pgconn = db.pgconn
        self._fit = Transformer(db)
        self._names: dict[str, bytes] = {}

    def say(self, asked: Sequence[Numbered], before: Iterable[bytes] = ()) -> None:
        """Send these, after commands without an answer, and the end of the exchange."""
        for command in before:
            self._pgconn.send_query_params(command, [])
        for one in asked:
            told = self._fit.dump_sequence(one.given, [PyFormat.TEXT] * len(one.given))
            name = self._name(one)
            if name:
                self._pgconn.send_query_prepared(name, told, result_format=Format.BINARY)
            else:
                self._pgconn.send_query_params(one.sql.encode(), told, self._fit.types, result_format=Format.BINARY)
        self._pgconn.pipeline_sync()

    def _name(self, one: Numbered) -> bytes | None:
        """Under which the connection knows a statement, from now on if it may."""
        name = self._names.get(one.sql)
        if name is None and one.is_kept and len(self._names) < MOST_PREPARED:
            name = self._names[one.sql] = b"kept_%d" % len(self._names)
            self._pgconn.send_prepare(name, one.sql.encode())
        return name

    def rows(self, answer: PGresult) -> Rows:
        self._fit.set_pgresult(answer)
        return self._fit.load_rows(0, answer.ntuples, tuple)

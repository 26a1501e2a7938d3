"""An event between the call that says it and the line it becomes."""

import itertools
import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hansard.wire import instant_of

_numbers = itertools.count()
_process = os.urandom(4).hex()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AROUND_BYTES = 250  # of a line, beside its text


def _in_a_child() -> None:
    global _process
    _process = os.urandom(4).hex()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_child)


class Spoken:
    """What was said, when, and under which id. Written as JSON when somebody asks for the line, on whatever thread.

    What the agent could still change, a dict or a list, is written at once.
    """

    __slots__ = ("_at", "_data", "_id", "_key", "_kind", "_line", "size_bytes")

    def __init__(
        self, key: Mapping[str, str], kind: str, at: datetime | None, data: Mapping[str, Any], event_id: str | None
    ) -> None:
        now_ns = time.time_ns()
        self._key = key
        self._kind = kind
        self._at: datetime | int = now_ns if at is None else at
        # Later than the one before it when both are sorted, so that events of one instant keep their order.
        self._id = event_id or f"{now_ns:016x}{next(_numbers) & 0xFFFFFFFF:08x}{_process}"
        self._data = data
        self._line: bytes | None = None
        self.size_bytes = _AROUND_BYTES
        for value in data.values():
            if isinstance(value, str):
                self.size_bytes += len(value)
            elif isinstance(value, dict | list | tuple | set):
                self._line = self._written()
                self.size_bytes = len(self._line)
                break

    def line(self) -> bytes:
        """The event as a line of JSON. Raises what json does for what it cannot write."""
        return self._line or self._written()

    def _written(self) -> bytes:
        at = self._at if isinstance(self._at, datetime) else _EPOCH + timedelta(microseconds=self._at // 1000)
        return _json(
            {
                "id": self._id,
                "session": self._key,
                "kind": self._kind,
                "at": instant_of(at),
                "data": {name: _value(value) for name, value in self._data.items() if value is not None},
            }
        )


def _json(event: Mapping[str, Any]) -> bytes:
    """Halves of a surrogate pair, which no UTF-8 can hold, become U+FFFD."""
    text = json.dumps(event, default=str, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _value(value: Any) -> Any:
    return instant_of(value) if isinstance(value, datetime) else value

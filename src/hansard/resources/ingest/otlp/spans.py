"""A span as the dialects read it: plain values, instants in UTC text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_LONGEST_S = 1e9


@dataclass(frozen=True)
class Span:
    """One span. `attributes`, `resource` and `events` hold JSON values only; `error` is set when the span failed."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: int
    scope: str
    started_at: str
    ended_at: str
    duration_ms: float
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, str]] = field(default_factory=list)
    error: str | None = None

    @property
    def is_root(self) -> bool:
        """Whether its trace begins with it."""
        return self.parent_id is None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Reader:
    """Reads a span's attributes and remembers which were made use of; what is left over is kept beside them."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self._taken: set[str] = set()

    def text(self, *names: str) -> str | None:
        """The first of these that is a text, and not an empty one."""
        found: str | None = self._first(names, lambda value: isinstance(value, str) and value != "")
        return found

    def number(self, *names: str) -> float | None:
        """The first of these that is a number."""
        found = self._first(names, _is_number)
        return None if found is None else float(found)

    def seconds(self, *names: str) -> float | None:
        """The first of these that is a stretch of time; zero and less are how some say that they do not know."""
        found = self._first(names, lambda value: _is_number(value) and 0 < value < _LONGEST_S)
        return None if found is None else float(found)

    def whole(self, *names: str) -> int | None:
        """The first of these that is a whole number other systems can keep too."""
        found: int | None = self._first(
            names, lambda value: _is_number(value) and value % 1 == 0 and abs(value) < 2**53
        )
        return None if found is None else int(found)

    def flag(self, *names: str) -> bool | None:
        """The first of these that is true or false."""
        found: bool | None = self._first(names, lambda value: isinstance(value, bool))
        return found

    def any(self, *names: str) -> Any:
        """The first of these that is there."""
        return self._first(names, lambda value: value is not None)

    def take(self, *names: str) -> None:
        """Count these as made use of."""
        self._taken.update(names)

    def left_over(self) -> dict[str, Any]:
        """The attributes nobody asked for."""
        return {name: value for name, value in self.span.attributes.items() if name not in self._taken}

    def _first(self, names: tuple[str, ...], suits: Any) -> Any:
        for name in names:
            value = self.span.attributes.get(name)
            if suits(value):
                self._taken.add(name)
                return value
        return None

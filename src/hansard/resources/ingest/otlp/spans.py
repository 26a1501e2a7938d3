"""A span as the dialects read it: by name, with what nobody asked for kept in mind."""

from typing import Any

from hansard.kit.otlp import Span

_LONGEST_S = 1e9


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

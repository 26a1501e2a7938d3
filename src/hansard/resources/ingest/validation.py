"""A body in, checked events out: what is refused whole, and what event by event (design 3)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import from_json

from hansard.kit.errors import Invalid, TooLarge
from hansard.wire import MAX_DEPTH, MAX_EVENTS, SHAPES, Event, Instant, Key, Rejection, SessionKey

_STRICT = ConfigDict(strict=True, extra="ignore")
_KEEPING = ConfigDict(strict=True, extra="allow")

_DATA = {kind: TypeAdapter(with_config(_KEEPING)(shape)) for kind, shape in SHAPES.items()}
_KEY: TypeAdapter[str] = TypeAdapter(Key, config=_STRICT)
_SESSION: TypeAdapter[SessionKey] = TypeAdapter(with_config(_STRICT)(SessionKey))
_INSTANT: TypeAdapter[str] = TypeAdapter(Instant, config=_STRICT)


@dataclass(frozen=True)
class Checked:
    """The good events of a request, each with its place in it, and why the others are not good."""

    events: list[tuple[int, Event]]
    rejected: list[Rejection]


def parsed(body: bytes, media_type: str) -> list[Any]:
    """The events of a body, unchecked: `{"events": [...]}`, or one a line for NDJSON.

    Raises Invalid for what is not JSON or nested too deep, TooLarge for too many.
    """
    is_lines = media_type in ("application/x-ndjson", "application/ndjson", "application/jsonl")
    events = list(_lines(body)) if is_lines else _listed(_json(body, "The body"))
    if len(events) > MAX_EVENTS:
        raise TooLarge(f"A request may carry {MAX_EVENTS} events, not {len(events)}.")
    for index, one in enumerate(events):
        if is_too_deep(one, MAX_DEPTH):
            raise Invalid(f"events[{index}] is nested more than {MAX_DEPTH} levels deep; nothing was stored.")
    return events


def _lines(body: bytes) -> Iterator[Any]:
    for number, line in enumerate(body.split(b"\n"), start=1):
        if line.strip():
            yield _json(line, f"Line {number}")


def _json(text: bytes, what: str) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Invalid(f"{what} is not JSON: {error}.") from None


def _listed(body: Any) -> list[Any]:
    events = body.get("events") if isinstance(body, dict) else None
    if not isinstance(events, list):
        raise Invalid('The body must be an object with a list: {"events": [...]}.')
    return events


def is_too_deep(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested in each other more than this many levels."""
    if not isinstance(value, dict | list):
        return False
    if not levels:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(is_too_deep(one, levels - 1) for one in inner)


def checked(events: list[Any]) -> Checked:
    """Check events one by one against the wire's shapes."""
    made = Checked([], [])
    for index, one in enumerate(events):
        try:
            made.events.append((index, check(one)))
        except ValueError as error:
            made.rejected.append(Rejection(index=index, id=_id_of(one), error=str(error)))
    return made


def check(one: Any) -> Event:
    """The event, its instants in UTC text of fixed width. Raises ValueError with a sentence that names the field."""
    if not isinstance(one, dict):
        raise ValueError("An event must be an object.")
    kind = one.get("kind")
    shape = _DATA.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise ValueError(f"kind: {kind!r:.80} is unknown; the kinds are {', '.join(_DATA)}.")
    made = Event(
        id=_field(_KEY, one, "id"),
        session=_field(_SESSION, one, "session"),
        kind=str(kind),
        at=_field(_INSTANT, one, "at"),
        data=_field(shape, one, "data"),
    )
    _refuse_infinite(made["data"], "data")
    return made


def _field(adapter: TypeAdapter[Any], one: dict[Any, Any], name: str) -> Any:
    if name not in one:
        raise ValueError(f"{name}: is missing.")
    try:
        return adapter.validate_python(one[name])
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join([name, *map(str, first["loc"])])
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}.") from None


def _refuse_infinite(value: Any, where: str) -> None:
    """JSON can write a number no float can hold; it would come back as something else."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where}: is a number too large to keep; send it as text.")
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_infinite(inner, f"{where}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_infinite(inner, f"{where}[{index}]")


def _id_of(one: Any) -> str | None:
    given = one.get("id") if isinstance(one, dict) else None
    return given if isinstance(given, str) else None

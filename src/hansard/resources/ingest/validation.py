"""A body in, checked events out: what is refused whole, and what event by event (design 3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import from_json
from typing_extensions import TypedDict

from hansard.kit.errors import Invalid, TooLarge
from hansard.wire import MAX_DEPTH, MAX_EVENTS, SHAPES, Event, Instant, Key, Rejection, SessionKey

_STRICT = ConfigDict(strict=True, extra="ignore")
_KEEPING = ConfigDict(strict=True, extra="allow")


def _event(kind: str, data: Any) -> TypeAdapter[Event]:
    """What checks a whole event of one kind in one go; the keys of its data that we do not know are kept."""
    key = with_config(_STRICT)(SessionKey)
    parts = {"id": Key, "session": key, "kind": str, "at": Instant, "data": with_config(_KEEPING)(data)}
    made = cast("Any", TypedDict)(f"Event_{kind}", parts)
    return TypeAdapter(with_config(_STRICT)(made))


_EVENTS = {kind: _event(kind, shape) for kind, shape in SHAPES.items()}
# How the two ways to read an instant are told apart in the place of an error (`InstantRule`).
_WAYS = ("written", "read")


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
    kind = type(value)
    if kind is not dict and kind is not list:
        return False
    if not levels:
        return True
    for inner in value.values() if kind is dict else value:
        kind = type(inner)  # here already: a call for every text and number would take longer than reading the JSON
        if (kind is dict or kind is list) and is_too_deep(inner, levels - 1):
            return True
    return False


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
    adapter = _EVENTS.get(kind) if isinstance(kind, str) else None
    if adapter is None:
        raise ValueError(f"kind: {kind!r:.80} is unknown; the kinds are {', '.join(_EVENTS)}.")
    try:
        made = adapter.validate_python(one)
    except ValidationError as error:
        raise ValueError(_sentence(error)) from None
    if place := _infinite(made["data"]):
        raise ValueError(f"data{place}: is a number too large to keep; send it as text.")
    return made


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong, and where. An instant was tried two ways: why the second failed says more."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    first = next((one for one in found if one["type"] != "string_pattern_mismatch"), found[0])
    where = ".".join(str(part) for part in first["loc"] if part not in _WAYS)
    if first["type"] == "missing" and len(first["loc"]) == 1:
        return f"{where}: is missing."
    return f"{where}: {first['msg'].removeprefix('Value error, ')}."


def _infinite(value: Any) -> str | None:
    """Where in it a number is infinite: JSON can write one no float can hold, which would come back as another."""
    is_object = type(value) is dict
    for name, inner in value.items() if is_object else enumerate(value):
        kind = type(inner)
        if kind is float and not isfinite(inner):
            return f".{name}" if is_object else f"[{name}]"
        if (kind is dict or kind is list) and (place := _infinite(inner)):
            return f".{name}{place}" if is_object else f"[{name}]{place}"
    return None


def _id_of(one: Any) -> str | None:
    given = one.get("id") if isinstance(one, dict) else None
    return given if isinstance(given, str) else None

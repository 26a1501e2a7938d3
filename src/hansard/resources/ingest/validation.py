"""A body in, checked events out: what is refused whole, and what event by event (design 3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import from_json
from typing_extensions import TypedDict

from hansard.kit.errors import Invalid, TooLarge
from hansard.resources.ingest.shapes import find_good, settled
from hansard.resources.sessions.kept import Told, is_too_deep, told
from hansard.wire import MAX_DEPTH, MAX_EVENTS, SHAPES, Event, Instant, Key, Rejection, SessionKey

_STRICT = ConfigDict(strict=True, extra="ignore")
_KEEPING = ConfigDict(strict=True, extra="allow")


def _event(kind: str, data: Any) -> Any:
    """The shape of a whole event of one kind; the keys of its data that we do not know are kept."""
    key = with_config(_STRICT)(SessionKey)
    parts = {"id": Key, "session": key, "kind": Literal[kind], "at": Instant, "data": with_config(_KEEPING)(data)}
    return with_config(_STRICT)(cast("Any", TypedDict)(f"Event_{kind}", parts))


_EVENTS: dict[str, TypeAdapter[Event]] = {kind: TypeAdapter(_event(kind, shape)) for kind, shape in SHAPES.items()}


@dataclass(frozen=True)
class Checked:
    """The good events of a request, the place of each in it, and why the others are not good."""

    events: list[Told]
    places: Sequence[int]
    rejected: list[Rejection]


def read_events(body: bytes, media_type: str) -> Checked:
    """The events of a body, checked: `{"events": [...]}`, or one a line for NDJSON.

    Raises Invalid for what is not JSON or nested too deep, TooLarge for too many.
    """
    is_lines = media_type in ("application/x-ndjson", "application/ndjson", "application/jsonl")
    good = _all_good(body, is_lines=is_lines)
    if good is not None:
        return Checked(good, range(len(good)), [])
    return checked(_parsed(body, is_lines=is_lines))


def _all_good(body: bytes, *, is_lines: bool) -> list[Told] | None:
    """The events of a body in which all is well, read and checked in one go; None where something may not be.

    That is how most come, and several times as fast as looking at the events one by one. What is wrong, and where,
    is for those who do that to say.
    """
    lines = [line for line in body.split(b"\n") if line.strip()] if is_lines else []
    events = find_good(b'{"events":[' + b",".join(lines) + b"]}" if is_lines else body)
    if events is None or len(events) > MAX_EVENTS or (is_lines and len(events) != len(lines)):
        return None
    return events


def _parsed(body: bytes, *, is_lines: bool) -> list[Any]:
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


def checked(events: list[Any]) -> Checked:
    """Check events one by one against the wire's shapes."""
    good, places, rejected = list[Told](), list[int](), list[Rejection]()
    for index, one in enumerate(events):
        try:
            good.append(told(check(one)))
            places.append(index)
        except ValueError as error:
            rejected.append(Rejection(index=index, id=_id_of(one), error=str(error)))
    return Checked(good, places, rejected)


def check(one: Any) -> Event:
    """The event, its instants in UTC text of fixed width. Raises ValueError with a sentence that names the field."""
    if not isinstance(one, dict):
        raise ValueError("An event must be an object.")
    kind = one.get("kind")
    adapter = _EVENTS.get(kind) if isinstance(kind, str) else None
    if adapter is None:
        raise ValueError(f"kind: {kind!r:.80} is unknown; the kinds are {', '.join(_EVENTS)}.")
    try:
        adapter.validate_python(one)
    except ValidationError as error:
        raise ValueError(_sentence(error)) from None
    _refuse_infinite(one["data"], "data")
    return settled(cast("Event", one))


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing" and len(first["loc"]) == 1:
        return f"{where}: is missing."
    return f"{where}: {first['msg'].removeprefix('Value error, ')}."


def _refuse_infinite(value: Any, where: str) -> None:
    """JSON can write a number no float can hold; it would come back as something else."""
    if isinstance(value, float) and not isfinite(value):
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

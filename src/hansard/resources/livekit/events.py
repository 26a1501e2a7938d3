"""Checked events: what LiveKit says is not believed to fit the wire's shapes either."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import from_json

from hansard.wire import MAX_DEPTH, SHAPES, Event, Key, SessionKey, instant_of

SERVICE = "livekit"

_DATA = {
    kind: TypeAdapter(with_config(ConfigDict(strict=True, extra="allow"))(shape)) for kind, shape in SHAPES.items()
}
_KEY: TypeAdapter[str] = TypeAdapter(Key, config=ConfigDict(strict=True))


def event_of(room_id: str, id: str, kind: str, at: datetime, data: dict[str, Any]) -> Event:  # noqa: A002 - the wire's
    """An event of the session of this room, without what is null. Raises ValueError with a sentence."""
    said = {name: value for name, value in data.items() if value is not None}
    if not is_plain(said, MAX_DEPTH):
        raise ValueError("holds a number that is none, or is nested too deep")
    try:
        session = SessionKey(service=SERVICE, sid=_KEY.validate_python(room_id))
        checked = _DATA[kind].validate_python(said)
        return Event(id=_KEY.validate_python(id), session=session, kind=kind, at=instant_of(at), data=checked)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "an id"
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def is_plain(value: Any, levels: int) -> bool:
    """Whether JSON can hold this, nested at most so many levels deep."""
    if isinstance(value, float):
        return math.isfinite(value)
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(is_plain(one, levels - 1) for one in inner)


def number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def moment(unix_s: Any) -> datetime | None:
    """The instant of these Unix seconds; None for none, for zero, and outside the calendar."""
    if not (seconds := number(unix_s)):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def moved(at: datetime | None, duration_s: Any, direction: int = 1) -> datetime | None:
    """A moment later by a duration, or earlier; the same where there is no duration."""
    if at is None:
        return None
    return at + direction * timedelta(seconds=number(duration_s) or 0)


def written(at: datetime | None) -> str | None:
    return instant_of(at) if at else None


def parsed(text: Any) -> Any:
    """The object or list that this JSON text is; any other text stays as it is."""
    try:
        value = from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError):
        return text
    return value if isinstance(value, dict | list) and is_plain(value, MAX_DEPTH - 2) else text

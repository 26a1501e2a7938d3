"""The wire's shapes as msgspec reads them: a request in which all is well is known for one in one go."""

import types
from datetime import datetime
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, UnsetType, defstruct
from typing_extensions import get_type_hints

from hansard.kit.precedence import give_way
from hansard.wire import SHAPES, DurationRule, Event, Instant, InstantRule, Key, SessionKey, TextRule, WholeRule


def find_good(body: bytes) -> list[Event] | None:
    """The events of `{"events": [...]}`, as they were written, where each has the shape of its kind; else None.

    None does not say that something is wrong: a text with NUL, or a time that only Python can read, is for those
    who look at the events one by one.
    """
    if b"\\u0000" in body:
        return None
    try:
        _BODY.decode(body)
        give_way()
        events: list[Event] = _AS_WRITTEN.decode(body)["events"]
    except (msgspec.MsgspecError, RecursionError):
        return None
    return events


def _translated(hint: Any) -> Any:
    """A type of the wire, with its rule as msgspec has it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _ruled(*inner)
    if origin in (Union, types.UnionType):
        return Union[tuple(map(_translated, inner))]  # noqa: UP007 - made of a list
    if origin in (list, dict):
        return origin[tuple(map(_translated, inner))]
    return _translated(inner[0]) if origin is NotRequired else hint


def _ruled(plain: Any, rule: Any) -> Any:
    if isinstance(rule, InstantRule):
        return Annotated[datetime, Meta(tz=True)]
    if isinstance(rule, TextRule):
        return Annotated[plain, Meta(min_length=rule.least, max_length=rule.most)]
    if isinstance(rule, WholeRule | DurationRule):
        return Annotated[plain, Meta(ge=rule.least, le=rule.most)]
    raise TypeError(f"{rule} has no meaning here.")


def _struct(name: str, shape: Any) -> Any:
    """A struct of a TypedDict; keys it does not know are passed over."""
    hints = {key: _translated(hint) for key, hint in get_type_hints(shape, include_extras=True).items()}
    must = [(key, hint) for key, hint in hints.items() if key in shape.__required_keys__]
    may = [(key, Union[hint, UnsetType], UNSET) for key, hint in hints.items() if key not in shape.__required_keys__]  # noqa: UP007 - of types made here
    return defstruct(name, [*must, *may], gc=False)


def _event(kind: str, data: Any) -> Any:
    name = kind.replace(".", "_")
    parts = {"id": _translated(Key), "session": _SESSION, "at": _translated(Instant), "data": _struct(name, data)}
    return defstruct(f"event_{name}", list(parts.items()), tag_field="kind", tag=kind, gc=False)


_SESSION = _struct("session", SessionKey)
_ALL: Any = Union[tuple(_event(kind, shape) for kind, shape in SHAPES.items())]  # noqa: UP007 - made of a list
_BODY: "msgspec.json.Decoder[Any]" = msgspec.json.Decoder(defstruct("Body", [("events", list[_ALL])]))
_AS_WRITTEN: "msgspec.json.Decoder[Any]" = msgspec.json.Decoder()

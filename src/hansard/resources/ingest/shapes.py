"""A request in which all is well, known for one and cut into the pieces that are kept, in one go."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

import msgspec
from msgspec import Struct
from typing_extensions import get_type_hints

from hansard.kit.precedence import give_way
from hansard.resources.sessions.kept import Told, event_of, read_data, told
from hansard.wire import SHAPES, Event, Instant, instant


class _Body(Struct, gc=False):
    events: list[Told]


_BODY = msgspec.json.Decoder(_Body)
_ANY: "msgspec.json.Decoder[Any]" = msgspec.json.Decoder()
_BEGINNING = 100  # bytes, in which is seen whether a body is written with blanks
_AT_ONCE = 50  # events, which take less than a tenth of a millisecond
# Where each mark of an instant of fixed width stands: `2026-11-22T10:00:00.000000Z`.
_MARKS = {4: "-", 7: "-", 10: "T", 13: ":", 16: ":", 19: ".", 26: "Z"}
_WIDTH = 27


def find_good(body: bytes) -> list[Told] | None:
    """The events of `{"events": [...]}` where each has the shape of its kind; else None.

    None does not say that something is wrong: a text with NUL, or a time that only Python can read, is for those
    who look at the events one by one.
    """
    has_numbered = b"\\" in body and b"\\u" in body
    if has_numbered and b"\\u0000" in body:
        return None
    try:
        if has_numbered or any(blank in body[:_BEGINNING] for blank in (b'": ', b"\n")):
            body = msgspec.json.encode(_ANY.decode(body))  # as we write it: in fewer bytes
        events = _BODY.decode(body).events
        parts = [events[start : start + _AT_ONCE] for start in range(0, len(events), _AT_ONCE)]
        unsettled = [some for some in parts if not _read(some)]
        return [told(settled(event_of(one))) for one in events] if unsettled else events
    except (msgspec.MsgspecError, ValueError, KeyError, RecursionError):
        return None


def _read(some: Sequence[Told]) -> bool:
    """Read what events say; give whether their instants are settled."""
    give_way()
    read_data(some)
    return _are_settled(_instants(some))


def _is_of(hint: Any, one: Any) -> bool:
    """Whether a type is this one, or may be."""
    return hint == one or any(_is_of(inner, one) for inner in get_args(hint))


def _instants_of(shape: Any) -> tuple[str, ...]:
    return tuple(name for name, hint in get_type_hints(shape, include_extras=True).items() if _is_of(hint, Instant))


_INSTANTS = {kind: _instants_of(shape) for kind, shape in SHAPES.items()}


def _instants(events: Sequence[Told]) -> list[str]:
    found = [one.at for one in events]
    for one in events:
        said = one.said
        for name in _INSTANTS[one.kind]:
            text = said.get(name) if type(said) is dict else getattr(said, name)
            if text is not None:
                found.append(text)
    return found


def _are_settled(instants: Sequence[str]) -> bool:
    """Whether all of these are written as `instant` writes them. Raises ValueError where one is none."""
    whole = "".join(instants)
    if set(map(len, instants)) != {_WIDTH}:
        return not instants
    if any(whole[place::_WIDTH] != mark * len(instants) for place, mark in _MARKS.items()):
        return False
    for _ in map(datetime.fromisoformat, instants):
        pass
    return "T24" not in whole  # which later Pythons read as the next day


def settled(one: Event) -> Event:
    """An event with its instants as UTC text of fixed width. Raises ValueError with a sentence where one is none."""
    data = one["data"]
    again = {name: instant(data[name]) for name in _INSTANTS[one["kind"]] if data.get(name) is not None}
    return {**one, "at": instant(one["at"]), "data": {**data, **again}}

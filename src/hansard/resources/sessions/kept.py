"""Children as they are kept: of each the JSON of its data, and beside it what the folds of intake ask of that.

What a recorder sent is cut into these, and the pieces go to disk as they are: no event is written anew. Messages and
latencies, which are most of a session, are read as structs; of the other kinds the data is a dict. The shapes are the
wire's, as msgspec reads them.
"""

import types
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin

import msgspec
from msgspec import Meta, MsgspecError, Raw, Struct, defstruct
from pydantic_core import from_json
from typing_extensions import get_type_hints

from hansard.wire import MAX_DEPTH, SHAPES, Child, DurationRule, Event, InstantRule, Key, TextRule, WholeRule

_READ_AS_STRUCTS = ("message", "latency")


def _translated(hint: Any) -> Any:
    """A type of the wire, with its rule as msgspec has it. An instant is a text, which is looked at elsewhere."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[inner[0], _meta(inner[1])]
    if origin in (Union, types.UnionType):
        return Union[tuple(map(_translated, inner))]  # noqa: UP007 - made of a list
    if origin in (list, dict):
        return origin[tuple(map(_translated, inner))]
    return _translated(inner[0]) if origin is NotRequired else hint


def _meta(rule: Any) -> Meta:
    if isinstance(rule, InstantRule):
        return Meta()
    if isinstance(rule, TextRule):
        return Meta(min_length=rule.least, max_length=rule.most)
    if isinstance(rule, WholeRule | DurationRule):
        return Meta(ge=rule.least, le=rule.most)
    raise TypeError(f"{rule} has no meaning here.")


def _struct(name: str, shape: Any, *, is_whole: bool = False) -> Any:
    """A struct of a TypedDict, null where nothing was said; keys it does not know are passed over, or refused where
    the shape must be the whole of it.
    """
    hints = {key: _translated(hint) for key, hint in get_type_hints(shape, include_extras=True).items()}
    must = [(key, hint) for key, hint in hints.items() if key in shape.__required_keys__]
    may = [(key, hint, None) for key, hint in hints.items() if key not in shape.__required_keys__]
    return defstruct(name, [*must, *may], gc=False, forbid_unknown_fields=is_whole)


_KEY = _meta(get_args(Key)[1])


class Named(Struct, frozen=True, gc=False):
    """What makes a session one: the service that carried it and the id it has there."""

    service: Annotated[str, _KEY]
    sid: Annotated[str, _KEY]


class Kept(Struct, gc=False, omit_defaults=True):
    """A child: `data` is its JSON; `said` the same as intake reads it, None where nobody asked."""

    id: Annotated[str, _KEY]
    kind: str
    at: str
    data: Raw
    said: Any = None


class Told(Kept, kw_only=True, gc=False):
    """A child on its way, which names its session."""

    session: Named


PLACE = attrgetter("at", "id")  # the order of the record
_STRUCTS = {kind: _struct(kind, SHAPES[kind], is_whole=True) for kind in _READ_AS_STRUCTS}
_READ = {kind: msgspec.json.Decoder(one).decode for kind, one in _STRUCTS.items()}
_CHECK = {kind: msgspec.json.Decoder(_struct(kind.replace(".", "_"), shape)) for kind, shape in SHAPES.items()}
_ANY: "msgspec.json.Decoder[Any]" = msgspec.json.Decoder()


def read_data(children: Iterable[Kept]) -> None:
    """Read what children say, at whose data nobody has looked yet.

    Raises KeyError for an unknown kind, MsgspecError or ValueError where the data has not the shape of its kind, holds
    what cannot be kept, or is nested too deep.
    """
    for one in children:
        read = _READ.get(one.kind)
        try:
            one.said = read(one.data) if read else _checked(one.kind, one.data)
        except msgspec.ValidationError:  # where it only has keys that we do not know, it is good
            one.said = _checked(one.kind, one.data)


def _checked(kind: str, data: Raw) -> Any:
    said = _CHECK[kind].decode(data)
    whole = _ANY.decode(data)
    if is_too_deep(whole, MAX_DEPTH - 1):
        raise ValueError
    return said if kind in _READ else whole


def is_too_deep(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested in each other more than this many levels."""
    if not isinstance(value, dict | list):
        return False
    if not levels:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(is_too_deep(one, levels - 1) for one in inner)


def read_again(one: Kept) -> Kept:
    """A child that comes from the database, with what it says."""
    one.said = _said(one.kind, read_json(one.data))
    return one


def read_json(text: bytes | Raw) -> Any:
    """The value of a JSON that we wrote; an earlier build wrote Infinity, which is none."""
    try:
        return _ANY.decode(text)
    except MsgspecError:
        return from_json(bytes(text))


def told(one: Event) -> Told:
    """An event that was checked by itself."""
    named = Named(one["session"]["service"], one["session"]["sid"])
    return Told(**_parts(one), session=named)


def kept(one: Child) -> Kept:
    """The same of a child."""
    return Kept(**_parts(one))


def _parts(one: Child) -> dict[str, Any]:
    kind, data = one["kind"], one["data"]
    written = Raw(msgspec.json.encode(data))
    return {"id": one["id"], "kind": kind, "at": one["at"], "data": written, "said": _said(kind, data)}


def _said(kind: str, data: Mapping[str, Any]) -> Any:
    made = _STRUCTS.get(kind)
    return made(**{name: data[name] for name in made.__struct_fields__ if name in data}) if made else data


def child_of(one: Kept) -> Child:
    """The same as the folds of a whole record take it."""
    data = one.said if type(one.said) is dict else read_json(one.data)
    return {"id": one.id, "kind": one.kind, "at": one.at, "data": data}


def event_of(one: Told) -> Event:
    """The same as it crosses the network."""
    return Event(**child_of(one), session={"service": one.session.service, "sid": one.session.sid})


def is_same(one: Kept, other: Kept) -> bool:
    """Whether two children with the same id say the same, however it is written."""
    if (one.kind, one.at) != (other.kind, other.at):
        return False
    return one.data == other.data or bool(read_json(one.data) == read_json(other.data))

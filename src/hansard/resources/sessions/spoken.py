"""What was said and done in a session: its messages and tool calls, read without all that is not searched.

Latencies and the other kinds are most of a body. They are passed over as they are read, and nothing is made of them.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import or_
from typing import Any

from msgspec import MsgspecError, Struct, defstruct
from msgspec.json import Decoder
from pydantic_core import from_json

from hansard.wire import Child

SPOKEN_KINDS = ("message", "tool_call")
_OTHER_KINDS = ("session.start", "session.update", "session.end", "latency", "event", "label", "usage")


class Said(Struct, gc=False):
    """The data of a message, but for what no search asks."""

    role: str
    text: str
    started_at: str | None = None


class Done(Struct, gc=False):
    """The data of a tool call, likewise."""

    name: str
    arguments: Any = None
    result: Any = None
    error: Any = None


class Message(Struct, tag_field="kind", tag="message", gc=False):
    """Something somebody said."""

    id: str
    at: str
    data: Said


class ToolCall(Struct, tag_field="kind", tag="tool_call", gc=False):
    """A tool that was called."""

    id: str
    at: str
    data: Done


Spoken = Message | ToolCall
_SPOKEN = frozenset((Message, ToolCall))
_others = (defstruct("Other", (), tag_field="kind", tag=kind) for kind in _OTHER_KINDS)
_any: Any = reduce(or_, _others, Spoken)
_body: Decoder[list[Any]] = Decoder(list[_any])


def spoken_in(text: bytes) -> list[Spoken]:
    """What was said and done of the JSON of a body, in its order."""
    try:
        return [one for one in _body.decode(text) if type(one) in _SPOKEN]
    except MsgspecError:  # such as Infinity, which is no JSON, and which we wrote all the same
        return list(spoken_of(from_json(text)))


def spoken_of(children: Iterable[Child]) -> Iterator[Spoken]:
    """The same of children, in their order."""
    for one in children:
        data = one["data"]
        if one["kind"] == "message":
            yield Message(one["id"], one["at"], Said(data["role"], data["text"], data.get("started_at")))
        elif one["kind"] == "tool_call":
            payload = (data.get(field) for field in ("arguments", "result", "error"))
            yield ToolCall(one["id"], one["at"], Done(data["name"], *payload))

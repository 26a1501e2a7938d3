"""What was said and done in a session: its messages and tool calls, read without all that is not searched.

Latencies and the other kinds are most of a body. They are passed over as they are read, and nothing is made of them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.json import Decoder

from hansard.wire import Child

SPOKEN_KINDS = ("message", "tool_call")


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


class Message(Struct, gc=False):
    """Something somebody said."""

    id: str
    at: str
    data: Said


class ToolCall(Struct, gc=False):
    """A tool that was called."""

    id: str
    at: str
    data: Done


Spoken = Message | ToolCall


class _Data(Struct, gc=False):
    message: list[Said] = []
    tool_call: list[Done] = []


class _Columns(Struct, gc=False):
    """A body (`packing.py`), but for what no search asks."""

    id: list[str]
    kind: list[str]
    begin: str
    at: list[str]
    data: _Data


_COLUMNS: Decoder[_Columns] = Decoder(_Columns)


def spoken_in(text: bytes) -> list[Spoken]:
    """What was said and done of the text of a body, in its order."""
    whole = _COLUMNS.decode(text)
    messages, calls = iter(whole.data.message), iter(whole.data.tool_call)
    made: list[Spoken] = []
    for name, kind, rest in zip(whole.id, whole.kind, whole.at, strict=True):
        if kind == "message":
            made.append(Message(name, whole.begin + rest, next(messages)))
        elif kind == "tool_call":
            made.append(ToolCall(name, whole.begin + rest, next(calls)))
    return made


def spoken_of(children: Iterable[Child]) -> Iterator[Spoken]:
    """The same of children, in their order."""
    for one in children:
        data = one["data"]
        if one["kind"] == "message":
            yield Message(one["id"], one["at"], Said(data["role"], data["text"], data.get("started_at")))
        elif one["kind"] == "tool_call":
            payload = (data.get(field) for field in ("arguments", "result", "error"))
            yield ToolCall(one["id"], one["at"], Done(data["name"], *payload))

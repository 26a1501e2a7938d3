"""What was said and done in a session: its messages and tool calls, read without all that is not searched.

Latencies and the other kinds are most of a body. They are passed over as they are read, and nothing is made of them.
"""

from collections.abc import Iterable, Iterator

from msgspec import Raw, Struct
from msgspec.json import Decoder

from hansard.resources.sessions.kept import Kept, read_json

SPOKEN_KINDS = ("message", "tool_call")


class Said(Struct, gc=False):
    """The data of a message, but for what no search asks."""

    role: str
    text: str
    started_at: str | None = None


class Message(Struct, gc=False):
    """Something somebody said."""

    id: str
    at: str
    data: Said

    @property
    def began_at(self) -> str:
        """When it began to be said: an instant, which sorts in time order as it is."""
        return self.data.started_at or self.at


class ToolCall(Struct, gc=False):
    """A tool that was called. Its data is JSON: most calls have nothing of what is searched for."""

    id: str
    at: str
    data: Raw

    @property
    def began_at(self) -> str:
        """When it was called."""
        return self.at


Spoken = Message | ToolCall


class _Data(Struct, gc=False):
    message: list[Said] = []
    tool_call: list[Raw] = []


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
    begin, messages, calls = whole.begin, iter(whole.data.message), iter(whole.data.tool_call)
    made: list[Spoken] = []
    for name, kind, rest in zip(whole.id, whole.kind, whole.at, strict=True):
        if kind == "message":
            made.append(Message(name, begin + rest, next(messages)))
        elif kind == "tool_call":
            made.append(ToolCall(name, begin + rest, next(calls)))
    return made


def spoken_of(children: Iterable[Kept]) -> Iterator[Spoken]:
    """The same of children, in their order."""
    for one in children:
        if one.kind == "message":
            data = read_json(one.data)
            yield Message(one.id, one.at, Said(data["role"], data["text"], data.get("started_at")))
        elif one.kind == "tool_call":
            yield ToolCall(one.id, one.at, one.data)

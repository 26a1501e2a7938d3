"""What a table says of one sort of span: which attributes become which fields of which events.

A dialect is a table of these, one file each. Tables name attributes and nothing else; `mapping` does the work.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hansard.kit.otlp import Span
from hansard.resources.ingest.otlp.spans import Reader

Names = tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One entry of a model's history: who spoke (`user`, `agent`, or None for all others) and what."""

    role: str | None
    text: str
    asked: list[dict[str, Any]] = field(default_factory=list)  # tool calls: id, name, arguments
    answered: list[dict[str, Any]] = field(default_factory=list)  # tool results: id, result


@dataclass(frozen=True)
class Latency:
    """A latency from an attribute in seconds; without one, the span's own duration.

    `from_start` says that it began with the span; else all that is known is that it was over when the span ended.
    """

    category: str
    label: str
    attributes: Names = ()
    from_start: bool = True


@dataclass(frozen=True)
class Usage:
    """What a model was given and gave: the wire's field, and the attributes it may stand in."""

    category: str
    wholes: Mapping[str, Names] = field(default_factory=dict)
    numbers: Mapping[str, Names] = field(default_factory=dict)
    currency: str | None = None  # of the cost, where there is one


@dataclass(frozen=True)
class Tool:
    """A span that is a tool call."""

    name: Names
    call_id: Names = ()
    arguments: Names = ()
    result: Names = ()
    failed: Names = ()  # a flag that says the result is an error


@dataclass(frozen=True)
class Speech:
    """A span during which one side spoke, with what it said."""

    role: str
    text: Names
    lang: Names = ()
    confidence: Names = ()
    interrupted: Names = ()
    unless: Names = ()  # where one of these stands, another span tells this turn
    timed: bool = True  # whether the span lasted as long as the words


@dataclass(frozen=True)
class Recipe:
    """What one sort of span becomes. All parts are optional; a span none of them fits is kept as an event."""

    fields: Mapping[str, Names] = field(default_factory=dict)  # the session's
    latencies: tuple[Latency, ...] = ()
    usage: Usage | None = None
    tool: Tool | None = None
    speech: tuple[Speech, ...] = ()
    history: Callable[[Reader], tuple[list[Line], list[Line]]] | None = None  # a model's input and output
    model: Names = ()
    provider: Names = ()
    repeated: Names = ()  # attributes, by prefix, that repeat what other spans say, and are not kept
    starts: bool = False
    ends: bool = False
    is_event: bool = False  # is an event too


@dataclass(frozen=True)
class Dialect:
    """One way of writing spans: which are its own, of which sort each is, and the table of sorts."""

    name: str
    is_own: Callable[[Span], bool]
    sort_of: Callable[[Span], str]
    recipes: Mapping[str, Recipe]
    packed: Names = ()  # attributes that hold an object as JSON text, read as `<name>.<member>`

"""A span in, events out, by the table of the span's dialect. Nothing else is looked at, so order cannot matter."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from hansard.kit.otlp import Span
from hansard.resources.ingest.otlp import genai, livekit, openinference, pipecat, web
from hansard.resources.ingest.otlp.claims import OWN_SERVICE, OWN_SID, Claim, claim
from hansard.resources.ingest.otlp.messages import turns_of
from hansard.resources.ingest.otlp.recipe import Dialect, Latency, Recipe, Speech, Tool, Usage
from hansard.resources.ingest.otlp.spans import Reader
from hansard.resources.ingest.validation import check
from hansard.resources.sessions.kept import is_too_deep
from hansard.wire import MAX_DEPTH, Child, SessionData, instant_of, moment_of

# The first that says a span is its own has it.
DIALECTS = (livekit.DIALECT, pipecat.DIALECT, openinference.DIALECT, genai.DIALECT, web.DIALECT)

_UNKNOWN = Recipe(is_event=True)
_OWN_PREFIX = "hansard.session."
_ROOT_END = "/root"
_FIELDS: TypeAdapter[SessionData] = TypeAdapter(with_config(ConfigDict(strict=True))(SessionData))


@dataclass(frozen=True)
class Mapped:
    """A span as it is kept: whose it is, which session it names, and the events it becomes."""

    trace_id: str
    span_id: str
    claim: Claim
    children: list[Child]


def mapped(span: Span) -> Mapped:
    """Turn a span into events. Raises ValueError with a sentence for what the record cannot hold."""
    return Mapped(span.trace_id, span.span_id, claim(span), [_checked(one, span) for one in children(span)])


def is_root_end(child: Child) -> bool:
    """Whether this ends a session only where the trace is all there is of it, for want of a better name."""
    return child["id"].endswith(_ROOT_END)


def children(span: Span) -> list[Child]:
    """The events of a span. Each id is made of the trace's, the span's and the part's, or of what was said."""
    dialect = next((one for one in DIALECTS if one.is_own(span)), None)
    recipe = dialect.recipes.get(dialect.sort_of(span), _UNKNOWN) if dialect else _UNKNOWN
    read = Reader(_laid_out(span, dialect))
    session = _session(read, recipe)
    told = turns_of(span, *recipe.history(read)) if recipe.history else []
    own = [*_tool_call(read, recipe), *_latencies(read, recipe), *_speech(read, recipe), *_usage(read, recipe)]
    read.take(*(name for name in read.span.attributes if _is_repeated(name, recipe)))
    if recipe.is_event or not own:
        own.append(_event(read, dialect.name if dialect else "otlp"))
    else:
        own[0]["data"]["span"] = span.about() | {"attributes": read.left_over()}
    return [*session, *told, *own]


def _laid_out(span: Span, dialect: Dialect | None) -> Span:
    """The span with the members of its packed attributes as attributes of their own."""
    found = dict(span.attributes)
    for name in dialect.packed if dialect else ():
        members = genai.parsed(found.get(name))
        if isinstance(members, dict):
            del found[name]
            found |= {f"{name}.{member}": value for member, value in members.items()}
    return dataclasses.replace(span, attributes=found)


def _is_repeated(name: str, recipe: Recipe) -> bool:
    return any(name == one or name.startswith(f"{one.removesuffix('.')}.") for one in recipe.repeated)


def _session(read: Reader, recipe: Recipe) -> Iterator[Child]:
    span = read.span
    said = _fields(read, recipe)
    if span.is_root and span.resource:
        said["otel_resource"] = dict(span.resource)
    if said or recipe.starts:
        yield _child(span, "session", "session.start" if recipe.starts else "session.update", span.started_at, said)
    if recipe.ends:
        yield _child(span, "end", "session.end", span.ended_at, {})
    if span.is_root:
        yield _child(span, _ROOT_END[1:], "session.end", span.ended_at, {})


def _fields(read: Reader, recipe: Recipe) -> dict[str, Any]:
    """What the span says of the session: by the table, and by our own attributes, which win."""
    said = {}
    for name, attributes in recipe.fields.items():
        for attribute in attributes:
            if name not in said and _fits(name, read.span.attributes.get(attribute)):
                said[name] = read.any(attribute)
    for attribute, value in read.span.attributes.items():
        name = attribute.removeprefix(_OWN_PREFIX)
        if attribute.startswith(_OWN_PREFIX) and attribute not in (OWN_SID, OWN_SERVICE) and _fits(name, value):
            said[name] = read.any(attribute)
    return said


def _fits(name: str, value: Any) -> bool:
    if value in (None, "") or name not in SessionData.__annotations__:
        return False
    try:
        _FIELDS.validate_python({name: value})
    except ValidationError:
        return False
    return True


def _tool_call(read: Reader, recipe: Recipe) -> Iterator[Child]:
    tool, span = recipe.tool, read.span
    if tool is None:
        return
    data: dict[str, Any] = {
        "name": read.text(*tool.name) or span.name,
        "call_id": _call_id(read, tool),
        "arguments": _payload(read, tool.arguments),
        "result": _payload(read, tool.result),
        "duration_ms": span.duration_ms,
    }
    if read.flag(*tool.failed) or span.error:
        data["error"] = data.pop("result") or read.text("error.type") or span.error
    yield _child(span, "tool", "tool_call", span.started_at, {k: v for k, v in data.items() if v is not None})


def _call_id(read: Reader, tool: Tool) -> str | None:
    found = read.text(*tool.call_id)
    return found[:512].replace("\0", "\ufffd") if found else None


def _payload(read: Reader, names: tuple[str, ...]) -> Any:
    """What went to or came from a tool; JSON text as its value, unless that is too deep to keep as one."""
    raw = read.any(*names)
    value = genai.parsed(raw)
    return raw if is_too_deep(value, MAX_DEPTH - 8) else value


def _latencies(read: Reader, recipe: Recipe) -> Iterator[Child]:
    for number, one in enumerate(recipe.latencies):
        seconds = read.seconds(*one.attributes)
        if seconds is not None or not one.attributes:
            yield _latency(read, recipe, number, one, seconds)


def _latency(read: Reader, recipe: Recipe, number: int, one: Latency, seconds: float | None) -> Child:
    span = read.span
    duration_ms = span.duration_ms if seconds is None else seconds * 1000
    data: dict[str, Any] = {"category": one.category, "label": one.label, "duration_ms": duration_ms}
    model = read.text(*recipe.model)
    if model:
        data["metadata"] = [model]
    if not one.from_start:
        return _child(span, f"latency/{number}", "latency", span.ended_at, data)
    data["started_at"] = span.started_at
    at = span.ended_at if seconds is None else _later(span.started_at, seconds)
    return _child(span, f"latency/{number}", "latency", at, data)


def _later(instant: str, seconds: float) -> str:
    try:
        return instant_of(moment_of(instant) + timedelta(seconds=seconds))
    except OverflowError:
        return instant


def _speech(read: Reader, recipe: Recipe) -> Iterator[Child]:
    for number, one in enumerate(recipe.speech):
        if not any(name in read.span.attributes for name in one.unless):
            yield from _said(read, number, one)


def _said(read: Reader, number: int, one: Speech) -> Iterator[Child]:
    span, text = read.span, read.text(*one.text)
    if text is None:
        return
    data: dict[str, Any] = {
        "role": one.role,
        "text": text,
        "lang": read.text(*one.lang),
        "confidence": read.number(*one.confidence),
        "interrupted": read.flag(*one.interrupted),
    }
    if one.timed:
        data |= {"started_at": span.started_at, "ended_at": span.ended_at}
    said = {name: value for name, value in data.items() if value is not None}
    yield _child(span, f"said/{number}", "message", span.started_at, said)


def _usage(read: Reader, recipe: Recipe) -> Iterator[Child]:
    usage = recipe.usage
    if usage is None:
        return
    found = _amounts(read, usage)
    if found:
        about = {"model": read.text(*recipe.model), "provider": read.text(*recipe.provider)}
        said = {name: value for name, value in about.items() if value is not None}
        yield _child(read.span, "usage", "usage", read.span.ended_at, {"category": usage.category, **said, **found})


def _amounts(read: Reader, usage: Usage) -> dict[str, Any]:
    wholes = {name: read.whole(*attributes) for name, attributes in usage.wholes.items()}
    numbers = {name: read.number(*attributes) for name, attributes in usage.numbers.items()}
    found = {name: value for name, value in (wholes | numbers).items() if value is not None}
    return found | ({"currency": usage.currency} if usage.currency and "cost" in found else {})


def _event(read: Reader, source: str) -> Child:
    """A span that is kept for what it is: its name, how long it took and all it says."""
    span = read.span
    data = {
        "source": source,
        "source_id": span.span_id,
        "category": "span",
        "type": span.name.replace("\0", "\ufffd")[:512],
        "attributes": read.left_over(),
        "duration_ms": span.duration_ms,
        "ended_at": span.ended_at,
        "span": span.about(),
    }
    return _child(span, "span", "event", span.started_at, data)


def _child(span: Span, part: str, kind: str, at: str, data: dict[str, Any]) -> Child:
    return Child(id=f"{span.trace_id}/{span.span_id}/{part}", kind=kind, at=at, data=data)


def _checked(one: Child, span: Span) -> Child:
    """The child as the record takes it; the session is not known yet and any key serves to check the rest."""
    try:
        made = check({**one, "session": {"service": "otlp", "sid": span.trace_id}})
    except ValueError as error:
        raise ValueError(f"The span {span.span_id} cannot be kept: {error}") from None
    if is_too_deep(made["data"], MAX_DEPTH):
        raise ValueError(f"The span {span.span_id} is nested more than {MAX_DEPTH} levels deep.")
    return Child(id=made["id"], kind=made["kind"], at=made["at"], data=made["data"])

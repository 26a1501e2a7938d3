"""LiveKit's spans in, one event each out, for what no upload tells: turns and tool calls come with the chat history.

LiveKit stamps every span it sends with the room and the job it belongs to, so none has to wait until another says
whose it is. The room that a resource names is not believed: in a process that runs several jobs it is the first one's.
"""

from dataclasses import dataclass
from typing import Any

from hansard.kit.otlp import Span, spans_of, trace_request
from hansard.resources.livekit.events import SERVICE, event_of
from hansard.wire import Event, moment_of

MAX_TRACES_BYTES = 32 * 1024 * 1024  # 512 spans, as many as LiveKit sends at once, of talks that are long already
LONGEST_REPEATED = 4_000
_REPEATED = ("gen_ai.input.messages", "gen_ai.system_instructions", "lk.pii.chat_ctx")
_LONGEST_NAME = 512


@dataclass(frozen=True)
class Read:
    """The events of a request, and a sentence about each span that cannot be kept."""

    events: list[Event]
    refused: list[str]


def read(body: bytes) -> Read:
    """Read an ExportTraceServiceRequest. Raises Invalid, TooLarge. A span that cannot be kept is refused alone."""
    found = spans_of(trace_request(body))
    made = Read([], list(found.refused))
    for span in found.spans:
        try:
            made.events.append(_event(span))
        except ValueError as error:
            made.refused.append(f"The span {span.span_id} cannot be kept: {error}.")
    return made


def taken(event: Event) -> str:
    """The sentence about a span whose event is in the record with other content."""
    return f"The span {event['data']['source_id']} was recorded before with other content; the first is kept."


def _event(span: Span) -> Event:
    """Raises ValueError with a sentence."""
    room_id = span.attributes.get("room_id")
    if not isinstance(room_id, str):
        raise ValueError("it names no room")
    said = {
        "trace_id": span.trace_id,
        "duration_ms": span.duration_ms,
        **span.about(),
        "resource": dict(span.resource) if span.is_root else None,
        **_attributes(span),
    }
    data = {
        "type": "span",
        "source": SERVICE,
        "source_id": span.span_id,
        "category": "trace",
        "description": span.name.replace("\0", "\ufffd")[:_LONGEST_NAME],
        "attributes": {name: value for name, value in said.items() if value is not None},
    }
    return event_of(room_id, f"{span.trace_id}.{span.span_id}", "event", moment_of(span.started_at), data)


def _attributes(span: Span) -> dict[str, Any]:
    """All that the span says, and the length of what is left out.

    A model is given the whole history in every request, and a span of each of its turns repeats it: kept, it would
    make the record grow with the square of the talk. What LiveKit says to be only the new part is kept.
    """
    if span.attributes.get("lk.input.delta") is True:
        return {"attributes": dict(span.attributes)}
    found = {name: span.attributes.get(name) for name in _REPEATED}
    left_out = {
        name: len(value) for name, value in found.items() if isinstance(value, str) and len(value) > LONGEST_REPEATED
    }
    kept = {name: value for name, value in span.attributes.items() if name not in left_out}
    return {"attributes": kept} | ({"left_out": left_out} if left_out else {})

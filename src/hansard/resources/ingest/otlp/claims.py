"""Which session a span says its trace belongs to.

Every span makes one claim. The best claim of a trace decides for all its spans. "Best" is a plain order of texts, so
it is the same whatever order the spans arrive in: first by how good the attribute is as a name, then by when the span
started, then by its id. A span that names no session claims the trace id, the root span before the others.
"""

from dataclasses import dataclass
from typing import Any, TypeGuard

from hansard.kit.otlp import Span

OWN_SID = "hansard.session.sid"
OWN_SERVICE = "hansard.session.service"
SERVICE = "otlp"
_LONGEST_KEY = 256  # as `hansard.wire.Key`

# The attributes that name a session, the best first.
NAMES = (
    OWN_SID,
    "langfuse.session.id",
    "session.id",
    "gen_ai.conversation.id",
    "lk.room_sid",
    "conversation.id",
    "traceloop.association.properties.session_id",
)
_BEST = "00"
_UNNAMED = "90"
ROOTLESS = "91"  # claims from here on come from traces whose root span is not here

# The names that are a carrier's own, under which its other sources (our recorder, a webhook) know the session too.
_CARRIERS = {
    ("livekit-agents", "gen_ai.conversation.id"): "livekit",
    ("livekit-agents", "lk.room_sid"): "livekit",
    ("pipecat", "conversation.id"): "pipecat",
}


@dataclass(frozen=True, order=True)
class Claim:
    """A session for a trace; the smaller `order` wins."""

    order: str
    service: str
    sid: str

    @property
    def is_named(self) -> bool:
        """Whether some span named the session, instead of only being there."""
        return self.order < _UNNAMED

    @property
    def is_best(self) -> bool:
        """Whether none can be better: our own attribute says which session it is."""
        return self.order.startswith(_BEST)


def claim(span: Span) -> Claim:
    """The session this span names for its trace, by its own attributes, then by its resource's."""
    for rank, name in enumerate(NAMES):
        for said in (span.attributes, span.resource):
            sid = said.get(name)
            if _is_key(sid):
                return Claim(_order(f"{rank:02}", span), _service(span, name), sid)
    service = span.resource.get("service.name")
    rank_text = _UNNAMED if span.is_root else ROOTLESS
    return Claim(_order(rank_text, span), service if _is_key(service) else SERVICE, span.trace_id)


def _service(span: Span, name: str) -> str:
    if name == OWN_SID:
        said = span.attributes.get(OWN_SERVICE, span.resource.get(OWN_SERVICE))
        return said if _is_key(said) else SERVICE
    return _CARRIERS.get((span.scope, name), SERVICE)


def _order(rank: str, span: Span) -> str:
    return f"{rank}/{span.started_at}/{span.span_id}"


def _is_key(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_KEY and "\0" not in value

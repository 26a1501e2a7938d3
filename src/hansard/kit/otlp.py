"""OpenTelemetry's protocol as plain values: a request of spans in, spans with JSON attributes out, and the answer."""

import base64
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from hansard.kit.errors import Invalid, TooLarge
from hansard.wire import instant_of

PROTOBUF = "application/x-protobuf"
MAX_SPANS = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Span:
    """One span. `attributes`, `resource` and `events` hold JSON values only; `error` is set when the span failed.

    `dropped` counts what its writer had no room for, by kind.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: int
    scope: str
    started_at: str
    ended_at: str
    duration_ms: float
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def is_root(self) -> bool:
        """Whether its trace begins with it."""
        return self.parent_id is None

    def about(self) -> dict[str, Any]:
        """Where the span stood, and what it said beside its attributes."""
        said = {
            "name": self.name,
            "parent_id": self.parent_id,
            "scope": self.scope,
            "kind": self.kind,
            "error": self.error,
            "events": self.events,
            "links": self.links,
            "dropped": self.dropped,
        }
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True)
class Spans:
    """The spans of a request that can be kept, and a sentence about each that cannot."""

    spans: list[Span]
    refused: list[str]


def trace_request(body: bytes) -> ExportTraceServiceRequest:
    """The request of a protobuf body. Raises Invalid."""
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise Invalid("The body is not an ExportTraceServiceRequest in protobuf.") from None


def spans_of(request: ExportTraceServiceRequest) -> Spans:
    """The spans of a request. Raises TooLarge for too many; one without ids or without a time is refused alone."""
    made = Spans([], [])
    for resource in request.resource_spans:
        about = attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                if len(made.spans) + len(made.refused) == MAX_SPANS:
                    raise TooLarge(f"A request may carry {MAX_SPANS} spans; send fewer at a time.")
                try:
                    made.spans.append(_span(span, scope.scope.name, about))
                except ValueError as error:
                    made.refused.append(str(error))
    return made


def trace_answer(refused: list[str]) -> ExportTraceServiceResponse:
    """The answer to a request: how many of its spans were refused, and why the first few were."""
    answer = ExportTraceServiceResponse()
    if refused:
        answer.partial_success.rejected_spans = len(refused)
        answer.partial_success.error_message = " ".join(dict.fromkeys(refused[:5]))
    return answer


def attributes(given: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as JSON values; of one that is given twice the last counts.

    Bytes are base64, as in OTLP's own JSON, and the numbers that JSON has no way to write are text.
    """
    return {one.key: _value(one.value) for one in given}


def _value(given: AnyValue) -> Any:
    kind = given.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in given.array_value.values]
    if kind == "kvlist_value":
        return attributes(given.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(given.bytes_value).decode()
    value = getattr(given, kind) if kind else None
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _span(given: trace_pb2.Span, scope: str, resource: dict[str, Any]) -> Span:
    """Raises ValueError with a sentence for a span that has no ids or no time."""
    _check_ids(given)
    if not (given.start_time_unix_nano or given.end_time_unix_nano):
        raise ValueError(f"The span {given.span_id.hex()} says neither when it started nor when it ended.")
    start_ns = given.start_time_unix_nano or given.end_time_unix_nano
    end_ns = max(start_ns, given.end_time_unix_nano)
    return Span(
        trace_id=given.trace_id.hex(),
        span_id=given.span_id.hex(),
        parent_id=given.parent_span_id.hex() if any(given.parent_span_id) else None,
        name=given.name,
        kind=given.kind,
        scope=scope,
        started_at=_instant(start_ns),
        ended_at=_instant(end_ns),
        duration_ms=(end_ns - start_ns) / 1_000_000,
        attributes=attributes(given.attributes),
        resource=resource,
        events=[_event(one) for one in given.events],
        links=[_link(one) for one in given.links],
        error=_error(given.status),
        dropped=_dropped(given),
    )


def _check_ids(given: trace_pb2.Span) -> None:
    if len(given.trace_id) != 16 or not any(given.trace_id):
        raise ValueError(f"The span {given.name[:80]!r} has no trace id of 16 bytes.")
    if len(given.span_id) != 8 or not any(given.span_id):
        raise ValueError(f"The span {given.name[:80]!r} has no span id of 8 bytes.")
    if len(given.parent_span_id) not in (0, 8):
        raise ValueError(f"The span {given.span_id.hex()} has a parent span id that is not 8 bytes long.")


def _instant(unix_ns: int) -> str:
    return instant_of(_EPOCH + timedelta(microseconds=unix_ns // 1000))


def _event(given: trace_pb2.Span.Event) -> dict[str, Any]:
    return {"name": given.name, "at": _instant(given.time_unix_nano), "attributes": attributes(given.attributes)}


def _link(given: trace_pb2.Span.Link) -> dict[str, Any]:
    ids = {"trace_id": given.trace_id.hex(), "span_id": given.span_id.hex()}
    return ids | ({"attributes": attributes(given.attributes)} if given.attributes else {})


def _error(status: trace_pb2.Status) -> str | None:
    if status.code != trace_pb2.Status.STATUS_CODE_ERROR:
        return None
    return status.message or "error"


def _dropped(given: trace_pb2.Span) -> dict[str, int]:
    counts = {
        "attributes": given.dropped_attributes_count,
        "events": given.dropped_events_count,
        "links": given.dropped_links_count,
    }
    return {kind: count for kind, count in counts.items() if count}

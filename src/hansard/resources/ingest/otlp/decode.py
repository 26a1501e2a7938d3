"""Bytes in, spans out: OTLP as protobuf or as JSON, and the answer in the same form."""

import base64
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from pydantic_core import from_json

from hansard.kit.errors import Invalid, TooLarge, UnknownEncoding
from hansard.resources.ingest.otlp.spans import Span
from hansard.wire import instant_of

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MAX_SPANS = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Decoded:
    """The spans of a request that can be kept, and a sentence about each that cannot."""

    spans: list[Span]
    refused: list[str]


def decoded(body: bytes, media_type: str) -> Decoded:
    """Read an ExportTraceServiceRequest.

    Raises UnknownEncoding for another media type, Invalid for a body that cannot be read, TooLarge for too many
    spans. A span without ids or without a time is refused alone.
    """
    if media_type == PROTOBUF:
        request = _from_protobuf(body)
    elif media_type == JSON:
        request = _from_json(body)
    else:
        raise UnknownEncoding(f"The content type {media_type!r} is not understood; send {PROTOBUF} or {JSON}.")
    return _read(request)


def encoded(media_type: str, refused: list[str]) -> bytes:
    """The answer to a request, in its own form; it says how many spans were refused, and why the first few were."""
    answer = ExportTraceServiceResponse()
    if refused:
        answer.partial_success.rejected_spans = len(refused)
        answer.partial_success.error_message = " ".join(dict.fromkeys(refused[:5]))
    if media_type == PROTOBUF:
        return bytes(answer.SerializeToString())
    return str(json_format.MessageToJson(answer, indent=None)).encode()


def _from_protobuf(body: bytes) -> ExportTraceServiceRequest:
    try:
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        return request
    except DecodeError:
        raise Invalid("The body is not an ExportTraceServiceRequest in protobuf.") from None


def _from_json(body: bytes) -> ExportTraceServiceRequest:
    """OTLP's JSON is protobuf's but for the ids, which are hexadecimal instead of base64."""
    try:
        given = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Invalid(f"The body is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise Invalid('The body must be an object with a list: {"resourceSpans": [...]}.')
    for span in _json_spans(given):
        _rewrite_ids(span)
        for link in _objects(span, "links"):
            _rewrite_ids(link)
    try:
        request = ExportTraceServiceRequest()
        json_format.ParseDict(given, request, ignore_unknown_fields=True)
        return request
    except (json_format.ParseError, RecursionError) as error:
        raise Invalid(f"The body is not an ExportTraceServiceRequest in JSON: {error}.") from None


def _json_spans(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in _objects(given, "resourceSpans", "resource_spans"):
        for scope in _objects(resource, "scopeSpans", "scope_spans"):
            yield from _objects(scope, "spans")


def _objects(owner: dict[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        found = owner.get(name)
        if isinstance(found, list):
            yield from (one for one in found if isinstance(one, dict))


def _rewrite_ids(one: dict[str, Any]) -> None:
    """An id that is not hexadecimal becomes empty, and is refused as such."""
    for name in ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"):
        if name in one:
            one[name] = base64.b64encode(_unhexed(one[name])).decode()


def _unhexed(text: Any) -> bytes:
    return bytes.fromhex(text) if isinstance(text, str) and re.fullmatch(r"([0-9A-Fa-f]{2})*", text) else b""


def _read(request: ExportTraceServiceRequest) -> Decoded:
    made = Decoded([], [])
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
        links=[{"trace_id": one.trace_id.hex(), "span_id": one.span_id.hex()} for one in given.links],
        error=_error(given.status),
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


def _error(status: trace_pb2.Status) -> str | None:
    if status.code != trace_pb2.Status.STATUS_CODE_ERROR:
        return None
    return status.message or "error"


def attributes(given: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as JSON values; of one that is given twice the last counts."""
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
    # JSON has no way to write these, and a record that cannot be written is none.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value

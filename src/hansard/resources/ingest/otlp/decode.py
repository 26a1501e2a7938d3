"""Bytes in, spans out: OTLP as protobuf or as JSON, and the answer in the same form."""

import base64
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic_core import from_json

from hansard.kit.errors import Invalid, UnknownEncoding
from hansard.kit.otlp import PROTOBUF, Spans, spans_of, trace_answer, trace_request

JSON = "application/json"


def decoded(body: bytes, media_type: str) -> Spans:
    """Read an ExportTraceServiceRequest.

    Raises UnknownEncoding for another media type, Invalid for a body that cannot be read, TooLarge for too many
    spans. A span without ids or without a time is refused alone.
    """
    if media_type == PROTOBUF:
        request = trace_request(body)
    elif media_type == JSON:
        request = _from_json(body)
    else:
        raise UnknownEncoding(f"The content type {media_type!r} is not understood; send {PROTOBUF} or {JSON}.")
    return spans_of(request)


def encoded(media_type: str, refused: list[str]) -> bytes:
    """The answer to a request, in its own form; it says how many spans were refused, and why the first few were."""
    answer = trace_answer(refused)
    if media_type == PROTOBUF:
        return bytes(answer.SerializeToString())
    return str(json_format.MessageToJson(answer, indent=None)).encode()


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

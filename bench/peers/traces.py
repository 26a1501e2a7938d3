"""A session as one OpenTelemetry trace, the cheapest form in which nothing of it is lost.

A root span with the agent and the twenty messages as attributes in the names of OpenInference, a span under it for
each of the five tool calls, and the forty latencies as events of the root. A trace an exchange, which is what these
programs' own instrumentations make, costs them several times more.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from bench.data import TOOL_CALLS, Recorded
from hansard.wire import Child, moment_of

SPANS = 1 + TOOL_CALLS


def trace_id(one: Recorded) -> bytes:
    return hashlib.blake2b(one.key["sid"].encode(), digest_size=16).digest()


def exported(sessions: Sequence[Recorded]) -> bytes:
    """These sessions as one OTLP request."""
    spans = [span for one in sessions for span in _spans(one)]
    resource = Resource(attributes=_attributes({"service.name": "bench"}))
    made = ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)])
    return ExportTraceServiceRequest(resource_spans=[made]).SerializeToString()


def _spans(one: Recorded) -> list[Span]:
    trace, root_id = trace_id(one), _span_id(one, "root")
    said = [child for child in one.children if child["kind"] == "message"]
    attributes: dict[str, Any] = {
        "openinference.span.kind": "AGENT",
        "session.id": one.key["sid"],
        "user.id": one.source,
        "metadata": json.dumps(one.seen.fields()),
    }
    for place, child in enumerate(said):
        role = "assistant" if child["data"]["role"] == "agent" else "user"
        attributes[f"llm.input_messages.{place}.message.role"] = role
        attributes[f"llm.input_messages.{place}.message.content"] = child["data"]["text"]
    latencies = [_event(child) for child in one.children if child["kind"] == "latency"]
    root = _span(trace, root_id, "session", one.children[0], one.children[-1], attributes)
    root.events.extend(latencies)
    return [root, *(_tool(one, child, root_id) for child in one.children if child["kind"] == "tool_call")]


def _tool(one: Recorded, child: Child, root_id: bytes) -> Span:
    data = child["data"]
    attributes = {
        "openinference.span.kind": "TOOL",
        "session.id": one.key["sid"],
        "tool.name": data["name"],
        "tool_call.id": data["call_id"],
        "input.value": json.dumps(data["arguments"]),
        "output.value": json.dumps(data["result"]),
    }
    made = _span(trace_id(one), _span_id(one, child["id"]), data["name"], child, child, attributes)
    made.parent_span_id = root_id
    made.end_time_unix_nano += int(data["duration_ms"] * 1_000_000)
    return made


def _span(trace: bytes, span: bytes, name: str, first: Child, last: Child, attributes: Mapping[str, Any]) -> Span:
    return Span(
        trace_id=trace,
        span_id=span,
        name=name,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=_nanoseconds(first),
        end_time_unix_nano=_nanoseconds(last),
        attributes=_attributes(attributes),
        status=Status(code=Status.STATUS_CODE_OK),
    )


def _event(child: Child) -> Span.Event:
    data = child["data"]
    attributes = {name: data[name] for name in ("category", "label", "duration_ms")}
    attributes["metadata"] = data["metadata"][0]
    return Span.Event(name="latency", time_unix_nano=_nanoseconds(child), attributes=_attributes(attributes))


def _span_id(one: Recorded, name: str) -> bytes:
    return hashlib.blake2b(f"{one.key['sid']}/{name}".encode(), digest_size=8).digest()


def _nanoseconds(child: Child) -> int:
    return int(moment_of(child["at"]).timestamp() * 1_000_000) * 1000


def _attributes(values: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in values.items()]


def _value(value: Any) -> AnyValue:
    return AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=str(value))

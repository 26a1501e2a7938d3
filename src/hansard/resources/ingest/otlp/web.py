"""The table of plain HTTP: what an agent asked of other services, by OpenTelemetry's HTTP conventions, old and new."""

from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from hansard.kit.otlp import Span
from hansard.resources.ingest.otlp.recipe import Dialect, Latency, Recipe


def _is_own(span: Span) -> bool:
    is_http = "http.request.method" in span.attributes or "http.method" in span.attributes
    return is_http and span.kind == ProtoSpan.SPAN_KIND_CLIENT


DIALECT = Dialect(
    name="http",
    is_own=_is_own,
    sort_of=lambda _span: "request",
    recipes={"request": Recipe(latencies=(Latency("http", "request"),), model=("server.address", "net.peer.name"))},
)

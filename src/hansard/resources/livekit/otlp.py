"""What the doors for OTLP share: the body without its compression, and answers that say how much is not kept."""

import asyncio
import zlib

from fastapi import Request

from hansard.kit.errors import Invalid, TooLarge, TooSlow, UnknownEncoding
from hansard.wire import MAX_BYTES

MEDIA_TYPE = "application/x-protobuf"


async def received(request: Request, timeout_s: float) -> bytes:
    """The body. Raises TooLarge, TooSlow when it does not arrive in time, UnknownEncoding, Invalid for broken gzip."""
    parts, size_bytes = [], 0
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                size_bytes += len(part)
                if size_bytes > MAX_BYTES:
                    raise TooLarge(f"A request may carry {MAX_BYTES} bytes.")
                parts.append(part)
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {timeout_s:g} seconds.") from None
    return _inflated(b"".join(parts), request.headers.get("content-encoding", "").strip().lower())


def _inflated(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise UnknownEncoding(f"The content encoding {encoding!r} is not understood; use gzip or none.")
    stream = zlib.decompressobj(wbits=31)
    try:
        whole = stream.decompress(body, MAX_BYTES + 1)
    except zlib.error:
        raise Invalid("The body is not gzip, although its content encoding says so.") from None
    if len(whole) > MAX_BYTES:
        raise TooLarge(f"A request may carry {MAX_BYTES} bytes, uncompressed.")
    if not stream.eof:
        raise Invalid("The gzip body ends before its end.")
    return whole


def logs_answer(left: int) -> bytes:
    """The answer to log records of which so many are not kept."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

    answer = ExportLogsServiceResponse()
    if left:
        answer.partial_success.rejected_log_records = left
        answer.partial_success.error_message = "Only the log records that tell of a session are kept."
    return bytes(answer.SerializeToString())


def metrics_answer(body: bytes) -> bytes:
    """The answer to metrics, of which none are kept. Raises Invalid for what is none."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
    )

    try:
        request = ExportMetricsServiceRequest.FromString(body)
    except DecodeError:
        raise Invalid("The body is not an ExportMetricsServiceRequest in protobuf.") from None
    scopes = [scope for resource in request.resource_metrics for scope in resource.scope_metrics]
    data = [getattr(one, kind) for scope in scopes for one in scope.metrics if (kind := one.WhichOneof("data"))]
    answer = ExportMetricsServiceResponse()
    if left := sum(len(one.data_points) for one in data):
        answer.partial_success.rejected_data_points = left
        answer.partial_success.error_message = "The figures of a session are kept from its upload; these are not."
    return bytes(answer.SerializeToString())

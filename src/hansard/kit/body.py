"""The body of a request, whole: within its limits, in time, and without its compression."""

import asyncio
import zlib

from fastapi import Request

from hansard.kit.errors import Invalid, TooLarge, TooSlow, UnknownEncoding
from hansard.wire import MAX_BYTES


async def received(request: Request, timeout_s: float) -> bytes:
    """The body as sent. Raises TooLarge as soon as it is, TooSlow when it does not arrive in time."""
    parts, size_bytes = [], 0
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                size_bytes += len(part)
                if size_bytes > MAX_BYTES:
                    raise TooLarge(f"A request may carry {MAX_BYTES} bytes; send fewer events at a time.")
                parts.append(part)
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {timeout_s:g} seconds.") from None
    if not size_bytes:
        raise Invalid("The body is empty.")
    return b"".join(parts)


def encoding_of(request: Request) -> str:
    """How the body says it is compressed; empty when it is not."""
    return request.headers.get("content-encoding", "").strip().lower()


def media_type_of(request: Request) -> str:
    """What the body says it is, without parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def inflated(body: bytes, encoding: str) -> bytes:
    """Undo the content encoding. Raises UnknownEncoding, Invalid for broken gzip, TooLarge."""
    if encoding not in ("", "identity", "gzip"):
        raise UnknownEncoding(f"The content encoding {encoding!r} is not understood; use gzip or none.")
    if encoding == "gzip":
        body = _gunzipped(body)
    if len(body) > MAX_BYTES:
        raise TooLarge(f"A request may carry {MAX_BYTES} bytes, uncompressed; send fewer events at a time.")
    return body


def _gunzipped(body: bytes) -> bytes:
    """At most one byte more than is allowed, however much the body would unfold to."""
    whole = b""
    while body and len(whole) <= MAX_BYTES:
        stream = zlib.decompressobj(wbits=31)
        try:
            whole += stream.decompress(body, MAX_BYTES + 1 - len(whole))
        except zlib.error:
            raise Invalid("The body is not gzip, although its content encoding says so.") from None
        if not stream.eof and len(whole) <= MAX_BYTES:
            raise Invalid("The gzip body ends before its end.")
        body = stream.unused_data
    return whole

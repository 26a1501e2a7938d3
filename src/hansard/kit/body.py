"""The body of a request: within its limits, in time, whole and without its compression or part by part."""

import asyncio
import zlib
from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.requests import ClientDisconnect

from hansard.kit.errors import Invalid, TooLarge, TooSlow, UnknownEncoding
from hansard.wire import MAX_BYTES


async def received(request: Request, timeout_s: float, most: int = MAX_BYTES) -> bytes:
    """The body as sent. Raises TooLarge as soon as it is, TooSlow when it does not arrive in time."""
    parts, size_bytes = [], 0
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                size_bytes += len(part)
                if size_bytes > most:
                    raise TooLarge(f"A request may carry {most} bytes; send fewer events at a time.")
                parts.append(part)
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {timeout_s:g} seconds.") from None
    if not size_bytes:
        raise Invalid("The body is empty.")
    return b"".join(parts)


async def arriving(request: Request, timeout_s: float, most: int) -> AsyncGenerator[bytes, None]:
    """The body part by part, for one that is too large to hold.

    Raises TooLarge as soon as it is, TooSlow when nothing more comes for `timeout_s`, Invalid when it breaks off.
    """
    size_bytes, body = 0, request.stream()
    while True:
        try:
            async with asyncio.timeout(timeout_s):
                part = await anext(body, None)
        except TimeoutError:
            raise TooSlow(f"Nothing more of the body arrived for {timeout_s:g} seconds.") from None
        except ClientDisconnect:
            raise Invalid("The body ends before its end.") from None
        if part is None:
            return
        size_bytes += len(part)
        if size_bytes > most:
            raise TooLarge(f"The body may have {most} bytes, and has more.")
        yield part


def encoding_of(request: Request) -> str:
    """How the body says it is compressed; empty when it is not."""
    return request.headers.get("content-encoding", "").strip().lower()


def media_type_of(request: Request) -> str:
    """What the body says it is, without parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def inflated(body: bytes, encoding: str, most: int = MAX_BYTES) -> bytes:
    """Undo the content encoding. Raises UnknownEncoding, Invalid for broken gzip, TooLarge."""
    if encoding not in ("", "identity", "gzip"):
        raise UnknownEncoding(f"The content encoding {encoding!r} is not understood; use gzip or none.")
    if encoding == "gzip":
        body = _gunzipped(body, most)
    if len(body) > most:
        raise TooLarge(f"A request may carry {most} bytes, uncompressed; send fewer events at a time.")
    return body


def _gunzipped(body: bytes, most: int) -> bytes:
    """At most one byte more than is allowed, however much the body would unfold to."""
    whole = b""
    while body and len(whole) <= most:
        stream = zlib.decompressobj(wbits=31)
        try:
            whole += stream.decompress(body, most + 1 - len(whole))
        except zlib.error:
            raise Invalid("The body is not gzip, although its content encoding says so.") from None
        if not stream.eof and len(whole) <= most:
            raise Invalid("The gzip body ends before its end.")
        body = stream.unused_data
    return whole

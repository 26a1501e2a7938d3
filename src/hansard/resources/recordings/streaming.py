"""A stored recording as an answer: all of it or a range, as bytes or as sound."""

import re
from urllib.parse import quote

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from hansard.kit.blobs import Blobs
from hansard.kit.sounds import KINDS
from hansard.resources.sessions.recordings import Recording

BYTES = "application/octet-stream"
_RANGE = re.compile(r"bytes\s*=\s*(?:(\d{1,18})\s*-\s*(\d{1,18})?|-\s*(\d{1,18}))", re.ASCII | re.IGNORECASE)


def stream_of(request: Request, blobs: Blobs, recording: Recording, *, is_sound: bool | None = None) -> Response:
    """The recording, or the range that was asked for (RFC 9110, section 14); of several ranges all of it.

    It is sent as bytes unless the request prefers sound, or `is_sound` says so. Raises NotFound where the bytes
    are gone, and Busy where their store cannot be reached; both before anything is sent.
    """
    as_sound = prefers_sound(request) if is_sound is None else is_sound
    etag = f'"{recording.sha256}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Content-Type": recording.media_type if as_sound else BYTES,
        "Content-Disposition": disposition("inline" if as_sound else "attachment", recording),
        "Cache-Control": "private, no-store",  # what people said is in no cache
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept",
    }
    size_bytes = recording.size_bytes
    asked = request.headers.get("range")
    if asked and request.method == "GET" and request.headers.get("if-range", etag) == etag:
        found = range_of(asked, size_bytes)
        if found == (0, 0):
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size_bytes}"})
        if found:
            start, stop = found
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size_bytes}"
            return _answer(request, blobs, recording, 206, headers, start, stop)
    return _answer(request, blobs, recording, 200, headers, 0, size_bytes)


def _answer(
    request: Request, blobs: Blobs, recording: Recording, status: int, headers: dict[str, str], start: int, stop: int
) -> Response:
    headers["Content-Length"] = str(stop - start)
    if request.method == "HEAD":
        blobs.check(recording.blob)
        return Response(status_code=status, headers=headers)
    return StreamingResponse(blobs.read(recording.blob, start, stop), status, headers)


def range_of(header: str, size_bytes: int) -> tuple[int, int] | None:
    """The one range that a header asks for, as the first byte and the one after the last.

    None where the header is not understood or asks for several: then all is sent, as RFC 9110 allows. An empty range
    at the beginning, (0, 0), stands for one that does not lie within the recording.
    """
    parts = _RANGE.fullmatch(header.strip())
    if parts is None:
        return None
    first, last, suffix = (int(part) if part else None for part in parts.groups())
    if suffix is not None:
        return (max(0, size_bytes - suffix), size_bytes) if suffix and size_bytes else (0, 0)
    if first is None or (last is not None and last < first):
        return None
    if first >= size_bytes:
        return 0, 0
    return first, size_bytes if last is None else min(last + 1, size_bytes)


def prefers_sound(request: Request) -> bool:
    """Whether sound was asked for by name and is liked better than bytes, or a player of a page asks."""
    if request.headers.get("sec-fetch-dest") in ("audio", "video"):
        return True
    sound, plain = 0.0, 0.0
    for one in request.headers.get("accept", "").lower().split(","):
        kind, *parameters = (part.strip() for part in one.split(";"))
        if kind.startswith("audio/"):
            sound = max(sound, _quality(parameters))
        elif kind in (BYTES, "application/*"):
            plain = max(plain, _quality(parameters))
    return sound > plain


def _quality(parameters: list[str]) -> float:
    """How much a media type is liked, 0 to 1 (RFC 9110, section 12.4.2)."""
    for one in parameters:
        if re.fullmatch(r"q=[01](\.\d{0,3})?", one):
            return min(1.0, float(one[2:]))
    return 1.0


def disposition(kind: str, recording: Recording) -> str:
    """What a browser calls the file: the last part of its name, with an ending that fits (RFC 6266, RFC 8187)."""
    name = re.split(r"[/\\]", recording.name)[-1]
    name = "".join(letter for letter in name if letter.isprintable()).strip(" .")[:100] or f"recording-{recording.id}"
    endings = KINDS[recording.media_type][0]
    if not name.lower().endswith(endings):
        name += endings[0]
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"

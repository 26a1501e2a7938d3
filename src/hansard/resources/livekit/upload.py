"""One upload of a session: a multipart body in, its header, chat history and audio out."""

import json
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from hansard.kit.body import arriving
from hansard.kit.errors import Invalid, TooLarge

MAX_UPLOAD_BYTES = 512 * 1024 * 1024  # some fifteen hours of LiveKit's stereo Opus
MAX_HISTORY_BYTES = 32 * 1024 * 1024
MAX_HEADER_BYTES = 1024 * 1024
MOST_PARTS = 8


@dataclass(frozen=True)
class Upload:
    """What an agent's job says of its session when it is over."""

    room_id: str
    job_id: str
    is_simulated: bool
    audio_started_at_s: float  # Unix seconds; zero where there is none
    summary: dict[str, Any]
    items: list[Any]


async def parts_of(request: Request, timeout_s: float) -> FormData:
    """The parts, large ones on disk; the caller closes them.

    Raises Invalid for what is not multipart, TooLarge, and TooSlow when nothing more comes for `timeout_s`.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Invalid("The body must be multipart/form-data.")
    body = arriving(request, timeout_s, MAX_UPLOAD_BYTES)
    try:
        return await MultiPartParser(request.headers, body, max_files=MOST_PARTS, max_fields=MOST_PARTS).parse()
    except MultiPartException as error:
        raise Invalid(f"The body cannot be read as multipart/form-data: {error.message}") from None


async def upload_of(parts: FormData) -> Upload:
    """What the parts say. Raises Invalid for a header or a history that cannot be read, TooLarge."""
    header = _header(await _bytes(parts, "header", MAX_HEADER_BYTES) or b"")
    history = await _bytes(parts, "chat_history", MAX_HISTORY_BYTES)
    return Upload(
        room_id=header.room_id,
        job_id=header.job_id or "job",
        is_simulated=header.simulated,
        audio_started_at_s=header.start_time.ToMicroseconds() / 1e6,
        summary=_object(header.session_summary or "{}", "The session summary of the header"),
        items=_items(history) if history else [],
    )


async def _bytes(parts: FormData, name: str, most: int) -> bytes | None:
    part = parts.get(name)
    if not isinstance(part, UploadFile):
        return None
    if (part.size or 0) > most:
        raise TooLarge(f"The part {name!r} may have {most} bytes, not {part.size}.")
    return await part.read()


def _header(raw: bytes) -> Any:
    from google.protobuf.message import DecodeError
    from livekit.protocol.metrics import MetricsRecordingHeader

    try:
        header = MetricsRecordingHeader.FromString(raw)
    except DecodeError:
        raise Invalid("The part 'header' is not a MetricsRecordingHeader in protobuf.") from None
    if not header.room_id:
        raise Invalid("The part 'header' is missing, or names no room.")
    return header


def _items(history: bytes) -> list[Any]:
    items = _object(history, "The part 'chat_history'").get("items")
    if not isinstance(items, list):
        raise Invalid("The part 'chat_history' must be an object with a list of items.")
    return items


def _object(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        value = _json(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{what} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise Invalid(f"{what} must be an object.")
    return value


def _json(text: str | bytes) -> Any:
    """JSON as Python writes it: halves of a surrogate pair, which no UTF-8 can hold, become U+FFFD."""
    try:
        return from_json(text)
    except ValueError:
        written = json.dumps(json.loads(text), ensure_ascii=False)
        return from_json(written.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))

"""An upload in, its bytes kept and what is said of them checked."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_to_bytes

from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from hansard.kit.blobs import BLOCK_BYTES, Incoming
from hansard.kit.body import arriving, encoding_of
from hansard.kit.errors import Invalid, TooLarge, UnknownEncoding
from hansard.kit.sounds import NAMES, find_media_type
from hansard.wire import RECORDINGS_PATH, Key, SessionKey, instant, moment_of

_KEY: TypeAdapter[str] = TypeAdapter(Key)


@dataclass(frozen=True)
class Said:
    """What the address and the headers of an upload say of it. `sha256` is hex, None where the client says none."""

    key: SessionKey
    name: str
    channels: int | None
    began_at: datetime | None
    sha256: str | None


def said_of(request: Request) -> Said:
    """Raises Invalid, UnknownEncoding."""
    if encoding_of(request) not in ("", "identity"):
        raise UnknownEncoding("A recording is sent as it is, without a content encoding.")
    service, sid, name = _parts(request)
    headers = request.headers
    return Said(
        key=SessionKey(service=service, sid=sid),
        name=name,
        channels=_channels(headers.get("hansard-channels")),
        began_at=_moment(headers.get("hansard-at")),
        sha256=_digest(headers.get("content-digest")) or _digest(headers.get("repr-digest")),
    )


def _parts(request: Request) -> tuple[str, str, str]:
    """Service, sid and name of the address as it was sent: a %2F is part of a name, a slash stands between them."""
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    _, mark, rest = raw.partition(f"{RECORDINGS_PATH}/".encode())
    parts = rest.split(b"/")
    if not mark or len(parts) != 3:
        raise Invalid(f"The address must be {RECORDINGS_PATH}/service/sid/name; a slash in one of them is %2F.")
    service, sid, name = (_text(part, what) for part, what in zip(parts, ("service", "sid", "name"), strict=True))
    return service, sid, name


def _text(part: bytes, what: str) -> str:
    try:
        return _KEY.validate_python(unquote_to_bytes(part).decode())
    except UnicodeDecodeError:
        raise Invalid(f"The {what} in the address is not UTF-8.") from None
    except ValidationError as error:
        raise Invalid(f"The {what} in the address {error.errors()[0]['msg']}.") from None


def _channels(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d?", text, re.ASCII):
        raise Invalid("Hansard-Channels must be a number from 1 to 99.")
    return int(text)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return moment_of(instant(text))
    except ValueError as error:
        raise Invalid(f"Hansard-At {error}.") from None


def _digest(header: str | None) -> str | None:
    """The SHA-256 of a digest field, in hex; other algorithms are not looked at (RFC 9530)."""
    found = re.search(r"(?:^|,)\s*sha-256\s*=\s*([^,]*)", header or "", re.IGNORECASE)
    if found is None:
        return None
    text = found.group(1).strip()
    try:
        digest = base64.b64decode(text[1:-1], validate=True) if re.fullmatch(":.*:", text) else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise Invalid("A digest must be like sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")
    return digest.hex()


async def received_into(incoming: Incoming, request: Request, said: Said, timeout_s: float, most_bytes: int) -> str:
    """Read the body into `incoming`; give what kind of sound it is, by its content.

    Raises TooLarge, TooSlow, DiskFull, Invalid for one that breaks off, is empty or not the one that was announced,
    UnknownEncoding for what is no sound.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most_bytes:
        raise TooLarge(f"A recording may have {most_bytes} bytes, not {announced}.")
    waiting = bytearray()
    async for part in arriving(request, timeout_s, most_bytes):
        waiting += part
        if len(waiting) >= BLOCK_BYTES:
            await run_in_threadpool(incoming.write, bytes(waiting))
            _media_type(incoming)
            waiting.clear()
    await run_in_threadpool(incoming.write, bytes(waiting))
    if not incoming.size_bytes:
        raise Invalid("The body is empty.")
    if said.sha256 and said.sha256 != incoming.sha256:
        raise Invalid("The bytes that arrived are not those whose SHA-256 was sent along; nothing was stored.")
    return _media_type(incoming)


def _media_type(incoming: Incoming) -> str:
    found = find_media_type(incoming.head)
    if found is None:
        raise UnknownEncoding(f"This is no sound that is known here; it must be {NAMES}.")
    return found

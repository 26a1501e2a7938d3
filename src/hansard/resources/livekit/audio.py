"""The audio of a session, kept as a file until recordings can be stored."""

import contextlib
import errno
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from hansard.kit.errors import DiskFull
from hansard.resources.livekit.events import SERVICE, event_of
from hansard.resources.livekit.upload import Upload
from hansard.wire import Event

FOLDER = "recordings-waiting"
_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """A file in the data folder, on disk."""

    path: str  # relative to the data folder
    size_bytes: int
    sha256: str


def keep(data: Path, organization_id: int, upload: Upload, audio: BinaryIO) -> Kept:
    """Write the audio to the data folder; it is on disk when this returns. The same audio again is the same file.

    Raises DiskFull where there is no room, and leaves nothing half-written.
    """
    folder = Path(FOLDER, str(organization_id), _safe(upload.room_id))
    try:
        (data / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        part, size_bytes, digest = _written(data / folder, audio)
        name = f"{_safe(upload.job_id)}-{digest[:16]}.ogg"
        os.replace(part, data / folder / name)
        for one in (folder, *folder.parents):
            _sync(data / one)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("There is no room left on the disk; nothing was written.") from None
        raise
    return Kept(str(folder / name), size_bytes, digest)


def _written(folder: Path, audio: BinaryIO) -> tuple[str, int, str]:
    """A file under a passing name, its size and digest."""
    digest, size_bytes = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".part-", delete=False) as file:
        try:
            while block := audio.read(_BLOCK_BYTES):
                file.write(block)
                digest.update(block)
                size_bytes += len(block)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            raise
    return file.name, size_bytes, digest.hexdigest()


def _sync(folder: Path) -> None:
    """Put the names in a folder on disk, as fsync did the content."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _safe(name: str) -> str:
    """The name where it can be one of a file and no path, else its digest."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name) else hashlib.sha256(name.encode()).hexdigest()


def audio_event(upload: Upload, kept: Kept, at: datetime) -> Event:
    """The child that says where the audio is."""
    data = {
        "type": "recording-waiting",
        "source": SERVICE,
        "source_id": upload.job_id,
        "category": "recording",
        "description": "The audio is kept as a file in the data folder: OGG Opus, the user left, the agent right.",
        "attributes": {"path": kept.path, "size_bytes": kept.size_bytes, "sha256": kept.sha256},
    }
    return event_of(upload.room_id, f"{upload.job_id}.audio.{kept.sha256[:16]}", "event", at, data)

"""The audio of a session, which becomes a recording like any other."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import BinaryIO

from sqlalchemy import Connection

from hansard.kit.blobs import BLOCK_BYTES, Blobs
from hansard.kit.errors import Conflict
from hansard.kit.sounds import find_media_type
from hansard.resources.livekit.events import SERVICE, event_of, moment
from hansard.resources.livekit.upload import Upload
from hansard.resources.sessions.recordings import Sound, add_recording
from hansard.wire import Event, SessionKey, moment_of

LANES = 2  # the user on the left, the agent on the right


def keep(blobs: Blobs, organization_id: int, upload: Upload, audio: BinaryIO) -> Sound | None:
    """Put the audio where recordings lie; it is on disk when this returns. None for what is no sound known here.

    Raises DiskFull, and Busy where the store of recordings cannot be reached.
    """
    with blobs.incoming() as incoming:
        while block := audio.read(BLOCK_BYTES):
            incoming.write(block)
        media_type = find_media_type(incoming.head)
        if media_type is None:
            return None
        blob = blobs.keep(organization_id, incoming)
    return Sound(f"{upload.job_id}.ogg", blob, media_type, LANES, moment(upload.audio_started_at_s))


def refused_audio(upload: Upload, start: Event) -> Event:
    """The child that says that there was audio which could not be kept; the rest of its upload is."""
    data = {
        "type": "recording-refused",
        "source": SERVICE,
        "source_id": upload.job_id,
        "category": "recording",
        "description": "The audio is no sound that is known here, so it was not kept.",
    }
    return event_of(upload.room_id, f"{upload.job_id}.audio", "event", moment_of(start["at"]), data)


def add_audio(
    db: Connection, organization_id: int, key: SessionKey, sound: Sound, now: datetime, idle: timedelta
) -> None:
    """Add the audio to its session. Where its job has told of other audio before, both are kept."""
    try:
        add_recording(db, organization_id, key, sound, now, idle)
    except Conflict:
        name = f"{sound.name.removesuffix('.ogg')}-{sound.blob.sha256[:16]}.ogg"
        add_recording(db, organization_id, key, replace(sound, name=name), now, idle)

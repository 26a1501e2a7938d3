"""Sounds of every kind, made on the spot, and recordings with one call."""

import array
import io
import math
import time
import wave
from functools import cache
from typing import Any
from urllib.parse import quote

import av

from hansard.resources.sessions.recordings import Recording, list_recordings
from tests.conftest import House
from tests.door import Answer, Door
from tests.make import make_sid

# What each kind is made with: FFmpeg's container and codec, and the rate in Hz.
KINDS = {
    "audio/wav": ("wav", "pcm_s16le", 16000),
    "audio/flac": ("flac", "flac", 16000),
    "audio/ogg": ("ogg", "libopus", 48000),
    "audio/mpeg": ("mp3", "libmp3lame", 22050),
    "audio/aac": ("adts", "aac", 16000),
    "audio/mp4": ("ipod", "aac", 16000),
    "audio/webm": ("webm", "libopus", 48000),
    "audio/matroska": ("matroska", "aac", 16000),
}


@cache
def wav(duration_s: float = 1.0, *levels: float, hz: int = 8000) -> bytes:
    """A tone with a channel for each of `levels`, 0 to 1; one of half the amplitude when none is given."""
    tone = [math.sin(one * 2 * math.pi * 400 / hz) for one in range(int(duration_s * hz))]
    samples = array.array("h", (round(32767 * level * one) for one in tone for level in levels or (0.5,)))
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(len(levels) or 1)
        file.setsampwidth(2)
        file.setframerate(hz)
        file.writeframes(samples.tobytes())
    return made.getvalue()


@cache
def encoded(container: str, codec: str, hz: int, duration_s: float = 3.0) -> bytes:
    """A stereo tone in a container of FFmpeg's."""
    made = io.BytesIO()
    with (
        av.open(made, "w", format=container) as file,
        av.open(io.BytesIO(wav(duration_s, 0.5, 0.25, hz=hz)), "r") as tone,
    ):
        stream: Any = file.add_stream(codec, rate=hz, layout="stereo")
        context = stream.codec_context
        fitted = av.AudioResampler(context.format, "stereo", context.sample_rate)
        for frame in tone.decode(audio=0):
            for part in fitted.resample(frame):
                file.mux(stream.encode(part))
        for part in fitted.resample(None):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return made.getvalue()


def sound(media_type: str) -> bytes:
    return encoded(*KINDS[media_type])


def put(door: Door, body: bytes, *, sid: str, name: str = "call.wav", **headers: str) -> Answer:
    """Upload a recording of the service `twilio`; a header's `_` is a `-`."""
    path = f"/ingest/v1/recordings/twilio/{quote(sid, safe='')}/{quote(name, safe='')}"
    return door.ask("PUT", path, body=body, headers={key.replace("_", "-"): value for key, value in headers.items()})


def make_recording(door: Door, body: bytes = b"", *, sid: str = "", name: str = "call.wav") -> str:
    """Upload a recording that is expected to be taken; give its session's id."""
    answer = put(door, body or wav(), sid=sid or make_sid(), name=name)
    assert answer.status == 201, answer.bytes
    session_id: str = answer.json["session_id"]
    return session_id


def wait_until_read(house: House, door: Door, session_id: str) -> Recording:
    """The recording of a session, once the job has read it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with house.database.reading() as db:
            (one,) = list_recordings(db, door.organization_id, int(session_id))
        if one.state != "waiting":
            return one
        time.sleep(0.02)
    raise AssertionError("nobody read the recording")

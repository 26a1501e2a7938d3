"""Recordings for the sample sessions: babble that nobody ever spoke, with the pauses and turns of the session.

A voice is a handful of syllables, each a tone with the overtones of a vowel and a breath of noise before it, made
once and then put in a row for as long as a turn lasts: the user on the left, the agent on the right.
"""

import contextlib
import io
import math
import random
import threading
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Connection

from hansard.db.engine import Database
from hansard.kit.blobs import Blobs
from hansard.kit.errors import HansardError
from hansard.kit.listing import Asked
from hansard.kit.settings import Settings
from hansard.resources.accounts.schemas import Organization
from hansard.resources.sessions.recordings import Sound, add_recording, list_recordings
from hansard.resources.sessions.schemas import Session
from hansard.resources.sessions.store import list_children, list_sessions
from hansard.wire import Child, SessionKey, moment_of

NEWEST, OLDER = 8, 4
HZ = 16000
NAME = "call.ogg"
_PITCHES = {"user": (118.0, 205.0, 132.0, 188.0), "agent": (168.0,)}
_VOWELS = ((730, 1090), (270, 2290), (300, 870), (530, 1840), (570, 840), (660, 1720))  # the first two formants, in Hz
_SYLLABLES = 18
_PERIOD = 256  # samples of one period in a table


@dataclass(frozen=True)
class Turn:
    """Who speaks, from when to when, in seconds of the session."""

    role: str
    begins_s: float
    ends_s: float


def add_sounds_meanwhile(app: FastAPI, demo: Organization) -> None:
    """Give the samples their recordings while the server is up already, the newest first: that takes some seconds."""

    def work() -> None:
        state = app.state
        with contextlib.suppress(HansardError):  # the server is shutting down, or its disk is full
            add_sounds(state.database, state.blobs, state.settings, demo.id, state.clock(), state.listener.wake)

    threading.Thread(target=work, name="hansard-demo-sounds", daemon=True).start()


def add_sounds(
    database: Database,
    blobs: Blobs,
    settings: Settings,
    organization_id: int,
    now: datetime,
    wake: Callable[[int], None] = lambda _: None,
) -> int:
    """Give the newest sample calls, and a few older ones, a recording where they have none; give how many got one.

    `wake` is called after each, so that it is read.
    """
    with database.reading() as db:
        wanted = [one for one in _calls(db, organization_id) if not _has_sound(db, organization_id, one)]
    idle = timedelta(seconds=settings.conversation_idle_s)
    for one in wanted:
        sound = _sound(database, blobs, organization_id, one)
        key = SessionKey(service=str(one.channel_manager_service), sid=str(one.channel_manager_sid))
        adding = partial(add_recording, organization_id=organization_id, key=key, sound=sound, now=now, idle=idle)
        database.write(organization_id, adding)
        wake(organization_id)
    return len(wanted)


def _calls(db: Connection, organization_id: int) -> list[Session]:
    """The sample calls that shall have a sound, newest first."""
    page = list_sessions(db, organization_id, Asked(limit=200, search={"channel_manager_type": ["voice"]}))
    ended = [one for one in page.items if one.duration]
    older = ended[NEWEST:]
    return ended[:NEWEST] + older[len(older) // (OLDER + 1) :: max(1, len(older) // (OLDER + 1))][:OLDER]


def _has_sound(db: Connection, organization_id: int, one: Session) -> bool:
    return bool(list_recordings(db, organization_id, int(one.session_id or 0)))


def _sound(database: Database, blobs: Blobs, organization_id: int, one: Session) -> Sound:
    """The recording of a call, its bytes where recordings lie."""
    with database.reading() as db:
        children = list_children(db, organization_id, int(one.session_id or 0))
    with blobs.incoming() as incoming:
        incoming.write(babble(str(one.channel_manager_sid), turns_of(children, one.timestamp), one.duration or 0.0))
        blob = blobs.keep(organization_id, incoming)
    return Sound(NAME, blob, "audio/ogg", 2, one.timestamp)


def turns_of(children: Sequence[Child], began_at: datetime) -> list[Turn]:
    """Who spoke when, from the messages that say so."""
    found = []
    for child in children:
        data = child["data"]
        if child["kind"] == "message" and data.get("started_at") and data.get("ended_at"):
            begins, ends = (moment_of(data[name]) - began_at for name in ("started_at", "ended_at"))
            found.append(Turn(data["role"], begins.total_seconds(), ends.total_seconds()))
    return found


def babble(seed: str, turns: Sequence[Turn], duration_s: float) -> bytes:
    """An Ogg file of Opus in which the user babbles on the left and the agent on the right, in these turns.

    The same seed and turns sound the same.
    """
    dice = random.Random(seed)  # noqa: S311 - a sound, not a secret
    length = int(max(duration_s, *(turn.ends_s for turn in turns), 1.0) * HZ)
    lanes = {role: bytearray(2 * length) for role in ("user", "agent")}
    voices = {role: _voice(dice.choice(_PITCHES[role]), role) for role in lanes}
    for turn in turns:
        _speak(lanes[turn.role], voices[turn.role], turn, dice)
    return _encoded(bytes(lanes["user"]), bytes(lanes["agent"]))


def _speak(lane: bytearray, voice: Sequence[bytes], turn: Turn, dice: random.Random) -> None:
    """Words of one to three syllables, with a breath between them, from the turn's begin to its end."""
    place, end = 2 * int(max(0.0, turn.begins_s) * HZ), 2 * int(turn.ends_s * HZ)
    while place < end:
        for _ in range(dice.randint(1, 3)):
            syllable = dice.choice(voice)
            if place + len(syllable) > min(end, len(lane)):
                return
            lane[place : place + len(syllable)] = syllable
            place += len(syllable)
        place += 2 * int(dice.uniform(0.03, 0.16) * HZ)


_voices: dict[tuple[float, str], list[bytes]] = {}


def _voice(pitch_hz: float, role: str) -> list[bytes]:
    """The syllables of a voice, as signed 16-bit samples."""
    if (pitch_hz, role) not in _voices:
        dice = random.Random(f"{pitch_hz} {role}")  # noqa: S311 - likewise
        _voices[pitch_hz, role] = [_syllable(pitch_hz, dice) for _ in range(_SYLLABLES)]
    return _voices[pitch_hz, role]


def _syllable(pitch_hz: float, dice: random.Random) -> bytes:
    """A breath of noise that goes over into a vowel whose pitch moves a little."""
    table = _period(pitch_hz, dice.choice(_VOWELS))
    count = int(dice.uniform(0.11, 0.24) * HZ)
    breath, loud = int(dice.uniform(0.01, 0.04) * HZ), dice.uniform(3500, 9000)
    step, glide = pitch_hz * dice.uniform(0.9, 1.15) * _PERIOD / HZ, dice.uniform(-0.16, 0.1) / count
    made, phase, noise = array("h"), 0.0, 0.0
    for place in range(count):
        phase += step * (1 + glide * place)
        shape = math.sin(math.pi * place / count) ** 0.6
        noise = 0.5 * noise + (dice.random() - 0.5 if place < breath else 0.0)
        made.append(int(loud * shape * (table[int(phase) % _PERIOD] + noise)))
    return made.tobytes()


def _period(pitch_hz: float, formants: tuple[int, int]) -> list[float]:
    """One period of a vowel: overtones, loud where its formants are."""
    levels = []
    for number in range(1, int(3800 / pitch_hz)):
        near = [math.exp(-(((number * pitch_hz - formant) / 160) ** 2)) for formant in formants]
        levels.append((number, 0.12 / number + near[0] + 0.5 * near[1]))
    samples = [
        sum(level * math.sin(2 * math.pi * number * place / _PERIOD) for number, level in levels)
        for place in range(_PERIOD)
    ]
    loudest = max(map(abs, samples))
    return [sample / loudest for sample in samples]


def _encoded(left: bytes, right: bytes) -> bytes:
    import av

    made = io.BytesIO()
    with av.open(made, "w", format="ogg") as file:
        stream: Any = file.add_stream("libopus", rate=HZ, layout="stereo")
        stream.bit_rate = 24_000
        stream.options = {"application": "voip", "compression_level": "0", "frame_duration": "60"}
        packed = av.AudioResampler("s16", "stereo", HZ)
        for place in range(0, len(left), 2 * HZ):
            frame = av.AudioFrame("s16p", "stereo", len(left[place : place + 2 * HZ]) // 2)
            frame.sample_rate, frame.pts = HZ, place // 2
            for plane, lane in zip(frame.planes, (left, right), strict=True):
                samples = lane[place : place + 2 * HZ]
                plane.update(samples + bytes(plane.buffer_size - len(samples)))
            for part in packed.resample(frame):
                file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return made.getvalue()

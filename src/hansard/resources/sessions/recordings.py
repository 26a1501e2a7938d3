"""All SQL about recordings, which are children of sessions; their bytes lie in `kit/blobs.py`."""

import hashlib
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, or_, select, update

from hansard.db.counters import next_numbers
from hansard.db.tables import recording, session
from hansard.kit.blobs import Blob
from hansard.kit.errors import Conflict, NotFound
from hansard.resources.sessions.intake import add_changes, add_event
from hansard.wire import Event, SessionKey, instant_of

State = Literal["waiting", "ready", "unreadable"]


@dataclass(frozen=True)
class Recording:
    """One sound file of a session.

    `state` is `waiting` until the sound itself was read, then `ready` or `unreadable`. `peaks` holds 20 bytes a
    second for each channel, in turn (left, right, left, …): the largest amplitude of those 50 ms, 0 to 255.
    `problem` is a sentence where something is wrong with the sound.
    """

    organization_id: int
    session_id: int
    id: int
    name: str
    sha256: str
    size_bytes: int
    media_type: str
    channels: int | None
    began_at: datetime | None
    stored_at: datetime
    state: str
    duration_ms: float | None
    peaks: bytes | None
    problem: str | None

    @property
    def blob(self) -> Blob:
        return Blob(self.organization_id, self.sha256, self.size_bytes)


@dataclass(frozen=True)
class Sound:
    """A recording as its writer gives it. `channels` and `began_at` are what the writer says, or None."""

    name: str
    blob: Blob
    media_type: str
    channels: int | None
    began_at: datetime | None


@dataclass(frozen=True)
class Heard:
    """What came of reading a sound; the fields are those of `Recording`."""

    state: State
    duration_ms: float | None = None
    channels: int | None = None
    peaks: bytes | None = None
    problem: str | None = None


_FIELDS = tuple(recording.c[one.name] for one in fields(Recording))
_WAITS = recording.c.state == "waiting"


def list_recordings(db: Connection, organization_id: int, session_id: int) -> list[Recording]:
    """The recordings of a session in the order they were stored; empty when there are none, or no such session."""
    asked = _mine(organization_id).where(recording.c.session_id == session_id).order_by(recording.c.id)
    return [Recording(*row) for row in db.execute(asked)]


def get_recording(db: Connection, organization_id: int, recording_id: int) -> Recording:
    """Raises NotFound."""
    found = db.execute(_mine(organization_id).where(recording.c.id == recording_id)).one_or_none()
    if found is None:
        raise NotFound(f"There is no recording {recording_id}.")
    return Recording(*found)


def find_recording(db: Connection, organization_id: int, key: SessionKey, sound: Sound) -> Recording | None:
    """The recording of this name that a session has already; None where there is none.

    Raises Conflict where it has other bytes.
    """
    of_session = select(session.c.id).where(
        session.c.organization_id == organization_id, session.c.sid == key["sid"], session.c.service == key["service"]
    )
    asked = _mine(organization_id).where(
        recording.c.session_id == of_session.scalar_subquery(), recording.c.name == sound.name
    )
    row = db.execute(asked).one_or_none()
    found = Recording(*row) if row else None
    if found and found.sha256 != sound.blob.sha256:
        raise Conflict(f"The session has a recording {sound.name!r} already, with other bytes; the first is kept.")
    return found


def add_recording(
    db: Connection, organization_id: int, key: SessionKey, sound: Sound, now: datetime, idle: timedelta
) -> Recording:
    """Add a recording, whose bytes must be on disk, to its session, founding that where nobody has told of it yet.

    The same name and bytes again are the recording that is there. Raises Conflict for other bytes under the name,
    and where the session's record is damaged.
    The recording is told in the record too, as metadata; that neither reopens a session nor makes it longer.
    """
    known = find_recording(db, organization_id, key, sound)
    if known:
        return known
    told = add_event(db, organization_id, _event(key, sound, now), now, idle)
    (session_id,) = told.session_ids.values()
    (number,) = next_numbers(db, organization_id, "recording", 1)
    row = {
        "organization_id": organization_id,
        "session_id": session_id,
        "id": number,
        "name": sound.name,
        "sha256": sound.blob.sha256,
        "size_bytes": sound.blob.size_bytes,
        "media_type": sound.media_type,
        "channels": sound.channels,
        "began_at": sound.began_at,
        "stored_at": now,
        "state": "waiting",
    }
    db.execute(recording.insert().values(row))
    mine = (session.c.organization_id == organization_id) & (session.c.id == session_id)
    db.execute(update(session).where(mine).values(has_recording=True))
    return get_recording(db, organization_id, number)


def _event(key: SessionKey, sound: Sound, now: datetime) -> Event:
    """What the record says of a recording. The id is of the name and the bytes, so that it is the same every time."""
    blob = sound.blob
    digest = hashlib.sha256(f"{blob.sha256} {sound.name}".encode()).hexdigest()
    about = {
        "sha256": blob.sha256,
        "size_bytes": blob.size_bytes,
        "media_type": sound.media_type,
        "channels": sound.channels,
    }
    return Event(
        id=f"recording.{digest[:24]}",
        session=key,
        kind="session.update",
        at=instant_of(sound.began_at or now),
        data={f"recording {sound.name}": about},
    )


def find_waiting(db: Connection, organization_id: int, tried_before: datetime) -> Recording | None:
    """The oldest recording that waits to be read and that nobody has taken up since `tried_before`."""
    asked = _mine(organization_id).where(_WAITS, _untried(tried_before)).order_by(recording.c.stored_at).limit(1)
    row = db.execute(asked).one_or_none()
    return Recording(*row) if row else None


def change_to_tried(
    db: Connection, organization_id: int, recording_id: int, tried_before: datetime, now: datetime
) -> int | None:
    """Take a waiting recording up to be read; give how often that has been done now, None when somebody else was
    quicker.
    """
    tries = db.execute(
        select(recording.c.tries).where(
            recording.c.organization_id == organization_id,
            recording.c.id == recording_id,
            _WAITS,
            _untried(tried_before),
        )
    ).scalar_one_or_none()
    if tries is None:
        return None
    db.execute(_change(organization_id, recording_id).values(tried_at=now, tries=tries + 1))
    return int(tries) + 1


def change_to_untried(db: Connection, organization_id: int, recording_id: int, tried_at: datetime | None) -> None:
    """Take back that a recording was taken up, where it was not its fault that nothing came of it.

    It may be taken up again at once, or, with `tried_at`, as if it had been at that time.
    """
    changed = _change(organization_id, recording_id).where(recording.c.tries > 0)
    db.execute(changed.values(tried_at=tried_at, tries=recording.c.tries - 1))


def find_heard(db: Connection, organization_id: int, sha256: str) -> Heard | None:
    """What came of reading the same bytes under another name or in another session."""
    asked = _mine(organization_id).where(recording.c.sha256 == sha256, recording.c.state == "ready").limit(1)
    row = db.execute(asked).one_or_none()
    if row is None:
        return None
    found = Recording(*row)
    return Heard("ready", found.duration_ms, found.channels, found.peaks, found.problem)


def change_to_heard(db: Connection, organization_id: int, found: Recording, heard: Heard) -> None:
    """Note what came of reading a recording. What the sound says of its channels replaces what its writer said."""
    db.execute(
        _change(organization_id, found.id).values(
            state=heard.state,
            duration_ms=heard.duration_ms,
            channels=found.channels if heard.channels is None else heard.channels,
            peaks=heard.peaks,
            problem=heard.problem,
        )
    )
    add_changes(db, organization_id, [found.session_id])


def count_recordings(db: Connection, organization_id: int) -> dict[str, int]:
    """How many recordings there are in each state; a state that none is in is left out."""
    asked = (
        select(recording.c.state, func.count().label("count"))
        .where(recording.c.organization_id == organization_id)
        .group_by(recording.c.state)
    )
    return {row["state"]: row["count"] for row in db.execute(asked).mappings()}


def list_blobs(db: Connection, organization_id: int, most: int | None = None) -> list[Blob]:
    """The bytes that recordings are made of, each once; at most `most`."""
    asked = (
        select(recording.c.sha256, recording.c.size_bytes)
        .where(recording.c.organization_id == organization_id)
        .distinct()
        .limit(most)
    )
    return [Blob(organization_id, row.sha256, row.size_bytes) for row in db.execute(asked)]


def _mine(organization_id: int) -> Any:
    return select(*_FIELDS).where(recording.c.organization_id == organization_id)


def _change(organization_id: int, recording_id: int) -> Any:
    return update(recording).where(recording.c.organization_id == organization_id, recording.c.id == recording_id)


def _untried(tried_before: datetime) -> Any:
    return or_(recording.c.tried_at.is_(None), recording.c.tried_at < tried_before)

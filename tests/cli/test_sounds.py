"""What the command line has to do with recordings: the samples have some, and the doctor looks at them."""

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hansard.cli import demo_sound
from hansard.cli.demo import load_demo
from hansard.cli.demo_sound import Turn, add_sounds, babble, turns_of
from hansard.cli.opening import opened, organization_named
from hansard.db.engine import Database
from hansard.kit.blobs import open_blobs
from hansard.kit.settings import Settings
from hansard.kit.sounds import find_media_type
from hansard.resources.recordings.analysis import Found, analyse
from hansard.resources.sessions.recordings import Recording, list_recordings
from hansard.resources.sessions.store import get_session, list_children
from tests.cli.test_commands import run


def heard(body: bytes) -> tuple[Found, bytes, bytes]:
    """What a stereo sound is, and the peaks of its left and its right."""
    found, peaks = analyse(io.BytesIO(body), "audio/ogg", time.monotonic() + 60)
    return found, peaks[0::2], peaks[1::2]


def test_the_user_babbles_on_the_left_and_the_agent_on_the_right_each_in_their_turn() -> None:
    turns = [Turn("agent", 0.5, 2.5), Turn("user", 3.0, 6.0), Turn("agent", 6.5, 8.0)]
    body = babble("one", turns, 10.0)
    assert find_media_type(body[:4096]) == "audio/ogg"
    found, left, right = heard(body)
    assert (found.channels, found.problem) == (2, None)
    assert found.duration_ms == pytest.approx(10_000, abs=100)
    for turn in turns:
        middle = slice(int(turn.begins_s * 20) + 2, int(turn.ends_s * 20) - 8)
        mine, other = (left, right) if turn.role == "user" else (right, left)
        assert max(mine[middle]) > 40
        assert max(other[middle]) < 6
    assert max(left[165:] + right[165:]) < 6


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three recordings will do."""
    monkeypatch.setattr(demo_sound, "NEWEST", 2)
    monkeypatch.setattr(demo_sound, "OLDER", 1)


@pytest.fixture
def samples(tmp_path: Path, few: None) -> Iterator[tuple[Settings, Database, int]]:
    """The samples with their recordings, and whose they are."""
    settings, now = Settings(data=tmp_path / "data"), datetime.now(UTC)
    with opened(settings) as database:
        load_demo(database, settings, now)
        mine = organization_named(database, "demo").id
        assert add_sounds(database, open_blobs(settings), settings, mine, now) == 3
        assert add_sounds(database, open_blobs(settings), settings, mine, now) == 0
        yield settings, database, mine


def recordings(database: Database, mine: int) -> list[Recording]:
    with database.reading() as db:
        ids = [row.session_id for row in db.exec_driver_sql("SELECT session_id FROM recording")]
        return [one for number in ids for one in list_recordings(db, mine, number)]


def test_some_samples_have_a_recording_that_fits_their_turns(samples: tuple[Settings, Database, int]) -> None:
    settings, database, mine = samples
    assert len(recordings(database, mine)) == 3
    for one in recordings(database, mine):
        with database.reading() as db:
            session = get_session(db, mine, one.session_id)
            turns = turns_of(list_children(db, mine, one.session_id), session.timestamp)
        assert (one.name, one.channels, one.began_at) == ("call.ogg", 2, session.timestamp)
        assert "voice" in (session.channel_manager_type or "")
        found, left, right = heard(b"".join(open_blobs(settings).read(one.blob)))
        assert found.duration_ms / 1000 == pytest.approx(session.duration, abs=0.2)
        for turn in turns:
            lane = left if turn.role == "user" else right
            assert max(lane[int(turn.begins_s * 20) : int(turn.ends_s * 20)]) > 20


def test_the_doctor_says_where_recordings_lie_and_what_is_wrong_with_them(
    samples: tuple[Settings, Database, int],
) -> None:
    settings, database, mine = samples
    data = str(settings.data)
    told = run("doctor", "--data", data).stdout
    assert f"well    Recordings lie in {settings.data / 'recordings'}." in told
    assert "Organization 'demo' has 0 recordings, 3 that wait to be read, 0 that cannot be read." in told
    (settings.data / "recordings" / recordings(database, mine)[0].blob.key).unlink()
    broken = run("doctor", "--data", data, code=1).stdout
    assert "broken  The bytes of 1 of them are not where they were put" in broken
    wrong = {"HANSARD_RECORDINGS_URL": "gs://calls"}
    sentence = "recordings_url must be like s3://bucket/prefix, not 'gs://calls'."
    assert sentence in run("doctor", "--data", data, code=1, **wrong).stdout
    assert sentence in run("serve", "--data", data, code=1, **wrong).stderr

"""The job that reads recordings: woken by an upload, alone at each, never at one for ever, and hurt by no file."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hansard.db.engine import open_database
from hansard.kit.settings import Settings
from hansard.resources.recordings import analysis, job
from hansard.resources.recordings.job import MOST_TRIES, TRIED_FOR, Listener, Stopped, read
from hansard.resources.sessions.recordings import Recording, change_to_tried, find_waiting, list_recordings
from tests.conftest import House, open_house
from tests.door import Door
from tests.sounds import make_recording, put, wait_until_read, wav


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job reads nothing by itself."""
    monkeypatch.setattr(Listener, "_read_round", lambda _: None)


def recordings(house: House, door: Door, session_id: str = "1") -> list[Recording]:
    with house.database.reading() as db:
        return list_recordings(db, door.organization_id, int(session_id))


def program(tmp_path: Path, script: str) -> str:
    """What runs in the place of Python and the analysis."""
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


def test_an_upload_wakes_the_job_and_a_live_page_hears_of_it(make_settings: Callable[..., Settings]) -> None:
    with contextmanager(open_house)(make_settings("sqlite")) as house:
        door = house.door()
        session_id = make_recording(door, wav(1.0))
        found = wait_until_read(house, door, session_id)
        assert (found.state, found.duration_ms, found.channels) == ("ready", 1000.0, 1)
        assert changes(house, door) == 2


def changes(house: House, door: Door) -> int:
    with house.database.reading() as db:
        query = f"SELECT count(*) FROM change WHERE organization_id = {door.organization_id}"
        return int(db.exec_driver_sql(query).scalar_one())


def test_what_a_crash_left_is_read_by_the_next_server(asleep: None, make_settings: Callable[..., Settings]) -> None:
    made = make_settings("sqlite")
    with contextmanager(open_house)(made) as house:
        door = house.door()
        make_recording(door)
        listener = house.app.state.listener
        mine, now = door.organization_id, house.clock()
        taking = partial(change_to_tried, organization_id=mine, recording_id=1, tried_before=now - TRIED_FOR, now=now)
        assert house.database.write(mine, taking) == 1
        assert house.database.write(mine, taking) is None  # another server's try
        assert not listener._read_one(mine)
        house.clock.ahead = TRIED_FOR + timedelta(seconds=1)
        assert listener._read_one(mine)
        (one,) = recordings(house, door)
        assert one.state == "ready"


def test_a_recording_that_takes_the_server_down_each_time_is_given_up(asleep: None, sqlite_house: House) -> None:
    door = sqlite_house.door()
    make_recording(door)
    mine, now = door.organization_id, sqlite_house.clock()
    for number in range(MOST_TRIES):
        later = now + number * 2 * TRIED_FOR
        taking = partial(change_to_tried, organization_id=mine, recording_id=1, now=later)
        assert sqlite_house.database.write(mine, partial(taking, tried_before=later - TRIED_FOR)) == number + 1
    sqlite_house.clock.ahead = MOST_TRIES * 2 * TRIED_FOR
    assert sqlite_house.app.state.listener._read_one(mine)
    sqlite_house.clock.ahead = timedelta()
    (one,) = recordings(sqlite_house, door)
    assert (one.state, one.problem) == ("unreadable", "It was read several times and the server ended each time.")


def test_two_servers_never_take_up_the_same_recording(asleep: None, postgres_house: House) -> None:
    """Four threads on connections of their own, as servers that share a database."""
    door = postgres_house.door()
    for number in range(8):
        make_recording(door, sid=f"s{number}")
    others = [open_database(postgres_house.settings) for _ in range(4)]
    taken: list[int] = []

    def take_all(number: int) -> None:
        mine, now = door.organization_id, postgres_house.clock()
        while True:
            with others[number].reading() as db:
                found = find_waiting(db, mine, now - TRIED_FOR)
            if found is None:
                return
            work = partial(change_to_tried, organization_id=mine, tried_before=now - TRIED_FOR, now=now)
            if others[number].write(mine, partial(work, recording_id=found.id)):
                taken.append(found.id)

    threads = [threading.Thread(target=take_all, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    for one in others:
        one.close()
    assert sorted(taken) == list(range(1, 9))


def test_the_same_bytes_are_read_once(asleep: None, sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    door = sqlite_house.door()
    for sid in ("1", "2"):
        make_recording(door, sid=sid)
    other = sqlite_house.door()
    make_recording(other)
    count, real = [], job.read

    def counted(*given: Any) -> Any:
        count.append(1)
        return real(*given)

    monkeypatch.setattr(job, "read", counted)
    for one in (door, door, other):
        assert sqlite_house.app.state.listener._read_one(one.organization_id)
    assert len(count) == 2  # one for each organization, which learn nothing of each other
    first, second = (recordings(sqlite_house, door, one)[0] for one in ("1", "2"))
    assert (first.state, first.peaks, first.duration_ms) == (second.state, second.peaks, second.duration_ms)


def test_a_decoder_that_dies_takes_nothing_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav())
    monkeypatch.setattr(sys, "executable", program(tmp_path, "kill -SEGV $$"))
    found = read(path, "audio/wav", threading.Event())
    assert (found.state, found.problem) == ("unreadable", "The decoder failed on it.")


def test_a_decoder_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav())
    monkeypatch.setattr(sys, "executable", program(tmp_path, "exec sleep 60"))
    monkeypatch.setattr(job, "MOST_S", 0.3)
    begun = time.monotonic()
    found = read(path, "audio/wav", threading.Event())
    assert time.monotonic() - begun < 5
    assert found.state == "unreadable"
    assert "could not be read within" in (found.problem or "")


def test_a_server_that_stops_waits_for_no_decoder_and_leaves_the_recording_to_the_next(
    asleep: None, sqlite_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = sqlite_house.door()
    make_recording(door, wav(1.25))
    stopping = Listener(sqlite_house.database, sqlite_house.app.state.blobs, sqlite_house.clock)
    monkeypatch.setattr(sys, "executable", program(tmp_path, "exec sleep 60"))
    threading.Timer(0.3, stopping.stopped.set).start()
    with pytest.raises(Stopped):
        stopping._read_one(door.organization_id)
    monkeypatch.undo()
    assert sqlite_house.app.state.listener._read_one(door.organization_id)
    assert recordings(sqlite_house, door)[0].state == "ready"


def test_the_decoder_is_given_none_of_the_servers_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANSARD_RECORDINGS_SECRET_KEY", "s3cret")
    path, told = tmp_path / "x.wav", tmp_path / "told"
    path.write_bytes(wav())
    monkeypatch.setattr(sys, "executable", program(tmp_path, f"env > {told}; ls -l /proc/$$/fd >> {told}"))
    read(path, "audio/wav", threading.Event())
    assert "s3cret" not in told.read_text()
    assert "hansard.db" not in told.read_text()


def test_a_long_recording_is_read_up_to_a_limit_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "MOST_S", 2)
    found, peaks = analysis.analyse(io.BytesIO(wav(5.0)), "audio/wav", time.monotonic() + 60)
    assert 2000 <= found.duration_ms < 2300
    assert found.problem == "Only the first 2 seconds were read; it is too long."
    assert len(peaks) == round(found.duration_ms / 50)


def test_bytes_that_are_gone_make_a_recording_unreadable_and_nothing_else(asleep: None, sqlite_house: House) -> None:
    door = sqlite_house.door()
    make_recording(door)
    (one,) = recordings(sqlite_house, door)
    os.unlink(sqlite_house.settings.data / "recordings" / one.blob.key)
    assert sqlite_house.app.state.listener._read_one(door.organization_id)
    (one,) = recordings(sqlite_house, door)
    assert one.state == "unreadable"
    assert "not where they were put" in (one.problem or "")
    assert put(door, wav(), sid="2").status == 201

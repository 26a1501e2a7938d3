"""Recordings in a bucket: a real server that speaks S3, in an environment of its own made by `make test`."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import obstore
import pytest
import urllib3

from hansard.kit.blobs import Blob, open_blobs
from hansard.kit.errors import Busy
from hansard.kit.settings import SettingError, Settings
from tests.conftest import House, free_port, open_house
from tests.door import ROOT, Door
from tests.sounds import make_recording, put, sound, wait_until_read, wav

SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", int(sys.argv[1]), verbose=False)
server.start()
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server with one bucket, `calls`."""
    python, port = ROOT / ".envs" / "s3" / "bin" / "python", free_port()
    assert python.exists(), "There is no environment for the S3 server; `make test` makes it."
    quiet = subprocess.DEVNULL
    command = [str(python), "-c", SERVER, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet) as process:
        url = f"http://127.0.0.1:{port}"
        pool, deadline = urllib3.PoolManager(retries=False), time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                assert pool.request("PUT", f"{url}/calls").status == 200
                break
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)
        yield url
        pool.clear()
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def bucket_settings(endpoint: str, make_settings: Callable[..., Settings]) -> Settings:
    keys = {"recordings_access_key": "test", "recordings_secret_key": "test", "recordings_region": "us-east-1"}
    return make_settings("sqlite", recordings_url="s3://calls/of/ours", recordings_endpoint=endpoint, **keys)


@pytest.fixture(scope="module")
def bucket_house(bucket_settings: Settings) -> Iterator[House]:
    yield from open_house(bucket_settings)


def listed(endpoint: str) -> str:
    return urllib3.request("GET", f"{endpoint}/calls").data.decode()


def local_files(house: House) -> list[Path]:
    return [path for path in (house.settings.data / "recordings").rglob("*") if path.is_file()]


def link(door: Door, session_id: str) -> str:
    answer = door.post(f"/api/v1/sessions/recording/{session_id}")
    found: str = answer.json["recordings"][0]
    return found


def test_a_recording_is_kept_in_the_bucket_and_read_back_whole_and_by_range(bucket_house: House, endpoint: str) -> None:
    door, body = bucket_house.door(), sound("audio/ogg")
    session_id = make_recording(door, body)
    found = wait_until_read(bucket_house, door, session_id)
    assert (found.state, found.duration_ms, found.channels) == ("ready", 3000.0, 2)
    assert f"<Key>of/ours/{found.blob.key}</Key>" in listed(endpoint)
    assert local_files(bucket_house) == []
    url = link(door, session_id)
    assert urllib3.request("GET", url).data == body
    part = urllib3.request("GET", url, headers={"Range": "bytes=100-199"})
    assert (part.status, part.data) == (206, body[100:200])
    assert urllib3.request("HEAD", url).headers["content-length"] == str(len(body))
    assert put(door, body, sid="again").status == 201


def test_one_that_is_sent_in_parts_and_read_in_blocks_is_whole(bucket_house: House) -> None:
    door, body = bucket_house.door(), wav(70.0, hz=48000) + os.urandom(100_001)
    assert len(body) > 6 * 1024 * 1024
    url = link(door, make_recording(door, body))
    assert urllib3.request("GET", url).data == body
    edge = 1024 * 1024
    part = urllib3.request("GET", url, headers={"Range": f"bytes={edge - 5}-{3 * edge + 4}"})
    assert part.data == body[edge - 5 : 3 * edge + 5]


def test_an_object_that_is_gone_is_said_to_be(bucket_house: House) -> None:
    door, body = bucket_house.door(), wav(1.5)
    session_id = make_recording(door, body)
    found = wait_until_read(bucket_house, door, session_id)
    obstore.delete(bucket_house.app.state.blobs._store, found.blob.key)
    answer = urllib3.request("GET", link(door, session_id))
    assert (answer.status, "not where they were put" in answer.json()["detail"]) == (404, True)


def test_a_store_that_cannot_be_reached_is_said_to_be_and_nothing_is_stored(
    make_settings: Callable[..., Settings], bucket_settings: Settings
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    away = replace(bucket_settings, data=make_settings("sqlite").data, recordings_endpoint=nowhere)
    with contextmanager(open_house)(away) as house:
        door = house.door()
        answer = put(door, wav(), sid="1")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.detail.startswith("The store of recordings does not do this now")
        assert door.search() == []
        assert local_files(house) == []
        with pytest.raises(Busy):
            house.app.state.blobs.read(Blob(1, "0" * 64, 5))


def test_a_bucket_that_is_not_there_is_no_place(endpoint: str, bucket_settings: Settings) -> None:
    missing = open_blobs(replace(bucket_settings, recordings_url="s3://none"))
    with missing.incoming() as incoming:
        incoming.write(wav())
        with pytest.raises(Busy):
            missing.keep(1, incoming)


@pytest.mark.parametrize("url", ["calls", "gs://calls", "s3://", "s3:///x", "s3://calls?x=1"])
def test_an_address_that_is_no_bucket_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingError, match="must be like s3://bucket/prefix"):
        open_blobs(Settings(data=tmp_path, recordings_url=url))

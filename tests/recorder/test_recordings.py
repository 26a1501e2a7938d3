"""Recordings wait as files until a server takes them, whole and once, and hold up nothing else."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3

from hansard import Recorder
from hansard.recorder import MemorySink, recordings
from hansard.resources.sessions.recordings import list_recordings
from tests.conftest import House
from tests.sounds import wav


class Keeper(BaseHTTPRequestHandler):
    """A server that takes events, and recordings once it is told to."""

    status: int
    have: list[tuple[str, dict[str, str], bytes]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, b'{"accepted": 1, "rejected": []}')

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.status == 200:
            self.have.append((self.path, dict(self.headers), body))
        self.answer(self.status, b"{}")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        pass


@contextmanager
def keeper(status: int = 200) -> Iterator[tuple[str, type[Keeper]]]:
    handler = type("Handler", (Keeper,), {"status": status, "have": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


def sound(tmp_path: Path, content: bytes = b"RIFF" + b"\0" * 100_000) -> Path:
    path = tmp_path / "call 1.wav"
    path.write_bytes(content)
    return path


def wait_for(recorder: Recorder, waiting: int) -> None:
    deadline = time.monotonic() + 60
    while recorder.stats().recordings != waiting and time.monotonic() < deadline:
        time.sleep(0.02)
    assert recorder.stats().recordings == waiting


def test_a_recording_is_uploaded_whole_with_what_is_known_of_it(tmp_path: Path) -> None:
    with keeper() as (url, handler):
        recorder = Recorder(url, "hsd_1_1_x")
        session = recorder.session(service="livekit", sid="RM/1 a")
        path = sound(tmp_path)
        content = path.read_bytes()
        session.recording(path, channels=2)
        path.unlink()
        wait_for(recorder, 0)
        (taken,) = handler.have
        assert taken[0] == "/ingest/v1/recordings/livekit/RM%2F1%20a/call%201.wav"
        assert taken[1]["Hansard-Channels"] == "2"
        assert taken[1]["Syllable-API-Key"] == "hsd_1_1_x"
        assert taken[2] == content
        recorder.close()


def test_it_waits_while_the_server_cannot_take_it_and_the_next_process_brings_it(tmp_path: Path, spool: Path) -> None:
    with keeper(404) as (url, handler):  # a server of before it had a place for recordings
        recorder = Recorder(url, "hsd_1_1_x")
        recorder.session(service="s", sid="1").recording(sound(tmp_path), name="call.wav")
        time.sleep(0.3)
        assert recorder.stats().recordings == 1
        recorder.close()
        handler.status = 200
        later = Recorder(url, "hsd_1_1_x")
        later.session(service="s", sid="2").recording(sound(tmp_path, b"second"), name="other.wav")
        wait_for(later, 0)
        assert [path.rsplit("/", 1)[1] for path, _, _ in handler.have] == ["call.wav", "other.wav"]
        later.close()
    assert sorted(file.suffix for file in (spool / "recordings").iterdir()) == [".lock"]


def test_what_is_recorded_can_be_listened_to(tmp_path: Path, sqlite_house: House) -> None:
    """From the recorder over the server to whoever has the link, byte for byte."""
    door = sqlite_house.door()
    content = wav(2.0, 0.5, 0.25)
    recorder = Recorder(door.url, door.key)
    session = recorder.session(service="livekit", sid="RM/1 a", agent_name="Shop")
    session.user("Is the blue jumper in stock?")
    begun_at = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    session.recording(sound(tmp_path, content), name="both/legs 1.wav", channels=2, at=begun_at)
    session.end()
    assert recorder.flush(10)
    wait_for(recorder, 0)
    recorder.close()
    assert recorder.stats().dropped == {}
    (found,) = door.search(channel_manager_sid="RM/1 a")
    assert found["agent_name"] == "Shop"
    (link,) = door.post(f"/api/v1/sessions/recording/{found['session_id']}").json["recordings"]
    assert urllib3.request("GET", link).data == content
    with sqlite_house.database.reading() as db:
        (one,) = list_recordings(db, door.organization_id, int(found["session_id"]))
    assert (one.name, one.began_at, one.channels) == ("both/legs 1.wav", begun_at, 2)


def test_a_refused_recording_is_counted_and_not_repeated(tmp_path: Path) -> None:
    with keeper(415) as (url, _):
        recorder = Recorder(url, "hsd_1_1_x")
        recorder.session(service="s", sid="1").recording(sound(tmp_path))
        wait_for(recorder, 0)
        assert recorder.stats().dropped == {"recording": 1}
        recorder.close()


def test_a_recording_that_cannot_be_had_reaches_the_log_and_not_the_agent(tmp_path: Path, caplog: Any) -> None:
    recorder = Recorder("http://127.0.0.1:9", "hsd_1_1_x")
    recorder.session(service="s", sid="1").recording(tmp_path / "none.wav")
    assert "Hansard could not record this." in caplog.text
    recorder.close(0.1)


def test_the_oldest_go_when_too_much_waits(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(recordings, "MOST_BYTES", 2500)
    with keeper(404) as (url, _):
        recorder = Recorder(url, "hsd_1_1_x")
        session = recorder.session(service="s", sid="1")
        for number in range(4):
            session.recording(sound(tmp_path, b"x" * 1000), name=f"{number}.wav")
        wait_for(recorder, 2)
        assert recorder.stats().dropped == {"recording": 2}
        recorder.close(0.1)


def test_a_memory_sink_has_the_recordings_too(tmp_path: Path) -> None:
    sink = MemorySink()
    Recorder(sink=sink).session(service="s", sid="1").recording(sound(tmp_path), channels=1)
    assert sink.recordings[0][1] == {"service": "s", "sid": "1", "name": "call 1.wav", "channels": 1, "at": None}

"""The recorder: what is said arrives, nothing reaches the agent, what is lost is counted."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hansard import Recorder
from hansard.recorder import Stats, outbox
from hansard.resources.accounts.schemas import Scope
from tests.conftest import House, free_port
from tests.door import Door


def recorder_for(door: Door) -> Recorder:
    return Recorder(door.url, door.key)


def test_a_session_is_recorded_as_it_was_said(door: Door) -> None:
    recorder = recorder_for(door)
    began = datetime.now(UTC) - timedelta(seconds=30)
    with recorder.session(service="webchat", sid="w-1", at=began, agent_name="Shop", source="ann", mood="glad") as s:
        s.agent("Hello!", lang="en")
        s.user("Is it in stock?", confidence=0.9, started_at=began + timedelta(seconds=5))
        s.latency("llm", "first_token", 250.5, metadata=["gpt-4.1"])
        s.tool_call("check", {"sku": "A"}, call_id="c1")
        s.tool_call("check", call_id="c1", result={"n": 4}, duration_ms=12)
        s.event("handover", category="desk")
        s.usage("llm", input_tokens=10)
        s.agent("Yes, four.")
        s.update(summary="Asked for stock.", rating="Good")
        s.label("GOOD", comments="Fine.")
    assert recorder.flush(10)
    assert recorder.stats().dropped == {}
    assert recorder.stats().queued == 0
    found = door.get("/api/v1/sessions/1").json
    assert (found["agent_name"], found["channel_manager_sid"], found["source"]) == ("Shop", "w-1", "ann")
    assert found["duration"] == pytest.approx(30, abs=5)
    transcript = door.get("/api/v1/sessions/transcript/1").json
    assert [turn["text"] for turn in transcript["transcription"]] == ["Is it in stock?", "Hello!", "Yes, four."]
    assert transcript["transcript_complete"] is True
    (action,) = transcript["actions"]
    assert (action["tool_request"], action["tool_result"]) == ('{"sku":"A"}', '{"n":4}')
    assert door.get("/api/v1/sessions/latency/1").json["timeline"][0]["value"] == 250.5
    assert door.get("/api/v1/sessions/full-summary/1").json["summary"] == "Asked for stock."
    assert door.get("/hansard/v1/sessions/1/record").json["metadata"] == {"mood": "glad"}
    assert door.get("/api/v1/session_labels/").json["total_count"] == 1
    recorder.close()


def test_an_error_in_the_block_ends_the_session_with_its_reason_and_goes_on_to_the_agent(door: Door) -> None:
    recorder = recorder_for(door)

    def fail() -> None:
        with recorder.session(service="webchat", sid="w-2") as s:
            s.user("divide")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    recorder.close()
    events = door.get("/hansard/v1/sessions/1/record").json["events"]
    assert events[-1]["data"]["reason"] == "error"


def test_what_cannot_be_written_is_counted_and_never_raises(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    recorder = recorder_for(door)
    session = recorder.session(service="webchat", sid="w-3")
    loop: list[Any] = []
    loop.append(loop)
    with caplog.at_level(logging.WARNING, "hansard.recorder"):
        session.tool_call("t", loop)
        session.tool_call("t", float("nan"))
        session.user("fine", at="not a time")  # type: ignore[arg-type]
    session.tool_call("t", {"object": object()}, error=ValueError("no"))
    session.user("still here")
    assert recorder.flush(10)
    assert recorder.stats().dropped == {"not JSON": 2}
    assert "Hansard could not record this." in caplog.text
    transcript = door.get("/api/v1/sessions/transcript/1").json
    assert [turn["text"] for turn in transcript["transcription"]] == ["still here"]
    assert transcript["actions"][0]["tool_error"] == '"no"'
    recorder.close()


def test_what_the_server_rejects_is_counted(door: Door) -> None:
    recorder = recorder_for(door)
    session = recorder.session(service="webchat", sid="w-4")
    session.label("GOOD", type="robot")  # type: ignore[arg-type]
    assert recorder.flush(10)
    assert recorder.stats().dropped == {"rejected": 1}
    assert recorder.stats().sent == 1
    recorder.close()


def test_one_unreadable_event_costs_no_other(door: Door) -> None:
    recorder = recorder_for(door)
    deep: list[Any] = []
    for _ in range(80):
        deep = [deep]
    session = recorder.session(service="webchat", sid="w-5")
    for number in range(20):
        session.user(f"turn {number}")
        if number == 7:
            session.tool_call("deep", deep)
    session.user("half a pair: \ud83d, a whole one: \ud83d\ude00")
    assert recorder.flush(10)
    assert recorder.stats().dropped == {"refused with 400": 1}
    texts = [turn["text"] for turn in door.get("/api/v1/sessions/transcript/1").json["transcription"]]
    assert texts == [*(f"turn {number}" for number in range(20)), "half a pair: \ufffd, a whole one: \U0001f600"]
    recorder.close()


class Troubled(BaseHTTPRequestHandler):
    """A server that answers the statuses it was given before it takes anything."""

    statuses: list[int]
    taken: list[bytes]
    tries: list[float]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.tries.append(time.monotonic())
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.taken.append(body)
        answer = json.dumps({"accepted": 1, "rejected": []}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        pass


@contextmanager
def troubled(*statuses: int) -> Iterator[tuple[str, type[Troubled]]]:
    handler = type("Handler", (Troubled,), {"statuses": list(statuses), "taken": [], "tries": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


def test_a_busy_server_is_tried_again_and_its_retry_after_is_kept() -> None:
    with troubled(503, 429) as (url, handler):
        recorder = Recorder(url, "key")
        recorder.session(service="s", sid="1").user("hello")
        assert recorder.flush(20)
        assert (recorder.stats().sent, recorder.stats().dropped) == (2, {})
        assert len(handler.taken) == 1
        assert handler.tries[2] - handler.tries[1] >= 1.0
        recorder.close()


def test_a_refusal_is_counted_and_not_repeated() -> None:
    with troubled(422) as (url, handler):
        recorder = Recorder(url, "key")
        recorder.session(service="s", sid="1")
        assert recorder.flush(10)
        assert recorder.stats().dropped == {"refused with 422": 1}
        assert len(handler.tries) == 1
        recorder.close()


def test_without_a_server_the_agent_goes_on_and_the_loss_is_counted() -> None:
    recorder = Recorder(f"http://127.0.0.1:{free_port()}", "key", spool=False)
    session = recorder.session(service="s", sid="1")
    for number in range(500):
        session.user(f"turn {number}")
    recorder.close(timeout_s=0.1)
    assert recorder.stats() == Stats(0, 0, {"closed before delivery": 501}, 0)


def test_a_full_queue_is_counted_and_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "GATHER_S", 60.0)
    recorder = Recorder(f"http://127.0.0.1:{free_port()}", "key", spool=False)
    session = recorder.session(service="s", sid="1")
    began = time.monotonic()
    for number in range(outbox.MOST_EVENTS + 500):
        session.user(f"turn {number}")
    assert time.monotonic() - began < 10
    assert recorder.stats().queued == outbox.MOST_EVENTS
    assert recorder.stats().dropped == {"queue full": 501}
    recorder.close(timeout_s=0.1)


def test_a_server_that_comes_back_gets_everything_in_order(house: House) -> None:
    door = house.door()
    with troubled(*[503] * 2) as (url, _):
        recorder = Recorder(url, door.key)
        session = recorder.session(service="s", sid="1")
        session.user("one")
        time.sleep(0.5)
        sink: Any = recorder._sink
        sink._address = door.url + "/ingest/v1/events"
        session.user("two")
        session.end()
        assert recorder.flush(20)
    transcript = door.get("/api/v1/sessions/transcript/1").json
    assert [turn["text"] for turn in transcript["transcription"]] == ["one", "two"]
    assert transcript["transcript_complete"] is True
    recorder.close()


def test_it_can_be_switched_off(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANSARD_DISABLED", "1")
    recorder = recorder_for(door)
    with recorder.session(service="s", sid="1") as session:
        session.user("hello")
    assert recorder.flush(1)
    assert door.get("/api/v1/sessions/").json["total_count"] == 0


def test_a_program_that_just_ends_has_its_session_delivered(house: House) -> None:
    door = house.door(None, Scope.INGEST, Scope.READ)
    code = """
import hansard
with hansard.Recorder().session(service="s", sid="1") as session:
    session.user("last words")
"""
    environ = os.environ | {"HANSARD_URL": door.url, "HANSARD_API_KEY": door.key}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True, timeout=30)
    assert door.get("/api/v1/sessions/transcript/1").json["transcript_complete"] is True


def test_a_forked_child_records_for_itself(door: Door) -> None:
    code = """
import os, sys
import hansard
recorder = hansard.Recorder()
recorder.session(service="s", sid="parent").user("parent")
child = os.fork()
if child == 0:
    recorder.session(service="s", sid="child").user("child")
    recorder.close(10)
    os._exit(0)
os.waitpid(child, 0)
recorder.close(10)
"""
    environ = os.environ | {"HANSARD_URL": door.url, "HANSARD_API_KEY": door.key}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True, timeout=30)
    assert {one["channel_manager_sid"] for one in door.search()} == {"parent", "child"}
    for one in door.search():
        transcript = door.get(f"/api/v1/sessions/transcript/{one['session_id']}").json
        assert len(transcript["transcription"]) == 1


def test_importing_the_recorder_takes_a_moment_and_loads_no_server_library() -> None:
    """A moment is not twice what two modules of the standard library take, whatever the machine does beside it."""
    code = """
import sys, time
began = time.process_time()  # not the clock's: other programs run beside this
import {}
took_ms = (time.process_time() - began) * 1000
heavy = {{"fastapi", "starlette", "uvicorn", "sqlalchemy", "alembic", "click", "pydantic", "urllib3"}}
print(took_ms, *sorted(heavy & set(sys.modules)))
"""
    took: dict[str, list[float]] = {"hansard, hansard.recorder": [], "asyncio, sqlite3": []}
    for _ in range(9):
        for modules, found in took.items():
            program = [sys.executable, "-c", code.format(modules)]
            took_ms, *libraries = subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()
            assert libraries == []
            found.append(float(took_ms))
    ours, control = (min(found) for found in took.values())
    assert ours < 2 * control

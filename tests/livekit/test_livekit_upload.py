"""LiveKit's own upload, by LiveKit's own code, to a server that is busy at first."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

pytest.importorskip("livekit.agents", reason="livekit-agents is not installed here; run `make test-livekit`")

from hansard.kit.errors import Busy, DiskFull
from hansard.kit.settings import Settings
from hansard.resources.livekit.traces import LONGEST_REPEATED
from tests.conftest import House
from tests.door import Door, run
from tests.livekit.held import Held, unix_s
from tests.livekit.uploading import (
    KEY,
    SECRET,
    accept,
    door_of_calls,
    history,
    open_uploads_house,
    record,
    refuse,
    said,
    send,
)
from tests.make import make_sid
from tests.sounds import wait_until_read

pytestmark = pytest.mark.livekit

BUSY_S = 4.0


@pytest.fixture(scope="module")
def uploads_house(make_settings: Callable[..., Settings]) -> Iterator[House]:
    yield from open_uploads_house(make_settings, "sqlite")


@pytest.fixture(scope="module")
def calls(uploads_house: House) -> Door:
    return door_of_calls(uploads_house)


def upload(house: House, door: Door, program: str, *arguments: str | Path) -> dict[str, list[float]]:
    """Run a program that uploads its session while the server is busy at first; gives when that refused."""
    refused = refuse(house, Busy("Too many writes are waiting; try again in a moment."), BUSY_S)
    named = {
        "LIVEKIT_OBSERVABILITY_URL": house.url,
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "OTEL_BSP_SCHEDULE_DELAY": "300",  # milliseconds, so that spans come while the session runs
    }
    run(Path(__file__).parent / program, door, *arguments, **named)
    accept(house)
    return refused


@dataclass(frozen=True)
class Both(Held):
    """A session that LiveKit uploaded, and that `attach` recorded for another organization."""

    attached: Held
    audio: bytes
    refused: list[float]


@pytest.fixture(scope="module")
def held(uploads_house: House, calls: Door, sqlite_house: House, tmp_path_factory: pytest.TempPathFactory) -> Both:
    report = tmp_path_factory.mktemp("upload") / "report.json"
    other = sqlite_house.door()
    refused = upload(uploads_house, other, "voice.py", "--report", report, "--upload")["session"]
    told = json.loads(report.read_text())
    (session,), (attached,) = (one.search(channel_manager_sid=told["room_id"]) for one in (calls, other))
    audio = report.with_suffix(".ogg").read_bytes()
    return Both(calls, told, session, Held(other, told, attached), audio, refused)


def test_a_server_that_was_busy_for_seconds_has_the_session_all_the_same(held: Both) -> None:
    assert len(held.refused) >= 2
    assert max(held.refused) - min(held.refused) > 2
    assert held.get("/api/v1/sessions/transcript/{}")["transcript_complete"] is True


def test_the_session_is_the_room_and_says_its_job(held: Both) -> None:
    assert held.session == held.session | {
        "channel_manager_service": "livekit",
        "channel_manager_sid": held.report["room_id"],
        "channel_manager_type": "voice_livekit_v1",
        "is_test": False,
    }
    (closed,) = held.happened("close")
    (end,) = held.recorded("session.end")
    assert end["data"]["reason"] == closed["reason"] == "user_initiated"
    assert end["data"]["livekit_summary"]["errors"]["llm"] == 1
    assert closed["created_at"] <= unix_s(end["at"]) < closed["created_at"] + 2


def test_messages_and_latencies_are_those_that_attach_records(held: Both) -> None:
    """Word for word and to the microsecond; only what no upload says is missing."""
    for kind, missing in (("message", {"lang"}), ("latency", set())):
        mine = {one["id"]: one for one in held.recorded(kind) if one["data"].get("category") != "tool"}
        theirs = {one["id"]: one for one in held.attached.recorded(kind) if one["data"].get("category") != "tool"}
        by_request = {one for one in theirs if "/fnc_" in one}  # the first token of an answer that was only a tool call
        assert set(theirs) - set(mine) == by_request
        assert len(by_request) == (kind == "latency")
        for item_id, one in mine.items():
            data = {name: value for name, value in theirs[item_id]["data"].items() if name not in missing}
            assert one == theirs[item_id] | {"data": data}


def test_the_tool_call_is_the_one_that_attach_records_its_time_to_a_few_milliseconds(held: Both) -> None:
    ((mine,), (theirs,)) = (one.get("/api/v1/sessions/transcript/{}")["actions"] for one in (held, held.attached))
    for name in ("tool_name", "tool_request", "tool_result", "tool_error"):
        assert mine[name] == theirs[name]
    assert mine["duration_ms"] == pytest.approx(theirs["duration_ms"], abs=20)
    assert unix_s(mine["timestamp"]) == pytest.approx(unix_s(theirs["timestamp"]), abs=0.02)


def test_usage_is_the_one_that_attach_records_under_the_same_id(held: Both) -> None:
    mine, theirs = ({one["id"]: one["data"] for one in side.recorded("usage")} for side in (held, held.attached))
    assert mine == theirs
    assert len(mine) == 3


def test_a_session_that_is_uploaded_and_attached_both_is_told_once(held: Both) -> None:
    sid, told = make_sid(), []
    for side in (held, held.attached):
        events = side.get("/hansard/v1/sessions/{}/record")["events"]
        receipt = held.door.send([one | {"session": {"service": "livekit", "sid": sid}} for one in events])
        told.append(held.door.get(f"/api/v1/sessions/transcript/{receipt['sessions'][0]['session_id']}").json)
    assert [turn["text"] for turn in told[0]["transcription"]] == [turn["text"] for turn in told[1]["transcription"]]
    assert len(told[0]["actions"]) == len(told[1]["actions"]) == 1
    both = record(held.door, sid)
    alone = held.recorded("latency")
    assert len([one for one in both if one["kind"] == "latency"]) == len(alone) + 1  # the tool step's first token
    assert len([one for one in both if one["kind"] == "usage"]) == 3


def test_the_start_is_livekits_own_from_its_log_records(held: Both) -> None:
    first = min(item["created_at"] for item in held.report["chat_history"]["items"])
    assert first - 1 < unix_s(held.session["timestamp"]) <= first
    assert {one["id"] for one in held.recorded("session.start")} == {"AJ_call.start", "AJ_call.report"}


def test_the_agents_outcome_is_the_label_that_is_shown_and_judges_are_labels_too(held: Both) -> None:
    labels = held.door.search("/api/v1/session_labels/", session_id=held.session["session_id"])
    assert sorted((one["type"], one["code"], one["comments"]) for one in labels) == [
        ("auto-rating", "BAD", "outcome: fail. nothing was cancelled"),
        *(
            ("auto-rating", "GOOD", f"{judge}: pass. It was.")
            for judge in ("brief", "clear", "kind", "polite", "right")
        ),
    ]
    (shown,) = (one for one in labels if str(one["id"]) == held.session["session_label_id"])
    assert shown["code"] == "BAD"
    (tag,) = (one["data"] for one in held.recorded("event") if one["data"]["type"] == "tag")
    assert tag["attributes"] == {"name": "appointment:booked", "metadata": {"slot": "9:15"}}


def test_the_audio_is_a_recording_byte_for_byte(held: Both, uploads_house: House) -> None:
    (link,) = held.door.post(f"/api/v1/sessions/recording/{held.session['session_id']}").json["recordings"]
    assert urllib3.request("GET", link).data == held.audio
    found = wait_until_read(uploads_house, held.door, held.session["session_id"])
    assert (found.name, found.media_type, found.channels) == ("AJ_call.ogg", "audio/ogg", 2)
    assert (found.state, found.problem) == ("ready", None)
    first = min(item["created_at"] for item in held.report["chat_history"]["items"])
    assert found.began_at is not None
    assert abs(found.began_at.timestamp() - first) < 5


def test_an_organization_of_another_name_sees_nothing_of_it(held: Both, uploads_house: House) -> None:
    assert uploads_house.door().search() == []


@pytest.mark.parametrize(("error", "wait_s"), [(Busy("Wait."), 3), (DiskFull("No room."), 30)])
def test_what_passes_by_itself_is_said_as_livekit_understands_it(
    calls: Door, uploads_house: House, error: Exception, wait_s: int
) -> None:
    from livekit.agents.telemetry.traces import _parse_retry_delay

    refuse(uploads_house, error, 60)
    answer = send(calls, history(make_sid(), said()))
    accept(uploads_house)
    assert answer.status == error.status  # type: ignore[attr-defined]
    assert _parse_retry_delay(answer.bytes) == wait_s


@dataclass(frozen=True)
class Traced:
    """A session of which everything was uploaded, spans too, and what LiveKit itself says of it."""

    door: Door
    report: dict[str, Any]
    refused: dict[str, list[float]]

    def children(self, *kinds: str) -> list[dict[str, Any]]:
        return [one for one in record(self.door, self.report["room_id"]) if one["kind"] in kinds]

    @property
    def spans(self) -> list[dict[str, Any]]:
        """The recorded spans."""
        return [one for one in self.children("event") if one["data"].get("category") == "trace"]


@pytest.fixture(scope="module")
def traced(uploads_house: House, calls: Door, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    report = tmp_path_factory.mktemp("traced") / "report.json"
    refused = upload(uploads_house, calls, "traced.py", "--report", report, "--turns", "24")
    return Traced(calls, json.loads(report.read_text()), refused)


def test_everything_is_uploaded_with_no_error_in_the_agents_log(traced: Traced) -> None:
    assert [line for level, line in traced.report["log"] if level in ("ERROR", "CRITICAL")] == []


def test_a_server_that_was_busy_for_seconds_has_every_span_once(traced: Traced) -> None:
    times = traced.refused["traces"]
    assert max(times) - min(times) > 2
    sent = [one["span_id"] for one in traced.report["spans"]]
    assert sorted(one["data"]["source_id"] for one in traced.spans) == sorted(sent)
    assert len(sent) > 100


def test_every_span_is_what_the_sdk_says_of_it(traced: Traced) -> None:
    kept = {one["data"]["source_id"]: one for one in traced.spans}
    for span in traced.report["spans"]:
        one = kept[span["span_id"]]
        data, said = one["data"], one["data"]["attributes"]
        left_out = said.get("left_out", {})
        assert (data["description"], data["type"], data["source"]) == (span["name"], "span", "livekit")
        assert (said["trace_id"], said.get("parent_id")) == (span["trace_id"], span["parent_id"])
        assert unix_s(one["at"]) == pytest.approx(span["started_ns"] / 1e9, abs=2e-6)
        assert said["duration_ms"] == (span["ended_ns"] - span["started_ns"]) / 1e6
        assert [[event["name"], event["attributes"]] for event in said.get("events", [])] == span["events"]
        assert said["attributes"] == {name: v for name, v in span["attributes"].items() if name not in left_out}
        assert said.get("resource") == (None if span["parent_id"] else span["resource"])


def test_spans_add_no_turn_and_no_tool_call_and_no_latency(traced: Traced) -> None:
    items = traced.report["chat_history"]["items"]
    words = [one["content"] for one in items if one["type"] == "message" and one["role"] != "system"]
    assert [[one["data"]["text"]] for one in traced.children("message")] == words
    calls = [one["call_id"] for one in items if one["type"] == "function_call"]
    assert len(set(calls)) == len(calls)
    assert {one["data"]["call_id"] for one in traced.children("tool_call")} == set(calls)
    assert not [one for one in traced.children("latency", "tool_call", "message") if "span" in one["data"]]
    (session,) = traced.door.search(channel_manager_sid=traced.report["room_id"])
    assert traced.door.get(f"/api/v1/sessions/transcript/{session['session_id']}").json["transcript_complete"] is True


def test_a_long_talk_repeats_its_history_up_to_a_length_and_then_says_how_long_it_was(traced: Traced) -> None:
    sent = {one["span_id"]: one["attributes"] for one in traced.report["spans"]}
    kept = {one["data"]["source_id"]: one["data"]["attributes"] for one in traced.spans}
    left_out = {span_id: one["left_out"] for span_id, one in kept.items() if "left_out" in one}
    assert {name for some in left_out.values() for name in some} == {"gen_ai.input.messages", "lk.pii.chat_ctx"}
    for span_id, some in left_out.items():
        assert some == {name: len(sent[span_id][name]) for name in some}
        assert all(length > LONGEST_REPEATED for length in some.values())
    assert any("lk.pii.chat_ctx" in one["attributes"] for one in kept.values())

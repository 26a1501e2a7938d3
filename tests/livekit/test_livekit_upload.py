"""LiveKit's own upload, by LiveKit's own code, to a server that is busy at first; and uploads nobody should send."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("livekit.agents", reason="livekit-agents is not installed here; run `make test-livekit`")

import jwt
from livekit import api
from livekit.protocol.metrics import MetricsRecordingHeader
from urllib3 import encode_multipart_formdata

from hansard.kit.errors import Busy, DiskFull
from hansard.kit.settings import Settings
from hansard.resources.accounts import store as accounts
from hansard.resources.livekit import upload as uploads
from tests.conftest import House, open_house
from tests.door import Answer, Door
from tests.livekit.held import Held, at, run, unix_s
from tests.make import make_sid

pytestmark = pytest.mark.livekit

KEY, SECRET = "APIhansard", "a secret that is long enough to sign with"
RECORDINGS, LOGS = "/observability/recordings/v0", "/observability/logs/otlp/v0"
METRICS, TRACES = "/observability/metrics/otlp/v0", "/observability/traces/otlp/v0"
BUSY_S = 4.0
AT = 1_795_358_700.0


@pytest.fixture(scope="module")
def uploads_house(make_settings: Callable[..., Settings]) -> Iterator[House]:
    """A server that takes uploads for the organization `calls`."""
    settings = make_settings(
        "sqlite", livekit_api_key=KEY, livekit_api_secret=SECRET, livekit_organization="calls", body_timeout_s=5.0
    )
    yield from open_house(settings)


@pytest.fixture(scope="module")
def calls(uploads_house: House) -> Door:
    """A door of the organization that uploads are recorded for."""
    house = uploads_house
    made = house.database.write(0, lambda db: accounts.add_organization(db, "calls", house.clock()))
    return house.door(made.id)


def refuse(house: House, error: Exception, duration_s: float) -> list[float]:
    """Let the server's writer refuse everything for a while, from the first refusal on; gives when it did."""
    writer, submit = house.database.writer, house.database.writer.submit
    refused: list[float] = []

    def refusing(organization_id: int, work: Any) -> "Future[Any]":
        if not refused or time.monotonic() < refused[0] + duration_s:
            refused.append(time.monotonic())
            raise error
        return submit(organization_id, work)

    writer.submit = refusing  # type: ignore[method-assign]
    return refused


@dataclass(frozen=True)
class Both(Held):
    """A session that LiveKit uploaded, and that `attach` recorded for another organization."""

    attached: Held
    audio: bytes
    refused: list[float]
    data: Path


@pytest.fixture(scope="module")
def held(uploads_house: House, calls: Door, sqlite_house: House, tmp_path_factory: pytest.TempPathFactory) -> Both:
    report = tmp_path_factory.mktemp("upload") / "report.json"
    other = sqlite_house.door()
    refused = refuse(uploads_house, Busy("Too many writes are waiting; try again in a moment."), BUSY_S)
    named = {"LIVEKIT_OBSERVABILITY_URL": calls.url, "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
    run(Path(__file__).parent / "voice.py", other, "--report", report, "--upload", **named)
    del uploads_house.database.writer.submit  # type: ignore[method-assign]
    told = json.loads(report.read_text())
    (session,), (attached,) = (one.search(channel_manager_sid=told["room_id"]) for one in (calls, other))
    audio, data = report.with_suffix(".ogg").read_bytes(), uploads_house.settings.data
    return Both(calls, told, session, Held(other, told, attached), audio, refused, data)


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


def test_the_audio_is_on_disk_byte_for_byte_and_the_record_says_where(held: Both) -> None:
    (event,) = (one["data"] for one in held.recorded("event") if one["data"]["type"] == "recording-waiting")
    said = event["attributes"]
    assert (held.data / said["path"]).read_bytes() == held.audio
    assert said["path"].startswith(f"recordings-waiting/{held.door.organization_id}/{held.report['room_id']}/AJ_call-")
    assert (said["size_bytes"], said["sha256"]) == (len(held.audio), hashlib.sha256(held.audio).hexdigest())
    assert [path.name for path in (held.data / said["path"]).parent.iterdir()] == [Path(said["path"]).name]


def test_an_organization_of_another_name_sees_nothing_of_it(held: Both, uploads_house: House) -> None:
    assert uploads_house.door().search() == []


def token(secret: str = SECRET, key: str = KEY, ttl_s: float = 60, *, may_write: bool = True) -> str:
    made = api.AccessToken(key, secret).with_ttl(timedelta(seconds=ttl_s))
    return made.with_observability_grants(api.ObservabilityGrants(write=may_write)).to_jwt()


def history(room_id: str, *items: Any, **summary: Any) -> dict[str, Any]:
    header = MetricsRecordingHeader(
        room_id=room_id, job_id="AJ_1", session_summary=json.dumps({"timestamp": AT + 60, **summary})
    )
    return {
        "header": ("header.binpb", header.SerializeToString(), "application/protobuf"),
        "chat_history": ("chat_history.json", json.dumps({"items": items}), "application/json"),
    }


def said(text: str = "Hello.", item_id: Any = "item_1", **more: Any) -> dict[str, Any]:
    item = {"id": item_id, "type": "message", "role": "user", "content": [text], "created_at": AT, "metrics": {}}
    return item | more


def send(door: Door, parts: dict[str, Any] | bytes, bearer: str | None = None, path: str = RECORDINGS) -> Answer:
    body, media_type = (
        (parts, "application/x-protobuf") if isinstance(parts, bytes) else encode_multipart_formdata(parts)
    )
    headers = {"Content-Type": media_type, "Authorization": f"Bearer {token() if bearer is None else bearer}"}
    return Door(door.url, "").ask("POST", path, body=body, headers=headers)


def record(door: Door, room_id: str) -> list[dict[str, Any]]:
    (session,) = door.search(channel_manager_sid=room_id)
    events: list[dict[str, Any]] = door.get(f"/hansard/v1/sessions/{session['session_id']}/record").json["events"]
    return events


def test_the_same_upload_again_adds_nothing(calls: Door, uploads_house: House) -> None:
    room = make_sid()
    parts = history(room, said(), said("Bye.", "item_2", role="assistant")) | {"audio": ("a.ogg", b"OggS", "audio/ogg")}
    first, again = send(calls, parts), send(calls, parts)
    assert (first.json["accepted"], first.json["conflicts"]) == (5, 0)
    assert again.json == {"accepted": 0, "duplicates": 5, "conflicts": 0}
    assert len(record(calls, room)) == 5
    folder = uploads_house.settings.data / "recordings-waiting" / str(calls.organization_id) / room
    assert [path.read_bytes() for path in folder.iterdir()] == [b"OggS"]


@pytest.mark.parametrize("path", [RECORDINGS, LOGS, METRICS, TRACES])
@pytest.mark.parametrize(
    ("bearer", "sentence"),
    [
        ("", "not signed"),
        ("hsd_1_1_key", "not signed"),
        (token(secret="another secret that is long enough too"), "not signed"),
        (token(key="APIother"), "not signed"),
        (token(ttl_s=-120), "expired"),
        (token(may_write=False), "does not grant"),
        (jwt.encode({"iss": KEY, "observability": {"write": True}}, SECRET), "not signed"),  # for ever
        (jwt.encode({"iss": KEY, "exp": 9e9, "observability": "write"}, SECRET), "does not grant"),
        (jwt.encode({"iss": KEY, "exp": 9e9, "video": {"roomJoin": True}}, SECRET), "does not grant"),
        (jwt.encode({"iss": KEY, "exp": 9e9, "observability": {"write": True}}, "", algorithm="none"), "not signed"),
    ],
)
def test_a_token_that_livekit_would_not_sign_opens_nothing(calls: Door, path: str, bearer: str, sentence: str) -> None:
    room = make_sid()
    answer = send(calls, history(room, said()), bearer, path)
    assert answer.status == 401
    assert sentence in answer.detail
    assert "disabled" not in answer.detail  # which LiveKit would take for the owner's wish
    assert calls.search(channel_manager_sid=room) == []


def test_a_key_of_ours_opens_no_upload(calls: Door) -> None:
    assert send(calls, history(make_sid(), said()), calls.key).status == 401


def test_a_server_without_the_settings_takes_no_uploads(sqlite_house: House) -> None:
    answer = send(sqlite_house.door(), history(make_sid(), said()))
    assert (answer.status, "livekit_api_key" in answer.detail) == (401, True)


GOOD = history("RM_garbage", said())


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        (b"garbage", 400),
        (b"", 400),
        ({}, 400),
        ({"chat_history": GOOD["chat_history"]}, 400),
        (GOOD | {"header": ("h", b"\xff\xff\xff", "application/protobuf")}, 400),
        (GOOD | {"header": ("h", b"", "application/protobuf")}, 400),
        (GOOD | {"header": "text instead of a file"}, 400),
        (GOOD | {"chat_history": ("c", "{", "application/json")}, 400),
        (GOOD | {"chat_history": ("c", "[]", "application/json")}, 400),
        (GOOD | {"chat_history": ("c", '{"items": {}}', "application/json")}, 400),
        (GOOD | {"chat_history": ("c", b"\xff", "application/json")}, 400),
        (history("RM_garbage", said(), timestamp="now") | {"header": ("h", b"\x0a\x02\xff\xff", "x")}, 400),
        (history("x" * 300, said()), 400),
        (history("nul \0", said()), 400),
        (history("RM_garbage", timestamp="now"), 400),
        ({f"part{n}": ("f", b"x", "text/plain") for n in range(20)}, 400),
    ],
)
def test_garbage_is_refused_and_nothing_of_it_is_stored(
    calls: Door, uploads_house: House, parts: dict[str, Any] | bytes, status: int
) -> None:
    before = len(calls.search())
    parts = parts | {"audio": ("a.ogg", b"OggS", "audio/ogg")} if isinstance(parts, dict) else parts
    answer = send(calls, parts)
    assert (answer.status, type(answer.detail)) == (status, str)
    assert len(calls.search()) == before
    assert not list((uploads_house.settings.data / "recordings-waiting").rglob("*garbage*"))


@pytest.mark.parametrize(
    "item",
    [
        None,
        7,
        [],
        {},
        {"type": "message"},
        {"type": "hologram", "id": "x"},
        said(created_at="noon"),
        said(created_at=1e300),
        said(metrics=[]),
        said(metrics={"started_speaking_at": {}, "stt_metadata": "ear"}),
        said(item_id="x" * 300),
        said(item_id=None),
        said(content=None),
        said(metrics={"end_of_turn_delay": float("nan"), "transcription_delay": 1e308}),
        said("nul \0"),
        said("half a pair \ud800"),
        {"type": "nul \0", "id": "\0"},
        {"type": "function_call", "id": "f", "call_id": [], "name": "n", "arguments": "{}", "created_at": AT},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "n", "arguments": "[" * 500, "created_at": AT},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "n", "arguments": "{}", "created_at": None},
        {"type": "function_call_output", "id": "f", "call_id": "c", "output": "1", "is_error": 0, "created_at": AT},
        {"type": "agent_handoff", "id": "h", "old_agent_id": "a", "created_at": AT},
    ],
)
def test_an_item_that_is_not_understood_costs_neither_the_others_nor_itself(calls: Door, item: Any) -> None:
    room = make_sid()
    answer = send(calls, history(room, said("Hello.", "good"), item))
    assert answer.status == 200, answer.bytes
    children = [one for one in record(calls, room) if not one["kind"].startswith("session.")]
    assert len(children) >= 2
    assert "Hello." in [one["data"].get("text") for one in children]


def test_two_calls_of_one_id_stay_two_calls(calls: Door) -> None:
    items = []
    for n, slot in enumerate(("9:15", "11:00")):
        call = {"call_id": "call_0", "name": "book", "created_at": AT + n}
        items.append(call | {"id": f"c{n}", "type": "function_call", "arguments": json.dumps({"slot": slot})})
        output = {"output": f"booked {slot}", "is_error": False, "created_at": AT + n + 0.5}
        items.append(call | output | {"id": f"o{n}", "type": "function_call_output"})
    room = make_sid()
    assert send(calls, history(room, *items)).status == 200
    (session,) = calls.search(channel_manager_sid=room)
    actions = calls.get(f"/api/v1/sessions/transcript/{session['session_id']}").json["actions"]
    assert [(one["tool_request"], one["tool_result"], one["duration_ms"]) for one in actions] == [
        ('{"slot":"9:15"}', '"booked 9:15"', 500.0),
        ('{"slot":"11:00"}', '"booked 11:00"', 500.0),
    ]


def test_what_the_agent_was_told_to_be_and_whom_it_handed_over_to_are_events(calls: Door) -> None:
    room = make_sid()
    items = (
        {"id": "a1", "type": "agent_config_update", "instructions": "Be kind.", "created_at": AT},
        {"id": "a2", "type": "agent_handoff", "old_agent_id": None, "new_agent_id": "desk", "created_at": AT},
        {"id": "a3", "type": "agent_handoff", "old_agent_id": "desk", "new_agent_id": "nurse", "created_at": AT + 1},
        said("You are a nurse.", "a4", role="system"),
        said("Look.", "a5", content=["Look.", {"type": "image_content", "image": "https://example.com/a.png"}]),
    )
    assert send(calls, history(room, *items)).status == 200
    events = {one["id"]: one["data"] for one in record(calls, room) if one["kind"] == "event"}
    assert {name: (data["type"], data["attributes"]) for name, data in events.items()} == {
        "a1": ("agent-config", {"instructions": "Be kind."}),
        "a3": ("agent-handoff", {"old_agent_id": "desk", "new_agent_id": "nurse"}),
        "a4": ("system-message", {"text": "You are a nurse."}),
        "a5.content": (
            "livekit-content",
            {"content": [{"type": "image_content", "image": "https://example.com/a.png"}]},
        ),
    }


def test_a_room_named_like_a_path_leads_nowhere_else(calls: Door, uploads_house: House) -> None:
    room = "../../../" + make_sid()
    assert send(calls, history(room, said()) | {"audio": ("../a.ogg", b"OggS", "audio/ogg")}).status == 200
    (event,) = (one["data"] for one in record(calls, room) if one["kind"] == "event")
    path = uploads_house.settings.data / event["attributes"]["path"]
    assert path.resolve().is_relative_to(uploads_house.settings.data / "recordings-waiting")
    assert path.read_bytes() == b"OggS"


def test_too_large_an_upload_is_refused_before_it_is_read(calls: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", 10_000)
    room = make_sid()
    answer = send(calls, history(room, said()) | {"audio": ("a.ogg", b"x" * 20_000, "audio/ogg")})
    assert answer.status == 413
    assert calls.search(channel_manager_sid=room) == []


@pytest.mark.parametrize(("error", "wait_s"), [(Busy("Wait."), 3), (DiskFull("No room."), 30)])
def test_what_passes_by_itself_is_said_as_livekit_understands_it(
    calls: Door, uploads_house: House, error: Exception, wait_s: int
) -> None:
    from livekit.agents.telemetry.traces import _parse_retry_delay

    refuse(uploads_house, error, 60)
    answer = send(calls, history(make_sid(), said()))
    del uploads_house.database.writer.submit  # type: ignore[method-assign]
    assert answer.status == error.status  # type: ignore[attr-defined]
    assert _parse_retry_delay(answer.bytes) == wait_s


def test_traces_are_refused_with_a_sentence_and_the_agents_own_log_is_said_to_be_left(calls: Door) -> None:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
        ExportLogsServiceRequest,
        ExportLogsServiceResponse,
    )

    refused = send(calls, b"", path=TRACES)
    assert (refused.status, "not available" in refused.detail) == (404, True)
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = "the agent says to itself"
    answer = send(calls, request.SerializeToString(), path=LOGS)
    left = ExportLogsServiceResponse.FromString(answer.bytes).partial_success
    assert (answer.status, left.rejected_log_records) == (200, 1)
    for path in (LOGS, METRICS):
        assert send(calls, b"\xff\xff", path=path).status == 400
    assert unix_s("2026-11-22T14:45:00Z") == at(AT)

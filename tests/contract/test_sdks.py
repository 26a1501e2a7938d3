"""Three releases of the published SDK, unmodified, against a live server."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from hansard.resources.accounts.schemas import Scope
from tests.conftest import House
from tests.contract.sdks import MIDDLE, NEWEST, OLDEST, VERSIONS, Sdk, SdkError, running
from tests.door import Door
from tests.make import make_session, make_sid, said, shown, start
from tests.sounds import put, sound, wav


@pytest.fixture(scope="module", params=VERSIONS)
def sdk(request: pytest.FixtureRequest) -> Iterator[Sdk]:
    with running(request.param) as one:
        yield one


def instant(text: str) -> str:
    """One spelling for the ways in which SDKs print a time."""
    return text.replace("+00:00", "Z").replace(" ", "T").replace(".000000Z", "Z")


def test_a_session_is_read_in_full(sdk: Sdk, door: Door) -> None:
    sid = make_sid()
    session_id = make_session(door, sid=sid)
    found = sdk.call(door, "sessions.get_by_id", session_id=session_id)
    ours = door.get(f"/api/v1/sessions/{session_id}").json
    assert {name: value for name, value in found.items() if value is not None and name != "timestamp"} == {
        name: ours[name] for name in found if ours[name] is not None and name != "timestamp"
    }
    assert instant(found["timestamp"]) == shown(0)
    assert (found["channel_manager_sid"], found["duration"]) == (sid, 10.0)
    assert len(found) == {NEWEST: 28, MIDDLE: 19, OLDEST: 19}[sdk.version]


def test_the_transcript_is_read(sdk: Sdk, door: Door) -> None:
    session_id = make_session(door)
    found = sdk.call(door, "sessions.transcript.get_by_id", session_id=session_id)
    assert [(turn["source"], turn["text"]) for turn in found["transcription"]] == [
        ("agent", "Hello, how can I help?"),
        ("user", "I need an appointment."),
        ("agent", "Monday at 9:15?"),
        ("user", "Perfect."),
    ]
    assert found["actions"][0]["tool_name"] == "find_slot"
    assert found["actions"][0]["tool_result"] == '{"slots":["9:15"]}'
    if sdk.version == NEWEST:
        assert found["transcript_complete"] is True
        assert found["actions"][0]["duration_ms"] == 412
        assert found["transcription"][1]["stt_confidence"] == found["transcription"][1]["stt_confidence"] | {
            "provider": "deepgram",
            "utterance": 0.94,
        }


def test_the_summary_is_read(sdk: Sdk, door: Door) -> None:
    found = sdk.call(door, "sessions.full_summary.get_by_id", session_id=make_session(door))
    assert found == {"summary": "An appointment.", "rating": "Good"}
    if sdk.version == OLDEST:
        assert sdk.call(door, "sessions.summary.get_by_id", session_id="1") == "An appointment."


def test_the_latencies_are_read(sdk: Sdk, door: Door) -> None:
    session_id = make_session(door)
    if not sdk.has("sessions.latency.get_by_id"):
        return
    found = sdk.call(door, "sessions.latency.get_by_id", session_id=session_id)
    assert [(one["category"], one["label"], one["value"]) for one in found["timeline"]] == [
        ("llm", "first_token", 380),
        ("tool", "find_slot", 412),
        ("tts", "first_byte", 120.25),
    ]
    assert [one["time_delta"] for one in found["timeline"]] == ["0 ms", "500 ms", "700 ms"]
    assert found["summary"][0] == found["summary"][0] | {"category": "llm", "event_count": 1, "sum_str": "380 ms"}


def test_the_timeline_is_read(sdk: Sdk, door: Door) -> None:
    session_id = make_session(door)
    if not sdk.has("sessions.timeline.get_by_id"):
        return
    found = sdk.call(door, "sessions.timeline.get_by_id", session_id=session_id)
    assert [(one["kind"], one["offset"], one.get("turn_index")) for one in found["events"]] == [
        ("transcript", "00:01", 0),
        ("transcript", "00:04", 1),
        ("latency", "00:04", 1),
        ("latency", "00:04", 1),
        ("tool", "00:05", 1),
        ("latency", "00:06", 1),
        ("transcript", "00:06", 2),
        ("transcript", "00:08", 3),
    ]


def test_recordings_are_listed_and_read_whole_and_byte_for_byte(sdk: Sdk, house: House, door: Door) -> None:
    """Two of a session, one larger than the server reads at once; the link will do as the token."""
    sid = make_sid()
    session_id = make_session(door, sid=sid)
    assert sdk.call(door, "sessions.generate_session_recording_urls", session_id=session_id)["recordings"] == []
    bodies = [sound("audio/ogg"), wav(15.0, 0.5, 0.25, hz=48000)]
    for number, body in enumerate(bodies):
        assert put(door, body, sid=sid, name=f"leg-{number}").status == 201
    found = sdk.call(door, "sessions.generate_session_recording_urls", session_id=session_id)
    assert found["session_id"] == session_id
    assert len(found["recordings"]) == 2
    for link, body in zip(found["recordings"], bodies, strict=True):
        token = link.split("token=")[1]
        for given in (token, link):
            read = sdk.call(door, "sessions.session_recording_stream", token=given)
            assert read == hashlib.sha256(body).hexdigest()
    assert status_of(sdk, door, "sessions.session_recording_stream", token="none") == 404
    assert status_of(sdk, door, "sessions.generate_session_recording_urls", session_id="99") == 404
    house.clock.ahead = timedelta(minutes=16)
    assert status_of(sdk, door, "sessions.session_recording_stream", token=token) == 403


def test_the_dialog_is_read(sdk: Sdk, door: Door) -> None:
    sid = make_sid()
    session_id = int(make_session(door, sid=sid))
    if not sdk.has("session_debug.get_session_data_by_sid"):
        return
    found = sdk.call(door, "session_debug.get_session_data_by_session_id", session_id=session_id)
    by_sid = sdk.call(
        door, "session_debug.get_session_data_by_sid", channel_manager_service="twilio", channel_manager_sid=sid
    )
    assert found == by_sid
    assert [(one["role"], one["dialog"]["text"], len(one["tool_calls"])) for one in found["messages"]] == [
        ("agent", "Hello, how can I help?", 0),
        ("user", "I need an appointment.", 0),
        ("agent", "", 1),
        ("agent", "Monday at 9:15?", 0),
        ("user", "Perfect.", 0),
    ]
    result = sdk.call(
        door,
        "session_debug.get_session_tool_call_result_by_id",
        session_id=session_id,
        tool_call_id="c1",
    )
    assert result == {"tool_name": "find_slot", "tool_result": {"slots": ["9:15"]}}


def test_a_sid_with_slashes_is_found(sdk: Sdk, door: Door) -> None:
    sid = f"room/{make_sid()}/a b"
    make_session(door, sid=sid)
    if sdk.has("session_debug.get_session_data_by_sid"):
        found = sdk.call(
            door,
            "session_debug.get_session_data_by_sid",
            channel_manager_service="twilio",
            channel_manager_sid=sid,
        )
        assert found["session_id"] == 1


def test_a_label_is_made_got_and_listed(sdk: Sdk, door: Door) -> None:
    session_id = make_session(door)
    request = {
        "session_id": int(session_id),
        "type": "human-rating",
        "code": "bad",
        "user_email": "qa@example.com",
        "comments": "Too slow.",
        "issue_categories": ["Silent treatment"],
    }
    flat = {"type_" if name == "type" else name: value for name, value in request.items()}
    arguments = flat if sdk.version == OLDEST else {"request": request}
    made = sdk.call(door, "session_labels.create", **arguments)
    assert made == made | request | {"code": "BAD"}
    assert sdk.call(door, "session_labels.get_by_id", session_label_id=made["id"]) == made
    listed = sdk.call(
        door, "session_labels.list", search_fields=["code", "session_id"], search_field_values=["BAD", session_id]
    )
    assert made in listed["items"]
    assert sdk.call(door, "sessions.get_by_id", session_id=session_id)["session_label_id"] == str(made["id"])


def test_conversations_and_events_are_listed(sdk: Sdk, door: Door) -> None:
    session_id = make_session(door, llm_provider="openai", llm_model="gpt-4.1")
    (conversation,) = sdk.call(door, "conversations.list", search_fields=["agent_name"], search_field_values=["FRONT"])[
        "items"
    ]
    assert (conversation["conversation_id"], conversation["agent_id"]) == (session_id, "12")
    (event,) = sdk.call(door, "events.list", search_fields=["type"], search_field_values=["phone-transfer"])["items"]
    assert (event["session_id"], event["description"]) == (session_id, "Transfer to +18005550100")


def listed(sdk: Sdk, door: Door, **asked: Any) -> list[str]:
    return [one["channel_manager_sid"] for one in sdk.call(door, "sessions.list", **asked)["items"]]


def searched(sdk: Sdk, door: Door, *pairs: tuple[str, str]) -> set[str]:
    names, values = [name for name, _ in pairs], [value for _, value in pairs]
    return set(listed(sdk, door, search_fields=names, search_field_values=values))


def test_every_search_field_means_what_it_says(sdk: Sdk, house: House) -> None:
    door = house.door()
    door.send(
        [
            start("A", 0, agent_id="1", agent_name="Ärztliche Aufnahme", prompt_id="7", source="+1804222", target="x"),
            start("B", 9, agent_id="12", agent_name="front 100%_desk", agent_type="other", experiment_id="4"),
            start("C", 18, is_test=True, conversation_id="conv-9", experiment_variant_id="8"),
            start("D", 27, is_outbound=True, channel_manager_type="web_chat_v1", source="Jörg"),
            start("E", 36, is_legacy=True, prompt_name="Night", target="chat-1-org-3"),
            said("E", "user", "hi", 40),
            {**start("F", 45), "session": {"service": "LiveKit", "sid": "F"}},
            {**start("G", 54), "kind": "session.end", "data": {"duration": 12.5}},
        ]
    )
    cases: list[tuple[list[tuple[str, str]], str]] = [
        ([("agent_name", "ärztliche")], "A"),
        ([("agent_name", "100%_D")], "B"),
        ([("agent_name", "%")], "B"),
        ([("agent_name", "[")], ""),
        ([("agent_id", "1")], "A"),
        ([("agent_type", "OTHER")], "B"),
        ([("prompt_id", "7")], "A"),
        ([("prompt_name", "nigh")], "E"),
        ([("session_id", "2")], "B"),
        ([("session_id", "two")], ""),
        ([("session_id", "02")], ""),
        ([("conversation_id", "conv-9"), ("is_test", "true")], "C"),
        ([("conversation_id", "conv-9")], ""),
        ([("conversation_id", "4")], "D"),
        ([("channel_manager_sid", "E")], "E"),
        ([("channel_manager_sid", "e")], ""),
        ([("channel_manager_service", "livekit")], "F"),
        ([("channel_manager_type", "web_CHAT")], "D"),
        ([("source", "804222")], "ABEF"),
        ([("source", "+1804222"), ("agent_id", "1")], "A"),
        ([("source", "JÖR")], "D"),
        ([("target", "org-3")], "E"),
        ([("duration", "12.5")], "G"),
        ([("timestamp", "2026-11-22T11:00:09+01:00")], "B"),
        ([("is_legacy", "TRUE")], "E"),
        ([("is_legacy", "0")], "ABDFG"),
        ([("is_test", "true")], "ABCDEFG"),
        ([("is_test", "false")], "ABDEFG"),
        ([("agent_id", "1"), ("agent_id", "12"), ("is_legacy", "true")], "E"),
        ([("session_id", "1"), ("session_id", "4")], "AD"),
        ([("agent_name", "")], "ABDEFG"),
    ]
    newer = [([("is_outbound", "1")], "D"), ([("experiment_id", "4")], "B")]
    newer.append(([("experiment_variant_id", "8"), ("is_test", "true")], "C"))
    for pairs, expected in cases + (newer if sdk.version == NEWEST else []):
        assert searched(sdk, door, *pairs) == set(expected), pairs


def test_order_pages_dates_and_projection_mean_what_they_say(sdk: Sdk, house: House) -> None:
    door = house.door()
    door.send([start(sid, n * 9, agent_name=f"agent {9 - n}") for n, sid in enumerate("ABCDE")])
    door.send([{**start("C", 60), "kind": "session.end", "data": {"duration": 5}}])
    assert listed(sdk, door) == [*"EDCBA"]
    assert listed(sdk, door, order_by="timestamp") == [*"ABCDE"]
    assert listed(sdk, door, order_by="agent_name", order_by_direction="desc") == [*"ABCDE"]
    assert listed(sdk, door, order_by="agent_name") == [*"EDCBA"]
    assert listed(sdk, door, order_by="duration", order_by_direction="desc")[0] == "C"
    assert listed(sdk, door, order_by="duration")[0] == "C"
    assert listed(sdk, door, order_by="session_id") == [*"ABCDE"]
    assert listed(sdk, door, start_datetime=shown(9), end_datetime=shown(27)) == ["C", "B"]
    assert listed(sdk, door, start_datetime=shown(9).replace("Z", "+00:00")) == [*"EDCB"]
    assert listed(sdk, door, start_datetime="2026-11-22", end_datetime="") == [*"EDCBA"]
    assert listed(sdk, door, start_datetime="2026-11-23") == []
    page = sdk.call(door, "sessions.list", limit=2, page=1)
    assert [one["channel_manager_sid"] for one in page["items"]] == ["C", "B"]
    assert (page["page"], page["page_size"], page["total_pages"], page["total_count"]) == (1, 2, 3, 5)
    past = sdk.call(door, "sessions.list", limit=2, page=9)
    assert (past["items"], past["page"], past["total_count"]) == ([], 9, 5)
    count = sdk.call(door, "sessions.list", limit=0)
    assert (count["items"], count["total_count"], count["page_size"]) == ([], 5, 0)
    (first, *_) = sdk.call(door, "sessions.list", fields=["agent_name"])["items"]
    assert {name for name, value in first.items() if value is not None} == {"timestamp", "agent_name"}


def status_of(sdk: Sdk, door: Door, operation: str, **arguments: Any) -> int | None:
    """The status an SDK reports for a call that must fail with an error of its own kind."""
    with pytest.raises(SdkError) as raised:
        sdk.call(door, operation, **arguments)
    assert raised.value.kind in ("APIError", "HTTPValidationError", "SessionsListBadRequestError"), raised.value
    found = raised.value.status
    return found if isinstance(found, int) else None


def test_errors_arrive_as_the_sdks_own_types(sdk: Sdk, house: House, door: Door) -> None:
    assert status_of(sdk, door, "sessions.get_by_id", session_id="99") == 404
    assert status_of(sdk, door, "sessions.get_by_id", session_id="CA7") == 400
    assert status_of(sdk, door, "sessions.transcript.get_by_id", session_id="99") == 404
    assert status_of(sdk, Door(door.url, "wrong"), "sessions.list") == 401
    assert status_of(sdk, house.door(None, Scope.INGEST), "sessions.list") == 403
    assert status_of(sdk, door, "agents.list") == 404


def test_a_schema_violation_is_a_validation_error_with_its_list(sdk: Sdk, door: Door) -> None:
    with pytest.raises(SdkError) as raised:
        sdk.call(door, "sessions.list", limit=-1)
    assert raised.value.kind == "HTTPValidationError"
    assert raised.value.detail[0]["loc"] == ["query", "limit"]


def test_a_bad_datetime_is_a_bad_request(sdk: Sdk, door: Door) -> None:
    with pytest.raises(SdkError) as raised:
        sdk.call(door, "sessions.list", start_datetime="yesterday")
    expected = "SessionsListBadRequestError" if sdk.version == NEWEST else "APIError"
    assert raised.value.kind == expected
    assert "is not a date and time" in raised.value.text

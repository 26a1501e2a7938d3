"""A spoken AgentSession, recorded and read back: every turn and figure against LiveKit's own report."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("livekit.agents", reason="livekit-agents is not installed here; run `make test-livekit`")

from tests.conftest import House
from tests.livekit.held import Held, at, hold, unix_s

pytestmark = pytest.mark.livekit

# LiveKit's figure in seconds: what it is called here, and whether it is told of what was heard or spoken.
FIGURES = {
    "transcription_delay": ("stt", "transcription"),
    "end_of_turn_delay": ("turn", "end_of_turn"),
    "on_user_turn_completed_delay": ("turn", "user_turn_completed"),
    "llm_node_ttft": ("llm", "first_token"),
    "tts_node_ttfb": ("tts", "first_byte"),
    "playback_latency": ("turn", "playback"),
    "e2e_latency": ("turn", "end_to_end"),
}


@pytest.fixture(scope="module")
def held(sqlite_house: House, tmp_path_factory: pytest.TempPathFactory) -> Held:
    report = tmp_path_factory.mktemp("voice") / "report.json"
    return hold(Path(__file__).parent / "voice.py", sqlite_house.door(), report)


def milliseconds(seconds: float) -> Any:
    """This duration, to the microsecond that the record keeps."""
    return pytest.approx(seconds * 1000, abs=0.00051)


def test_the_transcript_is_livekits_chat_history_turn_by_turn(held: Held) -> None:
    roles = {"user": "user", "assistant": "agent"}
    transcript = held.get("/api/v1/sessions/transcript/{}")
    assert [(turn["source"], turn["text"], unix_s(turn["timestamp"])) for turn in transcript["transcription"]] == [
        (roles[item["role"]], "\n".join(item["content"]), at(item["metrics"]["started_speaking_at"]))
        for item in held.reported("message")
    ]
    assert [turn["source"] for turn in transcript["transcription"]] == [
        *("agent", "user", "agent", "user", "agent", "user", "user", "agent")
    ]
    assert transcript["transcript_complete"] is True


def test_each_message_has_livekits_times_interruption_language_and_confidence(held: Held) -> None:
    recorded = {one["id"]: one["data"] for one in held.recorded("message")}
    for item in held.reported("message"):
        data = recorded.pop(item["id"])
        assert unix_s(data["started_at"]) == at(item["metrics"]["started_speaking_at"])
        assert unix_s(data["ended_at"]) == at(item["metrics"]["stopped_speaking_at"])
        assert data["interrupted"] == item["interrupted"]
        assert data.get("confidence") == item.get("transcript_confidence")
        assert data.get("lang") == ("en-US" if item["role"] == "user" else None)
    assert recorded == {}


def test_only_the_answer_that_was_talked_into_was_interrupted(held: Held) -> None:
    assert [one["data"]["text"] for one in held.recorded("message") if one["data"]["interrupted"]] == [
        "I can offer 9:15 or 11:00."
    ]


def test_every_figure_is_livekits_to_the_microsecond(held: Held) -> None:
    recorded = {one["id"]: one["data"] for one in held.recorded("latency") if one["data"]["category"] != "tool"}
    for item in held.reported("message"):
        for figure, (category, label) in FIGURES.items():
            if figure in item["metrics"]:
                data = recorded.pop(f"{item['id']}.{label}")
                assert (data["category"], data["duration_ms"]) == (category, milliseconds(item["metrics"][figure]))
    (call,) = held.reported("function_call")
    updates = [one["update"] for one in held.happened("tool_execution_updated")]
    assert list(recorded) == [f"{updates[0]['function_call']['id']}.first_token"]
    assert updates[0]["function_call"]["call_id"] == call["call_id"]


def test_the_figures_lie_where_they_were_measured(held: Held) -> None:
    """What follows speech starts at its end; the last step of an answer ends as the answer is heard."""
    recorded = {one["id"]: one for one in held.recorded("latency")}
    for item in held.reported("message"):
        metrics = item["metrics"]
        if item["role"] == "user":
            for label in ("transcription", "end_of_turn"):
                began = recorded[f"{item['id']}.{label}"]["data"]["started_at"]
                assert unix_s(began) == at(metrics["stopped_speaking_at"])
        else:
            played = recorded[f"{item['id']}.playback"]
            assert unix_s(played["at"]) == at(metrics["started_speaking_at"])
        if "e2e_latency" in metrics:
            waited = recorded[f"{item['id']}.end_to_end"]
            assert unix_s(waited["at"]) == at(metrics["started_speaking_at"])


def test_every_answer_of_the_model_has_its_first_token_even_one_that_was_only_a_tool_call(held: Held) -> None:
    """Each request is told once: by the message it became, else by LiveKit's own figure of the request."""
    recorded = [one["data"] for one in held.recorded("latency") if one["data"]["label"] == "first_token"]
    by_message = [m["llm_node_ttft"] for i in held.reported("message") if "llm_node_ttft" in (m := i["metrics"])]
    requests = held.report["requests"]
    assert len(recorded) == len(requests) == len(by_message) + 1
    (alone,) = (one for one in recorded if one["duration_ms"] not in [milliseconds(one) for one in by_message])
    (asked,) = (one for one in requests if alone["duration_ms"] == milliseconds(one["ttft"]))
    assert unix_s(alone["started_at"]) == at(asked["timestamp"] - asked["duration"])
    assert alone["metadata"] == ["script-1", "example"]
    (call,) = held.reported("function_call")
    assert asked["timestamp"] == max(one["timestamp"] for one in requests if one["timestamp"] <= call["created_at"])


def test_the_tool_call_has_livekits_arguments_result_and_time(held: Held) -> None:
    (call,), (output,) = held.reported("function_call"), held.reported("function_call_output")
    (action,) = held.get("/api/v1/sessions/transcript/{}")["actions"]
    began, ended = held.happened("tool_execution_updated")
    assert action["tool_name"] == call["name"] == "find_slot"
    assert json.loads(action["tool_request"]) == json.loads(call["arguments"])
    assert json.loads(action["tool_result"]) == json.loads(output["output"])
    assert unix_s(action["timestamp"]) == at(began["created_at"])
    assert action["duration_ms"] == pytest.approx((ended["created_at"] - began["created_at"]) * 1000, abs=0.003)


def test_the_error_is_livekits_and_comes_between_the_turns_it_came_between(held: Held) -> None:
    (error,) = held.happened("error")
    (event,) = held.recorded("event")
    assert unix_s(event["at"]) == at(error["created_at"])
    assert (event["data"]["type"], event["data"]["category"]) == ("error", error["error"]["type"])
    assert "the model is tired" in event["data"]["description"]
    assert event["data"]["attributes"] == {"recoverable": False, **error["source"]}


def test_usage_is_livekits_total_of_each_model(held: Held) -> None:
    names = {"characters_count": "characters", "audio_duration": "audio_seconds"}
    reported = {
        one["type"].removesuffix("_usage"): {names.get(key, key): one[key] for key in one if key != "type"}
        for one in held.report["usage"]
    }
    assert {one["data"].pop("category"): one["data"] for one in held.recorded("usage")} == reported


def test_the_session_ends_when_and_why_livekit_closed_it(held: Held) -> None:
    (closed,) = held.happened("close")
    (end,) = held.recorded("session.end")
    assert (end["data"]["reason"], unix_s(end["at"])) == (closed["reason"], at(closed["created_at"]))

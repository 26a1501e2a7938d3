"""The one call on LiveKit, typed and spoken, recorded and read back: every turn and figure against LiveKit's report."""

import json
from pathlib import Path

import pytest

pytest.importorskip("livekit.agents", reason="livekit-agents is not installed here; run `make test-livekit`")

from tests.conftest import House
from tests.figures import at, milliseconds, unix_s
from tests.livekit.held import Held, hold
from tests.one_call import assert_is_the_call

pytestmark = pytest.mark.livekit

# LiveKit's figure in seconds, and what it is called here.
FIGURES = {
    "transcription_delay": ("stt", "transcription"),
    "end_of_turn_delay": ("turn", "end_of_turn"),
    "on_user_turn_completed_delay": ("turn", "user_turn_completed"),
    "llm_node_ttft": ("llm", "first_token"),
    "tts_node_ttfb": ("tts", "first_byte"),
    "playback_latency": ("turn", "playback"),
    "e2e_latency": ("turn", "end_to_end"),
}
TYPED = {"llm_node_ttft", "playback_latency"}  # those that LiveKit has where nothing is heard and spoken


@pytest.fixture(scope="module", params=["text.py", "voice.py"])
def held(request: pytest.FixtureRequest, sqlite_house: House, tmp_path_factory: pytest.TempPathFactory) -> Held:
    report = tmp_path_factory.mktemp("call") / "report.json"
    return hold(Path(__file__).parent / request.param, sqlite_house.door(), report)


def is_spoken(held: Held) -> bool:
    return "stt_usage" in [one["type"] for one in held.report["usage"]]


def test_it_is_the_one_call(held: Held) -> None:
    assert_is_the_call(held.door, held.session["session_id"])


def test_the_transcript_is_livekits_chat_history_turn_by_turn(held: Held) -> None:
    roles = {"user": "user", "assistant": "agent"}
    transcript = held.get("/api/v1/sessions/transcript/{}")["transcription"]
    assert [(turn["source"], turn["text"], unix_s(turn["timestamp"])) for turn in transcript] == [
        (
            roles[item["role"]],
            "\n".join(item["content"]),
            at(item["metrics"].get("started_speaking_at", item["created_at"])),
        )
        for item in held.reported("message")
    ]


def test_each_message_has_livekits_times_interruption_language_and_confidence(held: Held) -> None:
    recorded = {one["id"]: one["data"] for one in held.recorded("message")}
    for item in held.reported("message"):
        data = recorded.pop(item["id"])
        for ours, theirs in (("started_at", "started_speaking_at"), ("ended_at", "stopped_speaking_at")):
            assert (ours in data) == (theirs in item["metrics"])
            assert ours not in data or unix_s(data[ours]) == at(item["metrics"][theirs])
        assert data["interrupted"] == item["interrupted"]
        assert data.get("confidence") == item.get("transcript_confidence")
        assert data.get("lang") == ("en-US" if is_spoken(held) and item["role"] == "user" else None)
    assert recorded == {}


def test_every_figure_is_livekits_to_the_microsecond(held: Held) -> None:
    recorded = {one["id"]: one["data"] for one in held.recorded("latency") if one["data"]["category"] != "tool"}
    told = set()
    for item in held.reported("message"):
        for figure in FIGURES.keys() & item["metrics"].keys():
            category, label = FIGURES[figure]
            data = recorded.pop(f"{item['id']}.{label}")
            assert (data["category"], data["duration_ms"]) == (category, milliseconds(item["metrics"][figure]))
            told.add(figure)
    assert told == (FIGURES.keys() if is_spoken(held) else TYPED)
    (call,) = held.reported("function_call")
    assert list(recorded) == [f"{call['id']}.first_token"]


def test_the_figures_lie_where_they_were_measured(held: Held) -> None:
    """What follows speech starts at its end; the last step of an answer ends as the answer is heard."""
    recorded = {one["id"]: one for one in held.recorded("latency")}
    for item in held.reported("message"):
        metrics = item["metrics"]
        for figure in FIGURES.keys() & metrics.keys():
            one = recorded[f"{item['id']}.{FIGURES[figure][1]}"]
            if figure in ("transcription_delay", "end_of_turn_delay"):
                assert unix_s(one["data"]["started_at"]) == at(metrics["stopped_speaking_at"])
            if figure in ("playback_latency", "e2e_latency"):
                assert unix_s(one["at"]) == at(metrics["started_speaking_at"])


def test_every_answer_of_the_model_has_its_first_token_even_one_that_was_only_a_tool_call(held: Held) -> None:
    """Each request is told once: by the message it became, else by LiveKit's own figure of the request."""
    recorded = [one["data"] for one in held.recorded("latency") if one["data"]["label"] == "first_token"]
    by_message = [m["llm_node_ttft"] for i in held.reported("message") if "llm_node_ttft" in (m := i["metrics"])]
    requests = {one["timestamp"] - one["duration"]: one for one in held.report["requests"]}
    assert len(recorded) == len(requests) == len(by_message) + 1
    (call,) = held.reported("function_call")
    began_at = max(began_at for began_at in requests if began_at <= call["created_at"])
    asked = requests[began_at]
    (alone,) = (one for one in recorded if one["duration_ms"] not in [milliseconds(one) for one in by_message])
    assert (alone["duration_ms"], unix_s(alone["started_at"])) == (milliseconds(asked["ttft"]), at(began_at))
    assert alone["metadata"] == ["script-1", "example"]


def test_the_tool_call_has_livekits_arguments_result_and_time(held: Held) -> None:
    (call,), (output,) = held.reported("function_call"), held.reported("function_call_output")
    (action,) = held.get("/api/v1/sessions/transcript/{}")["actions"]
    began, ended = (one["created_at"] for one in held.happened("tool_execution_updated"))
    assert action["tool_name"] == call["name"]
    assert json.loads(action["tool_request"]) == json.loads(call["arguments"])
    assert json.loads(action["tool_result"]) == json.loads(output["output"])
    assert unix_s(action["timestamp"]) == at(began)
    took_ms = milliseconds(ended - began, of_instants=True)
    assert action["duration_ms"] == took_ms
    (latency,) = (one["data"] for one in held.recorded("latency") if one["data"]["category"] == "tool")
    assert (latency["label"], latency["duration_ms"]) == (call["name"], took_ms)


def test_the_error_is_livekits(held: Held) -> None:
    (error,) = held.happened("error")
    (event,) = (one for one in held.recorded("event") if one["data"]["type"] == "error")
    assert unix_s(event["at"]) == at(error["created_at"])
    assert event["data"]["category"] == error["error"]["type"]
    assert event["data"]["attributes"] == {"recoverable": False, **error["source"]}


def test_usage_is_livekits_total_of_each_model(held: Held) -> None:
    names = {"characters_count": "characters", "audio_duration": "audio_seconds"}
    reported = {
        one["type"].removesuffix("_usage"): {names.get(key, key): one[key] for key in one if key != "type"}
        for one in held.report["usage"]
    }
    recorded = [one["data"] for one in held.recorded("usage")]
    assert {one.pop("category"): one for one in recorded} == reported
    assert len(recorded) == len(reported)


def test_the_session_ends_when_and_why_livekit_closed_it(held: Held) -> None:
    (closed,) = held.happened("close")
    (end,) = held.recorded("session.end")
    assert (end["data"]["reason"], unix_s(end["at"])) == (closed["reason"], at(closed["created_at"]))
    assert held.session["duration"] == pytest.approx(closed["created_at"] - unix_s(held.session["timestamp"]), abs=0.05)

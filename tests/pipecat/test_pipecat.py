"""The one call on a real pipeline, recorded and read back, against what Pipecat's own observers report of it."""

import asyncio
import importlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
import wave
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Pipecat imports audioop, which Python 3.13 has no more
    pytest.importorskip("pipecat.pipeline.worker", reason="pipecat-ai is not installed here; run `make test-pipecat`")

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextAssistantTurnFrame,
    LLMContextUserTurnFrame,
    MetricsFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage, LLMUsageMetricsData, TTFBMetricsData
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.observers.function_call_observer import FunctionCallEvent, FunctionCallEventKind
from pipecat.observers.user_bot_latency_observer import (
    LatencyBreakdown,
    LatencyContribution,
    LatencyOwnerKind,
    MeasuredFrom,
    TTFBBreakdownMetrics,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.audio_buffer_processor import AudioBufferProcessor
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi.frames import RTVISendTextFrame
from pipecat.workers.runner import WorkerRunner

from hansard.recorder import MemorySink, Recorder
from hansard.recorder.integrations import pipecat as integration
from hansard.recorder.integrations import pipecat_setup
from hansard.recorder.integrations.pipecat import CATEGORIES, WHOLES, attach
from tests.conftest import House
from tests.door import ROOT, Door, run
from tests.figures import at, milliseconds, unix_s
from tests.one_call import OFFER, assert_is_the_call

pytestmark = pytest.mark.pipecat

EXAMPLE = ROOT / "examples" / "pipecat_bot"
CLOCK_S = 0.1  # the clock is read twice, on a busy machine
BRIEF = {"pipeline", "output_transport", "sentence_aggregation", "llm_tool_call"}  # told from a length on
SERVICES = {"Model#0": "llm", "Voice#0": "tts"}
STEP_MS = 1.0  # every step of the script takes longer, whoever measures
SPOKE_AT = 1_795_358_700.0

pytest.importorskip("loguru").logger.remove()  # Pipecat says all it does


@dataclass(frozen=True)
class Held:
    """A session that was held: the door to its record, and Pipecat's own report."""

    door: Door
    report: Mapping[str, list[Any]]
    session: dict[str, Any]

    def get(self, path: str) -> Any:
        return self.door.get(path.format(self.session["session_id"])).json

    def recorded(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.get("/hansard/v1/sessions/{}/record")["events"] if one["kind"] == kind]

    def turns(self) -> list[dict[str, Any]]:
        """The turns that Pipecat's aggregators reported; the model's turn to a tool has no words."""
        return [turn for turn in self.report["turns"] if turn["text"]]

    def told(self, event: str, *kinds: str) -> list[dict[str, Any]]:
        """The events of these kinds that Pipecat's observers reported."""
        return [one for one in self.report[event] if one["kind"] in kinds]


def hold(program: Path, door: Door, folder: Path) -> Held:
    """Hold a session with this program; it is the only one of the door's organization."""
    report = folder / "report.json"
    run(program, door, "--report", report)
    (session,) = door.get("/api/v1/sessions/").json["items"]
    return Held(door, json.loads(report.read_text()), session)


@pytest.fixture(scope="module")
def held(sqlite_house: House, tmp_path_factory: pytest.TempPathFactory) -> Held:
    return hold(Path(__file__).parent / "call.py", sqlite_house.door(), tmp_path_factory.mktemp("call"))


@pytest.fixture(scope="module")
def example(sqlite_house: House, tmp_path_factory: pytest.TempPathFactory) -> Held:
    return hold(EXAMPLE / "bot.py", sqlite_house.door(), tmp_path_factory.mktemp("example"))


def test_it_is_the_one_call(held: Held) -> None:
    assert_is_the_call(held.door, held.session["session_id"])


def test_the_session_bears_the_fields_it_was_given(held: Held) -> None:
    wanted = {"channel_manager_service": "pipecat", "channel_manager_type": "voice_pipecat_v1"}
    assert held.session == held.session | wanted | {"agent_name": "Front desk"}


def test_the_transcript_is_what_pipecats_aggregators_wrote_turn_by_turn(held: Held) -> None:
    transcript = held.get("/api/v1/sessions/transcript/{}")["transcription"]
    assert [(turn["source"], turn["text"]) for turn in transcript] == [
        (turn["role"], turn["text"]) for turn in held.turns()
    ]
    assert {turn["lang"] for turn in transcript if turn["source"] == "user"} == {"en-US"}


@pytest.mark.parametrize(("role", "kind"), [("user", "user_speech_stopped"), ("agent", "bot_speech_stopped")])
def test_turns_have_the_times_of_their_speech(held: Held, role: str, kind: str) -> None:
    messages = [one["data"] for one in held.recorded("message") if one["data"]["role"] == role]
    assert [(unix_s(one["started_at"]), unix_s(one["ended_at"])) for one in messages] == [
        (at(one["started_at"]), at(one["timestamp"])) for one in held.told("on_speech_event", kind)
    ]


def test_only_the_interrupted_turn_is_marked_and_cut_where_the_user_heard_it_stop(held: Held) -> None:
    messages = [one["data"] for one in held.recorded("message") if one["data"]["role"] == "agent"]
    reported = [turn for turn in held.turns() if turn["role"] == "agent"]
    assert [one["interrupted"] for one in messages] == [turn["interrupted"] for turn in reported]
    (cut,) = [one["text"] for one in messages if one["interrupted"]]
    assert 0 < len(cut) < len(OFFER.text)


def test_the_tool_call_has_pipecats_arguments_result_and_times(held: Held) -> None:
    (began,) = held.told("on_function_call_event", "function_call_started")
    (ended,) = held.told("on_function_call_event", "function_call_completed")
    (action,) = held.get("/api/v1/sessions/transcript/{}")["actions"]
    assert action["tool_name"] == began["function_name"]
    assert json.loads(action["tool_request"]) == began["arguments"]
    assert json.loads(action["tool_result"]) == ended["result"]
    assert unix_s(action["timestamp"]) == at(began["timestamp"])
    assert action["duration_ms"] == milliseconds(ended["timestamp"] - ended["in_progress_at"])
    assert action["duration_ms"] > STEP_MS


def test_a_failed_tool_has_pipecats_error(example: Held) -> None:
    monday, sunday = example.get("/api/v1/sessions/transcript/{}")["actions"]
    (failed,) = example.told("on_function_call_event", "function_call_failed")
    assert monday["tool_error"] is None
    assert (sunday["tool_result"], json.loads(sunday["tool_error"])) == (None, failed["error"])
    recorded = [one["data"] for one in example.recorded("event")]
    assert [(one["description"], one["category"]) for one in recorded] == [
        (one["message"], one["category"]) for one in example.report["on_error"]
    ]
    assert [one["category"] for one in recorded] == ["application", "unknown"]


def figures(report: Mapping[str, list[Any]]) -> list[tuple[str, float, float, str, list[str] | None]]:
    """What Pipecat measured, in order of time: label, start and length in seconds, category, model and processor."""
    services = [
        (one["kind"], one["timestamp"] - one["seconds"], one["seconds"], SERVICES[one["processor"]], named(one))
        for one in report["on_service_latency"]
        if one["seconds"]  # a service begins with a zero
    ]
    broken_down = [figure for one in report["on_latency_breakdown"] for figure in breakdown(one)]
    return sorted([*services, *broken_down], key=lambda figure: figure[1])


def named(one: Mapping[str, Any]) -> list[str]:
    return [name for name in (one["model"], one["processor"]) if name]


def breakdown(told: Mapping[str, Any]) -> Iterator[tuple[str, float, float, str, list[str] | None]]:
    """Every part of the wait, the whole, and what is told beside them."""
    models = {ttfb["processor"]: ttfb["model"] for ttfb in told["ttfb"]}
    parts = told["contributions"]
    for part in parts:
        names = named({"model": models.get(part["owner"]), "processor": part["owner"]})
        yield part["key"], part["start_time"], part["duration_secs"], CATEGORIES.get(part["key"], "turn"), names
    yield WHOLES[told["measured_from"]], min(part["start_time"] for part in parts), told["total_secs"], "turn", None
    if told["user_turn_secs"] is not None:
        yield "user_turn", told["user_turn_start_time"], told["user_turn_secs"], "turn", None
    text = told["text_aggregation"]
    yield "text_aggregation", text["start_time"], text["duration_secs"], "tts", [text["processor"]]


def test_every_latency_is_the_one_pipecat_measured_to_the_microsecond(held: Held) -> None:
    recorded = [
        (one["label"], unix_s(one["started_at"]), one["duration_ms"], one["category"], one.get("metadata"))
        for one in (event["data"] for event in held.recorded("latency"))
    ]
    assert {label for label, *_ in recorded} >= {"greeting", "user_bot", "user_turn", "ttfb", "text_aggregation"}
    for label, start_s, took_s, category, metadata in figures(held.report):
        recorded.remove((label, at(start_s), milliseconds(took_s), category, metadata))
    assert recorded == []


def test_the_latencies_of_services_are_shown_in_their_order(held: Held) -> None:
    shown = held.get("/api/v1/sessions/latency/{}")["timeline"]
    assert [
        (one["label"], unix_s(one["measurement_start"]), one["value"], one["category"], one["metadata"])
        for one in shown
    ] == [
        (label, at(start_s), milliseconds(took_s), category, metadata)
        for label, start_s, took_s, category, metadata in figures(held.report)
        if category != "turn"
    ]


def test_the_parts_of_every_answers_latency_sum_to_the_whole_that_pipecat_measured(held: Held) -> None:
    measured = [one["data"] for one in held.recorded("latency")]
    wholes = [one for one in measured if one["label"] in WHOLES.values()]
    waited = [*held.report["on_first_bot_speech_latency"], *held.report["on_latency_measured"]]
    assert [one["duration_ms"] / 1000 for one in wholes] == [pytest.approx(one, abs=CLOCK_S) for one in waited]
    named = {part["key"] for told in held.report["on_latency_breakdown"] for part in told["contributions"]}
    for whole in wholes:
        began = unix_s(whole["started_at"])
        until = began + whole["duration_ms"] / 1000
        parts = [one for one in measured if one["label"] in named and began <= unix_s(one["started_at"]) < until]
        assert {"llm_inference", "speech_synthesis"} <= {one["label"] for one in parts}
        assert sum(one["duration_ms"] for one in parts) == pytest.approx(whole["duration_ms"], abs=0.01)


def test_observers_beside_the_recorders_find_the_same(held: Held) -> None:
    (others,) = held.report["others"]
    assert {"on_speech_event", "on_function_call_event", "on_latency_breakdown", "on_service_usage"} <= others.keys()
    for event, found in others.items():
        assert [without_clock(one) for one in found] == [without_clock(one) for one in held.report[event]]


def without_clock(told: Any) -> Any:
    """What was told, without the figures that hang on when the clock was read, and without parts that may be too short
    to be told.
    """
    if isinstance(told, list):
        return [without_clock(one) for one in told if not isinstance(one, dict) or one.get("key") not in BRIEF]
    if isinstance(told, dict):
        return {name: without_clock(value) for name, value in told.items()}
    return None if isinstance(told, float) else told


def test_usage_is_what_each_service_said(held: Held) -> None:
    names = {"model": "model", "prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
    wanted = [
        {"category": one["kind"]}
        | {names.get(name, name): value for name, value in one.items() if value is not None and name != "kind"}
        for one in held.report["on_service_usage"]
    ]
    recorded = [one["data"] for one in held.recorded("usage")]
    assert recorded == [{name: value for name, value in one.items() if name != "timestamp"} for one in wanted]


def test_the_error_is_an_event(held: Held) -> None:
    (event,), (told,) = held.recorded("event"), held.report["on_error"]
    about = {name: told[name] for name in ("processor", "processor_usable", "exception_type")}
    assert unix_s(event["at"]) == at(told["timestamp"])
    assert event["data"] == {
        "type": "error",
        "source": "pipecat",
        "category": told["category"],
        "description": told["message"],
        "attributes": about,
    }


def test_the_session_ends_when_and_why_the_pipeline_did(held: Held) -> None:
    (end,) = held.recorded("session.end")
    (finished,) = held.report["finished"]
    assert end["data"]["reason"] == finished["reason"] == "The caller hung up"
    assert unix_s(end["at"]) == pytest.approx(finished["at"], abs=0.5)
    assert held.session["duration"] == pytest.approx(unix_s(end["at"]) - unix_s(held.session["timestamp"]), abs=0.001)


def test_the_published_sdk_reads_it_back(example: Held) -> None:
    names = {"user": " user", "agent": "agent"}
    sid = example.session["channel_manager_sid"]
    printed = run(EXAMPLE / "read_back.py", example.door, sid).stdout.splitlines()
    assert "  complete" in printed
    assert [line for line in printed if line.startswith(("agent: ", " user: "))] == [
        f"{names[turn['role']]}: {turn['text']}" for turn in example.turns()
    ]


def test_an_unchanged_bot_is_recorded_through_pipecats_setup_files(sqlite_house: House, tmp_path: Path) -> None:
    door = sqlite_house.door()
    setup = run("-m", door, "hansard.recorder.integrations.pipecat").stdout.strip()
    report = tmp_path / "report.json"
    options = ("--conversation", "conversation-7", "--report", report)
    run(EXAMPLE / "front_desk.py", door, *options, PIPECAT_SETUP_FILES=setup)
    (session,) = door.get("/api/v1/sessions/").json["items"]
    assert (session["channel_manager_sid"], session["conversation_id"]) == ("conversation-7", "conversation-7")
    held = Held(door, json.loads(report.read_text()), session)
    transcript = held.get("/api/v1/sessions/transcript/{}")
    assert transcript["transcript_complete"] is True
    assert [(turn["source"], turn["text"]) for turn in transcript["transcription"]] == [
        (turn["role"], turn["text"]) for turn in held.turns()
    ]
    assert len(transcript["actions"]) == 2


def test_a_bot_that_records_itself_is_not_recorded_twice(sqlite_house: House) -> None:
    door = sqlite_house.door()
    setup = run("-m", door, "hansard.recorder.integrations.pipecat").stdout.strip()
    run(EXAMPLE / "bot.py", door, "--conversation", "once", PIPECAT_SETUP_FILES=setup)
    assert [one["channel_manager_sid"] for one in door.get("/api/v1/sessions/").json["items"]] == ["once"]


def test_a_worker_without_a_conversation_id_gets_a_new_one_and_a_bridged_worker_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = MemorySink()
    monkeypatch.setattr(pipecat_setup, "_recorder", lambda: Recorder(sink=sink))
    for bridged in (None, None, ()):
        worker = PipelineWorker(Pipeline([IdentityFilter()]), bridged=bridged, enable_rtvi=False)
        asyncio.run(pipecat_setup.setup_pipeline_worker(worker))
    assert kinds(sink) == ["session.start"] * 2
    assert len({one["session"]["sid"] for one in sink.events}) == 2


def test_the_module_is_imported_without_pipecat() -> None:
    code = "import sys, hansard.recorder.integrations.pipecat_setup; sys.exit('pipecat' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


class Shelf(MemorySink):
    """Keeps recordings beside the events."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.sounds: list[dict[str, Any]] = []

    def recording(self, path: Path, about: Mapping[str, Any]) -> None:
        self.sounds.append({**about, "file": str(shutil.copy(path, self.folder / str(about["name"])))})


def kinds(sink: MemorySink) -> list[str]:
    return [one["kind"] for one in sink.events]


def data(sink: MemorySink, kind: str) -> list[dict[str, Any]]:
    return [one["data"] for one in sink.events if one["kind"] == kind]


def test_the_bots_sound_becomes_a_stereo_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "left"))
    (tmp_path / "left").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Pipecat's of Pipecat's own
        desks = importlib.import_module("front_desk")
    sink = Shelf(tmp_path)
    pieces: list[bytes] = []

    async def hold() -> None:
        desk = desks.FrontDesk()
        (buffer,) = integration._audio_buffers(desk.worker.pipeline)
        buffer.add_event_handler("on_audio_data", lambda _, pcm, *__: pieces.append(pcm))
        attach(desk.worker, recorder=Recorder(sink=sink), sid="sound")
        await desk.hold()

    asyncio.run(hold())
    (sound,) = sink.sounds
    assert (sound["service"], sound["sid"], sound["channels"]) == ("pipecat", "sound", 2)
    with wave.open(sound["file"]) as file:
        frames = file.readframes(file.getnframes())
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 16_000)
    assert frames == b"".join(pieces)
    assert len(pieces) > 3
    samples = array("h", frames)
    user, bot = samples[0::2], samples[1::2]
    assert (max(user), max(bot)) == (0x10, 0x1000)  # the tones they speak in
    assert user.count(0x10) == 5 * 10 * 16_000 // 50
    assert list((tmp_path / "left").iterdir()) == []


@pytest.mark.parametrize("fault", ["mkstemp", "shutdown"])
def test_a_bot_whose_sound_cannot_be_kept_is_recorded_all_the_same(
    fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(*{"mkstemp": (tempfile, fault, fail), "shutdown": (ThreadPoolExecutor, fault, fail)}[fault])
    buffer = AudioBufferProcessor(num_channels=2)
    sink = MemorySink()

    async def live() -> None:
        stand: Any = Stand(Pipeline([buffer]))
        attach(stand, recorder=Recorder(sink=sink), sid="one")
        await buffer._call_event_handler("on_audio_data", bytes(640), 16_000, 2)
        await asyncio.sleep(0)
        await stand.observers[0].cleanup()

    with caplog.at_level(logging.WARNING, "hansard.recorder"):
        asyncio.run(live())
    assert kinds(sink) == ["session.start", "session.end"]
    assert "the disk is full" in caplog.text


class Stand:
    """Stands where a PipelineWorker would, so that a test can say what passes."""

    def __init__(self, pipeline: Pipeline | None = None, *, with_metrics: bool = True) -> None:
        self.params = PipelineParams(enable_metrics=with_metrics, enable_usage_metrics=with_metrics)
        self.pipeline = pipeline or Pipeline([IdentityFilter()])
        self.observers: list[BaseObserver] = []
        self.handlers: dict[str, Callable[..., None]] = {}

    def add_observer(self, observer: BaseObserver) -> None:
        self.observers.append(observer)

    def add_event_handler(self, event: str, handler: Callable[..., None]) -> None:
        self.handlers[event] = handler


def pushed(frame: Any, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> FramePushed:
    part = FrameProcessor(name="Part")
    return FramePushed(source=part, destination=part, frame=frame, direction=direction, timestamp=0)


def recorded(frames: Iterable[Frame | float | FramePushed], finish: Frame | None = None) -> MemorySink:
    """What is recorded of a worker through which these frames passed; a number is a pause in seconds."""
    sink = MemorySink()

    async def live() -> None:
        stand: Any = Stand()
        attach(stand, recorder=Recorder(sink=sink), sid="one")
        (observer,) = stand.observers
        for one in frames:
            if isinstance(one, float):
                await asyncio.sleep(one)
            else:
                await observer.on_push_frame(one if isinstance(one, FramePushed) else pushed(one))
        stand.handlers["on_pipeline_finished"](stand, finish or EndFrame())
        await observer.cleanup()

    asyncio.run(live())
    return sink


def iso(unix: float) -> str:
    return datetime.fromtimestamp(unix).astimezone().isoformat(timespec="milliseconds")


def test_frames_that_come_at_once_keep_their_order() -> None:
    """No loop turn lies between the end of the speech and the turn: what is found of both must not change places."""
    now = time.time()
    sink = recorded(
        [
            VADUserStartedSpeakingFrame(start_secs=0.2, timestamp=now - 1),
            VADUserStoppedSpeakingFrame(stop_secs=0.3, timestamp=now),
            LLMContextUserTurnFrame(text="Guten Tag.", timestamp=iso(now - 1)),
            BotStartedSpeakingFrame(),
            LLMContextAssistantTurnFrame(text="Good morning.", timestamp=iso(now)),
            BotStoppedSpeakingFrame(),
        ]
    )
    user, agent = data(sink, "message")
    heard = [unix_s(user["started_at"]), unix_s(user["ended_at"])]
    assert heard == pytest.approx([now - 1.2, now - 0.3], abs=1e-5)
    assert {"started_at", "ended_at"} <= agent.keys()


def test_a_cough_before_a_turn_is_not_part_of_it() -> None:
    now = time.time()
    sink = recorded(
        [
            VADUserStartedSpeakingFrame(timestamp=now - 30),
            VADUserStoppedSpeakingFrame(timestamp=now - 29),
            VADUserStartedSpeakingFrame(timestamp=now - 2),
            VADUserStoppedSpeakingFrame(timestamp=now),
            LLMContextUserTurnFrame(text="Guten Tag.", timestamp=iso(now - 2)),
        ]
    )
    (user,) = data(sink, "message")
    assert unix_s(user["started_at"]) == pytest.approx(now - 2, abs=1e-5)


def test_a_turn_waits_for_its_speech_only_until_the_next_one() -> None:
    sink = recorded(
        [
            BotStartedSpeakingFrame(),
            LLMContextAssistantTurnFrame(text="Good morning.", timestamp=iso(time.time() - 1)),
            LLMContextUserTurnFrame(text="Guten Tag.", timestamp=iso(time.time())),
        ]
    )
    assert [one["text"] for one in data(sink, "message")] == ["Good morning.", "Guten Tag."]


def test_a_broadcast_frame_counts_once_and_an_empty_turn_never() -> None:
    down = LLMContextUserTurnFrame(text="Guten Tag.", timestamp="")
    up = LLMContextUserTurnFrame(text="Guten Tag.", timestamp="")
    down.broadcast_sibling_id, up.broadcast_sibling_id = up.id, down.id
    blank = LLMContextAssistantTurnFrame(text=" ", timestamp="")
    sink = recorded([down, pushed(up, FrameDirection.UPSTREAM), blank])
    assert [one["text"] for one in data(sink, "message")] == ["Guten Tag."]


def test_an_interruption_marks_the_turn_it_fell_into_and_no_other() -> None:
    began = time.time()
    sink = recorded(
        [
            LLMContextAssistantTurnFrame(text="Good morning.", timestamp=iso(began - 5)),
            InterruptionFrame(),
            LLMContextAssistantTurnFrame(text="Good mor", timestamp=iso(began - 1)),
            LLMContextAssistantTurnFrame(text="Yes?", timestamp=iso(began + 1)),
        ]
    )
    assert [one["interrupted"] for one in data(sink, "message")] == [False, True, False]


def test_whether_the_turn_that_a_cancelled_pipeline_cut_was_interrupted_is_unknown() -> None:
    cut = LLMContextAssistantTurnFrame(text="Good mor", timestamp=iso(time.time() - 1))
    sink = recorded([CancelFrame(), cut], finish=CancelFrame())
    assert "interrupted" not in data(sink, "message")[0]
    assert data(sink, "session.end")[0]["reason"] == "cancelled"


def test_what_a_client_types_is_a_turn() -> None:
    assert data(recorded([RTVISendTextFrame(msg_id="1", text="Guten Tag.")]), "message") == [
        {"role": "user", "text": "Guten Tag."}
    ]


@pytest.mark.parametrize(
    ("measured_from", "whole"),
    [(MeasuredFrom.USER_SILENCE, "user_bot"), (MeasuredFrom.CLIENT_CONNECTED, "greeting")],
)
def test_a_breakdown_is_recorded_part_by_part_to_the_millisecond(measured_from: MeasuredFrom, whole: str) -> None:
    parts = [
        ("endpointing_wait", 0.2, "turn", "config: VAD stop_secs"),
        ("transcription", 0.125, "stt", "STT#0"),
        ("turn_detection", 0.0105, "turn", "config: user turn strategies"),
        ("llm_inference", 0.336, "llm", "LLM#0"),
        ("llm_tool_call", 0.05, "llm", "LLM#0"),
        ("function_handler", 0.412, "tool", "find_slot"),
        ("speech_synthesis", 0.359, "tts", "TTS#0"),
        ("output_transport", 0.02, "turn", "Line#0"),
    ]
    starts_s = [SPOKE_AT + sum(part[1] for part in parts[:number]) for number in range(len(parts))]
    breakdown = LatencyBreakdown(
        contributions=[
            LatencyContribution(
                key=key,
                label=key,
                owner=owner,
                owner_kind=LatencyOwnerKind.SERVICE,
                start_time=start_s,
                duration_secs=duration_s,
            )
            for (key, duration_s, _, owner), start_s in zip(parts, starts_s, strict=True)
        ],
        ttfb=[TTFBBreakdownMetrics(processor="LLM#0", model="gpt", start_time=SPOKE_AT, duration_secs=0.3)],
        measured_from=measured_from,
        total_secs=sum(part[1] for part in parts),
    )
    sink = MemorySink()
    integration._Listener(Recorder(sink=sink).session(service="x", sid="y")).on_breakdown(None, breakdown)
    *measured, total = data(sink, "latency")
    assert [
        (one["label"], one["duration_ms"], one["category"], unix_s(one["started_at"]), one["metadata"])
        for one in measured
    ] == [
        (
            key,
            milliseconds(duration_s),
            category,
            at(start_s),
            ["gpt", owner] if owner == "LLM#0" else [owner],
        )
        for (key, duration_s, category, owner), start_s in zip(parts, starts_s, strict=True)
    ]
    assert (total["category"], total["label"], total["duration_ms"]) == ("turn", whole, 1512.5)
    assert unix_s(total["started_at"]) == SPOKE_AT


def test_a_bot_without_a_breakdown_has_the_times_of_its_services_all_the_same() -> None:
    frames = [
        MetricsFrame(data=[TTFBMetricsData(processor="LLM#0", model="m", value=seconds)]) for seconds in (0.0, 0.3)
    ]
    (one,) = data(recorded(frames), "latency")
    assert (one["category"], one["label"], one["duration_ms"], one["metadata"]) == ("turn", "ttfb", 300, ["m", "LLM#0"])


def call(call_id: str, arguments: Mapping[str, Any]) -> list[Frame]:
    asked = FunctionCallFromLLM(function_name="book", tool_call_id=call_id, arguments=arguments, context=None)
    running = FunctionCallInProgressFrame(function_name="book", tool_call_id=call_id, arguments=arguments)
    return [FunctionCallsStartedFrame(function_calls=[asked]), running]


def test_calls_of_one_id_stay_two_calls_and_each_has_its_end() -> None:
    done = [FunctionCallResultFrame("book", "c0", {}, {"booked": slot}) for slot in ("9:15", "11:00")]
    sink = recorded([*call("c0", {"slot": 1}), done[0], *call("c0", {"slot": 2}), done[1]])
    calls = data(sink, "tool_call")
    assert [(one["call_id"], one.get("arguments"), one.get("result")) for one in calls] == [
        ("c0", {"slot": 1}, None),
        ("c0", None, {"booked": "9:15"}),
        ("c0.2", {"slot": 2}, None),
        ("c0.2", None, {"booked": "11:00"}),
    ]


def test_a_call_that_never_returned_is_recorded_with_the_reason() -> None:
    late = FunctionCallCancelFrame(function_name="book", tool_call_id="c1", run_llm=True)
    stopped = FunctionCallCancelFrame(function_name="book", tool_call_id="c2")
    sink = recorded([*call("c1", {}), *call("c2", {}), *call("c3", {}), late, stopped])
    ends = {one["call_id"]: one.get("error") for one in data(sink, "tool_call")}
    assert ends == {"c1": "timed out", "c2": "cancelled", "c3": None}


def test_a_call_lasts_as_long_as_it_ran_without_the_wait_before_it() -> None:
    sink = MemorySink()
    listener = integration._Listener(Recorder(sink=sink).session(service="x", sid="y"))
    for kind, seconds, more in (
        (FunctionCallEventKind.STARTED, 0.0, {}),
        (FunctionCallEventKind.IN_PROGRESS, 3.0, {"started_at": SPOKE_AT}),
        (FunctionCallEventKind.COMPLETED, 3.412, {"in_progress_at": SPOKE_AT + 3}),
    ):
        event = FunctionCallEvent(
            kind=kind, function_name="book", tool_call_id="c1", timestamp=SPOKE_AT + seconds, **more
        )
        listener.on_tool(None, event)
    asked, answered = (one for one in sink.events if one["kind"] == "tool_call")
    assert (unix_s(asked["at"]), answered["at"]) == (SPOKE_AT, asked["at"])
    assert answered["data"]["duration_ms"] == milliseconds(0.412)


def test_arguments_that_json_cannot_carry_cost_no_call() -> None:
    sink = recorded(call("c1", {"n": float("nan")}))
    assert [one["arguments"] for one in data(sink, "tool_call")] == ["{'n': nan}"]
    assert sink.stats().dropped == {}


def test_cached_tokens_keep_their_name() -> None:
    used = LLMTokenUsage(prompt_tokens=5, completion_tokens=2, total_tokens=7, cache_read_input_tokens=4)
    sink = recorded([MetricsFrame(data=[LLMUsageMetricsData(processor="LLM#0", model="m", value=used)])])
    assert data(sink, "usage") == [
        {
            "category": "llm",
            "processor": "LLM#0",
            "model": "m",
            "input_tokens": 5,
            "output_tokens": 2,
            "total_tokens": 7,
            "cached_input_tokens": 4,
        }
    ]


def test_garbage_reaches_neither_the_bot_nor_the_record(caplog: pytest.LogCaptureFixture) -> None:
    odd = SimpleNamespace(broadcast_sibling_id=None)
    garbage: list[Any] = [None, 7, "text", object(), SimpleNamespace(frame=None), pushed(None), pushed(odd)]
    bad = LLMContextUserTurnFrame(text=5, timestamp=object())
    good = LLMContextUserTurnFrame(text="Guten Tag.", timestamp="not a time")
    sink = MemorySink()

    async def live() -> None:
        stand: Any = Stand()
        attach(stand, recorder=Recorder(sink=sink), sid="one")
        (observer,) = stand.observers
        for one in (*garbage, pushed(bad), pushed(ErrorFrame(error=None)), pushed(good)):
            await observer.on_push_frame(one)
        stand.handlers["on_pipeline_finished"](stand, None)
        await observer.cleanup()

    with caplog.at_level(logging.WARNING, "hansard.recorder"):
        asyncio.run(live())
    assert [one["text"] for one in data(sink, "message")] == ["Guten Tag."]
    assert kinds(sink)[-1] == "session.end"
    assert 0 < len(caplog.records) < 10  # the first of a kind is said, not each


def test_an_observer_of_pipecats_that_breaks_costs_only_its_own_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipecat.observers.speaking_observer import SpeakingObserver

    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(SpeakingObserver, "on_push_frame", broken)
    frames = [LLMContextUserTurnFrame(text=str(number), timestamp="") for number in range(3)]
    assert [one["text"] for one in data(recorded(frames), "message")] == ["0", "1", "2"]


@pytest.mark.parametrize("worker", [None, object(), SimpleNamespace(), 7])
def test_what_cannot_be_listened_to_is_no_error(worker: Any) -> None:
    sink = MemorySink()
    attach(worker, recorder=Recorder(sink=sink), sid="one").user("still there")
    assert kinds(sink) == ["session.start", "message"]


def test_a_worker_is_attached_to_once() -> None:
    stand: Any = Stand()
    sink = MemorySink()
    first, second = (attach(stand, recorder=Recorder(sink=sink), sid=sid) for sid in ("one", "two"))
    assert first is second
    assert len(stand.observers) == 1
    assert kinds(sink) == ["session.start"]


def test_a_warning_says_once_that_metrics_are_off(caplog: pytest.LogCaptureFixture) -> None:
    integration._warn_of_metrics.cache_clear()
    stands: list[Any] = [Stand(with_metrics=False), Stand(with_metrics=False), Stand()]
    with caplog.at_level(logging.WARNING, "hansard.recorder"):
        for stand in stands:
            attach(stand, recorder=Recorder(sink=MemorySink()), sid="one")
    (said,) = caplog.records
    assert "enable_usage_metrics=True" in said.getMessage()


def test_a_pipeline_that_is_cancelled_by_its_bot_still_ends_the_session() -> None:
    sink = MemorySink()

    async def live() -> None:
        worker = PipelineWorker(Pipeline([IdentityFilter()]), enable_rtvi=False)
        attach(worker, recorder=Recorder(sink=sink), sid="one")
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        await asyncio.sleep(0.2)
        await worker.cancel(reason="the line was dropped")
        await running

    asyncio.run(live())
    (end,) = data(sink, "session.end")
    assert end["reason"] == "the line was dropped"


def test_pipecat_ends_the_task_of_an_observer_that_raises_once() -> None:
    """Why ours may not raise; when this fails, Pipecat has become kinder."""
    seen: list[Frame] = []

    class Raising(BaseObserver):  # type: ignore[misc] # Pipecat is not there where types are checked
        async def on_push_frame(self, data: FramePushed) -> None:
            seen.append(data.frame)
            raise RuntimeError("once")

    async def live() -> None:
        worker = PipelineWorker(Pipeline([IdentityFilter()]), observers=[Raising()], enable_rtvi=False)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await worker.queue_frames([LLMContextUserTurnFrame(text="", timestamp=""), EndFrame()])
        await runner.run()

    asyncio.run(live())
    assert len(seen) == 1

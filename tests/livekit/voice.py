"""The one call on LiveKit Agents, spoken: model, voice activity, recognizer, voice and loudspeaker are fakes.

    python tests/livekit/voice.py --report FILE

The session, its turns, the interruption and every figure are LiveKit's own. Reads HANSARD_URL and HANSARD_API_KEY.
"""

import argparse
import asyncio
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession, APIConnectOptions, JobContext, stt, tts, vad
from livekit.agents.evals import EvaluationResult, JudgmentResult
from livekit.agents.language import LanguageCode
from livekit.agents.testing import fake_job_context
from livekit.agents.utils import http_context
from livekit.agents.voice import io

from examples.livekit_text.agent import FrontDesk
from hansard import Recorder
from tests.livekit.desk import recorded
from tests.one_call import USER_SAYS

HEARD_HZ, SPOKEN_HZ = 16_000, 24_000
FRAME_S = 0.02
JUDGES = ("brief", "clear", "kind", "polite", "right")
UPLOADED: Any = True
CONFIDENCE = 0.93


def is_loud(frame: rtc.AudioFrame) -> bool:
    return any(abs(sample) > 1000 for sample in frame.data)


class Microphone(io.AudioInput):
    """Silence in real time, and a loud tone while somebody speaks."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self.is_loud = False

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.sleep(FRAME_S)
        count = int(HEARD_HZ * FRAME_S)
        sample = (8000 if self.is_loud else 0).to_bytes(2, "little")
        return rtc.AudioFrame(sample * count, HEARD_HZ, 1, count)

    async def speak(self, duration_s: float) -> None:
        self.is_loud = True
        await asyncio.sleep(duration_s)
        self.is_loud = False


class Loudspeaker(io.AudioOutput):
    """Plays in real time and says how far it came."""

    def __init__(self) -> None:
        capabilities = io.AudioOutputCapabilities(pause=False)
        super().__init__(label="loudspeaker", capabilities=capabilities, sample_rate=SPOKEN_HZ)
        self._pushed_s = self._began_at = 0.0
        self._end: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._pushed_s:
            self._began_at = time.time()
            self.on_playback_started(created_at=self._began_at)
        self._pushed_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._pushed_s:
            left_s = max(0.0, self._pushed_s - (time.time() - self._began_at))
            self._end = asyncio.get_running_loop().call_later(left_s, self._finish, False)

    def clear_buffer(self) -> None:
        if self._end:
            self._end.cancel()
        if self._pushed_s:
            self._finish(True)

    def _finish(self, is_interrupted: bool) -> None:
        played_s = min(self._pushed_s, time.time() - self._began_at)
        self._pushed_s, self._end = 0.0, None
        self.on_playback_finished(playback_position=played_s, interrupted=is_interrupted)


class Loudness(vad.VAD):
    """Voice activity by loudness alone."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=FRAME_S))

    def stream(self) -> vad.VADStream:
        return LoudnessStream(self)


class LoudnessStream(vad.VADStream):
    async def _main_task(self) -> None:
        is_speaking, loud_s, silent_s, count = False, 0.0, 0.0, 0
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                continue
            loud = is_loud(frame)
            count += frame.samples_per_channel
            loud_s, silent_s = (loud_s + frame.duration, 0.0) if loud else (loud_s, silent_s + frame.duration)
            types = [vad.VADEventType.INFERENCE_DONE]
            if loud and not is_speaking:
                is_speaking = True
                types.insert(0, vad.VADEventType.START_OF_SPEECH)
            elif is_speaking and silent_s > 0.3:
                is_speaking = False
                types.append(vad.VADEventType.END_OF_SPEECH)
            for one in types:
                self._event_ch.send_nowait(
                    vad.VADEvent(
                        type=one,
                        samples_index=count,
                        timestamp=time.time(),
                        speech_duration=loud_s,
                        silence_duration=silent_s,
                        frames=[frame],
                        probability=float(loud),
                        speaking=is_speaking,
                        raw_accumulated_silence=silent_s,
                        raw_accumulated_speech=loud_s,
                    )
                )
            loud_s = loud_s if is_speaking else 0.0


class Ear(stt.STT[Any]):
    """Recognizes what the user says next whenever it hears a tone end."""

    model = property(lambda self: "ear-1")
    provider = property(lambda self: "example")

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))
        self.lines = iter(USER_SAYS)

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, *, language: Any = None, conn_options: Any = None) -> stt.RecognizeStream:
        return EarStream(stt=self, conn_options=conn_options or APIConnectOptions(), sample_rate=HEARD_HZ)


class EarStream(stt.RecognizeStream):
    async def _run(self) -> None:
        loud_s = silent_s = 0.0
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                continue
            loud_s, silent_s = (loud_s + frame.duration, 0.0) if is_loud(frame) else (loud_s, silent_s + frame.duration)
            if loud_s and silent_s > 0.1:
                self._tell(loud_s)
                loud_s = 0.0

    def _tell(self, heard_s: float) -> None:
        assert isinstance(self._stt, Ear)
        text = next(self._stt.lines)
        heard = stt.SpeechData(language=LanguageCode("en-US"), text=text, confidence=CONFIDENCE)
        self._event_ch.send_nowait(stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[heard]))
        usage = stt.RecognitionUsage(audio_duration=heard_s)
        self._event_ch.send_nowait(stt.SpeechEvent(type=stt.SpeechEventType.RECOGNITION_USAGE, recognition_usage=usage))


class Voice(tts.TTS[Any]):
    """A second of hum for every sentence."""

    model = property(lambda self: "voice-1")
    provider = property(lambda self: "example")

    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=SPOKEN_HZ, num_channels=1)

    def synthesize(self, text: str, *, conn_options: Any = None) -> tts.ChunkedStream:
        return Hum(tts=self, input_text=text, conn_options=conn_options or APIConnectOptions())


class Hum(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        await asyncio.sleep(0.03)
        output_emitter.initialize(request_id="hum", sample_rate=SPOKEN_HZ, num_channels=1, mime_type="audio/pcm")
        output_emitter.push(b"\1\0" * SPOKEN_HZ)
        output_emitter.flush()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(FRAME_S)


async def hold(session: "AgentSession[Any]", microphone: Microphone) -> None:
    """Hold the conversation, each turn begun by what is heard."""

    def said(role: str, count: int) -> bool:
        have = [one for one in session.history.messages() if one.role == role]
        return len(have) == count and session.agent_state == "listening"

    await until(lambda: said("assistant", 1))
    await microphone.speak(0.6)
    await until(lambda: session.agent_state == "speaking")
    await asyncio.sleep(0.2)
    await microphone.speak(0.8)  # into the answer
    await until(lambda: said("assistant", 3))
    await microphone.speak(0.6)  # what the model fails on
    await until(lambda: said("user", 3))
    await microphone.speak(0.6)
    await until(lambda: said("assistant", 4))


async def talk(recorder: Recorder, report: Path, *, is_uploaded: bool) -> None:
    with fake_job_context(job_id="AJ_call") as job:
        turns: Any = {"turn_detection": "vad", "endpointing": {"min_delay": 0.4}}
        parts = {"stt": Ear(), "tts": Voice(), "vad": Loudness(), "turn_handling": turns}
        async with recorded(job, recorder, report, **parts) as session:
            microphone = Microphone()
            session.input.audio, session.output.audio = microphone, Loudspeaker()
            await session.start(FrontDesk(), record=UPLOADED if is_uploaded else False)
            await hold(session, microphone)
        if is_uploaded:
            shutil.copy(json.loads(report.read_text())["audio_recording_path"], report.with_suffix(".ogg"))
            await upload(job)


async def upload(job: JobContext) -> None:
    """What a job does when its session is over and the agent has judged it: it uploads, then cleans up."""
    job.tagger.add("appointment:booked", metadata={"slot": "9:15"})
    judged = {name: JudgmentResult(verdict="pass", reasoning="It was.") for name in JUDGES}
    job.tagger._evaluation(EvaluationResult(judgments=judged))
    job.tagger.fail(reason="nothing was cancelled")
    async with http_context.open():
        await job._on_session_end()
        await job._on_cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold the one call by speaking and record it.")
    parser.add_argument("--report", type=Path, required=True, help="write LiveKit's own report to this file")
    parser.add_argument("--upload", action="store_true", help="let LiveKit upload it to LIVEKIT_OBSERVABILITY_URL too")
    given = parser.parse_args()
    recorder = Recorder()
    asyncio.run(talk(recorder, given.report, is_uploaded=given.upload))
    recorder.close()
    print(recorder.stats())


if __name__ == "__main__":
    main()

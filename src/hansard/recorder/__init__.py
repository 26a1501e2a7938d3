"""The recorder: runs inside other people's agents, never raises into them, never blocks them."""

from hansard.recorder.outbox import MemorySink as MemorySink
from hansard.recorder.outbox import Stats as Stats
from hansard.recorder.session import Recorder as Recorder
from hansard.recorder.session import SessionRecorder as SessionRecorder

__all__ = ["MemorySink", "Recorder", "SessionRecorder", "Stats"]

"""The published SDKs, each in an environment of its own made by `make test`, driven from here."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.door import Door

ROOT = Path(__file__).parents[2]
NEWEST, MIDDLE, OLDEST = "0.49.87", "0.20.1", "0.1.1"
VERSIONS = (NEWEST, MIDDLE, OLDEST)

# What the operations are called in a release; absent where that release has no such call.
_RENAMED = {
    OLDEST: {
        "sessions.transcript.get_by_id": "sessions.transcript.get",
        "sessions.full_summary.get_by_id": "sessions.get_full_summary",
        "sessions.generate_session_recording_urls": "sessions.recording.generate_urls",
        "sessions.session_recording_stream": "sessions.stream_recording",
        "session_labels.get_by_id": "session_labels.get",
    },
    MIDDLE: {},
    NEWEST: {},
}
_ABSENT = {
    OLDEST: {
        "sessions.latency.get_by_id",
        "sessions.timeline.get_by_id",
        "session_debug.get_session_data_by_sid",
        "session_debug.get_session_data_by_session_id",
        "session_debug.get_session_tool_call_result_by_id",
    },
    MIDDLE: {"sessions.timeline.get_by_id"},
    NEWEST: set(),
}


class SdkError(Exception):
    """What an SDK raised: the name of its own error type, the status and the parsed detail."""

    def __init__(self, raised: dict[str, Any]) -> None:
        super().__init__(f"{raised['error']}: {raised['text']}")
        self.kind = raised["error"]
        self.status = raised["status"]
        self.detail = raised["data"]
        self.text = raised["text"]


@dataclass(frozen=True)
class Sdk:
    """One release, talking to one server."""

    version: str
    process: "subprocess.Popen[str]"

    def has(self, operation: str) -> bool:
        return operation not in _ABSENT[self.version]

    def call(self, door: Door, operation: str, **arguments: Any) -> Any:
        """Call an operation with a door's key; what the SDK raises comes as SdkError."""
        name = _RENAMED[self.version].get(operation, operation)
        asked = {"key": door.key, "url": door.url, "operation": name, "arguments": arguments}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise SdkError(answer)
        return answer["result"]


@contextmanager
def running(version: str) -> Iterator[Sdk]:
    python = ROOT / ".envs" / f"syllable-{version}" / "bin" / "python"
    assert python.exists(), f"There is no environment for syllable-sdk {version}; `make test` makes it."
    process = subprocess.Popen(
        [python, Path(__file__).with_name("caller.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Sdk(version, process)
    finally:
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()

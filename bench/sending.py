"""A process of its own that records whole sessions over HTTP, as fast as the server takes them.

    python -m bench.sending PORT KEY SEED SESSIONS_A_REQUEST SESSIONS

It makes its requests, says `ready`, and waits for lines on its standard input: `REQUESTS SECONDS`. For each it sends
so many requests, or as many as it can in that time, over four connections, and answers with a line of JSON.
Every request carries new sessions: the prepared ones, each time under other ids of the carrier.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

from pydantic_core import to_json

from bench.client import Answer, Connection, post
from bench.data import EVENTS, recorded
from bench.serving import ROOT, environment
from hansard.wire import MAX_EVENTS, PATH

MOST_PER_REQUEST = MAX_EVENTS // EVENTS
POOL = 280
CONNECTIONS = 4


@dataclass(frozen=True)
class Sent:
    """What became of one round; the instants are of the clock that all processes share."""

    began_s: float
    ended_s: float
    answers_ms: list[float]
    session_ids: list[int]

    @property
    def sessions_per_s(self) -> float:
        return len(self.session_ids) / (self.ended_s - self.began_s)


class Sender:
    """The process, seen from outside."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, requests: int, seconds: float) -> None:
        """Let it begin; `finish` gives what became of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{requests} {seconds}\n")
        self._process.stdin.flush()

    def finish(self) -> Sent:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("{"):
            raise RuntimeError(f"The sender ended: {line}{self._process.stdout.read()}")
        return Sent(**json.loads(line))

    def send(self, requests: int, seconds: float = 60.0) -> Sent:
        self.start(requests, seconds)
        return self.finish()


@contextmanager
def sending(port: int, key: str, seed: int, per_request: int, pool: int = POOL) -> Iterator[Sender]:
    """A sender whose requests are ready, until the block ends; `pool` is how many different talks it has."""
    command = [sys.executable, "-m", "bench.sending", str(port), key, str(seed), str(per_request), str(pool)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("The sender did not come up.")
            yield Sender(process)
        finally:
            process.terminate()


def _prepared(key: str, seed: int, per_request: int, pool: int) -> tuple[bytes, list[bytes]]:
    """Requests, and the mark in them that another number takes the place of."""
    sessions = list(recorded(seed, max(per_request, pool - pool % per_request)))
    requests = []
    for first in range(0, len(sessions), per_request):
        events = [event for one in sessions[first : first + per_request] for event in one.events()]
        requests.append(post(PATH, to_json({"events": events}), key))
    return f"CA{seed:08x}".encode(), requests


@dataclass(frozen=True)
class Round:
    """What was answered, and when."""

    began_s: float
    ended_s: float
    answers: list[Answer]
    answers_ms: list[float]


def send_all(connections: Sequence[Connection], due: Iterator[bytes], most: int, seconds: float) -> Round:
    """Send what is due over all connections at once, each waiting for its answer before it sends the next.

    The first error of any connection is raised once all have stopped.
    """
    lock, deadline = threading.Lock(), time.monotonic() + seconds
    done = Round(time.monotonic(), 0.0, [], [])
    left = [most]

    def next_due() -> bytes | None:
        with lock:
            if not left[0] or time.monotonic() > deadline:
                return None
            left[0] -= 1
            return next(due)

    def work(connection: Connection) -> None:
        while request := next_due():
            began = time.perf_counter()
            done.answers.append(connection.expect(request))
            done.answers_ms.append((time.perf_counter() - began) * 1000)

    with ThreadPoolExecutor(len(connections)) as threads:
        for one in [threads.submit(work, connection) for connection in connections]:
            one.result()
    return replace(done, ended_s=time.monotonic())


def _sent(done: Round) -> Sent:
    ids = [number for one in done.answers for number in _ids(one)]
    return Sent(done.began_s, done.ended_s, done.answers_ms, ids)


def _ids(answer: Answer) -> list[int]:
    """The sessions of a receipt; every event of theirs must have been new and good."""
    receipt = answer.json
    if receipt["accepted"] != EVENTS * len(receipt["sessions"]):
        raise RuntimeError(f"Not all was accepted: {answer.body[:500]!r}")
    return [int(one["session_id"]) for one in receipt["sessions"]]


def main() -> None:
    port, key, seed, per_request, pool = sys.argv[1:]
    mark, requests = _prepared(key, int(seed), int(per_request), int(pool))
    due = (one.replace(mark, f"CA{seed}{turn:07x}".encode()) for turn in count() for one in requests)
    connections = [Connection(int(port)) for _ in range(CONNECTIONS)]
    print("ready", flush=True)
    for line in sys.stdin:
        most, seconds = line.split()
        print(json.dumps(vars(_sent(send_all(connections, due, int(most), float(seconds))))), flush=True)


if __name__ == "__main__":
    main()

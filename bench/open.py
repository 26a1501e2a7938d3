"""A whole session over HTTP, beside a bare framework endpoint that holds the same bytes."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.client import Connection, get
from bench.data import EVENTS
from bench.figures import Bar, Figure, Pairs, timed_ms, until
from bench.fill import Filled
from bench.serving import Served, folder, free_port, running

DRAWS = 300
SECONDS = 15.0
PATHS = {
    "record: all 67 events": "/hansard/v1/sessions/{}/record",
    "transcript": "/api/v1/sessions/transcript/{}",
    "latency": "/api/v1/sessions/latency/{}",
}


def measure(filled: Filled, served: Served, draws: int = DRAWS) -> Iterator[Figure]:
    """A figure for each way to open one; the bar is on the whole record."""
    for place, (name, path) in enumerate(PATHS.items()):
        bars = [Bar("ratio", 2)] if place == 0 else []
        yield _take(path, filled, served, draws).figure("open", name, "ms", *bars)


def _take(path: str, filled: Filled, served: Served, draws: int) -> Pairs:
    dice, pairs, client = random.Random(5), Pairs(), served.connect()
    asked = {number: get(path.format(number), filled.key) for number in filled.whole_ids}
    with _bare(asked, client) as bare:
        for place in until(SECONDS, draws + 5):
            number = dice.choice(filled.whole_ids)
            control_ms, same = timed_ms(lambda number=number: bare.expect(get(f"/{number}")))  # type: ignore[misc]
            took_ms, answer = timed_ms(lambda number=number: client.expect(asked[number]))  # type: ignore[misc]
            if answer.body != same.body:
                raise RuntimeError(f"{path.format(number)} gave other bytes than before")
            if place >= 5:
                pairs.add(control_ms, took_ms)
    return pairs


@contextmanager
def _bare(asked: dict[int, bytes], client: Connection) -> Iterator[Connection]:
    """The bare server, holding what the real one answered."""
    with folder() as held:
        for number, request in asked.items():
            answer = client.expect(request)
            if b"/record " in request and len(answer.json["events"]) != EVENTS:
                raise RuntimeError(f"session {number} is not whole")
            (held / str(number)).write_bytes(answer.body)
        port = free_port()
        command = [sys.executable, "-m", "bench.bare", str(port), str(held)]
        with running(command, port, "/healthz", Path(held) / "server.log") as served:
            yield served.connect()

"""A whole session over HTTP, beside a bare framework endpoint that holds the same bytes."""

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

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
    client = served.connect()
    asked = {
        (place, number): get(path.format(number), filled.key)
        for place, path in enumerate(PATHS.values())
        for number in filled.whole_ids
    }
    with _bare(asked, client) as bare:
        for place, name in enumerate(PATHS):
            bars = [Bar("ratio", 2)] if place == 0 else []
            some = {number: request for (which, number), request in asked.items() if which == place}
            yield _take(place, some, client, bare, draws).figure("open", name, "ms", *bars)


def _take(place: int, asked: Mapping[int, bytes], client: Connection, bare: Connection, draws: int) -> Pairs:
    dice, pairs, numbers = random.Random(5), Pairs(), list(asked)
    for turn in until(SECONDS, draws + 5):
        number = dice.choice(numbers)
        same = get(f"/{_name(place, number)}")
        control_ms, held = timed_ms(lambda same=same: bare.expect(same))  # type: ignore[misc]
        took_ms, answer = timed_ms(lambda number=number: client.expect(asked[number]))  # type: ignore[misc]
        if answer.body != held.body:
            raise RuntimeError(f"{asked[number]!r} gave other bytes than before")
        if turn >= 5:  # the first fill the caches
            pairs.add(control_ms, took_ms)
    return pairs


def _name(place: int, number: int) -> int:
    return place * 10**12 + number


@contextmanager
def _bare(asked: Mapping[tuple[int, int], bytes], client: Connection) -> Iterator[Connection]:
    """The bare server, holding what the real one answered."""
    with folder() as held:
        for (place, number), request in asked.items():
            answer = client.expect(request)
            if place == 0 and len(answer.json["events"]) != EVENTS:
                raise RuntimeError(f"session {number} is not whole")
            (held / str(_name(place, number))).write_bytes(answer.body)
        port = free_port()
        command = [sys.executable, "-m", "bench.bare", str(port), str(held)]
        with running(command, port, "/healthz", held / "server.log") as served:
            yield served.connect()

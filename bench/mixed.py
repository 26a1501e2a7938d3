"""A reader while others record at full speed: its latency, the server's memory and the size of the write-ahead log."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.client import Connection, get
from bench.figures import Bar, Figure, Pairs, Spread, spread, timed_ms
from bench.fill import Filled
from bench.sending import MOST_PER_REQUEST, POOL, Sender, Sent, sending
from bench.serving import Served

ROUNDS = 3
SECONDS = 8.0
MOST_MEMORY_MB = 400
MOST_LOG_MB = 64  # what the server itself sets as its limit
REST_S = 0.01  # between two requests of the reader, who is a person and not a flood


@dataclass
class Watch:
    """Looks at the server's memory and its log ten times a second."""

    served: Served
    log: Path | None
    memory_mb: list[float] = field(default_factory=list)
    log_mb: list[float] = field(default_factory=list)

    def run_until(self, stop: threading.Event) -> None:
        is_over = False
        while not is_over:
            self.memory_mb.append(self.served.memory_mb())
            if self.log and self.log.exists():
                self.log_mb.append(self.log.stat().st_size / 1e6)
            is_over = stop.wait(0.1)


@contextmanager
def watching(filled: Filled, served: Served) -> Iterator[Watch]:
    """A watch that looks until the block ends."""
    log = None if filled.settings.database_url else Path(f"{filled.sqlite_file}-wal")
    watch, stop = Watch(served, log), threading.Event()
    watcher = threading.Thread(target=watch.run_until, args=(stop,))
    watcher.start()
    try:
        yield watch
    finally:
        stop.set()
        watcher.join()


def measure(
    filled: Filled, served: Served, rounds: int = ROUNDS, seconds: float = SECONDS, sessions: int = POOL
) -> Iterator[Figure]:
    """Read alone, read under ingest, ingest alone, in turns."""
    with (
        watching(filled, served) as watch,
        sending(served.port, filled.key, 4, MOST_PER_REQUEST, sessions) as sender,
    ):
        yield from _figures(filled, served, sender, rounds, seconds)
    yield Figure(
        "memory", "through the ingest, most", "MB", _most(watch.memory_mb), bars=[Bar("value", MOST_MEMORY_MB)]
    )
    if watch.log_mb:
        yield Figure("WAL", "through the ingest, most", "MB", _most(watch.log_mb), bars=[Bar("value", MOST_LOG_MB)])


def _figures(filled: Filled, served: Served, sender: Sender, rounds: int, seconds: float) -> Iterator[Figure]:
    idle: list[list[float]] = []
    busy: list[list[float]] = []
    rates = Pairs()
    client = served.connect()
    for turn in range(rounds):
        idle.append(_read(filled, client, turn, seconds / 2))
        sender.start(10**9, seconds)
        busy.append(_read(filled, client, turn, seconds))
        with_reader = sender.finish()
        alone: Sent = sender.send(10**9, seconds / 2)
        rates.add(alone.sessions_per_s, with_reader.sessions_per_s)
    yield _reading(idle, busy)
    yield rates.figure("mixed", "ingest with a reader, beside without", "sessions/s")


def _reading(idle: Sequence[Sequence[float]], busy: Sequence[Sequence[float]]) -> Figure:
    """The bar is on p95: the ratio of the rounds' p95, not of their medians."""
    ratios = [spread(b).p95 / spread(a).p95 for a, b in zip(idle, busy, strict=True)]
    measured = spread([ms for one in busy for ms in one])
    control = spread([ms for one in idle for ms in one])
    bars = [Bar("ratio", 3)]
    what = "list + total of an agent, under ingest; ratio of p95 to idle"
    return Figure("mixed", what, "ms", measured, control, spread(ratios), bars)


def _read(filled: Filled, client: Connection, seed: int, seconds: float) -> list[float]:
    """A reader who asks for the newest of one agent after another, with their total."""
    dice, took_ms = random.Random(seed), []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        agent = dice.choice(filled.talks).seen.agent_name
        request = get("/hansard/v1/sessions", filled.key, q=f'agent:"{agent}"', limit=25)
        took_ms.append(timed_ms(lambda request=request: client.expect(request))[0])  # type: ignore[misc]
        time.sleep(REST_S)
    return took_ms


def _most(seen: Sequence[float]) -> Spread:
    most = max(seen, default=0.0)
    return Spread(most, most, min(seen, default=0.0), most, len(seen))

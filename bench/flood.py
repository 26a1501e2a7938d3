"""`python -m bench.flood`: very many whole sessions over HTTP, one after another, and what that does to the server.

python -m bench.flood 1M                         a million on SQLite; some 4 GB, and an hour on two slow cores
python -m bench.flood 100k --on postgres

A line for each tenth: its rate, the most memory, the most of the write-ahead log, how far the search index was behind.
Memory is flat where the last tenth needs no more than the second. It counts only if the list has them all afterwards,
and a thousand of them, drawn from all, come back whole.
"""

import argparse
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench import table
from bench.__main__ import scale_of
from bench.client import get
from bench.figures import Bar, Figure, only
from bench.fill import Filled, fill
from bench.mixed import MOST_LOG_MB, MOST_MEMORY_MB, watching
from bench.record import read_back
from bench.sending import MOST_PER_REQUEST, Sender, sending
from bench.serving import Served, folder, postgres, serving
from bench.settling import settle
from hansard.kit.settings import Settings

FILLED = 1000  # sessions that are there before
PARTS = 10
READ_BACK = 1000
MOST_GROWTH = 1.1
SECONDS = 7200.0  # for a tenth, at most


@dataclass(frozen=True)
class Part:
    """A tenth of the flood."""

    sessions: int
    seconds: float
    memory_mb: float
    log_mb: float
    settled_s: float


def flood(filled: Filled, served: Served, sender: Sender, sessions: int) -> Iterator[tuple[Part, list[int]]]:
    """Send a tenth after another; give of each what it took and the ids of its sessions."""
    requests = max(1, sessions // PARTS // MOST_PER_REQUEST)
    for _ in range(PARTS):
        with watching(filled, served) as watch:
            sent = sender.send(requests, SECONDS)
        took_s = sent.ended_s - sent.began_s
        count = len(sent.session_ids)
        yield (
            Part(count, took_s, max(watch.memory_mb), max(watch.log_mb, default=0.0), settle(filled)),
            sent.session_ids,
        )


def figures(parts: Sequence[Part]) -> list[Figure]:
    """The table: what each tenth took, and the bars on all of them."""
    made = []
    for number, one in enumerate(parts, start=1):
        what = (
            f"tenth {number}: {one.memory_mb:.0f} MB, log {one.log_mb:.0f} MB, index done {one.settled_s:.1f} s later"
        )
        made.append(Figure("flood", what, "sessions/s", only(one.sessions / one.seconds)))
    most = max(one.memory_mb for one in parts)
    growth = parts[-1].memory_mb / parts[1].memory_mb
    made.append(Figure("memory", "most", "MB", only(most), bars=[Bar("value", MOST_MEMORY_MB)]))
    made.append(Figure("memory", "last tenth beside second", "x", only(growth), bars=[Bar("value", MOST_GROWTH)]))
    log = max(one.log_mb for one in parts)
    return [*made, Figure("WAL", "most", "MB", only(log), bars=[Bar("value", MOST_LOG_MB)])] if log else made


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that it ends the servers it started
    asked = argparse.ArgumentParser(prog="python -m bench.flood", description=__doc__.partition("\n")[0])
    asked.add_argument("sessions", type=scale_of, help="10k, 1M or any number")
    asked.add_argument("--on", choices=("sqlite", "postgres"), default="sqlite")
    given = asked.parse_args()
    parts, ids = list[Part](), list[int]()
    with ExitStack() as stack:
        url = stack.enter_context(postgres()).fresh() if given.on == "postgres" else None
        filled = fill(Settings(data=stack.enter_context(folder()) / "data", database_url=url), FILLED)
        served = stack.enter_context(serving(filled.settings))
        sender = stack.enter_context(sending(served.port, filled.key, 9, MOST_PER_REQUEST))
        client = served.connect()
        listing = get("/hansard/v1/sessions", filled.key, limit=1)
        before = int(client.expect(listing).json["total_count"])
        for part, more in flood(filled, served, sender, given.sessions):
            parts.append(part)
            ids += more
            print(f"{time.strftime('%H:%M:%S')} {len(ids):,} sessions, {part}", file=sys.stderr, flush=True)
        total = int(client.expect(listing).json["total_count"]) - before
        if total != len(ids):
            raise SystemExit(f"The list shows {total} sessions, not {len(ids)}.")
        whole = read_back(filled, client, random.Random(1).sample(ids, min(READ_BACK, len(ids))))
    print("\n".join(table.lines(figures(parts))))
    print(f"\n{given.on}: {len(ids):,} sessions recorded, all in the list; {whole} drawn from them came back whole.")


if __name__ == "__main__":
    main()

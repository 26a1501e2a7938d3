"""`python -m bench.peers`: the same sessions into Hansard, Arize Phoenix and MLflow, one after another.

python -m bench.peers [--sessions 600] [--only phoenix,mlflow]
"""

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.data import Recorded, recorded
from bench.figures import Spread, spread
from bench.peers.hansard import Hansard
from bench.peers.mlflow import MLflow
from bench.peers.peer import Form, Peer, Taken, opened_ms, size_bytes, take
from bench.peers.phoenix import Phoenix
from bench.serving import folder
from bench.table import short

PEERS: dict[str, Callable[[], Peer]] = {"hansard": Hansard, "phoenix": Phoenix, "mlflow": MLflow}
WARMING = Form(4, 1)
OPENED = 50
AT_LEAST = 20.0
COLUMNS = (
    "",
    "sessions a request",
    "connections",
    "acknowledged/s",
    "visible/s",
    "read back whole",
    "Hansard's is",
    "bytes a session",
    "open p50 / p95 ms",
)


@dataclass(frozen=True)
class Measured:
    """What became of one program."""

    peer: Peer
    taken: Sequence[Taken]  # one for each form
    size_bytes: float
    opened_ms: Spread

    @property
    def best(self) -> Taken:
        return max(self.taken, key=lambda one: one.visible_per_s)


def measured(peer: Peer, sessions: Sequence[Recorded]) -> Measured:
    """Every form of sending into one server, as many sessions each."""
    with folder() as place:
        with peer.serve(place) as served:
            warm, rest = sessions[:8], sessions[8:]
            take(peer, served, warm, WARMING, 0)
            taken, before, each = [], len(warm), len(rest) // len(peer.forms)
            for number, form in enumerate(peer.forms):
                some = rest[number * each : (number + 1) * each]
                taken.append(take(peer, served, some, form, before))
                before += len(some)
            opened = spread(list(opened_ms(peer, served, rest[:OPENED])))
        return Measured(peer, taken, size_bytes(place) / before, opened)


def rows(one: Measured, ours: Taken) -> list[str]:
    """A line for each form, beside our best."""
    made = []
    for taken in one.taken:
        cells = [
            f"{one.peer.name} {one.peer.version()}",
            str(taken.form.per_request),
            str(taken.form.connections),
            short(taken.acknowledged_per_s),
            short(taken.visible_per_s),
            f"{taken.whole} of {taken.sent}",
            f"{short(ours.visible_per_s / taken.visible_per_s)}x",
            f"{one.size_bytes:,.0f}",
            f"{short(one.opened_ms.p50)} / {short(one.opened_ms.p95)}",
        ]
        made.append("| " + " | ".join(cells) + " |")
    return made


def verdict(one: Measured, ours: Taken) -> str:
    """The bar: our best visible rate, of the slower of our two turns, beside their best; all read back whole."""
    if any(taken.whole != taken.sent for taken in (*one.taken, ours)):
        return f"{one.peer.name}: not everything came back whole, so no rate counts."
    ratio = ours.visible_per_s / one.best.visible_per_s
    said = "holds" if ratio >= AT_LEAST else "**FAILS**"
    return f"Hansard's best visible rate beside {one.peer.name}'s best: {short(ratio)}x; ≥ {AT_LEAST:g}x {said}."


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that it ends the servers it started
    asked = argparse.ArgumentParser(prog="python -m bench.peers")
    asked.add_argument("--sessions", type=int, default=600)
    asked.add_argument("--only", default="phoenix,mlflow")
    given = asked.parse_args()
    sessions = list(recorded(1, given.sessions + 8))
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.platform()}\n")
    turns = [_turn("hansard", sessions), *(_turn(name, sessions) for name in given.only.split(","))]
    turns.append(_turn("hansard", sessions))  # again, for the machine may have changed meanwhile
    ours = min(turns[0].best, turns[-1].best, key=lambda one: one.visible_per_s)
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    print("\n".join(line for one in turns for line in rows(one, ours)))
    print()
    print("\n".join(f"{one.peer.name}: {one.peer.durability}." for one in turns[:-1]))
    print("\n".join(verdict(one, ours) for one in turns[1:-1]))


def _turn(name: str, sessions: Sequence[Recorded]) -> Measured:
    print(f"{name} …", file=sys.stderr, flush=True)
    return measured(PEERS[name](), sessions)


if __name__ == "__main__":
    main()

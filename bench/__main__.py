"""`python -m bench`: one table of what Hansard costs, each figure beside a control of the same run.

python -m bench                                  10,000 and 100,000 sessions, SQLite and PostgreSQL
python -m bench --scale 1M                       a million; BENCH_SCALE=1M make bench
python -m bench --only lists,open --on sqlite
"""

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import lists, mixed, record, search, size, table
from bench import open as opening
from bench.controls import Keeper
from bench.figures import Figure
from bench.fill import Filled, fill
from bench.serving import Postgres, Served, copied, folder, postgres, serving, versions
from bench.settling import settle
from hansard.kit.settings import Settings

PARTS = ("lists", "open", "search", "record", "mixed", "growth", "size")
DIALECTS = ("sqlite", "postgres")


@dataclass(frozen=True)
class Effort:
    """How often things are done: little for a test that only asks whether all of it works."""

    draws: int
    rounds: int
    sessions: int
    seconds: float


FULL = Effort(draws=60, rounds=5, sessions=280, seconds=8.0)
LITTLE = Effort(draws=3, rounds=2, sessions=28, seconds=0.6)


@dataclass(frozen=True)
class Ground:
    """Where a run takes place."""

    place: Path
    dialect: str
    count: int
    server: Postgres | None
    smaller: Filled | None  # of the scale before this one


def run(ground: Ground, parts: Sequence[str], effort: Effort) -> tuple[Filled, list[Figure]]:
    """Every part at one scale on one database."""
    url = ground.server.fresh() if ground.server else None
    began = time.monotonic()
    filled = fill(Settings(data=ground.place / "data", database_url=url), ground.count)
    say(f"{ground.dialect}: {ground.count:,} sessions written in {time.monotonic() - began:.0f} s")
    keeper = Keeper(copied(filled.settings, ground.place / "control", ground.server), filled.organization_id)
    if not parts:
        keeper.close()
        return filled, []
    with serving(filled.settings):
        say(f"{ground.dialect}: indexed in {settle(filled):.0f} s")
    before = size.size_of(filled)
    with serving(filled.settings) as served:
        figures = list(_served(filled, served, keeper, parts, effort))
        if "growth" in parts and ground.smaller:
            figures += _growth(filled, served, ground.smaller, effort)
        settle(filled)
    keeper.close()
    if "size" in parts and {"record", "mixed"} & set(parts):
        figures += size.figures(before, size.size_of(filled))
    return filled, figures


def _growth(filled: Filled, served: Served, smaller: Filled, effort: Effort) -> list[Figure]:
    with serving(smaller.settings) as other:
        for one in (filled, smaller):
            settle(one)
        return list(lists.growth(filled, served, smaller, other, effort.draws))


def _served(filled: Filled, served: Served, keeper: Keeper, parts: Sequence[str], effort: Effort) -> Iterator[Figure]:
    made = {
        "lists": lambda: lists.measure(filled, served, effort.draws),
        "open": lambda: opening.measure(filled, served, effort.draws * 5),
        "search": lambda: search.measure(filled, served, effort.draws),
        "record": lambda: record.measure(filled, served, keeper, effort.rounds, effort.sessions),
        "mixed": lambda: mixed.measure(filled, served, effort.rounds, effort.seconds, effort.sessions),
    }
    for name in made:
        if name in parts:
            settle(filled)
            yield from made[name]()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def scale_of(text: str) -> int:
    """`10k`, `1M` or a number."""
    unit = {"k": 1000, "M": 1_000_000}.get(text[-1:], 1)
    return int(text.rstrip("kM")) * unit


def arguments() -> argparse.Namespace:
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    asked.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    asked.add_argument("--on", default=",".join(DIALECTS), help="sqlite, postgres or both")
    asked.add_argument("--scale", default=os.environ.get("BENCH_SCALE", "10k,100k"), help="10k,100k,1M or any number")
    asked.add_argument(
        "--little", action="store_true", help="a few takes of each: whether it works, not how fast it is"
    )
    asked.add_argument("--json", type=Path, help="a file for every figure as it was measured")
    return asked.parse_args()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that it ends the servers it started
    given = arguments()
    parts, effort = given.only.split(","), LITTLE if given.little else FULL
    if unknown := set(parts) - set(PARTS):
        raise SystemExit(f"There is no part {', '.join(unknown)}; there are {', '.join(PARTS)}.")
    kept = []
    with ExitStack() as stack:
        server = stack.enter_context(postgres()) if "postgres" in given.on else None
        print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.platform()}")
        print(", ".join(f"{name} {one}" for name, one in versions(server).items()))
        for dialect in given.on.split(","):
            smaller: Filled | None = None
            scales = sorted(map(scale_of, given.scale.split(",")))
            for scale in scales:
                place = stack.enter_context(folder())
                ground = Ground(place, dialect, scale, server if dialect == "postgres" else None, smaller)
                is_all = scale == scales[-1] or not given.little  # else it is only there for the growth
                smaller, figures = run(ground, parts if is_all else [], effort)
                print(f"\n## {dialect}, {scale:,} sessions\n\n" + "\n".join(table.lines(figures)), flush=True)
                kept += [{"dialect": dialect, "scale": scale, **asdict(one)} for one in figures]
    if given.json:
        given.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()

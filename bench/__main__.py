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
from bench.figures import Bar, Figure, Spread
from bench.fill import Filled, fill
from bench.serving import Postgres, Served, copied, folder, postgres, serving, versions
from hansard.kit.settings import Settings

PARTS = ("lists", "open", "search", "record", "mixed", "size")
DIALECTS = ("sqlite", "postgres")
SETTLED_WITHIN_S = 600.0


@dataclass(frozen=True)
class Effort:
    """How often things are done: little for a test that only asks whether all of it works."""

    draws: int
    rounds: int
    sessions: int
    seconds: float


FULL = Effort(draws=60, rounds=5, sessions=280, seconds=8.0)
LITTLE = Effort(draws=3, rounds=2, sessions=28, seconds=0.6)


def run(dialect: str, count: int, parts: Sequence[str], effort: Effort, server: Postgres | None) -> Iterator[Figure]:
    """Every part at one scale on one database."""
    with folder() as place:
        url = server.fresh() if server else None
        began = time.monotonic()
        filled = fill(Settings(data=place / "data", database_url=url), count)
        say(f"{dialect}: {count:,} sessions written in {time.monotonic() - began:.0f} s")
        keeper = Keeper(copied(filled.settings, place / "control", server), filled.organization_id)
        with serving(filled.settings) as served:
            served.wait_until_idle(SETTLED_WITHIN_S)  # it indexes what was filled in
        before = size.size_of(filled)
        with serving(filled.settings) as served:
            yield from _served(filled, served, keeper, parts, effort)
            served.wait_until_idle(SETTLED_WITHIN_S)
        keeper.close()
        if "size" in parts and {"record", "mixed"} & set(parts):
            yield from size.figures(before, size.size_of(filled))


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
            served.wait_until_idle(SETTLED_WITHIN_S)
            yield from made[name]()


def growth(smaller: Sequence[Figure], larger: Sequence[Figure]) -> Iterator[Figure]:
    """How much slower a page is with ten times the sessions: the page alone, or with its total where there is none."""
    for part, bars in (("page alone", [Bar("ratio", 1.3)]), ("list + total", [])):
        a, b = ([one for one in some if one.part == part and one.what == "no filter"] for some in (smaller, larger))
        if a and b and a[0].measured and b[0].measured:
            by = b[0].measured.p50 / a[0].measured.p50
            ratio = Spread(by, by, by, by, 1)
            yield Figure("growth", f"{part}, no filter", "ms", b[0].measured, a[0].measured, ratio, bars)


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
            before: list[Figure] = []
            for scale in sorted(map(scale_of, given.scale.split(","))):
                figures = list(run(dialect, scale, parts, effort, server if dialect == "postgres" else None))
                figures += growth(before, figures)
                print(f"\n## {dialect}, {scale:,} sessions\n\n" + "\n".join(table.lines(figures)), flush=True)
                kept += [{"dialect": dialect, "scale": scale, **asdict(one)} for one in figures]
                before = figures
    if given.json:
        given.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()

"""How long the parts of answers took, counted by day, agent and prompt: percentiles without reading a session.

A bucket holds durations within 4 % of each other, so that a percentile read from the counts is right to 2 %
(the logarithmic buckets of DDSketch: Masson, Rim, Lee, VLDB 2019).
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from math import ceil, log
from typing import Any, NamedTuple

from sqlalchemy import Connection

from hansard.db.hot import rows_among, upsert_rows
from hansard.db.tables import latency_histogram
from hansard.resources.sessions.kept import Kept

_GAMMA = 1.04
_LOG_GAMMA = log(_GAMMA)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Cell(NamedTuple):
    """Where a session's latencies are counted: day of start (since 1970), seen as what, tests apart."""

    day: int
    snapshot_id: int
    is_test: bool


class Place(NamedTuple):
    """One histogram: of one part of the answers of a cell's sessions."""

    cell: Cell
    category: str
    label: str


Counts = dict[Place, dict[int, int]]  # how many latencies lie in each bucket
OfParts = dict[tuple[str, str], dict[int, int]]  # the same of one session, by category and label


def day_of(moment: datetime) -> int:
    """The day of an instant, counted from 1970 in UTC."""
    return (moment - _EPOCH).days


def bucket_of(duration_ms: float) -> int:
    """The bucket of a duration; all below a millisecond are in the first, 0."""
    return 0 if duration_ms <= 1 else ceil(log(duration_ms) / _LOG_GAMMA)


def duration_ms_of(bucket: int) -> float:
    """The middle of a bucket: no duration in it is more than 2 % away."""
    return 1.0 if bucket == 0 else 2 * _GAMMA**bucket / (_GAMMA + 1)


def percentile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """The duration that this share (0 to 1) of those counted does not exceed; None when nothing was counted.

    The nearest rank: with ten counted and a share of 0.9, the ninth.
    """
    total = sum(counts.values())
    rank = max(1, ceil(share * total))
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0 and total:
            return duration_ms_of(bucket)
    return None


def count_latencies(children: Iterable[Kept]) -> OfParts:
    """How many of these latencies lie in each bucket, of each part of the answers."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in children:
        said = one.said
        found[said.category, said.label or said.category].append(said.duration_ms)
    counts: OfParts = {}
    for part, durations_ms in found.items():
        mine = counts[part] = dict[int, int]()
        for bucket in map(bucket_of, durations_ms):
            mine[bucket] = mine.get(bucket, 0) + 1
    return counts


def put_in(counts: Counts, cell: Cell, found: OfParts, *, is_taken_out: bool = False) -> None:
    """Count what was found in this cell, or take it out of it."""
    for part, more in found.items():
        mine = counts.setdefault(Place(cell, *part), {})
        for bucket, count in more.items():
            mine[bucket] = mine.get(bucket, 0) + (-count if is_taken_out else count)


def unpacked_counts(stored: bytes) -> Counter[int]:
    """The counts of a stored histogram, by bucket."""
    first, *counts = array("i", stored)
    return Counter({bucket: count for bucket, count in enumerate(counts, start=first) if count})


def with_counts(stored: bytes | None, more: Mapping[int, int]) -> bytes:
    """A histogram as it is stored, with more counted in: the first bucket, then how many are in each from there on."""
    low, high = min(more), max(more)
    held = array("i", stored or array("i", [low]).tobytes())
    if low < held[0]:
        held[0:1] = array("i", [low, *[0] * (held[0] - low)])
    held.extend([0] * (high - held[0] + 2 - len(held)))
    before = held[0] - 1
    for bucket, count in more.items():
        held[bucket - before] += count
    return held.tobytes()


def add_counts(db: Connection, organization_id: int, counts: Counts) -> None:
    """Add to what is counted already."""
    if not counts:
        return
    stored = _stored(db, organization_id, {place.cell for place in counts})
    rows = [
        {
            "organization_id": organization_id,
            "day": place.cell.day,
            "snapshot_id": place.cell.snapshot_id,
            "is_test": place.cell.is_test,
            "category": place.category,
            "label": place.label,
            "counts": with_counts(stored.get(place), more),
        }
        for place, more in counts.items()
    ]
    upsert_rows(db, latency_histogram, rows)


def _stored(db: Connection, organization_id: int, cells: Collection[Cell]) -> dict[tuple[Any, ...], bytes]:
    """The histograms of these cells by their places, and perhaps some beside them."""
    seen = latency_histogram.c
    columns = [seen.day, seen.snapshot_id, seen.is_test, seen.category, seen.label, seen.counts]
    among = {"day": {cell.day for cell in cells}, "snapshot_id": {cell.snapshot_id for cell in cells}}
    rows = rows_among(db, organization_id, columns, among)
    return {
        ((day, snapshot_id, bool(is_test)), category, name): counts
        for day, snapshot_id, is_test, category, name, counts in rows
    }

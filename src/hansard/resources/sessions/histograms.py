"""How long the parts of answers took, counted by day, agent and prompt: percentiles without reading a session.

A bucket holds durations within 4 % of each other, so that a percentile read from the counts is right to 2 %
(the logarithmic buckets of DDSketch: Masson, Rim, Lee, VLDB 2019).
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, select

from hansard.db.dialect import upsert
from hansard.db.tables import latency_histogram
from hansard.wire import Child

_GAMMA = 1.04
_LOG_GAMMA = math.log(_GAMMA)
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


Counts = dict[Place, Counter[int]]  # how many latencies lie in each bucket


def day_of(moment: datetime) -> int:
    """The day of an instant, counted from 1970 in UTC."""
    return (moment - _EPOCH).days


def bucket_of(duration_ms: float) -> int:
    """The bucket of a duration; all below a millisecond are in the first, 0."""
    return 0 if duration_ms <= 1 else math.ceil(math.log(duration_ms) / _LOG_GAMMA)


def duration_ms_of(bucket: int) -> float:
    """The middle of a bucket: no duration in it is more than 2 % away."""
    return 1.0 if bucket == 0 else 2 * _GAMMA**bucket / (_GAMMA + 1)


def percentile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """The duration that this share (0 to 1) of those counted does not exceed; None when nothing was counted.

    The nearest rank: with ten counted and a share of 0.9, the ninth.
    """
    total = sum(counts.values())
    rank = max(1, math.ceil(share * total))
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0 and total:
            return duration_ms_of(bucket)
    return None


def count_latencies(counts: Counts, cell: Cell, children: Iterable[Child], times: int = 1) -> None:
    """Count the latencies among these children in this cell; with times -1, take them out of it."""
    for one in children:
        if one["kind"] == "latency":
            data = one["data"]
            category = data["category"]
            place = Place(cell, category, data.get("label") or category)
            if place not in counts:
                counts[place] = Counter()
            counts[place][bucket_of(data["duration_ms"])] += times


def packed_counts(counts: Mapping[int, int]) -> str:
    """Counts as a histogram is stored; a bucket without any is left out."""
    return to_json([part for bucket in sorted(counts) if counts[bucket] for part in (bucket, counts[bucket])]).decode()


def unpacked_counts(stored: str) -> Counter[int]:
    """The counts of a stored histogram, by bucket."""
    flat = from_json(stored)
    return Counter(dict(zip(flat[::2], flat[1::2], strict=True)))


def add_counts(db: Connection, organization_id: int, counts: Counts) -> None:
    """Add to what is counted already."""
    if not counts:
        return
    for place, stored in _stored(db, organization_id, {place.cell for place in counts}):
        if place in counts:
            counts[place].update(unpacked_counts(stored))
    rows = [
        {
            "organization_id": organization_id,
            **place.cell._asdict(),
            "category": place.category,
            "label": place.label,
            "counts": packed_counts(buckets),
        }
        for place, buckets in counts.items()
    ]
    upsert(db, latency_histogram, rows, key=[column.name for column in latency_histogram.primary_key])


def _stored(db: Connection, organization_id: int, cells: Collection[Cell]) -> Iterator[tuple[Place, str]]:
    """The histograms of these cells, and perhaps some beside them."""
    seen = latency_histogram.c
    asked = select(seen.day, seen.snapshot_id, seen.is_test, seen.category, seen.label, seen.counts).where(
        seen.organization_id == organization_id,
        seen.day.in_({cell.day for cell in cells}),
        seen.snapshot_id.in_({cell.snapshot_id for cell in cells}),
    )
    for row in db.execute(asked):
        yield Place(Cell(*row[:3]), row.category, row.label), row.counts

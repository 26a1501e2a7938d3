"""How long the parts of answers took, counted by day, agent and prompt: percentiles without reading a session.

A bucket holds durations within 4 % of each other, so that a percentile read from the counts is right to 2 %
(the logarithmic buckets of DDSketch: Masson, Rim, Lee, VLDB 2019).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from hansard.db.dialect import is_sqlite
from hansard.db.tables import latency_bucket
from hansard.wire import Child

_GAMMA = 1.04
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Cell:
    """Where a session's latencies are counted: day of start (since 1970), seen as what, tests apart."""

    day: int
    snapshot_id: int
    is_test: bool


Counts = Counter[tuple[Cell, str, str, int]]  # cell, category, label, bucket


def day_of(moment: datetime) -> int:
    """The day of an instant, counted from 1970 in UTC."""
    return (moment - _EPOCH).days


def bucket_of(duration_ms: float) -> int:
    """The bucket of a duration; all below a millisecond are in the first, 0."""
    return 0 if duration_ms <= 1 else math.ceil(math.log(duration_ms, _GAMMA))


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


def counted(cell: Cell, children: Iterable[Child], sign: int = 1) -> Counts:
    """The latencies among these children, in this cell; with sign -1, to be taken out of it."""
    counts: Counts = Counter()
    for one in children:
        if one["kind"] == "latency":
            data = one["data"]
            named = data["category"], data.get("label") or data["category"]
            counts[cell, *named, bucket_of(data["duration_ms"])] += sign
    return counts


def add_counts(db: Connection, organization_id: int, counts: Counts) -> None:
    """Add to what is counted already."""
    rows = [
        {
            "organization_id": organization_id,
            "day": cell.day,
            "snapshot_id": cell.snapshot_id,
            "is_test": cell.is_test,
            "category": category,
            "label": label,
            "bucket": bucket,
            "count": count,
        }
        for (cell, category, label, bucket), count in counts.items()
        if count
    ]
    if not rows:
        return
    statement = (sqlite if is_sqlite(db) else postgresql).insert(latency_bucket)
    more = {"count": latency_bucket.c["count"] + statement.excluded["count"]}
    db.execute(statement.on_conflict_do_update(index_elements=list(latency_bucket.primary_key), set_=more), rows)

"""All buckets of a histogram in one row, which a session changes once and not forty times."""

from array import array
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

from hansard.db.tables import Bytewise

revision = "0006"
down_revision = "0005"

_KEY = ("organization_id", "day", "snapshot_id", "is_test", "category", "label")


def upgrade() -> None:
    made = op.create_table(
        "latency_histogram",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("category", Bytewise(), nullable=False),
        sa.Column("label", Bytewise(), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, name="latency_histogram_pk"),
        sqlite_with_rowid=False,
    )
    rows = list(_packed())
    if rows:
        op.get_bind().execute(made.insert(), rows)
    op.drop_table("latency_bucket")


def _packed() -> Any:
    """The rows of before, together."""
    before = sa.table("latency_bucket", *(sa.column(name) for name in (*_KEY, "bucket", "count")))
    found: dict[Any, dict[int, int]] = defaultdict(dict)
    for *key, bucket, count in op.get_bind().execute(sa.select(before).order_by(before.c.bucket)):
        if count:
            found[tuple(key)][bucket] = count
    for key, counts in found.items():
        first, last = min(counts), max(counts)
        held = array("i", [first, *(counts.get(bucket, 0) for bucket in range(first, last + 1))])
        yield dict(zip(_KEY, key, strict=True)) | {"counts": held.tobytes()}

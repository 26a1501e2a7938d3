"""How many sessions were seen as each snapshot, live and test."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    for name, which in (("live_sessions", "NOT is_test"), ("test_sessions", "is_test")):
        op.add_column("snapshot", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
        op.execute(
            f"UPDATE snapshot SET {name} = counted.sessions FROM (SELECT organization_id, snapshot_id, "  # noqa: S608 - our own words
            f"count(*) AS sessions FROM session WHERE {which} GROUP BY organization_id, snapshot_id) AS counted "
            "WHERE counted.organization_id = snapshot.organization_id AND counted.snapshot_id = snapshot.id"
        )

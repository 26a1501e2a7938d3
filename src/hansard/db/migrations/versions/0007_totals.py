"""How many sessions each organization has, live and test."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for name, which in (("live_sessions", "NOT is_test"), ("test_sessions", "is_test")):
        op.get_bind().execute(
            sa.text(
                "INSERT INTO counter (organization_id, name, value) "  # noqa: S608 - our own words
                f"SELECT organization_id, '{name}', count(*) FROM session WHERE {which} GROUP BY organization_id"
            )
        )

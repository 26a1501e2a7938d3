"""OpenTelemetry traces whose session is not settled yet."""

import sqlalchemy as sa
from alembic import op

from hansard.db.tables import Bytewise, Moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "otlp_span",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("trace_id", Bytewise(), nullable=False),
        sa.Column("span_id", Bytewise(), nullable=False),
        sa.Column("events", Bytewise(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "trace_id", "span_id", name="otlp_span_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "otlp_trace",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("trace_id", Bytewise(), nullable=False),
        sa.Column("claim", Bytewise(), nullable=False),
        sa.Column("service", Bytewise(), nullable=False),
        sa.Column("sid", Bytewise(), nullable=False),
        sa.Column("named_at", Moment(), nullable=True),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "trace_id", name="otlp_trace_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("otlp_trace_waiting", "otlp_trace", ["organization_id", "is_settled", "received_at"], unique=False)

"""The dictionaries that were trained on an organization's sessions."""

import sqlalchemy as sa
from alembic import op

from hansard.db.tables import Moment

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "dictionary",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("packing", sa.BigInteger(), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("sessions", sa.BigInteger(), nullable=False),
        sa.Column("measured_sessions", sa.BigInteger(), nullable=False),
        sa.Column("before_bytes", sa.BigInteger(), nullable=False),
        sa.Column("after_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "version", name="dictionary_pk"),
    )
    op.create_index("dictionary_packing", "dictionary", ["organization_id", "packing"], unique=True)

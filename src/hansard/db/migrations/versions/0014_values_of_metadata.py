"""Values of metadata that few sessions share, each beside its session. Those seen before are traits, and stay that."""

import sqlalchemy as sa
from alembic import op

from hansard.db.tables import Bytewise

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "metadata_value",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("word", Bytewise(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "word", "session_id", name="metadata_value_pk"),
        sqlite_with_rowid=False,
    )

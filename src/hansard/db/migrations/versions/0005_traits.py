"""What the filter asks of a session: its traits and its response time, and an index that covers all of it.

Sessions recorded before have neither until something more arrives for them.
"""

import sqlalchemy as sa
from alembic import op

from hansard.db.tables import Bytewise

revision = "0005"
down_revision = "0004"

_WIDE = (
    "organization_id",
    "started_at",
    "id",
    "snapshot_id",
    "duration_s",
    "is_test",
    "is_outbound",
    "is_legacy",
    "label_id",
    "source_folded",
    "target_folded",
    "turn_count",
    "interruption_count",
    "has_tool_error",
    "has_recording",
    "is_abandoned",
    "response_p95_ms",
    "trait_set_id",
    "metadata_set_id",
)


def upgrade() -> None:
    op.create_table(
        "trait",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", Bytewise(), nullable=False),
        sa.Column("word", Bytewise(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name="trait_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("trait_word", "trait", ["organization_id", "kind", "word"], unique=True)
    op.create_table(
        "trait_set",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "digest", name="trait_set_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "trait_of_set",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("trait_id", sa.BigInteger(), nullable=False),
        sa.Column("set_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "trait_id", "set_id", name="trait_of_set_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("trait_of_set_by_set", "trait_of_set", ["organization_id", "set_id", "trait_id"], unique=False)
    for name in ("trait_set_id", "metadata_set_id", "response_p95_ms"):
        op.add_column("session", sa.Column(name, sa.BigInteger(), nullable=True))
    op.drop_index("session_wide", "session")
    op.create_index("session_wide", "session", list(_WIDE), unique=False)

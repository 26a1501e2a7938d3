"""Each number and address that a session was with, once, and indexes to find its sessions by."""

import sqlalchemy as sa
from alembic import op

from hansard.db.tables import Bytewise

revision = "0012"
down_revision = "0011"

_NARROW = {
    "session_source": ("organization_id", "source_folded", "started_at", "id", "is_test", "snapshot_id"),
    "session_target": ("organization_id", "target_folded", "started_at", "id", "is_test", "snapshot_id"),
}
_BARE = {
    "session_by_source": ("organization_id", "source_folded"),
    "session_by_target": ("organization_id", "target_folded"),
}


def upgrade() -> None:
    op.create_table(
        "party",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("folded", Bytewise(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "folded", name="party_pk"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO party (organization_id, folded) "
        "SELECT organization_id, source_folded FROM session WHERE source_folded IS NOT NULL "
        "UNION SELECT organization_id, target_folded FROM session WHERE target_folded IS NOT NULL"
    )
    indexes = _NARROW if op.get_bind().dialect.name == "sqlite" else _BARE
    for name, columns in indexes.items():
        op.create_index(name, "session", list(columns), unique=False)

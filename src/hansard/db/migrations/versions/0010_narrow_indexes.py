"""A session has the code of its label beside it, and SQLite narrower indexes to count by."""

import sqlalchemy as sa
from alembic import op

from hansard.db.tables import Bytewise

revision = "0010"
down_revision = "0009"

_WIDE = (
    "organization_id",
    "started_at",
    "id",
    "snapshot_id",
    "duration_s",
    "is_test",
    "is_outbound",
    "is_legacy",
    "label_code",
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
_NARROW = {
    "session_snapshot": ("organization_id", "snapshot_id", "started_at", "id", "is_test", "label_code", "duration_s"),
    "session_label": ("organization_id", "label_code", "started_at", "id", "is_test", "duration_s"),
    "session_duration": ("organization_id", "duration_s", "id", "snapshot_id", "is_test"),
}


def upgrade() -> None:
    op.add_column("session", sa.Column("label_code", Bytewise(), nullable=True))
    op.execute(
        "UPDATE session SET label_code = (SELECT code FROM label "
        "WHERE label.organization_id = session.organization_id AND label.id = session.label_id) "
        "WHERE label_id IS NOT NULL"
    )
    op.drop_index("session_wide", "session")
    op.create_index("session_wide", "session", list(_WIDE), unique=False)
    if op.get_bind().dialect.name == "sqlite":
        for name, columns in _NARROW.items():
            op.create_index(name, "session", list(columns), unique=False)

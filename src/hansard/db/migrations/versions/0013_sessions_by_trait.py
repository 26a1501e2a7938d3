"""Indexes to find the sessions of a tool, a language, an issue category or metadata by; sessions without a label are no
longer in that of labels.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_PARTIAL = {
    "session_label": ("organization_id", "label_code", "started_at", "id", "is_test", "duration_s"),
    "session_traits": ("organization_id", "trait_set_id", "started_at", "id", "is_test", "snapshot_id"),
    "session_metadata": ("organization_id", "metadata_set_id", "started_at", "id", "is_test", "snapshot_id"),
}
_BARE = {
    "session_by_traits": ("organization_id", "trait_set_id"),
    "session_by_metadata": ("organization_id", "metadata_set_id"),
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        for name, bare in _BARE.items():
            op.create_index(name, "session", list(bare), unique=False)
        return
    op.drop_index("session_label", "session")
    for name, columns in _PARTIAL.items():
        where = sa.text(f"{columns[1]} IS NOT NULL")
        op.create_index(name, "session", list(columns), unique=False, sqlite_where=where)

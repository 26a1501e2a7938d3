"""The first tables: accounts, sessions, their children and what is derived from them."""

import sqlalchemy as sa
from alembic import op

from hansard.db.tables import Bytewise, Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", Bytewise(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", Bytewise(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name="api_key_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "body",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("packing", sa.BigInteger(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "session_id", name="body_pk"),
    )
    op.create_table(
        "change",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "seq", name="change_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "child",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("id", Bytewise(), nullable=False),
        sa.Column("kind", Bytewise(), nullable=False),
        sa.Column("at", Bytewise(), nullable=False),
        sa.Column("data", Bytewise(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "session_id", "id", name="child_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "conversation",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", Bytewise(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("is_legacy", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name="conversation_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "conversation_newest",
        "conversation",
        ["organization_id", "started_at", "id", "snapshot_id", "is_legacy"],
        unique=False,
    )
    op.create_table(
        "counter",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", Bytewise(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "name", name="counter_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("id", Bytewise(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("source", Bytewise(), nullable=True),
        sa.Column("source_id", Bytewise(), nullable=True),
        sa.Column("category", Bytewise(), nullable=True),
        sa.Column("type", Bytewise(), nullable=True),
        sa.Column("user_id", Bytewise(), nullable=True),
        sa.Column("description", Bytewise(), nullable=True),
        sa.Column("attributes", Bytewise(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "session_id", "id", name="event_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("event_newest", "event", ["organization_id", "at", "session_id", "id"], unique=False)
    op.create_table(
        "label",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("type", Bytewise(), nullable=False),
        sa.Column("code", Bytewise(), nullable=False),
        sa.Column("user_email", Bytewise(), nullable=False),
        sa.Column("comments", Bytewise(), nullable=True),
        sa.Column("issue_categories", Bytewise(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name="label_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("label_newest", "label", ["organization_id", "at", "id"], unique=False)
    op.create_index("label_session", "label", ["organization_id", "session_id"], unique=False)
    op.create_table(
        "organization",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", Bytewise(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "session",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("service", Bytewise(), nullable=False),
        sa.Column("sid", Bytewise(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", Bytewise(), nullable=False),
        sa.Column("named_conversation", sa.Boolean(), nullable=False),
        sa.Column("thread", Bytewise(), nullable=True),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("is_abandoned", sa.Boolean(), nullable=False),
        sa.Column("end_reason", Bytewise(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("source", Bytewise(), nullable=True),
        sa.Column("target", Bytewise(), nullable=True),
        sa.Column("source_folded", Bytewise(), nullable=True),
        sa.Column("target_folded", Bytewise(), nullable=True),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("is_legacy", sa.Boolean(), nullable=False),
        sa.Column("is_outbound", sa.Boolean(), nullable=True),
        sa.Column("user_terminated", sa.Boolean(), nullable=True),
        sa.Column("transfer_voicemail_detected", sa.Boolean(), nullable=True),
        sa.Column("override_timestamp", Bytewise(), nullable=True),
        sa.Column("label_id", sa.BigInteger(), nullable=True),
        sa.Column("summary", Bytewise(), nullable=True),
        sa.Column("rating", Bytewise(), nullable=True),
        sa.Column("metadata", Bytewise(), nullable=True),
        sa.Column("first_at", Moment(), nullable=True),
        sa.Column("last_at", Moment(), nullable=True),
        sa.Column("received_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name="session_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "session_conversation", "session", ["organization_id", "conversation_id", "started_at", "id"], unique=False
    )
    op.create_index("session_key", "session", ["organization_id", "sid", "service"], unique=True)
    op.create_index(
        "session_running",
        "session",
        ["organization_id", "received_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "session_thread",
        "session",
        ["organization_id", "thread", "started_at", "id"],
        unique=False,
        sqlite_where=sa.text("thread IS NOT NULL"),
        postgresql_where=sa.text("thread IS NOT NULL"),
    )
    op.create_index(
        "session_wide",
        "session",
        [
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
        ],
        unique=False,
    )
    op.create_table(
        "snapshot",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("channel_manager_service", Bytewise(), nullable=False),
        sa.Column("channel_manager_type", Bytewise(), nullable=True),
        sa.Column("agent_id", Bytewise(), nullable=True),
        sa.Column("agent_name", Bytewise(), nullable=True),
        sa.Column("agent_type", Bytewise(), nullable=True),
        sa.Column("agent_timezone", Bytewise(), nullable=True),
        sa.Column("prompt_id", Bytewise(), nullable=True),
        sa.Column("prompt_name", Bytewise(), nullable=True),
        sa.Column("prompt_version", Bytewise(), nullable=True),
        sa.Column("prompt_version_number", sa.BigInteger(), nullable=True),
        sa.Column("experiment_id", Bytewise(), nullable=True),
        sa.Column("experiment_variant_id", Bytewise(), nullable=True),
        sa.Column("experiment_variant", Bytewise(), nullable=True),
        sa.Column("experiment_variant_is_control", sa.Boolean(), nullable=True),
        sa.Column("llm_provider", Bytewise(), nullable=True),
        sa.Column("llm_model", Bytewise(), nullable=True),
        sa.Column("llm_version", Bytewise(), nullable=True),
        sa.Column("llm_temperature", sa.Double(), nullable=True),
        sa.Column("llm_seed", sa.BigInteger(), nullable=True),
        sa.Column("service_folded", Bytewise(), nullable=False),
        sa.Column("type_folded", Bytewise(), nullable=True),
        sa.Column("agent_name_folded", Bytewise(), nullable=True),
        sa.Column("agent_type_folded", Bytewise(), nullable=True),
        sa.Column("prompt_name_folded", Bytewise(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name="snapshot_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("snapshot_digest", "snapshot", ["organization_id", "digest"], unique=True)
    if op.get_bind().dialect.name == "postgresql":
        # The body is packed already; PostgreSQL's own compression would only cost time.
        op.execute("ALTER TABLE body ALTER COLUMN packed SET STORAGE EXTERNAL")

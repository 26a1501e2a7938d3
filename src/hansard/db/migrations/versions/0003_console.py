"""Members and their sign-ins, recordings, latencies by day, and what the console's list shows of a session."""

import os

import sqlalchemy as sa
from alembic import op

from hansard.db.tables import Bytewise, Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("organization", sa.Column("signing_key", sa.LargeBinary(), nullable=True))
    _give_signing_keys()
    _accounts()
    for name in ("turn_count", "interruption_count"):
        op.add_column("session", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    for name in ("has_tool_error", "has_recording"):
        op.add_column("session", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    _recordings()
    op.create_table(
        "latency_bucket",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("category", Bytewise(), nullable=False),
        sa.Column("label", Bytewise(), nullable=False),
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id",
            "day",
            "snapshot_id",
            "is_test",
            "category",
            "label",
            "bucket",
            name="latency_bucket_pk",
        ),
        sqlite_with_rowid=False,
    )


def _give_signing_keys() -> None:
    db = op.get_bind()
    organization = sa.table("organization", sa.column("id"), sa.column("signing_key"))
    for (number,) in db.execute(sa.select(organization.c.id)).all():
        mine = organization.c.id == number
        db.execute(sa.update(organization).where(mine).values(signing_key=os.urandom(32)))


def _accounts() -> None:
    op.create_table(
        "member",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("email", Bytewise(), nullable=False),
        sa.Column("name", Bytewise(), nullable=False),
        sa.Column("role", Bytewise(), nullable=False),
        sa.Column("password_hash", Bytewise(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("removed_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name="member_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "member_email",
        "member",
        ["organization_id", "email"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "signin",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "hash", name="signin_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("signin_member", "signin", ["organization_id", "member_id"], unique=False)
    op.create_table(
        "invitation",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("role", Bytewise(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("used_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "hash", name="invitation_pk"),
        sqlite_with_rowid=False,
    )


def _recordings() -> None:
    op.create_table(
        "recording",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("name", Bytewise(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", Bytewise(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", Bytewise(), nullable=False),
        sa.Column("channels", sa.BigInteger(), nullable=True),
        sa.Column("began_at", Moment(), nullable=True),
        sa.Column("stored_at", Moment(), nullable=False),
        sa.Column("state", Bytewise(), nullable=False),
        sa.Column("tried_at", Moment(), nullable=True),
        sa.Column("tries", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("duration_ms", sa.Double(), nullable=True),
        sa.Column("peaks", sa.LargeBinary(), nullable=True),
        sa.Column("problem", Bytewise(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "session_id", "name", name="recording_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("recording_id", "recording", ["organization_id", "id"], unique=True)
    op.create_index("recording_state", "recording", ["organization_id", "state", "stored_at"], unique=False)

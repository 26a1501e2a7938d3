"""Search over what was said and done: how far it has read, what it holds, and the index of each database."""

import sqlalchemy as sa
from alembic import op

from hansard.db.tables import Bytewise

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "cursor",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", Bytewise(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "name", name="cursor_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_doc",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "session_id", name="search_doc_pk"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE search_words USING fts5("
            'said_by_user, said_by_agent, done_by_tool, content="", columnsize=0, tokenize="ascii")'
        )
        return
    op.execute(
        "CREATE TABLE search_words ("
        "organization_id bigint NOT NULL, session_id bigint NOT NULL, piece bigint NOT NULL, words tsvector NOT NULL, "
        "CONSTRAINT search_words_pk PRIMARY KEY (organization_id, session_id, piece))"
    )
    # Every search goes through what is not yet sorted in: little of it, so that searches stay fast while much comes.
    op.execute("CREATE INDEX search_words_index ON search_words USING gin (words) WITH (gin_pending_list_limit = 256)")

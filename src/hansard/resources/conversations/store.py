"""All SQL that reads conversations; they are kept up to date with their sessions (`sessions/threads.py`)."""

from functools import partial

from sqlalchemy import Connection, and_, select

from hansard.db.tables import conversation, snapshot
from hansard.kit.listing import (
    Asked,
    Columns,
    Page,
    as_page,
    chosen,
    holds,
    moment,
    page_of,
    truth,
)
from hansard.resources.conversations.schemas import Conversation
from hansard.resources.sessions.store import agent_and_prompt, through_snapshot

NAMES = (
    "timestamp",
    "agent_type",
    "agent_id",
    "agent_name",
    "prompt_id",
    "prompt_name",
    "llm_provider",
    "llm_model",
    "llm_version",
    "is_legacy",
)


def _columns(organization_id: int) -> Columns:
    seen_as = partial(through_snapshot, organization_id, conversation.c.snapshot_id)
    return {
        "timestamp": moment(conversation.c.started_at),
        **agent_and_prompt(organization_id, conversation.c.snapshot_id),
        "llm_provider": seen_as(holds(snapshot.c.llm_provider)),
        "llm_model": seen_as(holds(snapshot.c.llm_model)),
        "llm_version": seen_as(holds(snapshot.c.llm_version)),
        "is_legacy": truth(conversation.c.is_legacy),
    }


def list_conversations(db: Connection, organization_id: int, asked: Asked) -> Page[Conversation]:
    """A page of conversations, newest first unless asked otherwise."""
    snapshot_of = and_(snapshot.c.organization_id == organization_id, snapshot.c.id == conversation.c.snapshot_id)
    described = [snapshot.c[name] for name in Conversation.model_fields if name in snapshot.c]
    query = select(
        conversation.c.started_at.label("timestamp"),
        conversation.c.id.label("conversation_id"),
        conversation.c.is_legacy,
    )
    rows, total = page_of(
        db,
        query.where(conversation.c.organization_id == organization_id),
        asked,
        _columns(organization_id),
        timestamp=conversation.c.started_at,
        newest=(conversation.c.started_at, conversation.c.id),
        details=lambda matching: matching.add_columns(*described).join(snapshot, snapshot_of),
    )
    required = ("timestamp", "conversation_id")
    return as_page([Conversation(**chosen(row, asked, required)) for row in rows], total, asked)

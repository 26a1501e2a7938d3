"""The door to conversations (wire contract 2.10)."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import Connection

from hansard.kit.listing import Asked, Page, asked
from hansard.resources.accounts.access import KeyedRoute, listing
from hansard.resources.accounts.schemas import Caller
from hansard.resources.conversations import store
from hansard.resources.conversations.schemas import Conversation

router = APIRouter(tags=["conversations"], route_class=KeyedRoute)

Listed = Annotated[Asked, Depends(asked(store.NAMES))]


@router.get("/api/v1/conversations", include_in_schema=False)
@router.get("/api/v1/conversations/")
@listing
def conversations_list(db: Connection, caller: Caller, asked: Listed) -> Page[Conversation]:
    """Conversations, newest first; a conversation's sessions are found by its id in the list of sessions."""
    return store.list_conversations(db, caller.organization_id, asked)

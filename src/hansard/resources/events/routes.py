"""The door to events (wire contract 2.11)."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import Connection

from hansard.kit.listing import Asked, Page, asked
from hansard.resources.accounts.access import KeyedRoute, listing
from hansard.resources.accounts.schemas import Caller
from hansard.resources.events import store
from hansard.resources.events.schemas import Event

router = APIRouter(tags=["events"], route_class=KeyedRoute)

Listed = Annotated[Asked, Depends(asked(store.NAMES))]


@router.get("/api/v1/events", include_in_schema=False)
@router.get("/api/v1/events/")
@listing
def events_list(db: Connection, caller: Caller, asked: Listed) -> Page[Event]:
    """Events of all sessions, newest first."""
    return store.list_events(db, caller.organization_id, asked)

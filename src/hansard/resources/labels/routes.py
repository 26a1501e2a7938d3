"""The doors to labels (wire contract 2.9)."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import Connection

from hansard.db.access import Now, Storage
from hansard.kit.errors import NotFound
from hansard.kit.ids import LARGEST_ID
from hansard.kit.listing import Asked, Page, asked
from hansard.resources.accounts.access import Ingester, KeyedRoute, listing, looking_up
from hansard.resources.accounts.schemas import Caller
from hansard.resources.labels import store
from hansard.resources.labels.schemas import SessionLabel, SessionLabelCreate
from hansard.resources.sessions.access import Idle

router = APIRouter(tags=["session_labels"], route_class=KeyedRoute)

Listed = Annotated[Asked, Depends(asked(tuple(store.COLUMNS), store.SORTABLE))]


@router.get("/api/v1/session_labels", include_in_schema=False)
@router.get("/api/v1/session_labels/")
@listing
def session_labels_list(db: Connection, caller: Caller, asked: Listed) -> Page[SessionLabel]:
    """Labels, newest first."""
    return store.list_labels(db, caller.organization_id, asked)


@router.post("/api/v1/session_labels", include_in_schema=False)
@router.post("/api/v1/session_labels/")
def session_label_create(
    storage: Storage, caller: Ingester, now: Now, idle: Idle, made: SessionLabelCreate
) -> SessionLabel:
    """Label a session. Needs the scope `ingest`: a label is part of the record."""
    mine = caller.organization_id
    return storage.write(mine, lambda db: store.add_label(db, mine, made, now, idle))


@router.get("/api/v1/session_labels/{session_label_id}")
@looking_up
def session_label_get_by_id(db: Connection, caller: Caller, session_label_id: int) -> SessionLabel:
    """One label."""
    if not 0 < session_label_id <= LARGEST_ID:
        raise NotFound(f"There is no session label {session_label_id}.")
    return store.get_label(db, caller.organization_id, session_label_id)

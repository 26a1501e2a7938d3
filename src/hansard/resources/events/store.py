"""All SQL that reads events; they are written with their sessions."""

from typing import Any

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Connection, RowMapping, select

from hansard.db.tables import event, session
from hansard.kit.listing import (
    Asked,
    Column,
    Columns,
    Page,
    as_page,
    chosen,
    exact,
    holds,
    moment,
    number_id,
    page_of,
)
from hansard.resources.events.schemas import Event

NAMES = tuple(Event.model_fields)


def _columns(organization_id: int) -> Columns:
    return {
        "timestamp": moment(event.c.at),
        "session_id": number_id(event.c.session_id),
        "conversation_id": _in_conversation(organization_id),
        "source": holds(event.c.source),
        "source_id": exact(event.c.source_id),
        "category": holds(event.c.category),
        "type": holds(event.c.type),
        "user_id": holds(event.c.user_id),
        "description": holds(event.c.description),
        "attributes": holds(event.c.attributes),
    }


def _in_conversation(organization_id: int) -> Column:
    def where(value: str) -> ColumnElement[bool]:
        members = select(session.c.id).where(
            session.c.organization_id == organization_id, session.c.conversation_id == value
        )
        in_it: ColumnElement[bool] = event.c.session_id.in_(members)
        return in_it

    return Column(where, _conversation_id(organization_id))


def _conversation_id(organization_id: int) -> ColumnElement[str]:
    its_session = (session.c.organization_id == organization_id) & (session.c.id == event.c.session_id)
    return select(session.c.conversation_id).where(its_session).correlate(event).scalar_subquery()


def list_events(db: Connection, organization_id: int, asked: Asked) -> Page[Event]:
    """A page of events, newest first unless asked otherwise."""
    query = select(event, _conversation_id(organization_id).label("conversation_id"))
    query = query.where(event.c.organization_id == organization_id)
    rows, total = page_of(
        db,
        query,
        asked,
        _columns(organization_id),
        timestamp=event.c.at,
        newest=(event.c.at, event.c.session_id, event.c.id),
    )
    return as_page([Event(**chosen(_shown(row), asked, ("timestamp",))) for row in rows], total, asked)


def _shown(row: RowMapping) -> dict[str, Any]:
    return {
        "timestamp": row["at"],
        "session_id": str(row["session_id"]),
        "conversation_id": row["conversation_id"],
        "source": row["source"],
        "source_id": row["source_id"],
        "category": row["category"],
        "type": row["type"],
        "user_id": row["user_id"],
        "description": row["description"],
        "attributes": from_json(row["attributes"]) if row["attributes"] else None,
    }

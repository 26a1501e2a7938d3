"""All SQL about labels. One is added as an event of its session, so it is exported with it too."""

import secrets
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, RowMapping, select

from hansard.db.tables import label, session
from hansard.kit.errors import NotFound
from hansard.kit.listing import (
    Asked,
    Columns,
    Page,
    any_id,
    as_page,
    chosen,
    holds,
    moment,
    number_id,
    page_of,
    same_word,
)
from hansard.resources.labels.schemas import SessionLabel, SessionLabelCreate
from hansard.resources.sessions.intake import add_event
from hansard.wire import Event, instant_of

COLUMNS: Columns = {
    "timestamp": moment(label.c.at),
    "session_id": number_id(label.c.session_id),
    "type": same_word(label.c.type),
    "code": same_word(label.c.code),
    "user_email": holds(label.c.user_email),
    "issue_categories": holds(label.c.issue_categories),
    "session_id_list": any_id(label.c.session_id),
}
SORTABLE = [name for name, column in COLUMNS.items() if column.order is not None]
REQUIRED = ("id", "session_id", "timestamp", "type", "code", "user_email", "issue_categories")


def list_labels(db: Connection, organization_id: int, asked: Asked) -> Page[SessionLabel]:
    """A page of labels, newest first unless asked otherwise."""
    rows, total = page_of(
        db, _mine(organization_id), asked, COLUMNS, timestamp=label.c.at, newest=(label.c.at, label.c.id)
    )
    return as_page([SessionLabel(**chosen(_shown(row), asked, REQUIRED)) for row in rows], total, asked)


def get_label(db: Connection, organization_id: int, label_id: int) -> SessionLabel:
    """Raises NotFound."""
    found = db.execute(_mine(organization_id).where(label.c.id == label_id)).mappings().one_or_none()
    if found is None:
        raise NotFound(f"There is no session label {label_id}.")
    return SessionLabel(**_shown(found))


def add_label(
    db: Connection, organization_id: int, made: SessionLabelCreate, now: datetime, idle: timedelta
) -> SessionLabel:
    """Label a session; it is shown with this label if no human's is newer. Raises NotFound, Conflict.

    Labels are never changed: a correction, and the same label sent twice, is a new one.
    """
    asked = select(session.c.service, session.c.sid).where(
        session.c.organization_id == organization_id, session.c.id == made.session_id
    )
    key = db.execute(asked).one_or_none()
    if key is None:
        raise NotFound(f"There is no session {made.session_id}.")
    one = Event(
        id=f"label-{secrets.token_hex(12)}",
        session={"service": key.service, "sid": key.sid},
        kind="label",
        at=instant_of(now),
        data=made.model_dump(exclude={"session_id"}),
    )
    (label_id,) = add_event(db, organization_id, one, now, idle).label_ids
    return get_label(db, organization_id, label_id)


def _mine(organization_id: int) -> Any:
    return select(label).where(label.c.organization_id == organization_id)


def _shown(row: RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "session_id": row["session_id"],
        "timestamp": instant_of(row["at"]),
        "type": row["type"],
        "code": row["code"],
        "user_email": row["user_email"],
        "comments": row["comments"],
        "issue_categories": from_json(row["issue_categories"]),
    }


def list_issue_categories(db: Connection, organization_id: int, most: int = 50) -> list[str]:
    """The issue categories of the newest thousand labels, the most frequent first."""
    newest = (
        select(label.c.issue_categories)
        .where(label.c.organization_id == organization_id)
        .order_by(label.c.at.desc(), label.c.id.desc())
        .limit(1000)
    )
    counts = Counter(str(one) for written in db.execute(newest).scalars() for one in from_json(written))
    return [name for name, _ in counts.most_common(most)]

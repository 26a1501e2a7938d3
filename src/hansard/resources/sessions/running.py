"""What runs now: the open sessions with the last that was said in them. SQL that reads few rows of few sessions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic_core import from_json
from sqlalchemy import Connection, and_, func, select

from hansard.db.tables import child, session
from hansard.resources.sessions.schemas import FoundSession
from hansard.resources.sessions.search import list_found

STALE_AFTER = timedelta(seconds=60)
MOST = 200


@dataclass(frozen=True)
class Running:
    """A session that has not ended, and what was said last; nothing heard for `STALE_AFTER` makes it stale."""

    session: FoundSession
    silent_s: float
    last_role: str | None = None
    last_text: str | None = None

    @property
    def is_stale(self) -> bool:
        return self.silent_s > STALE_AFTER.total_seconds()


def list_running(db: Connection, organization_id: int, now: datetime, most: int = MOST) -> list[Running]:
    """The sessions that run, the newest first; of more than `most`, those last heard of."""
    open_ones = (
        select(session.c.id)
        .where(session.c.organization_id == organization_id, session.c.ended_at.is_(None))
        .order_by(session.c.received_at.desc())
        .limit(most)
    )
    ids = list(db.execute(open_ones).scalars())
    said = _last_said(db, organization_id, ids)
    found = list_found(db, organization_id, ids)
    found.sort(key=lambda one: (one.timestamp, int(one.session_id or 0)), reverse=True)
    return [_running(one, said.get(int(one.session_id or 0)), now) for one in found]


def count_running(db: Connection, organization_id: int) -> int:
    """How many sessions run."""
    mine = (session.c.organization_id == organization_id) & session.c.ended_at.is_(None)
    return int(db.execute(select(func.count()).select_from(session).where(mine)).scalar_one())


def _running(one: FoundSession, said: tuple[str, str] | None, now: datetime) -> Running:
    heard_at = one.received_at or one.timestamp
    silent_s = max(0.0, (now - heard_at).total_seconds())
    return Running(one, silent_s, *(said or (None, None)))


def _last_said(db: Connection, organization_id: int, ids: list[int]) -> dict[int, tuple[str, str]]:
    """Role and text of the last message of each of these."""
    messages = and_(child.c.organization_id == organization_id, child.c.session_id.in_(ids), child.c.kind == "message")
    newest = select(child.c.session_id, func.max(child.c.at).label("at")).where(messages).group_by(child.c.session_id)
    last = newest.subquery()
    asked = select(child.c.session_id, child.c.data).where(messages)
    asked = asked.join(last, and_(last.c.session_id == child.c.session_id, last.c.at == child.c.at))
    read = ((row.session_id, from_json(row.data)) for row in db.execute(asked.order_by(child.c.id)))
    return {session_id: (data["role"], data["text"]) for session_id, data in read}

"""One session, read once and folded as often as a page needs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from hansard.kit.errors import NotFound
from hansard.kit.listing import Asked
from hansard.resources.labels.schemas import SessionLabel
from hansard.resources.labels.store import list_labels
from hansard.resources.sessions.header import Header, header
from hansard.resources.sessions.recordings import Recording, list_recordings
from hansard.resources.sessions.schemas import FoundSession
from hansard.resources.sessions.search import list_found
from hansard.resources.sessions.store import get_last_change, list_children
from hansard.resources.sessions.story import Story, story
from hansard.resources.sessions.waterfall import Exchange, Waterfall, waterfall
from hansard.wire import SESSION_KINDS, Child

MOST_LABELS = 200


@dataclass(frozen=True)
class Look:
    """A session as it was at one moment, which `seq` names in the change log."""

    id: int
    session: FoundSession
    children: Sequence[Child]
    labels: Sequence[SessionLabel]
    recordings: Sequence[Recording]
    seq: int

    @property
    def is_running(self) -> bool:
        return self.session.ended_at is None

    @cached_property
    def story(self) -> Story:
        duration_s = None if self.is_running else self.session.duration
        return story(self.session.timestamp, duration_s, self._of("message", "tool_call", "event"))

    @cached_property
    def waterfall(self) -> Waterfall:
        return waterfall(self.session.timestamp, self._of("message", "tool_call", "latency"))

    @cached_property
    def header(self) -> Header:
        return header(self._of(*SESSION_KINDS))

    @cached_property
    def answers(self) -> dict[str, Exchange]:
        """The exchange that each agent's turn answers, by the id of the turn."""
        return {one.agent.id: one for one in self.waterfall.exchanges if one.agent}

    def _of(self, *kinds: str) -> list[Child]:
        """The children a fold looks at: each of them sorts what it is given, and of some there are very many."""
        return [one for one in self.children if one["kind"] in kinds]

    @property
    def said(self) -> dict[str, Any]:
        """What the writers said of the session that is no column of a list."""
        return self.header.fields


def get_look(db: Connection, organization_id: int, session_id: int) -> Look:
    """Raises NotFound."""
    found = list_found(db, organization_id, [session_id])
    if not found:
        raise NotFound(f"There is no session {session_id}.")
    wanted = Asked(limit=MOST_LABELS, search={"session_id": [str(session_id)]})
    return Look(
        id=session_id,
        session=found[0],
        children=list_children(db, organization_id, session_id),
        labels=list_labels(db, organization_id, wanted).items,
        recordings=list_recordings(db, organization_id, session_id),
        seq=get_last_change(db, organization_id),
    )

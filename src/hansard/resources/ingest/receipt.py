"""What became of a request of events, said once it is on disk (design 3)."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from hansard.resources.ingest.validation import Checked
from hansard.resources.sessions.intake import Intake, add_events
from hansard.wire import Event, Receipt, Rejection, SessionRef


def take(db: Connection, organization_id: int, given: Checked, now: datetime, idle: timedelta) -> Receipt:
    """Add the good events and say what became of each."""
    events = [one for _, one in given.events]
    return receipt(given, add_events(db, organization_id, events, now, idle))


def receipt(given: Checked, intake: Intake) -> Receipt:
    """The answer; an event whose id is taken by another content is rejected, and the first stays."""
    conflicts = [_conflict(*given.events[place]) for place in intake.conflicts]
    return Receipt(
        accepted=len(intake.accepted),
        duplicates=len(intake.duplicates),
        rejected=sorted([*given.rejected, *conflicts], key=lambda one: one["index"]),
        sessions=_sessions(intake),
    )


def _conflict(index: int, one: Event) -> Rejection:
    sentence = f"id: {one['id']!r} is taken in this session by an event with other content; the first is kept."
    return Rejection(index=index, id=one["id"], error=sentence)


def _sessions(intake: Intake) -> list[SessionRef]:
    return [
        SessionRef(service=service, sid=sid, session_id=str(number))
        for (service, sid), number in intake.session_ids.items()
    ]

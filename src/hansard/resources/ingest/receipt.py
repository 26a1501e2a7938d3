"""What became of a request of events, said once it is on disk (design 3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from hansard.kit.precedence import working
from hansard.resources.ingest.validation import Checked
from hansard.resources.sessions.intake import DAMAGED, Intake, add_told
from hansard.resources.sessions.kept import Told
from hansard.wire import MAX_EVENTS, Receipt, Rejection, SessionRef

_MOST_TOGETHER = 4 * MAX_EVENTS  # events that share their statements, which each take as long for one as for a hundred


@dataclass(frozen=True)
class Sent:
    """A checked request, when it came, and how long a messaging conversation stays open."""

    checked: Checked
    now: datetime
    idle: timedelta


def take(db: Connection, organization_id: int, given: Checked, now: datetime, idle: timedelta) -> Receipt:
    """Add the good events and say what became of each."""
    return take_together(db, organization_id, [Sent(given, now, idle)])[0]


def take_together(db: Connection, organization_id: int, requests: Sequence[Sent]) -> list[Receipt]:
    """Add the good events of several requests, as one after another would; small ones share their statements."""
    with working():
        return [one for some in _parts(requests) for one in _taken(db, organization_id, some)]


def _parts(requests: Sequence[Sent]) -> Iterator[list[Sent]]:
    """As many requests at once as have together no more events than can share their statements."""
    some: list[Sent] = []
    count = 0
    for one in requests:
        count += len(one.checked.events)
        if some and count > _MOST_TOGETHER:
            yield some
            some, count = [], len(one.checked.events)
        some.append(one)
    yield some


def _taken(db: Connection, organization_id: int, requests: Sequence[Sent]) -> list[Receipt]:
    events = [event for one in requests for event in one.checked.events]
    last = requests[-1]
    intake = add_told(db, organization_id, events, last.now, last.idle)
    if len(requests) == 1:
        return [receipt(last.checked, intake)]
    receipts = []
    start = 0
    for one in requests:
        stop = start + len(one.checked.events)
        mine = intake.part(start, stop, dict.fromkeys(event.session for event in one.checked.events))
        receipts.append(receipt(one.checked, mine))
        start = stop
    return receipts


def receipt(given: Checked, intake: Intake) -> Receipt:
    """The answer; an event whose id is taken by another content is rejected, and the first stays.

    So is one of a session whose record is damaged: there will never be a better moment for it.
    """
    conflicts = [_conflict(given.places[place], given.events[place]) for place in intake.conflicts]
    damaged = [_damaged(given.places[place], given.events[place]) for place in intake.damaged]
    return Receipt(
        accepted=len(intake.accepted),
        duplicates=len(intake.duplicates),
        rejected=sorted([*given.rejected, *conflicts, *damaged], key=lambda one: one["index"]),
        sessions=_sessions(intake),
    )


def _conflict(index: int, one: Told) -> Rejection:
    sentence = f"id: {one.id!r} is taken in this session by an event with other content; the first is kept."
    return Rejection(index=index, id=one.id, error=sentence)


def _damaged(index: int, one: Told) -> Rejection:
    return Rejection(index=index, id=one.id, error=f"session: {DAMAGED}")


def _sessions(intake: Intake) -> list[SessionRef]:
    return [
        SessionRef(service=name.service, sid=name.sid, session_id=str(number))
        for name, number in intake.session_ids.items()
    ]

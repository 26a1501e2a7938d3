"""Traces on their way to their session: durable from the first span, decided once, the same for any order.

Spans come children first, over several requests, and only some name the session. So the events of a trace wait in
`otlp_span` until its session is settled: some seconds after the first span that names one, so that a better name has
time to arrive; where none does, some seconds of silence after the root span came, which is the last to end, or a longer
silence without it. Then they go to their session, and the `otlp_trace` row remembers which it is: what still comes of
the trace goes straight there.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, and_, delete, or_, select

from hansard.db.hot import upsert_rows
from hansard.db.tables import otlp_span, otlp_trace
from hansard.resources.ingest.otlp.claims import ROOTLESS, Claim
from hansard.resources.ingest.otlp.mapping import Mapped, is_root_end
from hansard.resources.ingest.otlp.messages import is_told_once
from hansard.resources.sessions.intake import DAMAGED, add_events
from hansard.wire import MAX_EVENTS, Child, Event

WAIT_S = 10.0  # longer than the five seconds after which an exporter sends what it has
ROOTLESS_WAIT_S = 600.0
REMEMBERED_DAYS = 30.0

_IDS_AT_ONCE = 500  # parameters a statement may have are few in SQLite
_SETTLED_AT_ONCE = 20
_log = logging.getLogger("hansard")


@dataclass
class _Trace:
    """What is known of a trace: the best claim so far, and since when there has been one that names a session."""

    trace_id: str
    claim: Claim
    named_at: datetime | None = None
    is_settled: bool = False
    sent: list[Mapped] = field(default_factory=list)  # in this request

    def hear(self, one: Mapped, now: datetime) -> None:
        self.sent.append(one)
        if not self.is_settled:
            self.claim = min(self.claim, one.claim)
            self.named_at = self.named_at or (now if one.claim.is_named else None)


def take_spans(
    db: Connection, organization_id: int, spans: Sequence[Mapped], now: datetime, idle: timedelta
) -> list[str]:
    """Keep the spans; give a sentence for each that is refused because another span has its ids.

    A span that was taken before is taken for what it is, and nothing is written twice. Traces of the organization
    that are due are settled on the way.
    """
    traces = _traces(db, organization_id, spans)
    for one in spans:
        traces[one.trace_id].hear(one, now)
    _write(db, organization_id, traces.values(), now)
    waiting = [one for trace in traces.values() if not trace.is_settled for one in trace.sent]
    refused = _keep_waiting(db, organization_id, waiting)
    for trace in traces.values():
        if trace.is_settled:
            late = {one.span_id: one.children for one in reversed(trace.sent)}
            refused += _add(db, organization_id, trace.claim, late, now, idle)
        elif trace.claim.is_best:
            _settle(db, organization_id, trace.trace_id, trace.claim, now, idle)
    settle_due(db, organization_id, now, idle)
    return refused


def settle_due(db: Connection, organization_id: int, now: datetime, idle: timedelta) -> int:
    """Give the traces that waited long enough to their sessions; give how many, at most `_SETTLED_AT_ONCE`."""
    is_due = or_(
        otlp_trace.c.named_at <= now - timedelta(seconds=WAIT_S),
        and_(otlp_trace.c.claim < ROOTLESS, otlp_trace.c.received_at <= now - timedelta(seconds=WAIT_S)),
        otlp_trace.c.received_at <= now - timedelta(seconds=ROOTLESS_WAIT_S),
    )
    mine = and_(otlp_trace.c.organization_id == organization_id, otlp_trace.c.is_settled.is_(False))
    asked = select(otlp_trace).where(mine, is_due).order_by(otlp_trace.c.received_at, otlp_trace.c.trace_id)
    due = db.execute(asked.limit(_SETTLED_AT_ONCE)).mappings().all()
    for row in due:
        _settle(db, organization_id, row["trace_id"], _claim(row), now, idle)
    return len(due)


def sweep_traces(db: Connection, organization_id: int, now: datetime, idle: timedelta) -> int:
    """`settle_due`, and when nothing is due any more, forget the traces of which nothing has come for long."""
    settled = settle_due(db, organization_id, now, idle)
    if not settled:
        old = otlp_trace.c.received_at < now - timedelta(days=REMEMBERED_DAYS)
        mine = and_(otlp_trace.c.organization_id == organization_id, otlp_trace.c.is_settled.is_(True))
        db.execute(delete(otlp_trace).where(mine, old))
    return settled


def _traces(db: Connection, organization_id: int, spans: Sequence[Mapped]) -> dict[str, _Trace]:
    """The traces of these spans, those that are known and the new."""
    found = {one.trace_id: _Trace(one.trace_id, one.claim) for one in spans}
    for ids in _portions(list(found)):
        asked = select(otlp_trace).where(
            otlp_trace.c.organization_id == organization_id, otlp_trace.c.trace_id.in_(ids)
        )
        for row in db.execute(asked).mappings():
            found[row["trace_id"]] = _Trace(row["trace_id"], _claim(row), row["named_at"], row["is_settled"])
    return found


def _claim(row: Any) -> Claim:
    return Claim(row["claim"], row["service"], row["sid"])


def _write(db: Connection, organization_id: int, traces: Iterable[_Trace], now: datetime) -> None:
    rows = [
        {
            "organization_id": organization_id,
            "trace_id": one.trace_id,
            "claim": one.claim.order,
            "service": one.claim.service,
            "sid": one.claim.sid,
            "named_at": one.named_at,
            "received_at": now,
            "is_settled": one.is_settled,
        }
        for one in traces
    ]
    upsert_rows(db, otlp_trace, rows)


def _keep_waiting(db: Connection, organization_id: int, spans: Sequence[Mapped]) -> list[str]:
    """Add spans to those that wait. The first with its ids stays; one with other content is refused."""
    refused, rows = [], []
    stored = _stored(db, organization_id, spans)
    for one in spans:
        key, text = (one.trace_id, one.span_id), to_json(one.children).decode()
        if key not in stored:
            stored[key] = text
            rows.append(_span_row(organization_id, one, text))
        elif stored[key] != text:
            refused.append(_taken(one.span_id))
    if rows:
        db.execute(otlp_span.insert(), rows)
    return refused


def _span_row(organization_id: int, one: Mapped, text: str) -> dict[str, Any]:
    return {
        "organization_id": organization_id,
        "trace_id": one.trace_id,
        "span_id": one.span_id,
        "events": text,
    }


def _taken(span_id: str) -> str:
    return f"The span {span_id} was recorded before with other content; the first is kept."


def _lost(span_id: str) -> str:
    return f"The span {span_id} is not kept. {DAMAGED}"


def _stored(db: Connection, organization_id: int, spans: Sequence[Mapped]) -> dict[tuple[str, str], str]:
    found = {}
    for some in _portions(spans):
        asked = select(otlp_span).where(
            otlp_span.c.organization_id == organization_id,
            otlp_span.c.trace_id.in_({one.trace_id for one in some}),
            otlp_span.c.span_id.in_({one.span_id for one in some}),
        )
        for row in db.execute(asked).mappings():
            found[(row["trace_id"], row["span_id"])] = row["events"]
    return found


def _settle(
    db: Connection, organization_id: int, trace_id: str, decided: Claim, now: datetime, idle: timedelta
) -> None:
    """Move the waiting events of a trace to its session."""
    mine = and_(otlp_span.c.organization_id == organization_id, otlp_span.c.trace_id == trace_id)
    waiting = {row.span_id: from_json(row.events) for row in db.execute(select(otlp_span).where(mine))}
    for sentence in _add(db, organization_id, decided, waiting, now, idle):
        _log.warning("Organization %s: %s", organization_id, sentence)
    db.execute(delete(otlp_span).where(mine))
    this = and_(otlp_trace.c.organization_id == organization_id, otlp_trace.c.trace_id == trace_id)
    db.execute(otlp_trace.update().where(this).values(is_settled=True))


def _add(
    db: Connection,
    organization_id: int,
    decided: Claim,
    spans: dict[str, list[Child]],
    now: datetime,
    idle: timedelta,
) -> list[str]:
    """Add the events of spans to the session; give a sentence for each span that was there with other content, and for
    each where the session's record is damaged.
    """
    owners = {one["id"]: span_id for span_id, found in spans.items() for one in found}
    events = _events(decided, [one for found in spans.values() for one in found])
    refused: dict[str, None] = {}
    for some in _portions(events, MAX_EVENTS):
        intake = add_events(db, organization_id, some, now, idle)
        # What several spans tell is the same but for the instant, and the first told stays.
        found = (some[place]["id"] for place in intake.conflicts)
        refused |= dict.fromkeys(_taken(owners[one]) for one in found if not is_told_once(one))
        refused |= dict.fromkeys(_lost(owners[some[place]["id"]]) for place in intake.damaged)
    return list(refused)


def _events(decided: Claim, children: Iterable[Child]) -> list[Event]:
    """The events in the order of the record; of what several spans tell, the earliest."""
    kept: dict[str, Child] = {}
    for one in sorted(children, key=lambda one: (one["at"], one["id"])):
        if not (is_root_end(one) and decided.is_named):
            kept.setdefault(one["id"], one)
    session = {"service": decided.service, "sid": decided.sid}
    return [Event(**one, session=session) for one in kept.values()]  # type: ignore[typeddict-item]


def _portions(items: Sequence[Any], size: int = _IDS_AT_ONCE) -> Iterable[Sequence[Any]]:
    return (items[first : first + size] for first in range(0, len(items), size))

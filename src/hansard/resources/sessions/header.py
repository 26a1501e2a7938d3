"""Session events in, the session's own fields out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hansard.kit.text import fold
from hansard.resources.sessions.kept import Kept
from hansard.resources.sessions.turns import in_order
from hansard.wire import SESSION_KINDS, UNLISTED, Child, SessionData, moment_of

# What a label, a bill or a correction says comes after the talk and does not make it longer.
TALK_KINDS = frozenset({"session.start", "message", "tool_call", "latency", "event", "session.end"})
_KNOWN = frozenset(SessionData.__annotations__)


@dataclass
class Header:
    """What the writers said of a session. `fields` holds no nulls; `metadata` the keys we do not know."""

    fields: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    ended_at: datetime | None = None


def header(children: Iterable[Child]) -> Header:
    """Fold the session events, in the order of the record: the later word counts, null says nothing."""
    made = Header()
    for child in in_order(child for child in children if child["kind"] in SESSION_KINDS):
        for name, value in child["data"].items():
            if value is not None:
                (made.fields if name in _KNOWN else made.metadata)[name] = value
        at = moment_of(child["at"])
        if child["kind"] == "session.start":
            made.started_at = made.started_at or at
        if child["kind"] == "session.end":
            made.ended_at = at
    if "timestamp" in made.fields:
        made.started_at = moment_of(made.fields["timestamp"])
    return made


def fields_of(said: dict[str, Any]) -> dict[str, Any]:
    """The columns of a session that repeat what was said; flags that clients read as false when unsaid are false."""
    return {
        "source": said.get("source"),
        "target": said.get("target"),
        "source_folded": fold(said.get("source")),
        "target_folded": fold(said.get("target")),
        "is_test": said.get("is_test", False),
        "is_legacy": said.get("is_legacy", False),
        "is_outbound": said.get("is_outbound"),
        "user_terminated": said.get("user_terminated"),
        "transfer_voicemail_detected": said.get("transfer_voicemail_detected"),
        "override_timestamp": said.get("override_timestamp"),
        "summary": said.get("summary"),
        "rating": said.get("rating"),
    }


def duration_s(head: Header, started_at: datetime, last_at: datetime | None) -> float:
    """How long an ended session lasted, in seconds: as its writer says, else from its start to its last instant."""
    said = head.fields.get("duration")
    if said is not None:
        return float(said)
    return max(0.0, ((last_at or started_at) - started_at) / timedelta(seconds=1))


def span(by_kind: Mapping[str, Sequence[Kept]]) -> tuple[datetime, datetime] | None:
    """The first and the last instant of the talk, of children by their kinds; None where there was none.

    What a framework notes of itself (`UNLISTED`) may come long before and after the talk. Only messages and
    latencies have checked `started_at` and `ended_at`; elsewhere they are metadata.
    """
    heard: list[str] = []  # as text, which sorts in time order: to read them all takes long
    for kind in by_kind.keys() & TALK_KINDS:
        some = by_kind[kind]
        if kind == "event":
            some = [one for one in some if one.said.get("category") not in UNLISTED]
        heard += [one.at for one in some]
        if kind in ("message", "latency"):
            heard += [one.said.started_at for one in some if one.said.started_at]
        if kind == "message":
            heard += [one.said.ended_at for one in some if one.said.ended_at]
    return (moment_of(min(heard)), moment_of(max(heard))) if heard else None


def declared_counts(children: Iterable[Child]) -> dict[str, int]:
    """How much of each kind the writer says it wrote; empty when it says nothing."""
    counts: dict[str, int] = header(children).fields.get("counts", {})
    return counts


def is_ended(children: Iterable[Child]) -> bool:
    """Whether its writer ended the session."""
    return any(child["kind"] == "session.end" for child in children)

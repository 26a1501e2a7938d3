"""Children in, the story of a session out: what was said, called and happened, and the silences, on one clock.

The clock begins with the session. Offsets are milliseconds on it, negative for what came before. States and traces
are not part of the story; the record has them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from hansard.resources.sessions.turns import ToolCall, Turn, in_order, tool_calls, turns
from hansard.wire import UNLISTED, Child, moment_of

SILENCE_MS = 2000.0
STRAY_MS = 86_400_000.0  # what lies further outside the session than a day comes from a clock that is wrong


@dataclass(frozen=True)
class Said:
    """A turn. `number` counts from 1; `end_ms` is None where nobody recorded when they had said it."""

    kind: ClassVar[str] = "turn"
    id: str
    number: int
    at: datetime
    begin_ms: float
    end_ms: float | None
    role: str
    text: str
    lang: str | None
    confidence: float | None
    is_interrupted: bool


@dataclass(frozen=True)
class Called:
    """A tool call; without `duration_ms` nobody recorded how long it took."""

    kind: ClassVar[str] = "tool"
    id: str
    at: datetime
    begin_ms: float
    duration_ms: float | None
    name: str
    arguments: Any
    result: Any
    error: Any

    @property
    def end_ms(self) -> float | None:
        return None if self.duration_ms is None else self.begin_ms + max(0.0, self.duration_ms)


@dataclass(frozen=True)
class Happened:
    """An event beside the talk."""

    kind: ClassVar[str] = "event"
    id: str
    at: datetime
    begin_ms: float
    category: str | None
    type: str | None
    description: str | None
    source: str | None
    source_id: str | None
    user_id: str | None
    attributes: dict[str, Any]
    end_ms: ClassVar[None] = None


@dataclass(frozen=True)
class Silence:
    """Longer than `SILENCE_MS`, between the end of a turn and the beginning of the next, both of them recorded."""

    kind: ClassVar[str] = "silence"
    id: str
    at: datetime
    begin_ms: float
    end_ms: float
    before: str  # the role that broke it

    @property
    def duration_ms(self) -> float:
        return self.end_ms - self.begin_ms


Item = Said | Called | Happened | Silence
_TIES = {"silence": 0, "turn": 1, "tool": 2, "event": 3}


@dataclass(frozen=True)
class Story:
    """The items in the order of the clock, and what stretch of it the session takes."""

    items: tuple[Item, ...]
    begin_ms: float
    end_ms: float

    @property
    def turns(self) -> list[Said]:
        return [one for one in self.items if isinstance(one, Said)]

    @property
    def interruption_count(self) -> int:
        return sum(one.is_interrupted for one in self.turns)

    @property
    def tool_error_count(self) -> int:
        return sum(isinstance(one, Called) and one.error is not None for one in self.items)


def story(started_at: datetime, duration_s: float | None, children: Sequence[Child]) -> Story:
    """Fold the children of a session; `duration_s` is None while it runs."""
    said = [_said(number, turn, started_at) for number, turn in enumerate(turns(children), start=1)]
    items: list[Item] = [
        *said,
        *_silences(said, started_at),
        *(_called(call, started_at) for call in tool_calls(children)),
        *(_happened(one, started_at) for one in in_order(children) if _is_listed(one)),
    ]
    items.sort(key=lambda one: (one.begin_ms, _TIES[one.kind]))
    begin_ms, end_ms = _span(items, None if duration_s is None else duration_s * 1000)
    return Story(tuple(items), begin_ms, end_ms)


def offset_ms(at: datetime, started_at: datetime) -> float:
    """Where an instant lies on the clock of a session."""
    return (at - started_at) / timedelta(milliseconds=1)


def _said(number: int, turn: Turn, started_at: datetime) -> Said:
    begin_ms = offset_ms(turn.at, started_at)
    ended_at = turn.ended_at
    return Said(
        id=turn.id,
        number=number,
        at=turn.at,
        begin_ms=begin_ms,
        end_ms=None if ended_at is None else max(begin_ms, offset_ms(ended_at, started_at)),
        role=turn.role,
        text=turn.text,
        lang=turn.lang,
        confidence=turn.confidence,
        is_interrupted=turn.is_interrupted,
    )


def _called(call: ToolCall, started_at: datetime) -> Called:
    return Called(
        id=call.call_id,
        at=call.at,
        begin_ms=offset_ms(call.at, started_at),
        duration_ms=call.duration_ms,
        name=call.name,
        arguments=call.arguments,
        result=call.result,
        error=call.error,
    )


def _is_listed(child: Child) -> bool:
    return child["kind"] == "event" and child["data"].get("category") not in UNLISTED


def _happened(child: Child, started_at: datetime) -> Happened:
    data, at = child["data"], moment_of(child["at"])
    return Happened(
        id=child["id"],
        at=at,
        begin_ms=offset_ms(at, started_at),
        category=data.get("category"),
        type=data.get("type"),
        description=data.get("description"),
        source=data.get("source"),
        source_id=data.get("source_id"),
        user_id=data.get("user_id"),
        attributes=data.get("attributes") or {},
    )


def _silences(said: Iterable[Said], started_at: datetime) -> Iterator[Silence]:
    """Where it was quiet. After a turn without a recorded end nobody knows how long it was."""
    quiet_from_ms: float | None = None
    for turn in said:
        if quiet_from_ms is not None and turn.begin_ms - quiet_from_ms > SILENCE_MS:
            at = started_at + timedelta(milliseconds=quiet_from_ms)
            yield Silence(f"before {turn.id}", at, quiet_from_ms, turn.begin_ms, turn.role)
        if turn.end_ms is None:
            quiet_from_ms = None
        elif quiet_from_ms is None or turn.end_ms > quiet_from_ms:
            quiet_from_ms = turn.end_ms


def _span(items: Iterable[Item], duration_ms: float | None) -> tuple[float, float]:
    """From the start to the end of the session, and further where something lies a little outside."""
    least_ms, most_ms = -STRAY_MS, None if duration_ms is None else max(0.0, duration_ms) + STRAY_MS
    edges = [edge for one in items for edge in (one.begin_ms, one.end_ms) if edge is not None]
    inside = [edge for edge in edges if edge >= least_ms and (most_ms is None or edge <= most_ms)]
    return min([0.0, *inside]), max([0.0, duration_ms or 0.0, *inside])

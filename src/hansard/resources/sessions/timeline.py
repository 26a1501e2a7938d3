"""Children in, one timeline of words, tools and latencies out (wire contract 2.7)."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from hansard.resources.sessions.latency import Measurement, measurements
from hansard.resources.sessions.schemas import SessionTimelineResponse, TimelineEvent
from hansard.resources.sessions.turns import ToolCall, Turn, json_text, tool_calls, turns
from hansard.wire import Child

_TIES = {"transcript": 0, "tool": 1, "latency": 2}


def timeline(session_id: int, started_at: datetime, children: Sequence[Child]) -> SessionTimelineResponse:
    """Everything in time order; a tool call appears once, its own latency is left out."""
    said = turns(children)
    said_at = [turn.at for turn in said]
    events = [
        *(_said(turn, index, started_at) for index, turn in enumerate(said)),
        *(_called(call, said_at, started_at) for call in tool_calls(children)),
        *(_measured(one, said_at, started_at) for one in measurements(children) if one.category != "tool"),
    ]
    events.sort(key=lambda event: (event.timestamp, _TIES[event.kind]))
    return SessionTimelineResponse(session_id=str(session_id), session_start=started_at, events=events)


def _said(turn: Turn, index: int, started_at: datetime) -> TimelineEvent:
    return TimelineEvent(
        kind="transcript",
        timestamp=turn.at,
        offset=offset(turn.at - started_at),
        turn_index=index,
        source=turn.role,
        text=turn.text,
        lang=turn.lang,
    )


def _called(call: ToolCall, said_at: list[datetime], started_at: datetime) -> TimelineEvent:
    return TimelineEvent(
        kind="tool",
        timestamp=call.at,
        offset=offset(call.at - started_at),
        turn_index=_turn_before(call.at, said_at),
        category="tool",
        label=call.name,
        duration_ms=call.duration_ms,
        tool_request=json_text(call.arguments),
        tool_result=json_text(call.result),
        tool_error=json_text(call.error),
    )


def _measured(one: Measurement, said_at: list[datetime], started_at: datetime) -> TimelineEvent:
    return TimelineEvent(
        kind="latency",
        timestamp=one.started_at,
        offset=offset(one.started_at - started_at),
        turn_index=_turn_before(one.started_at, said_at),
        category=one.category,
        label=one.label,
        metadata=one.metadata,
        duration_ms=one.duration_ms,
    )


def _turn_before(at: datetime, said_at: list[datetime]) -> int | None:
    """The index of the nearest turn at or before this moment; None before the first."""
    index = bisect_right(said_at, at) - 1
    return index if index >= 0 else None


def offset(since_start: timedelta) -> str:
    """`MM:SS`, from an hour on `HH:MM:SS`; what lies before the start shows as `00:00`."""
    seconds = max(0, int(since_start.total_seconds()))
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours:02}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"

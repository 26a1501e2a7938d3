"""Children in, latencies out, one by one and summed up (wire contract 2.6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hansard.resources.sessions.schemas import Category, InspectLatencyResponse, LatencyEntry, SummaryEntry
from hansard.resources.sessions.turns import in_order
from hansard.wire import Child, moment_of


@dataclass(frozen=True)
class Measurement:
    """How long one part of an answer took."""

    started_at: datetime
    ended_at: datetime
    category: str
    label: str
    duration_ms: float
    metadata: list[str] | None


def measurements(children: Iterable[Child]) -> list[Measurement]:
    """Every latency, in the order in which they began."""
    measured = (_measurement(child) for child in in_order(children) if child["kind"] == "latency")
    return sorted(measured, key=lambda one: one.started_at)


def _measurement(child: Child) -> Measurement:
    """Without `started_at` the event's instant is the end."""
    data = child["data"]
    lasted = timedelta(milliseconds=data["duration_ms"])
    started = data.get("started_at")
    started_at = moment_of(started) if started else _moved(moment_of(child["at"]), -lasted)
    return Measurement(
        started_at=started_at,
        ended_at=_moved(started_at, lasted),
        category=data["category"],
        label=data.get("label") or data["category"],
        duration_ms=data["duration_ms"],
        metadata=data.get("metadata"),
    )


_READABLE = frozenset(Category)
_MS = timedelta(milliseconds=1)


def latency(session_id: int, children: Iterable[Child]) -> InspectLatencyResponse:
    """The latencies the SDKs can read; end-of-turn figures are in the timeline only (T20)."""
    readable = [one for one in measurements(children) if one.category in _READABLE]
    befores = [None, *readable]
    return InspectLatencyResponse(
        session_id=str(session_id),
        timeline=[_entry(one, before) for before, one in zip(befores, readable, strict=False)],
        summary=_summary(readable),
    )


def _entry(one: Measurement, before: Measurement | None) -> LatencyEntry:
    delta = one.started_at - before.started_at if before else timedelta()
    return LatencyEntry(
        timestamp=one.ended_at,
        measurement_start=one.started_at,
        category=Category(one.category),
        label=one.label,
        unit_type="milliseconds",
        value=one.duration_ms,
        value_str=duration_text(one.duration_ms),
        time_delta=duration_text(delta / _MS),
        metadata=one.metadata,
    )


def _summary(measured: Iterable[Measurement]) -> list[SummaryEntry]:
    groups: dict[tuple[str, str], list[float]] = {}
    for one in measured:
        groups.setdefault((one.category, one.label), []).append(one.duration_ms)
    return [_group(*key, values) for key, values in sorted(groups.items())]


def _group(category: str, label: str, values: list[float]) -> SummaryEntry:
    average_ms = sum(values) / len(values)
    return SummaryEntry(
        category=Category(category),
        sub_category=label,
        event_count=len(values),
        sum_ms=sum(values),
        average_ms=average_ms,
        sum_str=duration_text(sum(values)),
        average_str=duration_text(average_ms),
    )


def duration_text(duration_ms: float) -> str:
    """`412 ms` below a second, `1.4 s` from there on."""
    return f"{duration_ms:.0f} ms" if abs(duration_ms) < 999.5 else f"{duration_ms / 1000:.1f} s"


def _moved(moment: datetime, by: timedelta) -> datetime:
    """A moment later or earlier; at the ends of the calendar it stays where it is."""
    try:
        return moment + by
    except OverflowError:
        return moment

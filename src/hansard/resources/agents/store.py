"""All SQL for the figures of agents: sessions counted, labels mixed, percentiles out of the counts by day."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from hansard.db.tables import latency_histogram, session, snapshot
from hansard.kit.errors import NotFound
from hansard.resources.agents.schemas import AgentFigures, AgentsFigures, DayFigures, LatencyFigures, VersionFigures
from hansard.resources.sessions.histograms import day_of, percentile_ms, unpacked_counts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Agent = tuple[str | None, str | None]  # its id and name
Part = tuple[str, str]  # category and label of a latency


@dataclass(frozen=True)
class _Version:
    """An agent with a version of a prompt: one or several snapshots, which differ in the channel or the model."""

    agent: Agent
    prompt_id: str | None
    prompt_name: str | None
    prompt_version_number: int | None


@dataclass
class _Tally:
    """What was counted of a version."""

    sessions: int = 0
    running: int = 0
    ended: int = 0
    lasted_s: float = 0.0
    interruptions: int = 0
    with_tool_error: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    latencies: dict[Part, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))


def list_agents(db: Connection, organization_id: int, since: datetime) -> AgentsFigures:
    """The figures of every agent, of the sessions that began on the day of `since` or later, tests left out.

    Counted by snapshot, of which there are few, and put together here.
    """
    first = day_of(since)
    versions = _versions(db, organization_id)
    tallies: dict[_Version, _Tally] = defaultdict(_Tally)
    _count_sessions(db, organization_id, first, versions, tallies)
    _count_labels(db, organization_id, first, versions, tallies)
    _count_latencies(db, organization_id, first, versions, tallies)
    agents: dict[Agent, list[VersionFigures]] = defaultdict(list)
    for version, tally in tallies.items():
        if tally.sessions:
            agents[version.agent].append(_figures_of(version, tally))
    made = [_agent(agent, figures) for agent, figures in agents.items()]
    made.sort(key=lambda one: (-one.sessions, one.agent_name or "", one.agent_id or ""))
    return AgentsFigures(since=_date(first), agents=made)


def list_days(
    db: Connection, organization_id: int, since: datetime, agent_id: str | None, agent_name: str | None, part: Part
) -> list[DayFigures]:
    """One part of an agent's answers, day by day; a day on which nothing was measured is left out.

    Raises NotFound where there is no such agent.
    """
    same_id = snapshot.c.agent_id.is_not_distinct_from(agent_id)
    same_name = snapshot.c.agent_name.is_not_distinct_from(agent_name)
    mine = select(snapshot.c.id).where(snapshot.c.organization_id == organization_id, same_id, same_name)
    if db.execute(mine.limit(1)).first() is None:
        raise NotFound(f"There is no agent {agent_name or agent_id!r}.")
    asked = (
        select(latency_histogram.c.day, latency_histogram.c.counts)
        .where(_measured_since(organization_id, day_of(since)), latency_histogram.c.snapshot_id.in_(mine))
        .where(latency_histogram.c.category == part[0], latency_histogram.c.label == part[1])
    )
    days: dict[int, Counter[int]] = defaultdict(Counter)
    for day, stored in db.execute(asked):
        days[day].update(unpacked_counts(stored))
    return [_day(day, days[day]) for day in sorted(days) if days[day].total() > 0]


def _versions(db: Connection, organization_id: int) -> dict[int, _Version]:
    """Which version each snapshot shows."""
    seen = snapshot.c
    asked = select(
        seen.id, seen.agent_id, seen.agent_name, seen.prompt_id, seen.prompt_name, seen.prompt_version_number
    )
    rows = db.execute(asked.where(seen.organization_id == organization_id))
    return {row.id: _Version((row.agent_id, row.agent_name), *row[3:]) for row in rows}


def _began_since(organization_id: int, first: int) -> ColumnElement[bool]:
    since = session.c.started_at >= _EPOCH + timedelta(days=first)
    return and_(session.c.organization_id == organization_id, since, session.c.is_test.is_(False))


def _measured_since(organization_id: int, first: int) -> ColumnElement[bool]:
    since = latency_histogram.c.day >= first
    return and_(latency_histogram.c.organization_id == organization_id, since, latency_histogram.c.is_test.is_(False))


def _count_sessions(
    db: Connection, organization_id: int, first: int, versions: dict[int, _Version], tallies: dict[_Version, _Tally]
) -> None:
    asked = select(
        session.c.snapshot_id,
        func.count().label("sessions"),
        func.count(session.c.duration_s).label("ended"),
        func.sum(session.c.duration_s).label("lasted_s"),
        func.sum(case((session.c.duration_s.is_(None), 1), else_=0)).label("running"),
        func.sum(session.c.interruption_count).label("interruptions"),
        func.sum(case((session.c.has_tool_error, 1), else_=0)).label("with_tool_error"),
    )
    for row in db.execute(asked.where(_began_since(organization_id, first)).group_by(session.c.snapshot_id)):
        tally = tallies[versions[row.snapshot_id]]
        tally.sessions += row.sessions
        tally.ended += row.ended
        tally.lasted_s += float(row.lasted_s or 0)
        tally.running += int(row.running)
        tally.interruptions += int(row.interruptions)
        tally.with_tool_error += int(row.with_tool_error)


def _count_labels(
    db: Connection, organization_id: int, first: int, versions: dict[int, _Version], tallies: dict[_Version, _Tally]
) -> None:
    """How often each code is the label a session is shown with."""
    asked = select(session.c.snapshot_id, session.c.label_code, func.count().label("times"))
    asked = asked.where(_began_since(organization_id, first), session.c.label_code.is_not(None))
    for row in db.execute(asked.group_by(session.c.snapshot_id, session.c.label_code)):
        tallies[versions[row.snapshot_id]].labels[row.label_code] += row.times


def _count_latencies(
    db: Connection, organization_id: int, first: int, versions: dict[int, _Version], tallies: dict[_Version, _Tally]
) -> None:
    cell = latency_histogram.c
    asked = select(cell.snapshot_id, cell.category, cell.label, cell.counts)
    for snapshot_id, category, name, stored in db.execute(asked.where(_measured_since(organization_id, first))):
        tallies[versions[snapshot_id]].latencies[category, name].update(unpacked_counts(stored))


def _figures_of(version: _Version, tally: _Tally) -> VersionFigures:
    return VersionFigures(
        prompt_id=version.prompt_id,
        prompt_name=version.prompt_name,
        prompt_version_number=version.prompt_version_number,
        sessions=tally.sessions,
        running=tally.running,
        mean_duration_s=tally.lasted_s / tally.ended if tally.ended else None,
        interruptions=tally.interruptions,
        with_tool_error=tally.with_tool_error,
        labels=dict(tally.labels),
        latencies=[_latency(part, counts) for part, counts in sorted(tally.latencies.items()) if counts.total() > 0],
    )


def _latency(part: Part, counts: Counter[int]) -> LatencyFigures:
    p50, p95, p99 = (percentile_ms(counts, share) or 0.0 for share in (0.5, 0.95, 0.99))
    return LatencyFigures(category=part[0], label=part[1], count=counts.total(), p50_ms=p50, p95_ms=p95, p99_ms=p99)


def _agent(agent: Agent, versions: list[VersionFigures]) -> AgentFigures:
    versions.sort(key=lambda one: (-one.sessions, -(one.prompt_version_number or 0), one.prompt_name or ""))
    return AgentFigures(
        agent_id=agent[0], agent_name=agent[1], sessions=sum(one.sessions for one in versions), versions=versions
    )


def _day(day: int, counts: Counter[int]) -> DayFigures:
    p50, p95 = (percentile_ms(counts, share) or 0.0 for share in (0.5, 0.95))
    return DayFigures(day=_date(day), count=counts.total(), p50_ms=p50, p95_ms=p95)


def _date(day: int) -> date:
    return (_EPOCH + timedelta(days=day)).date()

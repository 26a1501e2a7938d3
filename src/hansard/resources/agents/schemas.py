"""Shapes of the figures of agents."""

from datetime import date

from pydantic import BaseModel


class LatencyFigures(BaseModel):
    """How long one part of an answer took, over many sessions; percentiles are right to 2 %."""

    category: str
    label: str
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class VersionFigures(BaseModel):
    """What an agent did with one version of a prompt. What was not said of it is null."""

    prompt_id: str | None
    prompt_name: str | None
    prompt_version_number: int | None
    sessions: int
    running: int
    mean_duration_s: float | None
    interruptions: int
    with_tool_error: int
    labels: dict[str, int]
    latencies: list[LatencyFigures]


class DayFigures(BaseModel):
    """One part of an agent's answers on one day, in UTC."""

    day: date
    count: int
    p50_ms: float
    p95_ms: float


class AgentFigures(BaseModel):
    """One agent: its prompt versions, the one most used first."""

    agent_id: str | None
    agent_name: str | None
    sessions: int
    versions: list[VersionFigures]


class AgentsFigures(BaseModel):
    """All agents, the one with most sessions first, since the beginning of a day in UTC."""

    since: date
    agents: list[AgentFigures]

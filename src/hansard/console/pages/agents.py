"""`/agents`: how each agent does with each version of its prompt."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hansard.console.access import AnyViewer
from hansard.console.charts import Theme, days_chart
from hansard.console.render import HEADERS, AsAPage, page
from hansard.db.access import Now, Reading
from hansard.resources.agents.routes import MOST_DAYS, first_of
from hansard.resources.agents.schemas import AgentFigures, DayFigures, LatencyFigures, VersionFigures
from hansard.resources.agents.store import list_agents, list_days
from hansard.resources.sessions.query import Query as Filter
from hansard.resources.sessions.query import Term

router = APIRouter(include_in_schema=False)

RANGES = (("Today", 1), ("7 days", 7), ("30 days", 30), ("90 days", 90))
FEW = 30
# What is shown of an answer, where it was measured: the whole first, for it is what people feel.
PARTS = {
    ("turn", "end_to_end"): "Response",
    ("turn", "end_of_turn"): "End of turn",
    ("stt", "transcription"): "Speech to text",
    ("llm", "first_token"): "First token",
    ("tts", "first_byte"): "Text to speech",
}
CODES = ("GOOD", "OK", "BAD", "N/A")


Days = Annotated[int, Query(ge=1, le=MOST_DAYS)]


@router.get("/agents")
def agents(request: Request, db: Reading, viewer: AnyViewer, now: Now, days: Days = 30) -> Response:
    """Sessions, labels and latencies by agent and prompt version, of so many days up to today (UTC)."""
    figures = list_agents(db, viewer.organization_id, first_of(now, days))
    return page(
        request,
        "agents.html",
        viewer,
        figures=figures,
        days=days,
        ranges=RANGES,
        few=FEW,
        codes=CODES,
        parts=PARTS,
        measured=_measured,
        names=_names(figures.agents),
        found_by=_found_by,
        trend=_trend,
    )


def _asked(
    db: Reading,
    viewer: AnyViewer,
    now: Now,
    category: str,
    label: str,
    days: Days = 30,
    agent_id: str | None = None,
    agent_name: str | None = None,
) -> list[DayFigures]:
    """One part of an agent's answers, from day to day, as an address names them."""
    since = first_of(now, days)
    return list_days(db, viewer.organization_id, since, agent_id, agent_name, (category, label))


ByDay = Annotated[list[DayFigures], Depends(_asked)]


@router.get("/agents/days.svg")
def days_svg(found: ByDay, theme: Theme = "light") -> Response:
    """The chart of one part of an agent's answers."""
    return Response(days_chart(found, theme), media_type="image/svg+xml", headers=HEADERS)


@router.get("/agents/days", dependencies=[AsAPage])
def days_table(request: Request, viewer: AnyViewer, found: ByDay, category: str, label: str) -> Response:
    """The same as a table, for those who do not see the chart or want its figures."""
    part = PARTS.get((category, label), f"{category} {label}")
    return page(request, "days.html", viewer, found=found, part=part, name=request.query_params.get("agent_name"))


def _measured(version: VersionFigures) -> dict[tuple[str, str], LatencyFigures]:
    return {(one.category, one.label): one for one in version.latencies}


def _trend(agent: AgentFigures) -> tuple[str, str] | None:
    """The part of the agent's answers that says most: the first of `PARTS` it has."""
    have = {part for version in agent.versions for part in _measured(version)}
    return next((part for part in PARTS if part in have), None)


def _names(agents: list[AgentFigures]) -> list[str]:
    """What each is called, one after the other; those who share a name are told apart by their id."""
    names = [agent.agent_name or agent.agent_id or "Unnamed agent" for agent in agents]
    return [
        f"{name} ({agent.agent_id or 'without an id'})" if names.count(name) > 1 else name
        for name, agent in zip(names, agents, strict=True)
    ]


def _found_by(agent: AgentFigures, version: VersionFigures | None = None, **more: str) -> str:
    """The filter that finds these sessions, for the list."""
    named = {
        "agent": agent.agent_id or agent.agent_name,
        "prompt": version and (version.prompt_id or version.prompt_name),
        "version": version and version.prompt_version_number,
        "is": "live",
        **more,
    }
    return str(Filter(tuple(Term(name, (str(value),)) for name, value in named.items() if value is not None)))

"""The door to the figures of agents; ours, beside the vendor's API."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from hansard.db.access import Now
from hansard.resources.accounts.access import KeyedRoute, reading
from hansard.resources.accounts.schemas import Caller
from hansard.resources.agents import store
from hansard.resources.agents.schemas import AgentsFigures

router = APIRouter(tags=["hansard"], route_class=KeyedRoute)
MOST_DAYS = 3660


@router.get("/hansard/v1/agents")
@reading
def agents_figures(
    db: Connection,
    caller: Caller,
    now: Now,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="How many days, today's in UTC among them.")] = 30,
) -> AgentsFigures:
    """Per agent and version of its prompt: sessions, labels and percentiles of latency. Tests do not count."""
    return store.list_agents(db, caller.organization_id, first_of(now, days))


def first_of(now: datetime, days: int) -> datetime:
    """An instant of the first of so many days, of which today is the last."""
    return now - timedelta(days=days - 1)

"""Routes that are passed by where the path does not hold their beginning, and what is asked of a request, at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute
from pydantic import PlainValidator, ValidationError
from starlette.routing import Match
from starlette.types import Message

from hansard.kit.listing import Direction
from hansard.kit.routes import Asking, QuickRoute

router = APIRouter(route_class=QuickRoute)


@router.get("/hansard/v1/sessions/{session_id}/record")
def found(session_id: str) -> str:
    return session_id


@pytest.mark.parametrize(
    ("path", "root", "method", "match"),
    [
        ("/hansard/v1/sessions/7/record", "", "GET", Match.FULL),
        ("/below/hansard/v1/sessions/7/record", "/below", "GET", Match.FULL),
        ("/hansard/v1/sessions/7/record", "", "POST", Match.PARTIAL),
        ("/hansard/v1/sessions/7", "", "GET", Match.NONE),
        ("/api/v1/sessions/7", "", "GET", Match.NONE),
        ("/below/hansard/v1/sessions/7/record", "", "GET", Match.NONE),
    ],
)
def test_a_quick_route_is_found_where_any_other_would_be(path: str, root: str, method: str, match: Match) -> None:
    scope = {"type": "http", "path": path, "root_path": root, "method": method}
    assert router.routes[0].matches(scope)[0] is match


async def _today(request: Request) -> str:
    return request.headers["day"]


async def _listed(
    request: Request,
    names: Annotated[list[str] | None, Query()] = None,
    order: Annotated[Direction | None, Query()] = None,
    page: Annotated[int | None, Query(ge=0)] = 0,
) -> list[Any]:
    return [request.url.path, names, order, page]


async def _shown(
    number: Annotated[int, PlainValidator(int)],
    today: Annotated[str, Depends(_today)],
    listed: Annotated[list[Any], Depends(_listed)],
    q: Annotated[str, Query(max_length=5)],
    limit: Annotated[int, Query(ge=1, le=9)] = 5,
    total: bool | None = None,
) -> str:
    return repr((number, today, listed, q, limit, total))


usual = FastAPI()
usual.get("/of/{number}")(_shown)
(route,) = (one for one in usual.routes if isinstance(one, APIRoute))


@pytest.mark.parametrize(
    "query",
    [
        "q=x",
        "q=",
        "q=x&q=y",
        "q=%C3%BC%00&limit=9&total=true&unknown=1",
        "q=x&total=0&page=7&order=asc",
        "q=x&names=a&names=&names=c",
        "q=x&names=",
        "q=x&limit=+3&total=yes&page=2.0",
        "",
        "q=toolong",
        "q=x&limit=0",
        "q=x&limit=",
        "q=x&limit=1&limit=10",
        "q=x&total=",
        "q=x&order=sideways",
        "q=x&page=-1",
        "q=x&page=2.5",
    ],
)
def test_what_is_read_in_one_look_is_what_fastapi_reads(query: str) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/of/7",
        "path_params": {"number": "7"},
        "query_string": query.encode(),
        "headers": [(b"day", b"Monday")],
    }
    asking = Asking(route.dependant).answer(Request(dict(scope)))
    status, body = asyncio.run(_answer(scope))
    if status == 200:
        assert asyncio.run(asking) == body
    else:
        with pytest.raises(ValidationError):
            asyncio.run(asking)


async def _answer(scope: dict[str, Any]) -> tuple[int, Any]:
    """What FastAPI answers."""
    sent: list[Any] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await usual(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_what_asks_for_a_header_cannot_be_read_in_one_look() -> None:
    async def told(day: Annotated[str, Header()] = "Monday") -> str:
        return day

    with pytest.raises(TypeError):
        Asking(get_dependant(path="/", call=told))


def test_what_is_left_open_for_an_answer_cannot_be_read_in_one_look() -> None:
    async def opened() -> AsyncIterator[int]:
        yield 1

    async def told(number: Annotated[int, Depends(opened)]) -> int:
        return number

    with pytest.raises(TypeError):
        Asking(get_dependant(path="/", call=told))

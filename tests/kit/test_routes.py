"""Routes that are passed by where the path does not hold their beginning."""

import pytest
from fastapi import APIRouter
from starlette.routing import Match

from hansard.kit.routes import QuickRoute

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

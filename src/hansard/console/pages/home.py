"""`/`: where a person begins."""

from fastapi import APIRouter, Response

from hansard.console.access import AnyViewer
from hansard.console.render import see

router = APIRouter(include_in_schema=False)


@router.get("/")
def home(viewer: AnyViewer) -> Response:  # noqa: ARG001 - who is not signed in goes to sign in
    """The sessions."""
    return see("/sessions")

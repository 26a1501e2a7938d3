"""`/settings`: what becomes of old sessions, and how the storage is. Keys and members have modules of their own."""

from fastapi import APIRouter, Request, Response

from hansard import __version__
from hansard.console.access import AnyViewer
from hansard.console.render import page, see
from hansard.db.access import Reading, Storage
from hansard.db.health import health_of
from hansard.resources.sessions.recordings import count_recordings
from hansard.resources.sessions.running import count_running
from hansard.resources.sessions.store import count_sessions, get_last_change

router = APIRouter(include_in_schema=False)


@router.get("/settings")
def settings(viewer: AnyViewer) -> Response:  # noqa: ARG001 - who is not signed in goes to sign in
    """The first of the settings."""
    return see("/settings/keys")


@router.get("/settings/retention")
def retention(request: Request, viewer: AnyViewer) -> Response:
    """That nothing is deleted yet, and how to take everything out."""
    return page(request, "settings/retention.html", viewer)


@router.get("/settings/storage")
def storage(request: Request, database: Storage, db: Reading, viewer: AnyViewer) -> Response:
    """How the storage is, and how much this organization has in it."""
    mine = viewer.organization_id
    return page(
        request,
        "settings/storage.html",
        viewer,
        health=health_of(database, db),
        sessions=count_sessions(db, mine),
        running=count_running(db, mine),
        changes=get_last_change(db, mine),
        recordings=count_recordings(db, mine),
        version=__version__,
        settings=request.app.state.settings,
    )

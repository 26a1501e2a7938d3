"""`/live`: the sessions that run now."""

from fastapi import APIRouter, Request, Response

from hansard.console.access import AnyViewer
from hansard.console.live import changes
from hansard.console.render import page
from hansard.db.access import Now, Reading, Storage
from hansard.resources.sessions.running import MOST, count_running, list_running
from hansard.resources.sessions.store import get_last_change

router = APIRouter(include_in_schema=False)


@router.get("/live")
def live(request: Request, db: Reading, viewer: AnyViewer, now: Now) -> Response:
    """Who is being talked to, for how long, and what was said last."""
    running = list_running(db, viewer.organization_id, now)
    count = count_running(db, viewer.organization_id)
    seq = get_last_change(db, viewer.organization_id)
    return page(request, "live.html", viewer, running=running, count=count, most=MOST, seq=seq)


@router.get("/live/changes")
def live_changes(request: Request, storage: Storage, viewer: AnyViewer) -> Response:
    """Which sessions changed, told as it happens."""
    return changes(request, storage, viewer.organization_id)

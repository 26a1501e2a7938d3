"""Server-sent events for pages that grow by themselves: which sessions changed, told as it happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from hansard.console.access import viewer_or_nobody
from hansard.console.render import HEADERS
from hansard.db.engine import Database
from hansard.kit.errors import Busy
from hansard.kit.ids import LARGEST_ID
from hansard.resources.sessions.store import get_last_change, is_running, list_changes_after

LOOK_EVERY_S = 0.5
SAY_SOMETHING_EVERY_S = 15.0  # so that nothing in between takes the line for dead
LIFETIME_S = 600.0  # then the browser comes back by itself, and has to be signed in still
MOST_STREAMS = 100
_RETRY_MS = 2000


def changes(
    request: Request, storage: Database, organization_id: int, session_id: int | None = None
) -> StreamingResponse:
    """The changes of an organization's sessions, or of one of them, from now until the browser leaves.

    `event: change` carries `{"session_ids": [...]}` and as its id the place in the change log, from which a browser
    that comes back goes on; a page says with `?after=` which place it was made at. `event: missed` is for who was
    away for so long that the log no longer goes back there: anything may have changed. When the session is over,
    `event: ended` is the last. No connection to the database is held between two looks. Raises Busy when too many
    are followed already.
    """
    if _count(request) >= MOST_STREAMS:
        raise Busy(f"{MOST_STREAMS} pages are following sessions already; this one looks again when it is reloaded.")
    told = _told(request, storage, organization_id, session_id)
    return StreamingResponse(told, media_type="text/event-stream", headers=HEADERS | {"X-Accel-Buffering": "no"})


@dataclass(frozen=True)
class _Look:
    """What one look at the change log found."""

    seq: int
    session_ids: list[int]
    has_missed: bool
    is_over: bool


async def _told(
    request: Request, storage: Database, organization_id: int, session_id: int | None
) -> AsyncIterator[str]:
    state, after = request.app.state, _after(request)
    state.streams = _count(request) + 1
    ends_at = time.monotonic() + LIFETIME_S
    try:
        yield f"retry: {_RETRY_MS}\n\n"
        spoke_at = time.monotonic()
        while time.monotonic() < ends_at and not getattr(state, "is_stopping", False):
            if not await run_in_threadpool(_may_look, request, storage, organization_id):
                return
            look = await run_in_threadpool(_looked, storage, organization_id, session_id, after)
            after = look.seq
            lines = list(_lines(look))
            if not lines and time.monotonic() - spoke_at >= SAY_SOMETHING_EVERY_S:
                lines = [f": nothing new\nid: {after}\n\n"]  # nor will it be looked for again
            for line in lines:
                spoke_at = time.monotonic()
                yield line
            if look.is_over:
                return
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        state.streams -= 1


def _may_look(request: Request, storage: Database, organization_id: int) -> bool:
    """Whether who opened the stream may still see this: not signed out or removed meanwhile."""
    viewer = viewer_or_nobody(request, storage, request.app.state.clock())
    return viewer is not None and viewer.organization_id == organization_id


def _looked(storage: Database, organization_id: int, session_id: int | None, after: int | None) -> _Look:
    with storage.reading() as db:
        found = [] if after is None else list_changes_after(db, organization_id, after)
        has_missed = after is not None and len(found) > 0 and found[0].seq > after + 1
        if after is None or has_missed:  # who missed something looks at everything anew
            found, after = [], get_last_change(db, organization_id)
        is_over = session_id is not None and not is_running(db, organization_id, session_id)
    changed = {one.session_id for one in found}
    if session_id is not None:
        changed &= {session_id}
    return _Look(found[-1].seq if found else after, sorted(changed), has_missed, is_over)


def _lines(look: _Look) -> list[str]:
    lines = []
    if look.has_missed:
        lines.append(f"id: {look.seq}\nevent: missed\ndata: {{}}\n\n")
    if look.session_ids:
        said = to_json({"session_ids": [str(one) for one in look.session_ids]}).decode()
        lines.append(f"id: {look.seq}\nevent: change\ndata: {said}\n\n")
    if look.is_over:
        lines.append("event: ended\ndata: {}\n\n")
    return lines


def _after(request: Request) -> int | None:
    """Where the browser was, or the page was made; None for one that asks for the first time."""
    text = request.headers.get("last-event-id") or request.query_params.get("after", "")
    if not (text.isascii() and text.isdigit()) or len(text) > 16:
        return None
    return min(int(text), LARGEST_ID)


def _count(request: Request) -> int:
    return int(getattr(request.app.state, "streams", 0))

"""The recorder's door (design 3): read the body within its limits, check it, answer when it is on disk."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import APIRouter, Request

from hansard.db.access import Now, Storage
from hansard.kit.body import encoding_of, inflated, media_type_of, received
from hansard.kit.precedence import working
from hansard.resources.accounts.access import KeyedRoute, ingesting
from hansard.resources.accounts.schemas import Caller
from hansard.resources.ingest.receipt import Sent, take_together
from hansard.resources.ingest.validation import Checked, read_events
from hansard.resources.sessions.access import Idle
from hansard.wire import PATH, Receipt

router = APIRouter(tags=["ingest"], route_class=KeyedRoute)
# One body after the other: several at once take the interpreter from each other, and from who writes and reads.
_checking = ThreadPoolExecutor(1, "hansard-checking")


@router.post(PATH)
@ingesting
async def add_events(request: Request, caller: Caller, storage: Storage, now: Now, idle: Idle) -> Receipt:
    """Record events: `{"events": [...]}`, or one a line as `application/x-ndjson`; gzip if you like.

    Good events are stored even where others of the request are rejected. Sending an event again is harmless.
    """
    body = await received(request, request.app.state.settings.body_timeout_s)
    checked = await asyncio.get_running_loop().run_in_executor(_checking, _checked, body, request)
    written = storage.writer.submit_joined(caller.organization_id, take_together, Sent(checked, now, idle))
    del checked  # the last who holds a thousand events frees them: let it be the writer, for here requests wait
    return await asyncio.wrap_future(written)


def _checked(body: bytes, request: Request) -> Checked:
    with working():
        return read_events(inflated(body, encoding_of(request)), media_type_of(request))

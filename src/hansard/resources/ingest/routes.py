"""The recorder's door (design 3): read the body within its limits, check it, answer when it is on disk."""

import asyncio
from functools import partial

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from hansard.db.access import Now, Storage
from hansard.kit.errors import Invalid, TooLarge, TooSlow
from hansard.resources.accounts.access import Ingester
from hansard.resources.ingest.receipt import take
from hansard.resources.ingest.validation import Checked, checked, inflated, parsed
from hansard.resources.sessions.access import Idle
from hansard.wire import MAX_BYTES, PATH, Receipt

router = APIRouter(tags=["ingest"])


@router.post(PATH)
async def add_events(request: Request, storage: Storage, caller: Ingester, now: Now, idle: Idle) -> Receipt:
    """Record events: `{"events": [...]}`, or one a line as `application/x-ndjson`; gzip if you like.

    Good events are stored even where others of the request are rejected. Sending an event again is harmless.
    """
    body = await _body(request, request.app.state.settings.body_timeout_s)
    given = await run_in_threadpool(_checked, body, request)
    mine = caller.organization_id
    work = partial(take, organization_id=mine, given=given, now=now, idle=idle)
    return await asyncio.wrap_future(storage.writer.submit(mine, work))


def _checked(body: bytes, request: Request) -> Checked:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    return checked(parsed(inflated(body, encoding), media_type))


async def _body(request: Request, timeout_s: float) -> bytes:
    """The body as sent. Raises TooLarge as soon as it is, TooSlow when it does not arrive in time."""
    parts, size_bytes = [], 0
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                size_bytes += len(part)
                if size_bytes > MAX_BYTES:
                    raise TooLarge(f"A request may carry {MAX_BYTES} bytes; send fewer events at a time.")
                parts.append(part)
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {timeout_s:g} seconds.") from None
    if not size_bytes:
        raise Invalid("The body is empty.")
    return b"".join(parts)

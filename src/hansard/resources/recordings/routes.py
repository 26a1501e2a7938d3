"""The doors to recordings: the upload, which is ours, and the two the SDKs knock at (wire contract 2.8)."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from hansard.db.access import Now, Reading, Storage
from hansard.kit.errors import NotFound
from hansard.kit.routes import QuickRoute
from hansard.resources.accounts.access import Ingester, Reader, anybody_or_nobody
from hansard.resources.accounts.schemas import Caller
from hansard.resources.recordings.links import STREAM_PATH, new_token, opened
from hansard.resources.recordings.schemas import UPLOAD, SessionRecordingResponse, StoredRecording
from hansard.resources.recordings.streaming import BYTES, stream_of
from hansard.resources.recordings.upload import received_into, said_of
from hansard.resources.sessions import store as sessions
from hansard.resources.sessions.access import Idle
from hansard.resources.sessions.recordings import (
    Sound,
    add_recording,
    find_recording,
    get_recording,
    list_recordings,
)
from hansard.resources.sessions.routes import SessionId
from hansard.wire import RECORDINGS_PATH

router = APIRouter(route_class=QuickRoute)


@router.put(
    RECORDINGS_PATH + "/{service}/{sid:path}/{name}",
    tags=["ingest"],
    status_code=201,
    responses={200: {"model": StoredRecording, "description": "It was there already."}},
    openapi_extra=UPLOAD,
)
async def put_recording(
    request: Request, response: Response, storage: Storage, caller: Ingester, now: Now, idle: Idle
) -> StoredRecording:
    """Store the sound of a session, the body being the file. Answered once all of it is on disk.

    Sending it again is harmless: 200, and nothing changes. Other bytes under a name that is taken are refused.
    """
    said = said_of(request)
    state, mine = request.app.state, caller.organization_id
    with state.blobs.incoming() as incoming:
        limits = (state.settings.body_timeout_s, state.settings.most_recording_bytes)
        media_type = await received_into(incoming, request, said, *limits)
        sound = Sound(said.name, incoming.blob(mine), media_type, said.channels, said.began_at)
        with storage.reading() as db:
            known = find_recording(db, mine, said.key, sound)
        # The bytes first, then the row: whatever breaks off in between, no row is without its bytes.
        await run_in_threadpool(state.blobs.keep, mine, incoming)
    work = partial(add_recording, organization_id=mine, key=said.key, sound=sound, now=now, idle=idle)
    stored = await asyncio.wrap_future(storage.writer.submit(mine, work))
    state.listener.wake(mine)
    response.status_code = 200 if known else 201
    return StoredRecording(
        **said.key,
        session_id=str(stored.session_id),
        name=stored.name,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        media_type=stored.media_type,
    )


@router.post("/api/v1/sessions/recording/{session_id}", tags=["sessions"])
def generate_session_recording_urls(
    request: Request, db: Reading, caller: Reader, now: Now, session_id: SessionId
) -> SessionRecordingResponse:
    """Where the recordings of a session can be read, each for a quarter of an hour; empty when there is none."""
    mine = caller.organization_id
    sessions.get_session(db, mine, session_id)
    address = (request.app.state.settings.public_url or str(request.base_url)).rstrip("/")
    found = list_recordings(db, mine, session_id)
    return SessionRecordingResponse(
        session_id=str(session_id),
        recordings=[f"{address}{STREAM_PATH}?token={new_token(db, mine, one.id, now)}" for one in found],
    )


@router.head(STREAM_PATH, include_in_schema=False)
@router.get(STREAM_PATH, tags=["sessions"], response_class=Response, responses={200: {"content": {BYTES: {}}}})
def session_recording_stream(
    request: Request,
    db: Reading,
    now: Now,
    token: Annotated[str, Query(description="The token of a link, or the link.")],
    caller: Annotated[Caller | None, Depends(anybody_or_nobody)],
) -> Response:
    """The bytes of a recording, or a range of them. The token is enough; a key that is sent beside it must be good."""
    what = opened(db, token, now)
    if caller and caller.organization_id != what.organization_id:
        raise NotFound("No recording of your organization belongs to this token.")
    recording = get_recording(db, what.organization_id, what.recording_id)
    return stream_of(request, request.app.state.blobs, recording)

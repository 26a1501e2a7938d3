"""The four addresses under LIVEKIT_OBSERVABILITY_URL: the upload of a session, its logs, metrics and traces."""

import asyncio
from datetime import datetime, timedelta
from functools import partial

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from hansard.db.access import Now, Storage
from hansard.kit.body import encoding_of, inflated, received
from hansard.kit.otlp import PROTOBUF, trace_answer
from hansard.resources.livekit import logs, traces
from hansard.resources.livekit.access import Uploader
from hansard.resources.livekit.audio import add_audio, keep, refused_audio
from hansard.resources.livekit.chat import events_of
from hansard.resources.livekit.otlp import logs_answer, metrics_answer
from hansard.resources.livekit.retry import Retried
from hansard.resources.livekit.upload import parts_of, upload_of
from hansard.resources.sessions.access import Idle
from hansard.resources.sessions.intake import DAMAGED, Intake, add_events
from hansard.resources.sessions.recordings import Sound
from hansard.wire import MAX_BYTES, Event

router = APIRouter(tags=["livekit"], route_class=Retried)


@router.post("/observability/recordings/v0")
async def add_upload(
    request: Request, storage: Storage, organization_id: Uploader, now: Now, idle: Idle
) -> dict[str, int]:
    """Record a session as its agent's job uploads it at the end. Sending it again is harmless."""
    settings = request.app.state.settings
    parts = await parts_of(request, settings.body_timeout_s)
    try:
        upload = await upload_of(parts)
        events = await run_in_threadpool(events_of, upload)
        audio, sound = parts.get("audio"), None
        if isinstance(audio, UploadFile) and audio.size:
            sound = await run_in_threadpool(keep, request.app.state.blobs, organization_id, upload, audio.file)
            events += [] if sound else [refused_audio(upload, events[0])]
    finally:
        await parts.close()
    intake = (await _write(storage, organization_id, events, now, idle, sound)).whole()
    if sound:
        request.app.state.listener.wake(organization_id)
    return {
        "accepted": len(intake.accepted),
        "duplicates": len(intake.duplicates),
        "conflicts": len(intake.conflicts),
    }


@router.post("/observability/logs/otlp/v0")
async def add_logs(request: Request, storage: Storage, organization_id: Uploader, now: Now, idle: Idle) -> Response:
    """Record evaluations and outcome as labels. The agent's own log is no part of a session and is said to be left."""
    body = await _body(request)
    found = await run_in_threadpool(logs.read, body)
    if found.events:
        (await _write(storage, organization_id, found.events, now, idle)).whole()
    return Response(logs_answer(found.left), media_type=PROTOBUF)


@router.post("/observability/metrics/otlp/v0")
async def add_metrics(request: Request, organization_id: Uploader) -> Response:  # noqa: ARG001 - only the signed-in
    """Keep none: the figures of turns and models come with the upload, the rest is the health of a process."""
    body = await _body(request)
    return Response(metrics_answer(body), media_type=PROTOBUF)


@router.post("/observability/traces/otlp/v0")
async def add_traces(request: Request, storage: Storage, organization_id: Uploader, now: Now, idle: Idle) -> Response:
    """Keep each span in the record of its session, as it comes, which is while the session runs.

    Good spans are kept even where others are refused. Sending a span again is harmless.
    """
    body = await _body(request, traces.MAX_TRACES_BYTES)
    found = await run_in_threadpool(traces.read, body)
    intake = await _write(storage, organization_id, found.events, now, idle)
    conflicts = [traces.taken(found.events[place]) for place in intake.conflicts]
    damaged = [DAMAGED for _ in intake.damaged]
    return Response(trace_answer([*found.refused, *conflicts, *damaged]).SerializeToString(), media_type=PROTOBUF)


async def _body(request: Request, most: int = MAX_BYTES) -> bytes:
    body = await received(request, request.app.state.settings.body_timeout_s, most)
    return await run_in_threadpool(inflated, body, encoding_of(request), most)


async def _write(
    storage: Storage,
    organization_id: int,
    events: list[Event],
    now: datetime,
    idle: timedelta,
    sound: Sound | None = None,
) -> Intake:
    work = partial(_add, organization_id=organization_id, events=events, now=now, idle=idle, sound=sound)
    return await asyncio.wrap_future(storage.writer.submit(organization_id, work))


def _add(
    db: Connection, organization_id: int, events: list[Event], now: datetime, idle: timedelta, sound: Sound | None
) -> Intake:
    """The events and, where there is one, the recording of their session: both or neither."""
    intake = add_events(db, organization_id, events, now, idle)
    if sound:
        add_audio(db, organization_id, events[0]["session"], sound, now, idle)
    return intake

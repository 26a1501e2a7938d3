"""The OpenTelemetry door: OTLP over HTTP, answered as its specification wants, when the spans are on disk."""

import asyncio
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from hansard.db.access import Now, Storage
from hansard.kit.body import encoding_of, inflated, media_type_of, received
from hansard.kit.routes import QuickRoute
from hansard.resources.accounts.access import Ingester
from hansard.resources.ingest.otlp.decode import decoded, encoded
from hansard.resources.ingest.otlp.mapping import Mapped, mapped
from hansard.resources.ingest.otlp.traces import take_spans
from hansard.resources.sessions.access import Idle

PATH = "/v1/traces"

router = APIRouter(tags=["ingest"], route_class=QuickRoute)


@dataclass(frozen=True)
class _Given:
    """The spans of a request, ready to be kept, and a sentence about each that cannot be."""

    spans: list[Mapped]
    refused: list[str]


@router.post(PATH, response_class=Response)
async def add_spans(request: Request, storage: Storage, caller: Ingester, now: Now, idle: Idle) -> Response:
    """Record OpenTelemetry spans: an ExportTraceServiceRequest as protobuf or JSON; gzip if you like.

    Good spans are stored even where others of the request are refused. Sending a span again is harmless.
    """
    body = await received(request, request.app.state.settings.body_timeout_s)
    media_type = media_type_of(request)
    given = await run_in_threadpool(_given, body, encoding_of(request), media_type)
    mine = caller.organization_id
    work = partial(take_spans, organization_id=mine, spans=given.spans, now=now, idle=idle)
    taken = await asyncio.wrap_future(storage.writer.submit(mine, work))
    return Response(encoded(media_type, [*given.refused, *taken]), media_type=media_type)


def _given(body: bytes, encoding: str, media_type: str) -> _Given:
    found = decoded(inflated(body, encoding), media_type)
    made = _Given([], list(found.refused))
    for span in found.spans:
        try:
            made.spans.append(mapped(span))
        except ValueError as error:
            made.refused.append(str(error))
    return made

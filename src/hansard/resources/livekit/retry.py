"""LiveKit tries an upload again only where the answer says so in protobuf; a plain 503 would cost the session."""

import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError

from hansard.kit.errors import Busy, HansardError

LEAST_WAIT_S = 3  # it tries three times more, so that the server may be away for three times this
UNAVAILABLE = 14  # google.rpc.Code


class Retried(APIRoute):
    """A route whose answer to what passes by itself asks LiveKit to come again."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def run(request: Request) -> Response:
            try:
                return await handle(request)
            except OperationalError:
                return come_again(Busy("The database cannot be reached; nothing was written."))
            except HansardError as error:
                if "Retry-After" not in error.headers:
                    raise
                return come_again(error)

        return run


def come_again(error: HansardError) -> Response:
    """The error as a google.rpc.Status that says how long to wait."""
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    wait_s = max(LEAST_WAIT_S, math.ceil(float(error.headers["Retry-After"])))
    info = RetryInfo()
    info.retry_delay.seconds = wait_s
    said = Status(code=UNAVAILABLE, message=error.sentence)
    said.details.add().Pack(info)
    headers = {"Retry-After": str(wait_s)}
    return Response(said.SerializeToString(), error.status, headers, media_type="application/x-protobuf")

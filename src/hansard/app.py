"""Put the house together: routers, errors, the sweeper and the database."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException

from hansard import __version__
from hansard.console.render import error_page
from hansard.console.routes import ROUTERS as PAGES
from hansard.console.throttle import Throttle
from hansard.db.access import Readers
from hansard.db.counters import take_turn
from hansard.db.engine import Database
from hansard.kit.blobs import open_blobs
from hansard.kit.errors import Busy, HansardError, NotFound
from hansard.kit.settings import Settings
from hansard.resources.accounts.access import Anybody
from hansard.resources.accounts.schemas import Organization
from hansard.resources.accounts.store import EVERYBODY, list_organizations
from hansard.resources.ingest.otlp.traces import sweep_traces
from hansard.resources.recordings.job import Listener
from hansard.resources.routers import ROUTERS
from hansard.resources.sessions.indexing import Indexer
from hansard.resources.sessions.intake import close_abandoned
from hansard.resources.sessions.training import Trainer

SWEEP_EVERY_S = 30.0
_SWEPT_FOR = timedelta(seconds=SWEEP_EVERY_S - 2)
_log = logging.getLogger("hansard")


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    database: Database,
    clock: Callable[[], datetime] = utc_now,
    demo: Organization | None = None,
) -> FastAPI:
    """The server on an open database whose tables are there. It closes nothing: who opened does.

    With `demo`, whoever is not signed in looks at that organization's sessions as a viewer.
    """
    app = FastAPI(
        title="Hansard",
        version=__version__,
        description="The verbatim record of what AI agents and people said to each other.",
        redirect_slashes=False,
        docs_url=None,  # FastAPI's pages would load their scripts from another host
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.database = database
    app.state.clock = clock
    app.state.blobs = open_blobs(settings)
    app.state.listener = Listener(database, app.state.blobs, clock)
    app.state.indexer = Indexer(database)
    app.state.trainer = Trainer(database, clock)
    app.state.demo = demo
    app.state.throttle = Throttle()
    app.state.readers = Readers(database)
    app.add_api_route("/healthz", healthz, methods=["GET"], tags=["hansard"])
    for router in (*ROUTERS, *PAGES):
        app.router.routes.extend(router.routes)  # beside each other: to look within routers takes three times as long
    app.add_api_route("/api/v1/{path:path}", not_available, methods=_ALL_METHODS, include_in_schema=False)
    app.add_exception_handler(HansardError, _say)
    app.add_exception_handler(RequestValidationError, _say_malformed)
    app.add_exception_handler(HTTPException, _say_http)
    app.add_exception_handler(DataError, _say_data_error)
    app.add_exception_handler(OperationalError, _say_unreachable)
    app.add_exception_handler(NoConnection, _say_no_connection)
    app.add_exception_handler(Exception, _say_our_fault)
    return app


_APIS = ("/api/", "/ingest/", "/hansard/", "/v1/", "/observability/")
_ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def healthz(request: Request) -> dict[str, str]:
    """Whether the server can read its database."""
    with request.app.state.database.reading() as db:
        db.exec_driver_sql("SELECT 1")
    return {"status": "ok", "version": __version__}


def not_available(request: Request, caller: Anybody) -> None:  # noqa: ARG001 - only the signed-in get to know
    """What the vendor's API has and this server does not: never an empty success (wire contract 6.4)."""
    raise NotFound(f"{request.method} {request.url.path} is not available on this server")


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    sweeper = asyncio.create_task(_sweep_for_ever(app))
    app.state.listener.start()
    app.state.indexer.start()
    app.state.trainer.start()
    yield
    await asyncio.to_thread(app.state.listener.close)
    await asyncio.to_thread(app.state.indexer.close)
    await asyncio.to_thread(app.state.trainer.close)
    app.state.readers.close()
    sweeper.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sweeper


async def _sweep_for_ever(app: FastAPI) -> None:
    while True:
        try:
            if await _is_our_turn(app.state.database, app.state.clock()):
                await sweep(app.state.database, app.state.settings, app.state.clock())
        except Exception:
            _log.exception("The sweeper could not close abandoned sessions; it will try again.")
        await asyncio.sleep(SWEEP_EVERY_S)


async def _is_our_turn(database: Database, now: datetime) -> bool:
    """Of the servers that share a PostgreSQL one sweeps each time; two would do no harm, but the work twice."""
    if database.folder:
        return True
    asking = partial(take_turn, organization_id=EVERYBODY, name="sweep", now=now, every=_SWEPT_FOR)
    return await asyncio.wrap_future(database.writer.submit(EVERYBODY, asking))


async def sweep(database: Database, settings: Settings, now: datetime) -> int:
    """Settle every organization's waiting traces and close its abandoned sessions; give how many were closed."""
    silent_since = now - timedelta(seconds=settings.abandoned_after_s)
    idle = timedelta(seconds=settings.conversation_idle_s)
    closed = 0
    with database.reading() as db:
        organizations = list_organizations(db)
    for one in organizations:
        settling = partial(sweep_traces, organization_id=one.id, now=now, idle=idle)
        while await asyncio.wrap_future(database.writer.submit(one.id, settling)):
            pass
        work = partial(close_abandoned, organization_id=one.id, silent_since=silent_since)
        while done := await asyncio.wrap_future(database.writer.submit(one.id, work)):
            closed += done
    return closed


def _answer(request: Request, status: int, detail: Any, headers: dict[str, str] | None = None) -> Response:
    """An error as JSON for programs, as a page for people."""
    if _is_page(request):
        return error_page(request, status, _sentence(detail), headers or {})
    return JSONResponse({"detail": detail}, status_code=status, headers=headers)


def _is_page(request: Request) -> bool:
    """Whether somebody looks at this with a browser."""
    is_api = request.url.path.startswith(_APIS)
    return not is_api and "text/html" in request.headers.get("accept", "")


def _sentence(detail: Any) -> str:
    if isinstance(detail, str):
        return detail
    return " ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}." for one in detail)


async def _say(request: Request, error: Exception) -> Response:
    assert isinstance(error, HansardError)  # noqa: S101 - for the type checker; registered for this class
    return _answer(request, error.status, error.detail, error.headers)


async def _say_malformed(request: Request, error: Exception) -> Response:
    """422 with the list both SDKs read; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - for the type checker
    detail = [{"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    return _answer(request, 422, detail)


async def _say_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker
    return _answer(request, error.status_code, error.detail, dict(error.headers or {}))


async def _say_data_error(request: Request, _error: Exception) -> Response:
    return _answer(request, 400, "The request holds a value that cannot be stored or compared.")


async def _say_unreachable(request: Request, error: Exception) -> Response:
    _log.error("The database cannot be reached: %s", error)
    busy = Busy("The database cannot be reached.")
    return _answer(request, busy.status, busy.detail, busy.headers)


async def _say_no_connection(request: Request, _error: Exception) -> Response:
    busy = Busy("Every connection to the database is in use; try again in a moment.")
    return _answer(request, busy.status, busy.detail, busy.headers)


async def _say_our_fault(request: Request, _error: Exception) -> Response:
    return _answer(request, 500, "Something went wrong on this server; its log says what.")

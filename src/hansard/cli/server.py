"""The server as this program runs it: uvicorn's, which tells the application when it is about to stop."""

import gc
import signal
import socket
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

from hansard.app import create_app
from hansard.db.engine import Database
from hansard.kit.settings import Settings
from hansard.resources.accounts.schemas import Organization

NOT_STARTED = 3  # as uvicorn itself leaves when it cannot start
KEPT_S = 75  # an idle connection, longer than proxies keep theirs (60): else they send into one that is being closed
# After so long a thread that waits for the interpreter asks for it, not after five milliseconds: a page takes it ten
# times, and waited each time for those who record.
LONGEST_TURN_S = 0.001


class Server(uvicorn.Server):
    """Sets `app.state.is_stopping` before it waits for the open answers, so that those without an end find one."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.is_stopping = True
        await super().shutdown(sockets)


def configured(settings: Settings, app: FastAPI | None = None) -> uvicorn.Config:
    """How uvicorn serves this application, or where the settings say that it listens."""
    return uvicorn.Config(
        app or "",
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=KEPT_S,
        timeout_graceful_shutdown=10,
    )


def make_app(settings: Settings, database: Database, demo: Organization | None, *, adds_sounds: bool) -> FastAPI:
    """The application on an open database; with a `demo`, one process gives its samples their sounds meanwhile."""
    app = create_app(settings, database, demo=demo)
    if demo and adds_sounds:
        from hansard.cli.demo_sound import add_sounds_meanwhile

        add_sounds_meanwhile(app, demo)
    return app


def run_server(settings: Settings, app: FastAPI, listening: socket.socket | None = None) -> None:
    """Serve until SIGINT or SIGTERM, which uvicorn passes on when it is done: then leave by the door.

    On the socket that listens already, where one is given.
    """
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, _leave)
    server = Server(configured(settings, app))
    _collect_seldom()
    sys.setswitchinterval(LONGEST_TURN_S)
    server.run([listening] if listening else None)
    if not server.started:
        sys.exit(NOT_STARTED)


def _collect_seldom() -> None:
    """A request of a thousand events makes fifty thousand objects that are gone when it is answered: to look for
    cycles among them every 700 objects, and among all that the program is made of, costs a quarter of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _leave(*_: Any) -> None:
    """The first signal is enough: a second one must not break off what is being written to the end."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    sys.exit(0)

"""`hansard serve --workers N`: processes that listen on one port, and the parent that keeps them going.

Each is a server of its own; what they share is the port and PostgreSQL. They end with their parent, whichever way
that ends: each holds the reading end of a pipe that nobody writes to, and sees it close.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from multiprocessing import connection, get_context
from multiprocessing.context import SpawnProcess
from typing import Any

import click

from hansard.cli.server import NOT_STARTED, configured, make_app, run_server
from hansard.db.engine import open_database
from hansard.kit.settings import SettingError, Settings
from hansard.resources.accounts.schemas import Organization

MOST_DEATHS, WITHIN_S = 5, 60.0  # for each process; more, and it is no accident
LOOK_EVERY_S = 0.2
END_WITHIN_S = 30.0
GAVE_UP = 1

_spawning = get_context("spawn")  # a fork of a process with threads may begin with a lock that nobody gives back


def check_workers(settings: Settings) -> None:
    """Raises SettingError for several processes on a database that has room for one."""
    if settings.workers > 1 and not settings.database_url:
        raise SettingError(
            f"{settings.workers} workers need PostgreSQL: SQLite has one writer at a time, so that a second process "
            "would only wait for the first. Set HANSARD_DATABASE_URL=postgresql://…, or leave out --workers."
        )


def run_workers(settings: Settings, demo: Organization | None) -> int:
    """Serve with several processes until SIGINT or SIGTERM; give the exit code: 0 when that was what ended it."""
    with ExitStack() as open_until_then:
        return _Workers(settings, _bound(settings, open_until_then), demo).run()


def _bound(settings: Settings, until: ExitStack) -> list[socket.socket]:
    """A socket for each process, bound to the one port; exits with `NOT_STARTED` when that is taken.

    Linux deals new connections out evenly over sockets that share a port; of one socket that all listen on, whoever
    is awake takes all that wait. The parent keeps them open, so that who connects while a process is started again
    waits for it. Elsewhere there is one socket for all.
    """
    only = until.enter_context(configured(settings).bind_socket())
    if sys.platform != "linux":
        return [only] * settings.workers
    address = only.getsockname()
    only.close()
    made = [until.enter_context(socket.socket(only.family)) for _ in range(settings.workers)]
    for one in made:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(address)
    return made


class _Workers:
    """The parent: starts its processes, and again what died, until it is told to end."""

    def __init__(self, settings: Settings, listening: Sequence[socket.socket], demo: Organization | None) -> None:
        self._settings = settings
        self._listening = listening
        self._demo = demo
        self._parent, self._alive = _spawning.Pipe(duplex=False)
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS * settings.workers)
        self._is_told = False
        self._running: dict[int, SpawnProcess] = {}

    def run(self) -> int:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, self._end)
        for number in range(self._settings.workers):
            self._start(number)
        try:
            return self._watch()
        finally:
            self._end_all()

    def _end(self, *_: Any) -> None:
        self._is_told = True

    def _start(self, number: int) -> None:
        given = (self._settings, self._listening[number], self._parent, self._demo, number)
        process = _spawning.Process(target=work, args=given, name=f"hansard-{number + 1}")
        process.start()
        self._running[number] = process

    def _watch(self) -> int:
        while not self._is_told:
            connection.wait([one.sentinel for one in self._running.values()], LOOK_EVERY_S)
            dead = {number: one for number, one in self._running.items() if one.exitcode is not None}
            for number, process in dead.items():
                if self._is_told:
                    break
                if process.exitcode == NOT_STARTED:
                    return NOT_STARTED
                if not self._may_start_again():
                    _say(f"The processes of this server ended {len(self._deaths)} times within {WITHIN_S:.0f} seconds.")
                    return GAVE_UP
                _say(f"Process {process.pid} ended with {process.exitcode}; another takes its place.")
                self._start(number)
        return 0

    def _may_start_again(self) -> bool:
        """Note a death; False when there were too many of late."""
        now = time.monotonic()
        self._deaths.append(now)
        return len(self._deaths) < MOST_DEATHS * self._settings.workers or now - self._deaths[0] > WITHIN_S

    def _end_all(self) -> None:
        """Let all finish what they answer and write; who takes longer than `END_WITHIN_S` is killed."""
        for one in self._running.values():
            one.terminate()
        ends_at = time.monotonic() + END_WITHIN_S
        for one in self._running.values():
            one.join(max(0.0, ends_at - time.monotonic()))
            if one.exitcode is None:
                _say(f"Process {one.pid} did not end within {END_WITHIN_S:.0f} seconds and is killed.")
                one.kill()
                one.join()


def work(
    settings: Settings,
    listening: socket.socket,
    parent: "connection.Connection[Any, Any]",
    demo: Organization | None,
    number: int,
) -> None:
    """What one process does, from its start to its end."""
    threading.Thread(target=_end_with, args=(parent,), name="hansard-parent", daemon=True).start()
    database = open_database(settings)
    try:
        run_server(settings, make_app(settings, database, demo, adds_sounds=number == 0), listening)
    except SettingError as error:
        _say(f"Error: {error}")
        sys.exit(NOT_STARTED)
    finally:
        database.close()


def _end_with(parent: "connection.Connection[Any, Any]") -> None:
    with suppress(EOFError, OSError):
        parent.recv()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_WITHIN_S)
    os._exit(GAVE_UP)


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)
    sys.stderr.flush()

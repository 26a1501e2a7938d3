"""What every program is asked: take these sessions, say when all of them can be seen, give every one back whole."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from bench.client import Connection, post
from bench.data import Recorded
from bench.figures import timed_ms
from bench.sending import send_all
from bench.serving import Served

SEEN_WITHIN_S = 600.0
POLL_S = 0.05


class Form(NamedTuple):
    """A way of sending."""

    per_request: int
    connections: int


class Peer(Protocol):
    """A program that records sessions."""

    name: str
    durability: str  # what its answer promises, in a sentence
    forms: Sequence[Form]  # the ways of sending that are tried; the best counts

    def version(self) -> str:
        """As it is installed."""

    def serve(self, folder: Path) -> AbstractContextManager[Served]:
        """Run it with its data in this folder."""

    def request(self, sessions: Sequence[Recorded]) -> bytes:
        """These sessions as one request."""

    def seen(self, client: Connection) -> int:
        """How many parts of sessions can be seen by now, asked in its cheapest way."""

    def parts(self) -> int:
        """How many `seen` counts for one session."""

    def open(self, client: Connection, session: Recorded) -> int:
        """Read a session whole: how many messages, tool calls and latencies came back, in all."""


@dataclass(frozen=True)
class Taken:
    """How a program did in one form of sending."""

    form: Form
    acknowledged_per_s: float
    visible_per_s: float
    whole: int
    sent: int


def take(peer: Peer, served: Served, sessions: Sequence[Recorded], form: Form, before: int) -> Taken:
    """Send these sessions, wait until all can be seen, then read every one back.

    `before` is how many sessions were there. The visible rate is over the time from the first byte sent until the
    last session can be seen; it means something only where `whole` is all of them.
    """
    starts = range(0, len(sessions), form.per_request)
    groups = [sessions[first : first + form.per_request] for first in starts]
    requests = [peer.request(group) for group in groups]
    clients = [served.connect() for _ in range(form.connections)]
    done = send_all(clients, iter(requests), len(requests), SEEN_WITHIN_S)
    client = served.connect()
    _wait(lambda: peer.seen(client), (before + len(sessions)) * peer.parts())
    seen_s = time.monotonic() - done.began_s
    whole = sum(peer.open(client, one) == len(one.children) - 2 for one in sessions)
    acknowledged_s = done.ended_s - done.began_s
    return Taken(form, len(sessions) / acknowledged_s, len(sessions) / seen_s, whole, len(sessions))


def opened_ms(peer: Peer, served: Served, sessions: Sequence[Recorded]) -> Iterator[float]:
    """How long it takes to read sessions whole, one after another."""
    client = served.connect()
    for one in sessions:
        yield timed_ms(lambda one=one: peer.open(client, one))[0]  # type: ignore[misc]


def size_bytes(folder: Path) -> int:
    """What all its files take."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _wait(seen: Callable[[], int], expected: int) -> None:
    deadline = time.monotonic() + SEEN_WITHIN_S
    while (count := seen()) < expected:
        if time.monotonic() > deadline:
            raise RuntimeError(f"After {SEEN_WITHIN_S} s only {count} of {expected} can be seen.")
        time.sleep(POLL_S)


def protobuf(path: str, body: bytes, **headers: str) -> bytes:
    """An OTLP request."""
    return post(path, body, media_type="application/x-protobuf", **headers)

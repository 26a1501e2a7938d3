"""Recording whole sessions over HTTP, beside inserting a row and a compressed body for each in this process.

A rate counts from the first byte sent until the list shows the last session; and all of it counts only because,
afterwards, every session is read back whole.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic_core import to_json

from bench.client import Connection, get
from bench.controls import Keeper, compressed
from bench.data import END_US, EVENTS, recorded
from bench.figures import Bar, Figure, Pairs, Spread, spread
from bench.fill import Filled
from bench.sending import MOST_PER_REQUEST, Sender, Sent, sending
from bench.serving import Served

ROUNDS = 5
SESSIONS = 280
SEEN_WITHIN_S = 120.0


@dataclass
class _Control:
    """Sessions as the bare driver gets them: their text, and the same text compressed beforehand."""

    keeper: Keeper
    texts: Sequence[bytes]
    made: int = 0

    def rate(self, count: int, *, compresses: bool) -> float:
        """Sessions a second, inserting; with `compresses` also making the bodies of their JSON text."""
        texts = [self.texts[place % len(self.texts)] for place in range(count)]
        ready = [] if compresses else [compressed(text) for text in texts]
        rows = self.keeper.rows_of([f"control-{self.made + place}" for place in range(count)], 1, END_US)
        self.made += count
        began = time.perf_counter()
        self.keeper.insert(rows, [compressed(text) for text in texts] if compresses else ready)
        return count / (time.perf_counter() - began)


def measure(
    filled: Filled, served: Served, control: Keeper, rounds: int = ROUNDS, sessions: int = SESSIONS
) -> Iterator[Figure]:
    """As many sessions a request as the server takes, then one a request; each beside both controls."""
    writer = _Control(control, [to_json(one.children) for one in recorded(1, min(50, sessions))])
    client, seen = served.connect(), _Seen(filled, served.connect())
    read_back = 0
    for seed, per_request in ((2, MOST_PER_REQUEST), (3, 1)):
        with sending(served.port, filled.key, seed, per_request, sessions) as sender:
            inserting, making, answers_ms, ids = _rounds(writer, seen, sender, rounds, sessions, per_request)
        read_back += _read_back(filled, client, ids)
        named = f"{per_request} a request" if per_request > 1 else "one a request"
        yield making.figure("record", f"{named}; control compresses too", "sessions/s", Bar("ratio", 0.4, True))
        bars = [Bar("ratio", 0.4, True)] if per_request > 1 else []
        yield inserting.figure("record", f"{named}; control only inserts", "sessions/s", *bars)
        yield Figure("record", f"{named}: until the answer", "ms", spread(answers_ms))
    yield Figure("record", "read back whole", "sessions", _count(read_back))


def _count(number: int) -> Spread:
    return Spread(number, number, number, number, 1)


def _rounds(
    writer: _Control, seen: "_Seen", sender: Sender, rounds: int, sessions: int, per_request: int
) -> tuple[Pairs, Pairs, list[float], list[int]]:
    inserting, making = Pairs(), Pairs()
    answers_ms: list[float] = []
    ids: list[int] = []
    requests = max(4, sessions // per_request)
    sender.send(4)  # opens the connections
    seen.catch_up()
    for _ in range(rounds):
        bare = writer.rate(requests * per_request, compresses=False)
        packed = writer.rate(requests * per_request, compresses=True)
        sent = sender.send(requests)
        rate = len(sent.session_ids) / (seen.after(sent) - sent.began_s)
        inserting.add(bare, rate)
        making.add(packed, rate)
        answers_ms += sent.answers_ms
        ids += sent.session_ids
    return inserting, making, answers_ms, ids


class _Seen:
    """Watches the list's exact total: a session is recorded when it is shown."""

    def __init__(self, filled: Filled, client: Connection) -> None:
        self._client = client
        self._request = get("/hansard/v1/sessions", filled.key, limit=1)
        self._expected = 0
        self.catch_up()

    def catch_up(self) -> None:
        self._expected = self._total()

    def _total(self) -> int:
        return int(self._client.expect(self._request).json["total_count"])

    def after(self, sent: Sent) -> float:
        """When the list showed all that was sent."""
        self._expected += len(sent.session_ids)
        deadline = time.monotonic() + SEEN_WITHIN_S
        while (total := self._total()) != self._expected:
            if total > self._expected or time.monotonic() > deadline:
                raise RuntimeError(f"The list shows {total} sessions, not {self._expected}.")
        return time.monotonic()


def _read_back(filled: Filled, client: Connection, ids: Sequence[int]) -> int:
    """Open every session and count its events; gives how many sessions were whole, which must be all."""
    if len(set(ids)) != len(ids):
        raise RuntimeError("Two sessions got one id.")
    for number in ids:
        record = client.expect(get(f"/hansard/v1/sessions/{number}/record", filled.key)).json
        if len({event["id"] for event in record["events"]}) != EVENTS:
            raise RuntimeError(f"Session {number} came back with {len(record['events'])} events, not {EVENTS}.")
    return len(ids)

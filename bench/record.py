"""Recording whole sessions over HTTP, beside inserting a row and a compressed body for each in this process.

A rate counts from the first byte sent until the list shows the last session; and all of it counts only because,
afterwards, every session is read back whole.
"""

import json
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic_core import to_json

from bench.client import Connection, get
from bench.controls import Keeper, compressed
from bench.data import END_US, EVENTS, Recorded, recorded
from bench.figures import Bar, Figure, Pairs, only, spread
from bench.fill import Filled
from bench.sending import MOST_PER_REQUEST, Sender, Sent, sending
from bench.serving import Served
from bench.settling import settle

ROUNDS = 5
SESSIONS = 280
SEEN_WITHIN_S = 120.0


# The controls, from the least that can be done to what a program of the standard library alone would do.
INSERTS, COMPRESSES, WRITES = "only inserts", "compresses, inserts", "writes JSON, zlib, inserts"
CONTROLS = (INSERTS, COMPRESSES, WRITES)


@dataclass
class _Control:
    """Sessions as the bare driver gets them: their text, and the same text compressed beforehand."""

    keeper: Keeper
    sessions: Sequence[Recorded]
    made: int = 0

    def rate(self, count: int, how: str) -> float:
        """Sessions a second. The bodies are made within that time, but for the control that only inserts."""
        some = [self.sessions[place % len(self.sessions)] for place in range(count)]
        texts = [to_json(one.children) for one in some]
        ready = [compressed(text) for text in texts] if how == INSERTS else []
        rows = self.keeper.rows_of([f"control-{self.made + place}" for place in range(count)], 1, END_US)
        self.made += count
        began = time.perf_counter()
        if how == COMPRESSES:
            ready = [compressed(text) for text in texts]
        elif how == WRITES:
            ready = [zlib.compress(json.dumps(one.children).encode()) for one in some]
        self.keeper.insert(rows, ready)
        return count / (time.perf_counter() - began)


def measure(
    filled: Filled, served: Served, control: Keeper, rounds: int = ROUNDS, sessions: int = SESSIONS
) -> Iterator[Figure]:
    """As many sessions a request as the server takes, then one a request; each beside every control."""
    writer = _Control(control, list(recorded(1, min(50, sessions))))
    seen = _Seen(filled, served.connect())
    whole = 0
    for seed, per_request in ((2, MOST_PER_REQUEST), (3, 1)):
        with sending(served.port, filled.key, seed, per_request, sessions) as sender:
            done = _rounds(filled, writer, seen, sender, rounds, max(4, sessions // per_request), per_request)
        whole += read_back(filled, served.connect(), done.session_ids)
        named = f"{per_request} a request" if per_request > 1 else "one a request"
        for how, pairs in done.beside.items():
            bars = [Bar("ratio", 0.4, is_least=True)] if per_request > 1 else []
            yield pairs.figure("record", f"{named}; control {how}", "sessions/s", *bars)
        yield Figure("record", f"{named}: until the answer", "ms", spread(done.answers_ms))
    yield Figure("record", "read back whole", "sessions", only(whole))


@dataclass
class _Done:
    """What became of the rounds of one form."""

    beside: dict[str, Pairs] = field(default_factory=lambda: {how: Pairs() for how in CONTROLS})
    answers_ms: list[float] = field(default_factory=list)
    session_ids: list[int] = field(default_factory=list)


def _rounds(
    filled: Filled, writer: _Control, seen: "_Seen", sender: Sender, rounds: int, requests: int, per_request: int
) -> _Done:
    done = _Done()
    sender.send(4)  # opens the connections
    seen.catch_up()
    for _ in range(rounds):
        settle(filled)  # else its work in the background would slow the controls
        controls = {how: writer.rate(requests * per_request, how) for how in CONTROLS}
        sent = sender.send(requests)
        rate = len(sent.session_ids) / (seen.after(sent) - sent.began_s)
        for how, pairs in done.beside.items():
            pairs.add(controls[how], rate)
        done.answers_ms += sent.answers_ms
        done.session_ids += sent.session_ids
    return done


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


def read_back(filled: Filled, client: Connection, ids: Sequence[int]) -> int:
    """Open every session and count its events; gives how many sessions were whole, which must be all."""
    if len(set(ids)) != len(ids):
        raise RuntimeError("Two sessions got one id.")
    for number in ids:
        record = client.expect(get(f"/hansard/v1/sessions/{number}/record", filled.key)).json
        if len({event["id"] for event in record["events"]}) != EVENTS:
            raise RuntimeError(f"Session {number} came back with {len(record['events'])} events, not {EVENTS}.")
    return len(ids)

"""How often somebody may try a password: each further try waits twice as long."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Lock

from fastapi import Request

from hansard.kit.errors import TooOften

FORGOTTEN_AFTER = timedelta(hours=1)
MOST_KEPT = 10_000


@dataclass(frozen=True)
class Limit:
    """Tries that cost nothing, and the longest wait before another one."""

    free: int
    longest_s: int


ADDRESS = Limit(free=5, longest_s=60)  # so that who locks another one out does not lock them out for long
CLIENT = Limit(free=20, longest_s=900)


@dataclass
class _Tries:
    count: int
    last_at: datetime
    until: datetime


class Throttle:
    """Counts the tries of each address and of each client, in the memory of one process.

    A try counts when it begins, so that many at once are no way round; one that succeeds is taken back. What
    nobody tried for an hour is forgotten; of more than `most` names, the one that was longest not tried.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._lock = Lock()

    def begin(self, names: Iterable[tuple[str, Limit]], now: datetime) -> None:
        """Count a try under each name. Raises TooOften, and counts none, while one of them must wait."""
        known = list(names)
        with self._lock:
            wait_s = max(self._wait_s(name, now) for name, _ in known)
            if wait_s > 0:
                raise TooOften(f"Too many attempts. Try again in {_in_words(wait_s)}.", wait_s)
            for name, limit in known:
                self._count(name, limit, now)

    def forget(self, address: str, client: str) -> None:
        """A try succeeded: the address begins anew, the client has this one back."""
        with self._lock:
            self._tries.pop(address, None)
            if client in self._tries:
                self._tries[client].count -= 1
                self._tries[client].until = self._tries[client].last_at

    def __len__(self) -> int:
        return len(self._tries)

    def _wait_s(self, name: str, now: datetime) -> float:
        known = self._tries.get(name)
        return (known.until - now).total_seconds() if known else 0.0

    def _count(self, name: str, limit: Limit, now: datetime) -> None:
        known = self._tries.pop(name, None)
        if known is None or now - known.last_at > FORGOTTEN_AFTER:
            known = _Tries(0, now, now)
        known.count += 1
        known.last_at = now
        over = known.count - limit.free
        delay_s = min(2 ** min(over, 20), limit.longest_s) if over >= 0 else 0
        known.until = now + timedelta(seconds=delay_s)
        self._tries[name] = known
        while len(self._tries) > self._most:
            self._tries.popitem(last=False)


def client_of(request: Request) -> str:
    """Who asks: an IPv4 address, or the network of an IPv6 one, of which one customer has 2^64."""
    text = request.client.host if request.client else ""
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if not isinstance(address, IPv6Address):
        return text
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False))


def _in_words(wait_s: float) -> str:
    if wait_s <= 90:
        return f"{max(1, round(wait_s))} seconds"
    return f"{round(wait_s / 60)} minutes"

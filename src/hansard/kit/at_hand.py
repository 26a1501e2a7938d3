"""The last few of something that was made at some expense, to be had again without it."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class AtHand(Generic[K, V]):
    """Those that were used of late, `most` of them, by their keys. For any number of threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._found: OrderedDict[K, V] = OrderedDict()

    def find(self, key: K) -> V | None:
        """The one with this key; None where it was never kept, or others were used since."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def keep(self, key: K, one: V) -> V:
        """Keep one, in the place of another with its key, and give it back."""
        with self._lock:
            self._found[key] = one
            self._found.move_to_end(key)
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        return one

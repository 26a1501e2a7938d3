"""Who goes first where the interpreter runs one thread at a time: a page, before work that can wait (decision 0010).

To look a page up takes the interpreter some twenty times, for SQLite's driver lets it go at every step. Beside threads
that work without a pause each time is waited for, and a page takes several times as long.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

LONGEST_S = 0.02  # that work waits for one page
_page = threading.Lock()  # held while one is made
_turn = threading.Lock()  # held by the one thread that works
_not_before = 0.0  # of who has the turn: when to give way again


@contextmanager
def going_first() -> Iterator[None]:
    """Make a page: work that gives way stands still until the end of the block, for `LONGEST_S` at most."""
    is_ours = _page.acquire(blocking=False)
    try:
        yield
    finally:
        if is_ours:
            _page.release()


def working() -> AbstractContextManager[Any]:
    """Work that can wait: one thread at a time, for two would take the interpreter from each other and from a page."""
    return _turn


def give_way() -> None:
    """Let a page that is being made go first; to be called every millisecond or less, by who is `working`.

    Who gave way works for as long before it does so again: however many ask, half of the time is left for work.
    """
    global _not_before
    if not _page.locked():
        return
    began = time.monotonic()
    if began < _not_before:
        return
    if _page.acquire(timeout=LONGEST_S):
        _page.release()
    ended = time.monotonic()
    _not_before = 2 * ended - began

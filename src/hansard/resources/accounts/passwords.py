"""Passwords: how long they are, and what is kept of them.

Argon2id takes some tenths of a second and 64 MiB on purpose. So nothing here runs in a transaction or on the event
loop, and `in_turn` leaves half of the machine to those who are not signing in.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import BoundedSemaphore
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hansard.kit.errors import Busy, Invalid

T = TypeVar("T")
LEAST = 12
MOST = 1024
AT_ONCE = max(1, (os.cpu_count() or 2) // 2)
MOST_WAITING = 32

# RFC 9106, section 4, where memory is scarce; in one lane, for the other cores have other work.
_hasher = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1)
_pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hansard-password")
_places = BoundedSemaphore(AT_ONCE + MOST_WAITING)


def hashed(password: str) -> str:
    """What is kept of a password. Raises Invalid for one that is too short or too long."""
    if not LEAST <= len(password) <= MOST:
        raise Invalid(f"A password needs {LEAST} to {MOST} characters.")
    return _hasher.hash(password)


def is_right(password: str, kept: str | None) -> bool:
    """Whether this is the password of which that was kept. Where nothing was, the answer takes as long."""
    try:
        return _hasher.verify(kept or _nobodys(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_hex())


async def in_turn(work: Callable[[], T]) -> T:
    """Do work that hashes, a few at a time, beside the event loop. Raises Busy when too many wait."""
    if not _places.acquire(blocking=False):
        raise Busy("Too many people are signing in; try again in a moment.")
    try:
        return await asyncio.get_running_loop().run_in_executor(_pool, work)
    finally:
        _places.release()

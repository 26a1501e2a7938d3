"""API keys: how one is made, what it says of itself, and what of it is stored.

`hsd_<organization>_<key>_<secret><check>`: a prefix scanners can find, the two ids to look it up by, 190 random
bits, and a checksum that tells a mistyped key from a wrong one without the database. Only its SHA-256 is
stored: a secret of that size needs no slow hash.
"""

import hashlib
import secrets
import string
import zlib
from dataclasses import dataclass

from hansard.kit.ids import find_id

_ALPHABET = string.digits + string.ascii_letters
_SECRET_LENGTH = 32
_CHECK_LENGTH = 6


@dataclass(frozen=True)
class KeyIds:
    """Which key a text claims to be."""

    organization_id: int
    key_id: int


def new_key(organization_id: int, key_id: int) -> str:
    """Make the text of a key; nothing keeps it but who receives it."""
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    start = f"hsd_{organization_id}_{key_id}_{secret}"
    return start + _check(start)


def find_key_ids(key: str) -> KeyIds | None:
    """Read the ids out of a key; None when the text cannot be one of ours."""
    parts = key.split("_")
    if len(parts) != 4 or parts[0] != "hsd" or len(key) > 100 or not key.isascii():
        return None
    organization_id, key_id = find_id(parts[1]), find_id(parts[2])
    if organization_id is None or key_id is None or _check(key[:-_CHECK_LENGTH]) != key[-_CHECK_LENGTH:]:
        return None
    return KeyIds(organization_id, key_id)


def hash_of(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


def _check(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[digit]
    return digits

"""The links that open one recording for a quarter of an hour: made, and read back."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from itsdangerous import BadSignature, Signer
from sqlalchemy import Connection

from hansard.kit.errors import Expired, NotFound
from hansard.resources.accounts.store import find_signing_key

GOOD_FOR = timedelta(minutes=15)
STREAM_PATH = "/api/v1/sessions/recording/stream"
_TOKEN = re.compile(r"([1-9]\d{0,15})\.([1-9]\d{0,15})\.(\d{1,12})\.[\w-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Opened:
    """What a token opens."""

    organization_id: int
    recording_id: int


def new_token(db: Connection, organization_id: int, recording_id: int, now: datetime) -> str:
    """A text that opens this recording until `GOOD_FOR` from now, and nothing else.

    It says what it opens and until when, in Unix seconds, and is signed with the organization's own key.
    """
    until_s = int((now + GOOD_FOR).timestamp())
    signed = _signer(db, organization_id).sign(f"{organization_id}.{recording_id}.{until_s}")
    return signed.decode()


def opened(db: Connection, token: str, now: datetime) -> Opened:
    """What a token opens; a whole link will do for it. Raises NotFound for one that is not ours, Expired."""
    text = _token_of(token)
    parts = _TOKEN.fullmatch(text)
    if parts is None:
        raise _unknown()
    organization_id, recording_id, until_s = map(int, parts.groups())
    try:
        _signer(db, organization_id).unsign(text)
    except BadSignature:
        raise _unknown() from None
    if now.timestamp() > until_s:
        raise Expired("This link has expired; ask for a new one.")
    return Opened(organization_id, recording_id)


def _token_of(given: str) -> str:
    """The token of a link, where one was given (wire contract 2.8)."""
    if "token=" not in given:
        return given
    try:
        return parse_qs(urlsplit(given).query).get("token", [""])[-1]
    except ValueError:
        raise _unknown() from None


def _signer(db: Connection, organization_id: int) -> Signer:
    key = find_signing_key(db, organization_id)
    if key is None:
        raise _unknown()
    return Signer(key, salt="recording", key_derivation="hmac", digest_method=hashlib.sha256)


def _unknown() -> NotFound:
    return NotFound("No recording belongs to this token.")

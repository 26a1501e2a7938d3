"""What a route asks for to know who is there: `Reader`, `Ingester`, `Anybody`."""

from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from hansard.db.access import Storage
from hansard.kit.errors import NotAllowed, NotSignedIn
from hansard.resources.accounts.schemas import Caller, Scope
from hansard.resources.accounts.store import find_caller

HEADER = "Syllable-API-Key"

_header = APIKeyHeader(name=HEADER, auto_error=False)
_bearer = HTTPBearer(auto_error=False)


def anybody_or_nobody(
    database: Storage,
    key: Annotated[str | None, Security(_header)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller | None:
    """Whoever holds the key in either header; None when there is none. Raises NotSignedIn for a bad one."""
    given = key or (bearer.credentials if bearer else "")
    if not given:
        return None
    with database.reading() as db:
        caller = find_caller(db, given)
    if caller is None:
        raise NotSignedIn("This API key is not known here, or it was revoked.")
    return caller


async def _anybody(caller: Annotated[Caller | None, Depends(anybody_or_nobody)]) -> Caller:
    if caller is None:
        raise NotSignedIn(f"Send an API key in the header {HEADER}.")
    return caller


Anybody = Annotated[Caller, Depends(_anybody)]


async def _reader(caller: Anybody) -> Caller:
    return _with(caller, Scope.READ)


async def _ingester(caller: Anybody) -> Caller:
    return _with(caller, Scope.INGEST)


def _with(caller: Caller, scope: Scope) -> Caller:
    if not caller.may(scope):
        raise NotAllowed(f"This API key lacks the scope {scope.value!r}.")
    return caller


Reader = Annotated[Caller, Depends(_reader)]
Ingester = Annotated[Caller, Depends(_ingester)]

"""What a route asks for to know who is there: `Reader`, `Ingester`, `Anybody`; `reading` for those that only read."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

from fastapi import Depends, Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Connection

from hansard.db.access import Readers, Storage, readers
from hansard.kit.answers import Json, writer_of
from hansard.kit.errors import NotAllowed, NotSignedIn
from hansard.resources.accounts.schemas import Caller, Scope
from hansard.resources.accounts.store import find_caller

HEADER = "Syllable-API-Key"
SHORT = 50  # items, which take a few milliseconds to write
P = ParamSpec("P")
T = TypeVar("T")

_bearer = HTTPBearer(auto_error=False)


class _EitherHeader(APIKeyHeader):
    """The key in either header; empty when there is none. To ask for both by themselves would be two steps more."""

    async def __call__(  # type: ignore[override]
        self, request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> str:
        return await super().__call__(request) or (bearer.credentials if bearer else "")


SCHEME = "APIKeyHeader"
Key = Annotated[str, Security(_EitherHeader(name=HEADER, scheme_name=SCHEME, auto_error=False))]


def anybody_or_nobody(database: Storage, key: Key) -> Caller | None:
    """Whoever holds the key in either header; None when there is none. Raises NotSignedIn for a bad one."""
    if not key:
        return None
    with database.reading() as db:
        return _holder(db, key)


def _holder(db: Connection, key: str) -> Caller:
    caller = find_caller(db, key)
    if caller is None:
        raise NotSignedIn("This API key is not known here, or it was revoked.")
    return caller


async def _anybody(caller: Annotated[Caller | None, Depends(anybody_or_nobody)]) -> Caller:
    if caller is None:
        raise _without_key()
    return caller


def _without_key() -> NotSignedIn:
    return NotSignedIn(f"Send an API key in the header {HEADER}.")


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


@dataclass(frozen=True)
class _Asking:
    """A key that is not looked up yet, and where to read."""

    key: str
    readers: Readers


class _AskingHeader(_EitherHeader):
    """Who asks with the key in either header, and where: one step, as every step takes longer than to read the key."""

    async def __call__(  # type: ignore[override]
        self, request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> _Asking:
        key = await super().__call__(request, bearer)
        if not key:
            raise _without_key()
        return _Asking(key, await readers(request))


Asking = Annotated[_Asking, Security(_AskingHeader(name=HEADER, scheme_name=SCHEME, auto_error=False))]


Route = Callable[Concatenate[Connection, Caller, P], T]


def reading(route: Route[P, T]) -> Callable[..., Awaitable[Response]]:
    """Make a route of a function that reads: of `(db, caller, …)`, where the caller's key has the scope `read`.

    To look the key up, to read and to write the answer are done by one thread in one view of the database: every
    change of threads takes longer than each of them. A route that gives `Json` names its `response_model` itself.
    """
    return _answering(route, lambda _: False)


def looking_up(route: Route[P, T]) -> Callable[..., Awaitable[Response]]:
    """The same of one that only takes a few rows by their keys and gives them as they are (`Readers.look_up`)."""
    return _answering(route, lambda _: True)


def listing(route: Route[P, T]) -> Callable[..., Awaitable[Response]]:
    """The same of a list, which is looked up where no more than `SHORT` items are asked for."""
    return _answering(route, _is_short)


def _is_short(named: Mapping[str, Any]) -> bool:
    limit: int = named["asked"].limit if "asked" in named else named["limit"]
    return limit <= SHORT


def _answering(
    route: Route[P, T], is_looked_up: Callable[[Mapping[str, Any]], bool]
) -> Callable[..., Awaitable[Response]]:
    shown = inspect.signature(route)
    write = writer_of(shown.return_annotation)

    @wraps(route)
    async def answering(asking: _Asking, *given: P.args, **named: P.kwargs) -> Response:
        def work(db: Connection) -> Response:
            return write(route(db, _with(_holder(db, asking.key), Scope.READ), *given, **named))

        read = asking.readers.look_up if is_looked_up(named) else asking.readers.read
        return await read(work)

    first = inspect.Parameter("asking", inspect.Parameter.KEYWORD_ONLY, annotation=Asking)
    rest = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in list(shown.parameters.values())[2:]]
    told = Response if shown.return_annotation is Json else shown.return_annotation
    answering.__signature__ = shown.replace(parameters=[first, *rest], return_annotation=told)  # type: ignore[attr-defined]
    return answering

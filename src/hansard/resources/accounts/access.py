"""What a route asks for to know who is there: `Reader`, `Ingester`, `Anybody`; for those asked all the time there are
`reading`, for what only reads, and `ingesting`.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial, wraps
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

from fastapi import Depends, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from hansard.db.access import readers
from hansard.db.hot import Foreseen
from hansard.kit.answers import Json, writer_of
from hansard.kit.errors import HansardError, Invalid, Malformed, NotAllowed, NotFound, NotSignedIn
from hansard.kit.routes import Asking, QuickRoute
from hansard.resources.accounts.keys import KeyIds, find_key_ids
from hansard.resources.accounts.schemas import Caller, Scope
from hansard.resources.accounts.store import find_caller, foresee_caller

HEADER = "Syllable-API-Key"
SHORT = 50  # items, which take a few milliseconds to write
P = ParamSpec("P")
T = TypeVar("T")

_bearer = HTTPBearer(auto_error=False)


class _EitherHeader(APIKeyHeader):
    """The key in either header; empty when there is none. To ask for both by themselves would be two steps more."""

    async def __call__(  # type: ignore[override]
        self, request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> str:
        return _either(request)


def _either(request: Request) -> str:
    key = request.headers.get(HEADER)
    if key:
        return key
    scheme, bearer = get_authorization_scheme_param(request.headers.get("authorization"))
    return bearer if scheme.lower() == "bearer" else ""


SCHEME = "APIKeyHeader"
Key = Annotated[str, Security(_EitherHeader(name=HEADER, scheme_name=SCHEME, auto_error=False))]


async def anybody_or_nobody(request: Request, key: Key) -> Caller | None:
    """Whoever holds the key in either header; None when there is none. Raises NotSignedIn for a bad one."""
    if not key:
        return None
    return await (await readers(request)).look_up(lambda db: _holder(db, key), partial(_foreseen, key))


def _holder(db: Connection, key: str) -> Caller:
    caller = find_caller(db, key)
    if caller is None:
        _good.pop(hash(key), None)
        raise NotSignedIn("This API key is not known here, or it was revoked.")
    if hash(key) not in _good:
        _note_good(key, KeyIds(caller.organization_id, caller.key_id))
    return caller


# Keys that were good when they were seen last, of each what `hash` makes of it, which is other in every process. What
# their routes will ask is asked beside the key itself (`_foreseen`). Of any other key nothing is: how long that takes
# would tell a stranger what there is.
_good: dict[int, KeyIds] = {}
_MOST_GOOD = 10_000


def _note_good(key: str, ids: KeyIds) -> None:
    if len(_good) >= _MOST_GOOD:
        _good.clear()
    _good[hash(key)] = ids


def _foreseen(key: str, more: Callable[[int], Foreseen] | None = None) -> list[Foreseen]:
    """What is going to be asked where somebody shows this key; `more` is given the organization."""
    known = _good.get(hash(key))
    ids = known or find_key_ids(key)
    if ids is None:
        return []
    asked = [foresee_caller(ids)]
    if more and known:
        asked.append(more(known.organization_id))
    return asked


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


class KeyedRoute(QuickRoute):
    """The route of what `reading`, `looking_up`, `listing` or `ingesting` made: it reads the key by itself, of which
    OpenAPI tells.

    For FastAPI to read it takes two steps, each as long as to look the key up. Who has no good one hears of that
    before what else is wrong with the request. Any other function's route is as it would be.

    FastAPI is asked only where something is wrong with the request, for it says what.
    """

    _asking: Asking | None = None

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        told = self.dependant
        rest = [one for one in told.dependencies if not isinstance(one.call, _EitherHeader)]
        if rest == told.dependencies:
            return super().get_route_handler()
        self.dependant = replace(told, dependencies=rest)
        handle = super().get_route_handler()
        self._asking = Asking(self.dependant)
        self.dependant = told
        return _admitting(handle)

    async def handle(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        given = await self._given(request)
        if given is None:
            await super().handle(scope, receive, send)
        else:
            response: Response = await self.endpoint(**given)
            await response(scope, receive, send)

    async def _given(self, request: Request) -> dict[str, Any] | None:
        """What the function is called with; None where FastAPI is to say what is wrong, or to read it."""
        if self._asking is None or request.method not in (self.methods or ()):
            return None
        try:
            return await self._asking.given(request)
        except (ValidationError, HansardError):
            return None


def _admitting(
    handle: Callable[[Request], Coroutine[Any, Any, Response]],
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """Where a parameter is wrong, the function that looks the key up was not called: then it is looked up here."""

    async def run(request: Request) -> Response:
        try:
            return await handle(request)
        except (RequestValidationError, Malformed, Invalid, NotFound):
            if _CALLED not in request.scope:
                await _admit(request)
            raise

    return run


_CALLED = "hansard.called"  # in the scope of a request: that its function was


async def _admit(request: Request) -> None:
    """Raises NotSignedIn and NotAllowed for who may not read."""
    key = _key_in(request)
    await (await readers(request)).look_up(lambda db: _caller_with(db, key, Scope.READ), partial(_foreseen, key))


def _key_in(request: Request) -> str:
    """Raises NotSignedIn where there is none."""
    key = _either(request)
    if not key:
        raise _without_key()
    return key


def _caller_with(db: Connection, key: str, scope: Scope) -> Caller:
    """Raises NotSignedIn and NotAllowed."""
    return _with(_holder(db, key), scope)


_TOLD = {"request": Request, "key": Key}  # of which `KeyedRoute` takes the key out again
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


def foreseeing(foresee: Callable[Concatenate[int, P], Foreseen]) -> Callable[[Route[P, T]], Route[P, T]]:
    """Say of a function that becomes a route what it will ask first, given the organization and what else it is given.

    PostgreSQL is asked that together with the key. It is a hint: a function that asks something else is only slower.
    """

    def saying(route: Route[P, T]) -> Route[P, T]:
        route.foresee = foresee  # type: ignore[attr-defined]
        return route

    return saying


def _answering(
    route: Route[P, T], is_looked_up: Callable[[Mapping[str, Any]], bool]
) -> Callable[..., Awaitable[Response]]:
    write = writer_of(inspect.signature(route).return_annotation)
    foresee: Callable[..., Foreseen] | None = getattr(route, "foresee", None)

    async def answer(request: Request, key: str, /, *given: P.args, **named: P.kwargs) -> Response:
        def work(db: Connection) -> Response:
            return write(route(db, _caller_with(db, key, Scope.READ), *given, **named))

        def foreseen() -> list[Foreseen]:
            return _foreseen(key, lambda mine: foresee(mine, *given, **named)) if foresee else []

        turns = await readers(request)
        return await (turns.look_up if is_looked_up(named) else turns.read)(work, foreseen)

    return _asked_with_key(route, answer)


def ingesting(route: Callable[Concatenate[Request, Caller, P], Awaitable[T]]) -> Callable[..., Awaitable[Response]]:
    """Make a route of a coroutine that takes what a recorder sends: of `(request, caller, …)`, where the caller's key
    has the scope `ingest`. The key is looked up before the body is read.
    """
    write = writer_of(inspect.signature(route).return_annotation)

    async def answer(request: Request, key: str, /, *given: P.args, **named: P.kwargs) -> Response:
        caller = await (await readers(request)).look_up(
            lambda db: _caller_with(db, key, Scope.INGEST), partial(_foreseen, key)
        )
        return write(await route(request, caller, *given, **named))

    return _asked_with_key(route, answer)


def _asked_with_key(
    route: Callable[..., Any], answer: Callable[Concatenate[Request, str, P], Awaitable[Response]]
) -> Callable[..., Awaitable[Response]]:
    """What FastAPI calls for a route, which `answer` answers: it is shown the request and the key in place of the
    route's first two parameters, which are made of them.
    """

    @wraps(route)
    async def answering(request: Request, *given: P.args, **named: P.kwargs) -> Response:
        request.scope[_CALLED] = True
        return await answer(request, _key_in(request), *given, **named)

    shown = inspect.signature(route)
    first = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=what) for name, what in _TOLD.items()]
    rest = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in list(shown.parameters.values())[2:]]
    told = Response if shown.return_annotation is Json else shown.return_annotation
    answering.__signature__ = shown.replace(parameters=[*first, *rest], return_annotation=told)  # type: ignore[attr-defined]
    return answering

"""How a route of the API is found among all of them, and how what it asks of a request is read."""

import inspect
from collections.abc import Callable
from dataclasses import field, make_dataclass
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.routing import Match
from starlette.types import Scope


class QuickRoute(APIRoute):
    """A route that is passed by where the path does not even hold its beginning.

    All routes are tried one after the other, and each takes FastAPI and Starlette ten times as long as this look. The
    beginning is looked for anywhere, as a path may have that of another application before it.
    """

    def __init__(self, path: str, *given: Any, **named: Any) -> None:
        self._begins = path.partition("{")[0]
        super().__init__(path, *given, **named)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if self._begins not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)


class Asking:
    """What a function and the coroutines it depends on ask of a path and a query, all of it read in one look.

    By the same rules as FastAPI's, which takes ten times as long for one parameter after the other. What is wrong
    raises pydantic's ValidationError, or what the rule itself raises; FastAPI is to say it.
    """

    def __init__(self, told: Dependant) -> None:
        assert told.call is not None  # noqa: S101 - for the type checker
        if told.header_params or told.cookie_params or told.body_params:
            raise TypeError(f"{told.call} asks for more than a path and a query, which nobody would read.")
        if not inspect.iscoroutinefunction(told.call):
            raise TypeError(f"{told.call} is no coroutine function, and nobody would wait for it.")
        self._call: Callable[..., Any] = told.call
        asked = inspect.signature(self._call).parameters
        shown = [_field(asked[one.name]) for one in (*told.path_params, *told.query_params)]
        asked_for = make_dataclass("Asked", shown, kw_only=True) if shown else None
        self._read = TypeAdapter[Any](asked_for).validate_python if asked_for else None
        self._lists = [one.alias for one in told.query_params if _is_list(one.field_info.annotation)]
        self._request = told.request_param_name
        self._rest = [(str(one.name), Asking(one)) for one in told.dependencies]

    async def answer(self, request: Request) -> Any:
        """What the function gives for a request."""
        return await self._call(**await self.given(request))

    async def given(self, request: Request) -> dict[str, Any]:
        """What the function is called with, by name."""
        found: dict[str, Any] = vars(self._read(self._said(request))) if self._read else {}
        if self._request:
            found[self._request] = request
        for name, one in self._rest:
            found[name] = await one.answer(request)
        return found

    def _said(self, request: Request) -> dict[str, Any]:
        if not request.scope["query_string"]:
            return dict(request.path_params)
        query = request.query_params
        said: dict[str, Any] = {**query, **request.path_params}
        said.update((name, query.getlist(name)) for name in self._lists if name in query)
        return said


def _field(asked: inspect.Parameter) -> tuple[str, Any, Any]:
    """A parameter as a field of a dataclass."""
    return asked.name, asked.annotation, field() if asked.default is asked.empty else field(default=asked.default)


def _is_list(annotation: Any) -> bool:
    """Whether a parameter may be given several times."""
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))

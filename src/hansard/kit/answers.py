"""What a route gives back, written as JSON by the thread that read it."""

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import Response
from pydantic import TypeAdapter


class Json(bytes):
    """JSON as it goes out: for what comes from the database as it is to be shown, and needs no model on its way."""


_write = msgspec.json.Encoder().encode


def written(value: Any) -> Json:
    """Dicts, lists, texts, numbers, instants and `part`s as JSON."""
    return Json(_write(value))


def part(content: bytes | str) -> Any:
    """JSON that `written` takes over as it is."""
    return msgspec.Raw(content)


def writer_of(shape: Any) -> Callable[[Any], Response]:
    """Give the function that answers with a value of this shape, under the names that models have in Python."""
    if shape is Json:
        return _answer
    write = TypeAdapter(shape).dump_json
    return lambda value: _answer(write(value, by_alias=False))


def _answer(content: bytes) -> Response:
    return Response(content, media_type="application/json")

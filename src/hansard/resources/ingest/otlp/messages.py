"""Turns from the spans of models, which repeat the whole history in every call.

A model is given everything that was said so far, so a turn stands in the input of every later call. It is taken once:

- Of the input only the tail is new: the user's messages after the last message of the agent. A call that goes on after
  a tool call has no user message there, and gives none.
- A retry, or a second model asked the same thing, has the same tail. The id of a user's message is therefore made
  from what was said: the trace, the turns before it, the role and the text. The same turn in two spans is one message,
  and the same words said again later have other turns before them and are another. Where nothing stands before
  them (a first turn, or a model that keeps the history itself) the parent span is part of the id as well, so that two
  turns of "yes" stay two.
- The output is new each time, and its id is the span's.

System messages, tool messages and developer messages are not turns.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic_core import to_json

from hansard.kit.otlp import Span
from hansard.resources.ingest.otlp.recipe import Line
from hansard.resources.sessions.kept import is_too_deep
from hansard.wire import MAX_DEPTH, Child

_TOLD_ONCE = ("turn", "answered")
_LONGEST_ID = 512  # as `hansard.wire.Name`


def is_told_once(child_id: str) -> bool:
    """Whether the id is made from the content, so that several spans may tell of the same child."""
    return child_id.split("/")[1] in _TOLD_ONCE


def turns_of(span: Span, given: Sequence[Line], gave: Sequence[Line]) -> list[Child]:
    """The messages, tool calls and tool results that are new in this call of a model."""
    return [*_new_words(span, given), *_answers(span, given), *_output(span, gave)]


def _new_words(span: Span, given: Sequence[Line]) -> Iterator[Child]:
    first = _tail(given)
    before = [[line.role, line.text] for line in given[:first] if line.role and line.text]
    scope = [] if any(role == "agent" for role, _ in before) else [span.parent_id or span.span_id]
    for line in given[first:]:
        if line.role == "user" and line.text:
            digest = _digest([scope, before, line.text])
            yield Child(
                id=f"{span.trace_id}/turn/{len(before):06}/{digest}",
                kind="message",
                at=span.started_at,
                data={"role": "user", "text": line.text},
            )
            before.append([line.role, line.text])


def _answers(span: Span, given: Sequence[Line]) -> Iterator[Child]:
    """Tool results handed to the model; the name of the tool stands in the call further up."""
    names = {part["id"]: part["name"] for line in given for part in line.asked if _is_call(part)}
    for line in given[_tail(given) :]:
        for part in line.answered:
            call_id, result = part.get("id"), _kept(part.get("response", part.get("result")))
            if isinstance(call_id, str) and call_id in names and result is not None:
                yield Child(
                    id=f"{span.trace_id}/answered/{_digest([call_id, result])}",
                    kind="tool_call",
                    at=span.started_at,
                    data={"call_id": call_id, "name": names[call_id], "result": result},
                )


def _output(span: Span, gave: Sequence[Line]) -> Iterator[Child]:
    number = 0
    for line in gave:
        if line.text and line.role in ("agent", None):
            yield _out(span, number, "message", {"role": "agent", "text": line.text})
            number += 1
        for part in filter(_is_call, line.asked):
            data = {"call_id": part["id"], "name": part["name"], "arguments": _kept(part.get("arguments"))}
            yield _out(span, number, "tool_call", data)
            number += 1


def _is_call(part: dict[str, Any]) -> bool:
    """Whether this is a tool call with an id; without one it could not be told apart from the call's own span."""
    call_id = part.get("id")
    is_id = isinstance(call_id, str) and 0 < len(call_id) <= _LONGEST_ID and "\0" not in call_id
    return is_id and isinstance(part.get("name"), str)


def _kept(value: Any) -> Any:
    """A payload as it is; as JSON text where it is nested deeper than the record takes."""
    return to_json(value).decode() if is_too_deep(value, MAX_DEPTH - 8) else value


def _out(span: Span, number: int, kind: str, data: dict[str, Any]) -> Child:
    return Child(id=f"{span.trace_id}/{span.span_id}/out/{number:03}", kind=kind, at=span.ended_at, data=data)


def _tail(given: Sequence[Line]) -> int:
    """Where the part of the input begins that no earlier call was given."""
    return max((place for place, line in enumerate(given, start=1) if line.role == "agent"), default=0)


def _digest(value: Any) -> str:
    return hashlib.sha256(to_json(value)).hexdigest()[:32]

"""Children in, turns and tool calls out: what the other folds are made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from pydantic_core import to_json

from hansard.wire import Child, moment_of

_PLACE = itemgetter("at", "id")


@dataclass(frozen=True)
class Turn:
    """Something somebody said; `at` is when they began, where that is known. `id` is its child's."""

    id: str
    at: datetime
    role: str
    text: str
    lang: str | None
    confidence: float | None
    data: dict[str, Any]

    @property
    def ended_at(self) -> datetime | None:
        """When they had said it, where that was recorded."""
        said = self.data.get("ended_at")
        return moment_of(said) if said else None

    @property
    def is_interrupted(self) -> bool:
        return bool(self.data.get("interrupted"))


@dataclass(frozen=True)
class ToolCall:
    """A tool call, put together from everything said of it; `at` is when it was made."""

    at: datetime
    call_id: str
    name: str
    arguments: Any
    result: Any
    error: Any
    duration_ms: float | None

    @property
    def answer(self) -> Any:
        """What the tool gave back, were it only an error."""
        return self.error if self.result is None else self.result


def in_order(children: Iterable[Child]) -> list[Child]:
    """Children by instant, then by id: the order of the record, whatever order they arrived in."""
    return sorted(children, key=_PLACE)


def turns(children: Iterable[Child]) -> list[Turn]:
    """What was said, in time order."""
    said = (_turn(child) for child in in_order(children) if child["kind"] == "message")
    return sorted(said, key=lambda turn: turn.at)


def _turn(child: Child) -> Turn:
    data = child["data"]
    return Turn(
        id=child["id"],
        at=moment_of(data.get("started_at") or child["at"]),
        role=data["role"],
        text=data["text"],
        lang=data.get("lang"),
        confidence=data.get("confidence"),
        data=data,
    )


def tool_calls(children: Iterable[Child]) -> list[ToolCall]:
    """The tool calls, in time order. Events with the same call id tell of one call; the later word counts."""
    told: dict[str, dict[str, Any]] = {}
    for child in in_order(children):
        if child["kind"] != "tool_call":
            continue
        data = child["data"]
        call_id = data.get("call_id") or child["id"]
        known = told.setdefault(call_id, {"at": child["at"]})
        known.update({key: value for key, value in data.items() if value is not None})
    return sorted((_tool_call(call_id, known) for call_id, known in told.items()), key=lambda call: call.at)


def _tool_call(call_id: str, known: dict[str, Any]) -> ToolCall:
    return ToolCall(
        at=moment_of(known["at"]),
        call_id=call_id,
        name=known["name"],
        arguments=known.get("arguments"),
        result=known.get("result"),
        error=known.get("error"),
        duration_ms=known.get("duration_ms"),
    )


def json_text(value: Any) -> str | None:
    """A payload as the SDKs read it: JSON written as text, null for nothing."""
    return None if value is None else to_json(value).decode()

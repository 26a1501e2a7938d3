"""The one call that every framework plays, written once, and the comparison of a record with it."""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.door import Door


@dataclass(frozen=True)
class Said:
    """A turn; of an interrupted one the record may have only the beginning, which is what was heard."""

    role: str
    text: str
    is_interrupted: bool = False


@dataclass(frozen=True)
class Called:
    """A tool call, and what it gives back."""

    tool: str
    arguments: Mapping[str, Any]
    result: Mapping[str, Any] | None


@dataclass(frozen=True)
class Failed:
    """The model fails and says nothing."""

    error: str


Step = Said | Called | Failed

TOOL = "find_slot"
MONDAY = {"day": "Monday", "minutes": 30}
GREETING = Said("agent", "Good morning, this is the front desk.")
OFFER = Said(
    "agent",
    "I can offer 9:15 or 11:00. Please bring your card and come a little early. Which of the two would you like?",
    is_interrupted=True,
)
FAILURE = Failed("the model is tired")
CALL: Sequence[Step] = (
    GREETING,
    Said("user", "I need an appointment on Monday."),
    Called(TOOL, MONDAY, MONDAY | {"starts": ["9:15", "11:00"]}),
    OFFER,
    Said("user", "Then 9:15, please."),
    Said("agent", "It is booked."),
    Said("user", "Cancel everything."),
    FAILURE,
    Said("user", "Is anybody there?"),
    Said("agent", "I am here."),
)

USER_SAYS = [step.text for step in CALL if isinstance(step, Said) and step.role == "user"]
# What the model does when the user has said this, or when this tool has given something back.
ANSWERS: Mapping[str, Step] = {
    before.tool if isinstance(before, Called) else before.text: step
    for before, step in pairwise(CALL)
    if isinstance(before, Called) or (isinstance(before, Said) and before.role == "user")
}
# What of the call a framework does not tell, by column and row of the table in docs/how-to/frameworks.md.
CANNOT: Mapping[str, Set[str]] = {"OpenAI Agents": {"interruptions"}}


def assert_is_the_call(door: Door, session_id: Any, without: Set[str] = frozenset()) -> None:
    """The session that the API gives back is this call, step by step in order of time, and nothing else, and over."""
    told = door.get(f"/api/v1/sessions/timeline/{session_id}").json["events"]
    record = door.get(f"/hansard/v1/sessions/{session_id}/record").json["events"]
    cut = [one["data"]["text"] for one in record if one["data"].get("interrupted")]
    steps = [(_moment(one["timestamp"]), _step(one, cut)) for one in told if one["kind"] != "latency"]
    steps += [(_moment(one["at"]), _failure(one["data"])) for one in record if one["data"].get("type") == "error"]
    steps.sort(key=lambda step: step[0])
    # One failure may be told twice, by the model and by the agent that used it.
    once = [steps[0][1], *(step for (_, before), (_, step) in pairwise(steps) if not before == step == FAILURE)]
    assert once == [step for step in CALL if not (step is OFFER and "interruptions" in without)], once
    (end,) = (one for one in record if one["kind"] == "session.end")
    assert steps[-1][0] <= _moment(end["at"])
    assert door.get(f"/api/v1/sessions/transcript/{session_id}").json["transcript_complete"] is True


def _step(told: Mapping[str, Any], cut: Sequence[str]) -> Step:
    if told["kind"] == "tool":
        answer = told["tool_error"] or told["tool_result"] or "null"
        return Called(told["label"], json.loads(told["tool_request"]), json.loads(answer))
    heard, is_interrupted = told["text"].strip(), told["text"] in cut
    if is_interrupted and heard and OFFER.text.startswith(heard):
        return OFFER
    return Said(told["source"], told["text"], is_interrupted)


def _failure(data: Mapping[str, Any]) -> Failed:
    return FAILURE if FAILURE.error in data["description"] else Failed(data["description"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)

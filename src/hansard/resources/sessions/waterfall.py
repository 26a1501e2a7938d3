"""Children in, exchange by exchange out: from the end of what the user said to the first sound of the answer.

Everything lies on the session's clock, in milliseconds since its start. What was not measured is absent, never zero.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hansard.resources.sessions.latency import Measurement, measurements
from hansard.resources.sessions.response import WHOLE
from hansard.resources.sessions.story import offset_ms
from hansard.resources.sessions.turns import ToolCall, Turn, tool_calls, turns
from hansard.wire import Child


class Part(StrEnum):
    """The parts of an answer, in the order in which they usually come."""

    WAIT = "wait"  # until it is clear that the user has finished
    STT = "stt"
    LLM = "llm"
    TOOL = "tool"
    TTS = "tts"
    OTHER = "other"


# What integrations call (in part) the wait for the end of a turn.
_WAIT = ("end_of_turn", "end_of_utterance", "endpoint", "turn_detection", "user_turn_completed")
_OF_THE_USER = {Part.WAIT, Part.STT}
_PARTS = {"stt": Part.STT, "llm": Part.LLM, "tool": Part.TOOL, "tts": Part.TTS}


@dataclass(frozen=True)
class Stage:
    """One thing that took time; without `duration_ms` nobody recorded how much. `names` are of models and services."""

    part: Part
    label: str
    begin_ms: float
    duration_ms: float | None
    names: tuple[str, ...] = ()
    is_error: bool = False

    @property
    def end_ms(self) -> float:
        return self.begin_ms + max(0.0, self.duration_ms or 0.0)


@dataclass(frozen=True)
class Exchange:
    """What the user said, in one turn or several (the last of them here), and the agent's answer, if there is one.

    `zero_ms` is where the user had finished, as well as it is known. `response_ms` is from there to the first sound
    of the answer: measured, else the time between the turns as recorded, else None. An answer that began
    `overlap_ms` before the user had finished has no response time.
    """

    user: Turn
    agent: Turn | None
    zero_ms: float
    response_ms: float | None
    is_measured: bool
    overlap_ms: float | None
    stages: tuple[Stage, ...]

    def gaps_ms(self) -> list[tuple[float, float]]:
        """From where to where between the user's end and the answer nothing was measured."""
        if self.response_ms is None:
            return []
        gaps, at_ms, end_ms = [], self.zero_ms, self.zero_ms + self.response_ms
        for stage in sorted(self.stages, key=lambda one: one.begin_ms):
            if stage.begin_ms > at_ms:
                gaps.append((at_ms, min(stage.begin_ms, end_ms)))
            at_ms = max(at_ms, stage.end_ms)
            if at_ms >= end_ms:
                return gaps
        return [*gaps, (at_ms, end_ms)]


@dataclass(frozen=True)
class Waterfall:
    """The exchanges in order; `apart` is what was measured outside of any, such as a greeting."""

    exchanges: tuple[Exchange, ...]
    apart: tuple[Stage, ...]

    @property
    def parts(self) -> list[Part]:
        """Those measured at least once in an exchange."""
        seen = {stage.part for exchange in self.exchanges for stage in exchange.stages}
        return [part for part in Part if part in seen]

    @property
    def responses_ms(self) -> list[float]:
        return [one.response_ms for one in self.exchanges if one.response_ms is not None]


@dataclass(frozen=True)
class Timing:
    """How long one thing took over all exchanges."""

    part: Part
    label: str
    count: int
    p50_ms: float
    p95_ms: float


def timings(whole: Waterfall) -> list[Timing]:
    """Every stage with the durations that half, and 95 of 100, did not exceed."""
    found: dict[tuple[Part, str], list[float]] = {}
    for exchange in whole.exchanges:
        for stage in exchange.stages:
            if stage.duration_ms is not None:
                found.setdefault((stage.part, stage.label), []).append(stage.duration_ms)
    order = list(Part)
    return [
        Timing(part, label, len(values), percentile(values, 0.5), percentile(values, 0.95))
        for (part, label), values in sorted(found.items(), key=lambda one: (order.index(one[0][0]), one[0][1]))
    ]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share (0 to 1) of them does not exceed, by nearest rank. There must be one."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


@dataclass
class _Group:
    """An exchange while it is put together: what begins from `cut_ms` on, and before it is over, is about it."""

    cut_ms: float
    users: list[Turn]
    agents: list[Turn] = field(default_factory=list)
    over_ms: float = math.inf
    stages: list[Stage] = field(default_factory=list)
    wholes: list[Stage] = field(default_factory=list)


def waterfall(started_at: datetime, children: Sequence[Child]) -> Waterfall:
    """Fold the children of a session."""
    groups = _groups(turns(children), started_at)
    cuts_ms = [group.cut_ms for group in groups]
    apart = []
    for stage in _stages(started_at, children):
        group = _group_of(stage, groups, cuts_ms)
        if group is None:
            apart.append(stage)
        elif _is_whole(stage):
            group.wholes.append(stage)
        else:
            group.stages.append(stage)
    return Waterfall(tuple(_exchange(group, started_at) for group in groups), tuple(apart))


def _groups(said: Iterable[Turn], started_at: datetime) -> list[_Group]:
    """The turns, from one thing the user says to the next. What the agent says before that answers nobody."""
    groups: list[_Group] = []
    before: Turn | None = None
    for turn in said:
        if turn.role == "agent":
            for group in groups[-1:]:
                group.agents.append(turn)
        elif not groups or groups[-1].agents:
            groups.append(_Group(_cut_ms(turn, before, started_at), [turn]))
        else:
            groups[-1].users.append(turn)
        before = turn
    for group in groups:
        group.over_ms = _over_ms(group, started_at)
    return groups


def _cut_ms(turn: Turn, before: Turn | None, started_at: datetime) -> float:
    """Where an exchange begins: with the user's first sound or, where that was not recorded, when the agent is done."""
    begin_ms = offset_ms(turn.at, started_at)
    if before is None or turn.data.get("started_at"):
        return begin_ms
    return min(begin_ms, offset_ms(max(before.at, before.ended_at or before.at), started_at))


def _over_ms(group: _Group, started_at: datetime) -> float:
    """When the agent has spoken to the end, where that was recorded of all it said; else with the next exchange."""
    ends_at = [max(turn.at, turn.ended_at) for turn in group.agents if turn.ended_at]
    if not ends_at or len(ends_at) < len(group.agents):
        return math.inf
    return offset_ms(max(ends_at), started_at)


def _done_ms(turn: Turn, started_at: datetime) -> float | None:
    """When the user had finished. A line that came at one instant, as in a chat, was done then."""
    if turn.ended_at:
        return offset_ms(max(turn.at, turn.ended_at), started_at)
    return None if turn.data.get("started_at") else offset_ms(turn.at, started_at)


def _stages(started_at: datetime, children: Sequence[Child]) -> list[Stage]:
    """All that took time, by when it began; a tool call that was measured as well is told once."""
    calls = [_called(call, started_at) for call in tool_calls(children)]
    measured = [_measured(one, started_at) for one in measurements(children)]
    handlers = [one for one in measured if one.part is Part.TOOL]
    timed = [one for one in calls if one.duration_ms is not None]
    untimed = [one for one in calls if one.duration_ms is None]
    told = [
        *timed,
        *_without(handlers, timed),
        *_without(untimed, handlers),
        *(one for one in measured if one.part is not Part.TOOL),
    ]
    return sorted(told, key=lambda one: one.begin_ms)


def _without(stages: Iterable[Stage], others: Sequence[Stage]) -> Iterator[Stage]:
    """The stages that overlap none of the others, which are in order."""
    begins_ms = [one.begin_ms for one in others]
    for stage in stages:
        place = bisect_right(begins_ms, stage.end_ms) - 1
        if place < 0 or others[place].end_ms < stage.begin_ms:
            yield stage


def _called(call: ToolCall, started_at: datetime) -> Stage:
    return Stage(
        Part.TOOL, call.name, offset_ms(call.at, started_at), call.duration_ms, is_error=call.error is not None
    )


def _measured(one: Measurement, started_at: datetime) -> Stage:
    begin_ms = offset_ms(one.started_at, started_at)
    return Stage(_part_of(one), one.label, begin_ms, one.duration_ms, tuple(one.metadata or ()))


def _part_of(one: Measurement) -> Part:
    if one.category in _PARTS:
        return _PARTS[one.category]
    is_wait = one.category == "turn" and (one.label == "turn" or any(name in one.label for name in _WAIT))
    return Part.WAIT if is_wait else Part.OTHER


def _is_whole(stage: Stage) -> bool:
    return stage.part is Part.OTHER and stage.label in WHOLE


def _group_of(stage: Stage, groups: Sequence[_Group], cuts_ms: Sequence[float]) -> _Group | None:
    """What is measured of the user's turn is placed by its end, for it may begin before they speak; what is measured
    of the answer by its beginning.
    """
    is_of_the_user = stage.part in _OF_THE_USER or _is_whole(stage)
    place = bisect_right(cuts_ms, stage.end_ms if is_of_the_user else stage.begin_ms) - 1
    return groups[place] if place >= 0 and stage.begin_ms <= groups[place].over_ms else None


def _exchange(group: _Group, started_at: datetime) -> Exchange:
    user, agent = group.users[-1], group.agents[0] if group.agents else None
    done_ms = _done_ms(user, started_at)
    whole = next((one for one in group.wholes if one.duration_ms is not None and one.duration_ms >= 0), None)
    response_ms = overlap_ms = None
    if whole:
        response_ms = whole.duration_ms
    elif agent and done_ms is not None:
        between_ms = offset_ms(agent.at, started_at) - done_ms
        response_ms, overlap_ms = (between_ms, None) if between_ms >= 0 else (None, -between_ms)
    return Exchange(
        user=user,
        agent=agent,
        zero_ms=_zero_ms(group, whole, done_ms, offset_ms(user.at, started_at)),
        response_ms=response_ms,
        is_measured=whole is not None,
        overlap_ms=overlap_ms,
        stages=tuple(group.stages),
    )


def _zero_ms(group: _Group, whole: Stage | None, done_ms: float | None, begin_ms: float) -> float:
    """Where the user had finished: as measured, as recorded, where the wait for it began, or at worst their turn."""
    if whole:
        return whole.begin_ms
    if done_ms is not None:
        return done_ms
    return next((one.begin_ms for one in group.stages if one.part is Part.WAIT), begin_ms)

"""The waterfall drawn: each exchange a row of bars on one scale, in parts of a hundred from left to right."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hansard.console.session.entries import key_of
from hansard.console.session.look import Look
from hansard.resources.sessions.story import Said, offset_ms
from hansard.resources.sessions.waterfall import Exchange, Part, Stage, Waterfall, percentile

PER_PART = 200
# Where a scale ends, in milliseconds, and into how many steps it is cut.
_SCALES = {250: 5, 500: 5, 1000: 4, 1500: 3, 2000: 4, 3000: 3, 4000: 4, 5000: 5, 6000: 3, 8000: 4, 10_000: 5, 15_000: 3}
_SCALES |= {20_000: 4, 30_000: 3, 60_000: 4}
_TOP, _LANE = 10, 9  # pixels for the response, and for each lane below it
_LEAST = 0.4  # so that what was very short is seen


@dataclass(frozen=True)
class Bar:
    """Where something lies on the row, from 0 to 100; it goes on beyond the row's end when `is_cut`."""

    x: float
    width: float
    is_cut: bool = False


@dataclass(frozen=True)
class Lane:
    """One part of an answer in one row: its bars, or nothing where it was not measured."""

    part: Part
    y: int  # from the top of the row, in pixels
    stages: list[tuple[Stage, Bar]]


@dataclass(frozen=True)
class Row:
    """An exchange: where it begins in the session, its lanes, and its response time with what nothing explains."""

    number: int
    begin_s: float
    key: str
    exchange: Exchange
    lanes: list[Lane]
    response: Bar | None
    gaps: list[Bar]
    unexplained_ms: float | None


@dataclass(frozen=True)
class Drawing:
    """Rows of one scale. `least_ms` is where its left edge lies before the end of what the user said."""

    rows: list[Row]
    parts: list[Part]
    least_ms: float
    most_ms: float
    begin: int
    total: int

    @property
    def height(self) -> int:
        """Of a row, in pixels."""
        return _TOP + len(self.parts) * _LANE

    @property
    def end(self) -> int:
        return self.begin + len(self.rows)

    @property
    def before(self) -> int | None:
        """Where the exchanges before these begin; None when these are the first."""
        return max(0, self.begin - PER_PART) if self.begin else None

    @property
    def after(self) -> int | None:
        return self.end if self.end < self.total else None

    def ticks(self) -> list[tuple[float, float]]:
        """Places on the row, and how many milliseconds after the user's end they are."""
        steps = _SCALES.get(int(self.most_ms), 4)
        times = [self.most_ms * number / steps for number in range(steps + 1)]
        return [(_place(time_ms, self.least_ms, self.most_ms), time_ms) for time_ms in times]


def drawing(look: Look, begin: int = 0) -> Drawing:
    """The exchanges from this one on, counted from 0, at most `PER_PART`."""
    whole = look.waterfall
    least_ms, most_ms = _scale_ms(whole)
    parts = whole.parts
    rows = [
        _row(look, number, one, parts, least_ms, most_ms)
        for number, one in enumerate(whole.exchanges[begin : begin + PER_PART], start=begin + 1)
    ]
    return Drawing(rows, parts, least_ms, most_ms, begin, len(whole.exchanges))


def _scale_ms(whole: Waterfall) -> tuple[float, float]:
    """One scale for all rows, so that they can be compared; of twenty the longest may reach beyond it."""
    ends = [end for one in whole.exchanges if (end := _extent_ms(one)) > 0]
    longest_ms = percentile(ends, 0.95) if ends else 1000.0
    most_ms = next((one for one in _SCALES if one >= longest_ms), math.ceil(longest_ms / 60_000) * 60_000)
    begins = [stage.begin_ms - one.zero_ms for one in whole.exchanges for stage in one.stages]
    is_before = any(begin_ms < -1 for begin_ms in begins)
    return (most_ms * -0.2 if is_before else 0.0), float(most_ms)


def _extent_ms(one: Exchange) -> float:
    """How long a row is: to the answer, and to the end of what was measured until then."""
    response_ms = one.response_ms or 0.0
    ends = [stage.end_ms - one.zero_ms for stage in one.stages if stage.begin_ms - one.zero_ms <= response_ms]
    return max([response_ms, *(end for end in ends if end <= 4 * max(response_ms, 1000))], default=0.0)


def _row(look: Look, number: int, one: Exchange, parts: Sequence[Part], least_ms: float, most_ms: float) -> Row:
    gaps_ms = one.gaps_ms()
    begin_ms = offset_ms(one.user.at, look.session.timestamp)
    return Row(
        number=number,
        begin_s=round(begin_ms / 1000, 3),
        key=key_of(Said.kind, one.user.id),
        exchange=one,
        lanes=[
            Lane(part, _TOP + place * _LANE, list(_bars(one, part, least_ms, most_ms)))
            for place, part in enumerate(parts)
        ],
        response=None if one.response_ms is None else _bar(0.0, one.response_ms, least_ms, most_ms),
        gaps=[_bar(begin - one.zero_ms, end - one.zero_ms, least_ms, most_ms) for begin, end in gaps_ms],
        unexplained_ms=None if one.response_ms is None else sum(end - begin for begin, end in gaps_ms),
    )


def _bars(one: Exchange, part: Part, least_ms: float, most_ms: float) -> Iterator[tuple[Stage, Bar]]:
    for stage in one.stages:
        if stage.part is part:
            yield stage, _bar(stage.begin_ms - one.zero_ms, stage.end_ms - one.zero_ms, least_ms, most_ms)


def _bar(begin_ms: float, end_ms: float, least_ms: float, most_ms: float) -> Bar:
    x, end = _place(begin_ms, least_ms, most_ms), _place(end_ms, least_ms, most_ms)
    x = min(x, 100 - _LEAST)
    return Bar(round(x, 2), round(max(_LEAST, end - x), 2), is_cut=end_ms > most_ms)


def _place(time_ms: float, least_ms: float, most_ms: float) -> float:
    return min(100.0, max(0.0, (time_ms - least_ms) / (most_ms - least_ms) * 100))

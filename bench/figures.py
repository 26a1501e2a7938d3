"""Figures: what was measured, its control, their ratio, and the bar it has to keep."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Against = Literal["ratio", "p50", "p95", "value"]


@dataclass(frozen=True)
class Spread:
    """Many takes of one thing in short: p50 and p95, and between which the middle 80 % lie."""

    p50: float
    p95: float
    low: float
    high: float
    takes: int


def spread(takes: Sequence[float]) -> Spread:
    """Percentiles by nearest rank, so that every figure is one that was seen."""
    ranked = sorted(takes)

    def at(share: float) -> float:
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))]

    return Spread(statistics.median(ranked), at(0.95), at(0.1), at(0.9), len(ranked))


def only(value: float) -> Spread:
    """What was seen once."""
    return Spread(value, value, value, value, 1)


@dataclass(frozen=True)
class Bar:
    """A promise: the ratio, p50, p95 or only value of a figure is at most, or at least, so much."""

    of: Against
    limit: float
    is_least: bool = False

    def __str__(self) -> str:
        sign = "≥" if self.is_least else "≤"
        return {"ratio": f"{sign} {self.limit:g}x", "value": f"{sign} {self.limit:g}"}.get(
            self.of, f"{self.of} {sign} {self.limit:g}"
        )


@dataclass(frozen=True)
class Figure:
    """One line of the table. One without `measured` was skipped, and `note` says why."""

    part: str
    what: str
    unit: str
    measured: Spread | None = None
    control: Spread | None = None
    ratio: Spread | None = None
    bars: Sequence[Bar] = ()
    note: str = ""

    def holds(self, bar: Bar) -> bool:
        """Whether the figure keeps the bar, as it was measured and not as it is rounded for the table."""
        if bar.of == "ratio":
            value = self.ratio.p50 if self.ratio else None
        else:
            value = getattr(self.measured, "p50" if bar.of == "value" else bar.of, None)
        if value is None:
            return False
        return bool(value >= bar.limit if bar.is_least else value <= bar.limit)


@dataclass
class Pairs:
    """A control and what is measured beside it, taken in turns (A B A B): whatever slows the machine slows both."""

    control: list[float] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)

    def add(self, control: float, measured: float) -> None:
        self.control.append(control)
        self.measured.append(measured)

    def figure(self, part: str, what: str, unit: str, *bars: Bar, note: str = "") -> Figure:
        """The ratio is the median of the pairs' ratios, not the ratio of the medians."""
        ratios = [b / a for a, b in zip(self.control, self.measured, strict=True)]
        return Figure(part, what, unit, spread(self.measured), spread(self.control), spread(ratios), bars, note)


def timed_ms(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long it took, and what it gave."""
    began = time.perf_counter()
    result = work()
    return (time.perf_counter() - began) * 1000, result


def until(seconds: float, most: int) -> Iterable[int]:
    """Count up, at most so often and for so long: every loop here has an end."""
    deadline = time.monotonic() + seconds
    for number in range(most):
        if number and time.monotonic() > deadline:
            return
        yield number

"""The table: one line a figure, its bar, and whether it holds. It reads in a terminal and in Markdown."""

from collections.abc import Iterable, Sequence

from bench.figures import Bar, Figure, Spread

HEAD = ("what", "unit", "p50", "p95", "control p50", "ratio (80 % lie in)", "bar")


def lines(figures: Iterable[Figure]) -> list[str]:
    """The figures as a Markdown table with columns in line."""
    rows = [HEAD, *(_cells(one) for one in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    made = ["| " + " | ".join(_laid(row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [made[0], rule, *made[1:]]


def _laid(row: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    return (cell.ljust(width) for cell, width in zip(row, widths, strict=True))


def _cells(one: Figure) -> tuple[str, ...]:
    name = f"{one.part}: {one.what}"
    if one.measured is None:
        return (name, one.unit, "-", "-", "-", "-", f"**{one.note}**")
    return (
        name,
        one.unit,
        short(one.measured.p50),
        short(one.measured.p95) if one.measured.takes > 1 else "",
        short(one.control.p50) if one.control else "",
        _ratio(one.ratio),
        ", ".join(_verdict(one, bar) for bar in one.bars),
    )


def _ratio(ratio: Spread | None) -> str:
    if ratio is None:
        return ""
    between = f" ({short(ratio.low)}-{short(ratio.high)})" if ratio.takes > 1 else ""
    return f"{short(ratio.p50)}x{between}"


def _verdict(one: Figure, bar: Bar) -> str:
    return f"{bar} {'holds' if one.holds(bar) else '**FAILS**'}"


def short(value: float) -> str:
    """Three figures at least, for a ratio of 2.54 must not read as one of 2.5."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 20 else f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"

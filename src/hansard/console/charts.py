"""Charts that are ordinary charts: Vega-Lite specifications in, SVG out, drawn on the server."""

from collections.abc import Sequence
from typing import Any, Literal

import vl_convert

from hansard.resources.agents.schemas import DayFigures

Theme = Literal["light", "dark"]
_INK = {"light": "#1b211e", "dark": "#e8ebe9"}
_FAINT = {"light": "#56605b", "dark": "#a3ada8"}
_LINE = {"light": "#d9deda", "dark": "#2c3236"}
_SERIES = {"light": ("#1d4f91", "#8a4a0f"), "dark": ("#8db9f5", "#e5a86a")}


def days_chart(days: Sequence[DayFigures], theme: Theme) -> str:
    """How p50 and p95 went from day to day, as SVG; told apart by dash and by words, not by colour alone."""
    points = [
        {"day": one.day.isoformat(), "ms": value, "of": of}
        for one in days
        for of, value in (("p50", one.p50_ms), ("p95", one.p95_ms))
    ]
    svg: str = vl_convert.vegalite_to_svg(_spec(points, theme), allowed_base_urls=[])
    return svg


def _spec(points: Sequence[dict[str, Any]], theme: Theme) -> dict[str, Any]:
    color = {"field": "of", "type": "nominal", "title": None, "scale": {"range": list(_SERIES[theme])}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 560,
        "height": 150,
        "background": "transparent",
        "data": {"values": list(points)},
        "mark": {"type": "line", "point": {"size": 40}, "strokeWidth": 2},
        "encoding": {
            "x": {"field": "day", "type": "temporal", "timeUnit": "utcyearmonthdate", "title": None},
            "y": {"field": "ms", "type": "quantitative", "title": "milliseconds"},
            "color": color,
            "strokeDash": {"field": "of", "type": "nominal", "title": None, "scale": {"range": [[1, 0], [5, 3]]}},
        },
        "config": _config(theme),
    }


def _config(theme: Theme) -> dict[str, Any]:
    axis = {
        "labelColor": _FAINT[theme],
        "titleColor": _FAINT[theme],
        "gridColor": _LINE[theme],
        "domainColor": _LINE[theme],
        "tickColor": _LINE[theme],
        "titleFontWeight": "normal",
    }
    return {
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": axis,
        "axisX": {"grid": False, "labelOverlap": True},
        "legend": {"labelColor": _INK[theme], "orient": "top", "symbolType": "stroke"},
    }

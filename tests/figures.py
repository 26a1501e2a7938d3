"""Instants and durations as the record keeps them: to the microsecond."""

from datetime import datetime
from typing import Any

import pytest


def unix_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def at(unix: float) -> Any:
    """This instant, to the microsecond."""
    return pytest.approx(unix, abs=2e-6)


def milliseconds(seconds: float, *, of_instants: bool = False) -> Any:
    """This duration in milliseconds, to the microsecond; `of_instants`, each of which was rounded to one."""
    return pytest.approx(seconds * 1000, abs=0.0015 if of_instants else 0.00051)

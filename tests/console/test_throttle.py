"""What the throttle counts, and that its memory is bounded."""

from datetime import UTC, datetime, timedelta

import pytest

from hansard.console.throttle import ADDRESS, CLIENT, Limit, Throttle
from hansard.kit.errors import TooOften

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def wait_s(throttle: Throttle, name: str, limit: Limit, now: datetime) -> float:
    """Begin a try, or give how long it must wait."""
    try:
        throttle.begin([(name, limit)], now)
    except TooOften as error:
        return error.wait_s
    return 0.0


@pytest.mark.parametrize("limit", [ADDRESS, CLIENT])
def test_the_wait_doubles_up_to_the_longest(limit: Limit) -> None:
    throttle, now, waits = Throttle(), NOW, []
    for _ in range(limit.free):
        assert wait_s(throttle, "x", limit, now) == 0
    for _ in range(14):
        waits.append(wait_s(throttle, "x", limit, now))
        now += timedelta(seconds=waits[-1])
        assert wait_s(throttle, "x", limit, now) == 0
    assert waits == [min(2**n, limit.longest_s) for n in range(14)]


def test_a_try_that_must_wait_counts_nothing() -> None:
    throttle = Throttle()
    for _ in range(ADDRESS.free):
        throttle.begin([("x", ADDRESS)], NOW)
    for _ in range(100):
        assert wait_s(throttle, "x", ADDRESS, NOW) == 1
        with pytest.raises(TooOften):
            throttle.begin([("x", ADDRESS), ("y", CLIENT)], NOW)
    assert len(throttle) == 1


def test_after_an_hour_it_is_forgotten() -> None:
    throttle = Throttle()
    for _ in range(ADDRESS.free):
        throttle.begin([("x", ADDRESS)], NOW)
    later = NOW + timedelta(hours=1, seconds=1)
    for _ in range(ADDRESS.free):
        throttle.begin([("x", ADDRESS)], later)
    assert wait_s(throttle, "x", ADDRESS, later) == 1


def test_a_success_frees_the_address_but_gives_the_client_one_try_back_only() -> None:
    throttle, small = Throttle(), Limit(free=3, longest_s=60)
    for name in ("a", "b", "c"):
        throttle.begin([(name, ADDRESS), ("client", small)], NOW)
    throttle.forget("c", "client")
    throttle.begin([("c", ADDRESS), ("client", small)], NOW)
    assert wait_s(throttle, "client", small, NOW) == 1
    assert len(throttle) == 4


def test_many_names_take_a_bounded_memory_and_the_newest_stay() -> None:
    throttle = Throttle(most=100)
    for number in range(1000):
        throttle.begin([(f"{number}", ADDRESS)], NOW)
    assert len(throttle) == 100
    for _ in range(ADDRESS.free - 1):
        throttle.begin([("999", ADDRESS)], NOW)
    assert wait_s(throttle, "999", ADDRESS, NOW) == 1

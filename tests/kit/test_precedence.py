"""Who goes first: a page before work that can wait, and never so long that the work does not get on."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hansard.kit.precedence import LONGEST_S, give_way, going_first, working


class _Work:
    """A thread that works in small steps and gives way between them."""

    steps = 0
    is_done = False

    def run(self) -> None:
        with working():
            while not self.is_done:
                give_way()
                self.steps += 1
                time.sleep(0.0002)


@contextmanager
def _at_work() -> Iterator[_Work]:
    work = _Work()
    thread = threading.Thread(target=work.run)
    thread.start()
    try:
        yield work
    finally:
        work.is_done = True
        thread.join(10)


def _steps_in(work: _Work, seconds: float) -> int:
    before = work.steps
    time.sleep(seconds)
    return work.steps - before


def test_work_stands_still_while_a_page_is_made() -> None:
    with _at_work() as work:
        moved = [_steps_beside_a_page(work) for _ in range(20)]
        assert _steps_in(work, 0.2) > 20
    assert sorted(moved)[10] <= 1  # the step at hand


def _steps_beside_a_page(work: _Work) -> int:
    time.sleep(2 * LONGEST_S)  # the work has made up for the page before
    with going_first():
        time.sleep(0.002)
        return _steps_in(work, LONGEST_S / 4)


def test_work_goes_on_beside_a_page_that_takes_long() -> None:
    with _at_work() as work, going_first():
        assert _steps_in(work, 1.0) > 20


def test_work_gets_its_share_however_many_pages_are_asked_for() -> None:
    with _at_work() as work:
        alone = _steps_in(work, 1.0)
        until = time.monotonic() + 1.0
        before = work.steps
        while time.monotonic() < until:
            with going_first():
                time.sleep(LONGEST_S)
        assert work.steps - before > alone / 5


def test_one_thread_works_at_a_time() -> None:
    seen = []

    def run() -> None:
        for _ in range(50):
            with working():
                seen.append("begins")
                time.sleep(0.0001)
                seen.append("ends")

    threads = [threading.Thread(target=run) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert seen == ["begins", "ends"] * 150


def test_nobody_waits_where_no_page_is_made() -> None:
    began = time.monotonic()
    for _ in range(1000):
        give_way()
    assert time.monotonic() - began < 10 * LONGEST_S

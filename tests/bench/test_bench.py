"""The benchmark, run whole on a few hundred sessions: it measures everything, and believes nothing it has not read."""

import json
import subprocess
import sys
from typing import Any

import pytest

from bench.data import shares
from bench.figures import Bar, Figure, Pairs
from bench.lists import OF_TRAITS, SHAPES
from bench.serving import ROOT, environment
from bench.table import lines, short

pytestmark = pytest.mark.long

SESSIONS = 300


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every figure of a run that is much too small to say how fast anything is."""
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    run("--scale", f"100,{SESSIONS}", "--on", "sqlite", "--little", "--json", str(file))
    return [one for one in json.loads(file.read_text()) if one["scale"] == SESSIONS]


def of(figures: list[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    return [one for one in figures if one["part"] == part]


def test_every_figure_is_there(figures: list[dict[str, Any]]) -> None:
    assert len(SHAPES) == 12
    assert len(of(figures, "list + total")) == len(SHAPES) + len(OF_TRAITS)
    assert len(of(figures, "open")) == 3
    assert len(of(figures, "record")) == 2 * 4 + 1
    assert len(of(figures, "mixed")) == 2
    assert len(of(figures, "search")) >= 1
    assert len(of(figures, "growth")) == 2
    assert {"memory", "WAL", "size"} <= {one["part"] for one in figures}


def test_what_is_not_skipped_is_a_ratio_to_a_control_or_a_plain_count(figures: list[dict[str, Any]]) -> None:
    for one in figures:
        if one["measured"] is None:
            assert one["note"].startswith("SKIPPED")
        else:
            assert one["measured"]["p50"] >= 0
        if one["control"] and one["ratio"]:
            assert one["control"]["p50"] > 0
            assert one["ratio"]["p50"] > 0


def test_all_that_was_recorded_was_read_back(figures: list[dict[str, Any]]) -> None:
    (read_back,) = [one for one in of(figures, "record") if one["what"] == "read back whole"]
    two_rounds_of_each_form = 2 * 4 * 14 + 2 * 28
    assert read_back["measured"]["p50"] == two_rounds_of_each_form


def test_the_largest_organization_has_its_share() -> None:
    assert 0.36 < shares(1_000_000)[0] / 1_000_000 < 0.37
    assert abs(sum(shares(1_000_000)) - 1_000_000) < 50


def test_a_bar_is_judged_by_what_was_measured_and_not_by_how_it_is_shown() -> None:
    pairs = Pairs([1.0, 1.0, 1.0], [2.504, 2.504, 2.504])
    figure = pairs.figure("list", "agent", "ms", Bar("ratio", 2.5), Bar("p95", 40), Bar("ratio", 0.4, is_least=True))
    assert [figure.holds(bar) for bar in figure.bars] == [False, True, True]
    assert "≤ 2.5x **FAILS**, p95 ≤ 40 holds, ≥ 0.4x holds" in lines([figure])[-1]


def test_a_figure_that_was_skipped_keeps_no_bar() -> None:
    figure = Figure("search", "a word", "ms", bars=[Bar("ratio", 3)], note="SKIPPED: there is none")
    assert not figure.holds(figure.bars[0])
    assert "**SKIPPED: there is none**" in lines([figure])[-1]


def test_numbers_keep_three_figures() -> None:
    assert [short(value) for value in (12345.6, 43.21, 2.546, 0.0478)] == ["12,346", "43.2", "2.55", "0.048"]


def test_a_flood_of_sessions_is_counted_and_read_back() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.flood", "280"], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "280 sessions recorded, all in the list; 280 drawn from them came back whole." in done.stdout
    assert done.stdout.count("| flood: tenth ") == 10
    assert "| memory: most " in done.stdout

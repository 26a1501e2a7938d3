"""By which of its indexes a file is asked for the sessions of a filter: SQLite would guess, and badly."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection

from hansard.db import hot
from hansard.resources.sessions import paths, search
from tests.conftest import House
from tests.door import Door
from tests.make import make_session

INDEX = re.compile(r"INDEXED BY (\w+)")
KEY = "sqlite_autoindex_session_1"


@dataclass
class Asking:
    """A caller of the one dialect that is told by which index to read, with three sessions."""

    house: House
    door: Door

    def indexes(self, path: str = "/hansard/v1/sessions", **params: str | list[str]) -> list[str]:
        """By which indexes the sessions of a list were counted and looked for, in the order of the statements."""
        self.house.statements.clear()
        assert self.door.get(path, **params).status == 200
        return [found[1] for one in self.house.statements if (found := INDEX.search(one))]


@pytest.fixture
def asking(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> Asking:
    ask = hot._rows_of_file

    def heard(db: Connection, sql: str, given: Sequence[Any]) -> list[Any]:
        sqlite_house.statements.append(sql)
        return ask(db, sql, given)

    monkeypatch.setattr(hot, "_rows_of_file", heard)
    door = sqlite_house.door()
    for _ in range(3):
        make_session(door)
    return Asking(sqlite_house, door)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("agent:desk", "session_snapshot"),
        ("prompt:Greeting version:3 label:GOOD -is:test duration:>1 since:90d", "session_snapshot"),
        ("label:GOOD is:live", "session_label"),
        ("duration:>1 -agent:Ada", "session_duration"),
        ("from:555", "session_source"),
        ("to:800 -is:test", "session_target"),
        ("agent:Ada from:555 since:90d is:live", "session_source"),
        ("tool:find_slot is:live agent:desk", "session_traits"),
        ("tool:find_slot,book_slot -failed:book_slot since:90d", "session_traits"),
        ("language:en has:recording", "session_traits"),
        ("metadata:tier is:live", "session_metadata"),
        ("label:GOOD,BAD", "session_label"),
        ("has:label is:live", "session_label"),
        ("label:none,GOOD", "session_wide"),
        ("-from:555", "session_wide"),
        ("-agent:Ada", "session_wide"),
        ("duration:>1 since:90d", "session_wide"),
        ("label:GOOD id:1", KEY),
        ("label:GOOD sid:S1", KEY),
        ("label:GOOD conversation:1", "session_conversation"),
    ],
)
def test_a_filter_is_read_by_the_narrowest_index_that_holds_it(asking: Asking, query: str, index: str) -> None:
    assert set(asking.indexes(q=query)) == {index}


def test_those_that_lack_something_are_all_but_those_that_have_it(asking: Asking) -> None:
    assert asking.indexes(q="-tool:find_slot") == ["session_traits"]  # none is left to be looked for
    assert asking.indexes(q="-tool:pay") == ["session_traits", "session_wide"]
    assert asking.indexes(q="-metadata:order=7") == [KEY, "session_wide"]
    assert asking.indexes(q="-tool:pay is:live") == ["session_wide"]
    assert asking.indexes(q="label:none") == asking.indexes(q="-has:label") == ["session_label"]
    assert asking.indexes(q="label:none is:live") == ["session_wide"]


def test_many_are_counted_by_the_narrow_index_and_walked_in_their_order(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "_FEW", 2)
    assert asking.indexes(q="agent:desk is:ended") == ["session_snapshot", "session_wide"]
    assert asking.indexes(q="agent:desk is:ended", total="false") == ["session_snapshot", "session_wide"]
    assert asking.indexes(q="agent:desk is:ended", sort="-duration") == ["session_snapshot", "session_duration"]
    assert asking.indexes(q="agent:desk label:NONESUCH") == ["session_snapshot"] * 2


def test_what_asks_nothing_but_snapshots_is_not_counted(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asking.indexes(q="agent:desk -is:test") == ["session_snapshot"]
    monkeypatch.setattr(paths, "_FEW", 2)
    assert asking.indexes(q="agent:desk -is:test") == ["session_wide"]
    assert asking.indexes(q="agent:desk", total="false") == ["session_wide"]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("from:804 label:GOOD", "session_source"),
        ("label:GOOD to:800", "session_target"),
        ("from:804 turns:>1 to:800", "session_source"),
    ],
)
def test_the_few_sessions_of_a_number_are_read_by_it_whatever_else_is_asked(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, query: str, index: str
) -> None:
    assert set(asking.indexes(q=query)) == {index}
    monkeypatch.setattr(paths, "_FEW_ROWS", 2)
    assert asking.indexes(q=query)[-1] == "session_wide"
    make_session(asking.door, source="+1999", target="+1998")
    assert set(asking.indexes(q="from:1999 to:800 label:GOOD")) == {"session_source"}
    assert asking.indexes(q="from:804 to:1998 label:GOOD")[-1] == "session_target"


def test_a_number_is_sought_by_the_sdks_by_its_index(asking: Asking) -> None:
    def indexes(*names: str) -> set[str]:
        values = {"source": "804", "target": "800", "agent_name": "desk", "duration": "10"}
        asked = {"search_fields": list(names), "search_field_values": [values[name] for name in names]}
        return set(asking.indexes("/api/v1/sessions/", **asked))

    assert indexes("source") == {"session_source"}
    assert indexes("target") == {"session_target"}
    assert indexes("source", "agent_name") == {"session_source"}
    assert indexes("target", "duration") == {"session_target"}


def test_the_snapshots_of_a_filter_are_looked_for_once_unless_there_are_too_many(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looks() -> tuple[int, bytes]:
        asking.house.statements.clear()
        answer = asking.door.get("/hansard/v1/sessions", q="agent:desk is:ended")
        return sum("agent_name_folded" in one for one in asking.house.statements), answer.bytes

    once, found = looks()
    monkeypatch.setattr(search, "_MOST_TOLD", 0)
    assert (once, looks()) == (1, (3, found))


def test_a_list_of_the_sdks_is_read_by_the_same_indexes(asking: Asking) -> None:
    asked = {"search_fields": "agent_name", "search_field_values": "desk"}
    assert asking.indexes("/api/v1/sessions/", **asked) == ["session_snapshot"]
    asked["start_datetime"] = "2026-01-01T00:00:00Z"
    assert asking.indexes("/api/v1/sessions/", **asked) == ["session_snapshot"] * 2

"""Search over what was said and done: right against a plain oracle, whatever the words, on both databases."""

# ruff: noqa: RUF001 - other alphabets are what is tested
import time
from collections.abc import Iterable
from typing import Any

import pytest

from hansard.resources.sessions.backlog import Backlog, find_backlog
from tests.conftest import House
from tests.door import Door
from tests.make import called, end, make_session, said, start


def backlog(house: House, door: Door) -> Backlog:
    with house.database.reading() as db:
        return find_backlog(db, door.organization_id)


def settle(house: House, door: Door, most_s: float = 10.0) -> float:
    """Wait for the server's own thread to have read everything; give how many seconds it took."""
    began = time.monotonic()
    while backlog(house, door).count:
        assert time.monotonic() - began < most_s, "the index does not keep up"
        time.sleep(0.01)
    return time.monotonic() - began


def find(door: Door, q: str) -> list[str]:
    """The carrier's ids of the sessions found, in order."""
    answer = door.get("/hansard/v1/sessions", q=q, limit=1000)
    assert answer.status == 200, (q, answer.bytes)
    items = answer.json["items"]
    assert answer.json["total_count"] == len(items), q
    return [one["channel_manager_sid"] for one in items]


def talk(door: Door, *events: Any, is_over: bool = True) -> str:
    """Record a session of these events, written by `said` and `called` for the sid they were made with."""
    sid: str = events[0]["session"]["sid"]
    door.send([start(sid), *events, *([end(sid, 60)] if is_over else [])])
    return sid


def test_words_are_found_in_messages_tool_names_and_every_value_of_a_payload(house: House) -> None:
    door = house.door()
    make_session(door, sid="A")
    sid = "B"
    talk(
        door,
        said(sid, "user", "Where is my parcel?", 1),
        called(sid, "track_parcel", 2, arguments={"deep": [{"code": "ZX-81"}], "n": 4711}, error="no such depot"),
    )
    settle(house, door)
    assert find(door, "appointment") == ["A"]
    assert find(door, "find_slot") == find(door, '"find slot"') == find(door, "Monday") == ["A"]
    for q in ("parcel", "track", "zx-81", "ZX", "4711", "depot", '"such depot"', "user:parcel", "track_parcel"):
        assert find(door, q) == ["B"], q
    for q in ("deep", "code", "reply:parcel", '"depot such"', "user:depot", "par", "null"):
        assert find(door, q) == [], q
    assert sorted(find(door, "-parcel")) == ["A"]
    assert sorted(find(door, "parcel,appointment")) == ["A", "B"]
    assert find(door, "parcel appointment") == []
    assert find(door, "parc*") == find(door, '"my par*"') == find(door, "user:par*") == ["B"]
    assert find(door, "reply:par*") == []


def test_what_the_user_said_and_what_the_agent_said_are_told_apart(house: House) -> None:
    door = house.door()
    talk(door, said("U", "user", "I want a refund", 1), said("U", "agent", "No money back", 2))
    talk(door, said("V", "user", "Give me money", 1), said("V", "agent", "A refund it is", 2))
    settle(house, door)
    assert find(door, "user:refund") == find(door, "reply:money") == ["U"]
    assert find(door, "reply:refund") == find(door, "user:money") == ["V"]
    assert sorted(find(door, "refund money")) == ["U", "V"]
    assert find(door, 'user:"a refund" -reply:"refund it"') == ["U"]
    assert find(door, "agent:refund") == []


def test_a_phrase_lies_within_one_message(house: House) -> None:
    door = house.door()
    talk(door, said("P", "user", "please cancel my", 1), said("P", "user", "order now", 2))
    talk(door, said("Q", "user", "Please, cancel: MY order!", 1))
    settle(house, door)
    assert find(door, '"cancel my order"') == ["Q"]
    assert sorted(find(door, "cancel my order")) == ["P", "Q"]


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("Ich möchte die Straße ändern", ("MOCHTE", "möchte", "mo\u0308chte", "strasse", "STRASSE", '"die straße"')),
        ("Çà et là, un café", ("cafe", "CAFÉ", '"ca et la"')),
        ("我想取消订单", ("取消", "订单", "我", '"想取消"', "user:取消订单")),
        ("キャンセルしたい", ("キャンセル", "したい")),
        ("Отмените заказ", ("ЗАКАЗ", "отмените")),
        ("आपका आदेश", ("आदेश",)),
        ("ﬁne ① ½ ＡＢＣ", ("fine", "1", "abc")),
        ("l'été d’Anna", ("ete", "l'ete", "anna")),
    ],
)
def test_case_accents_and_scripts_do_not_hide_a_word(house: House, text: str, queries: Iterable[str]) -> None:
    door = house.door()
    talk(door, said("T", "user", text, 1))
    settle(house, door)
    for q in queries:
        assert find(door, q) == ["T"], q
    for q in ("取订", "ンキ", "стр", "xyz"):
        assert find(door, q) == [], q


def test_another_organizations_words_are_not_found(house: House) -> None:
    mine, theirs = house.door(), house.door()
    for _ in range(3):
        make_session(theirs)
    talk(mine, said("M", "user", "hello appointment", 1))
    settle(house, mine)
    settle(house, theirs)
    assert find(mine, "appointment") == ["M"]
    assert find(mine, "monday") == []
    assert len(find(theirs, "appointment")) == 3
    assert find(theirs, "appointment -monday") == []

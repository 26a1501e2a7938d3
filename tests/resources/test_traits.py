"""What a session is found by beside its columns: languages, tools, categories, metadata, response times."""

from typing import Any

import pytest
from sqlalchemy import Table, func, select

from hansard.db.tables import metadata_value, trait, trait_of_set, trait_set
from hansard.resources.sessions import search, values
from hansard.resources.sessions.kept import kept
from hansard.resources.sessions.response import response_p95_ms
from hansard.resources.sessions.waterfall import waterfall
from hansard.wire import Child
from tests.conftest import House
from tests.door import Door
from tests.make import START, at, called, end, make_call, make_event, make_sid, measured, said, start

EQUALS: dict[str, Any] = {"a=b": "c=d"}


def found(door: Door, q: str) -> list[str]:
    answer = door.get("/hansard/v1/sessions", q=q, sort="source")
    assert answer.status == 200, answer.bytes
    assert answer.json["total_count"] == len(answer.json["items"])
    return [one["channel_manager_sid"] for one in answer.json["items"]]


def label(sid: str, *categories: str) -> dict[str, Any]:
    data = {"type": "human-rating", "code": "OK", "issue_categories": list(categories)}
    return make_event("label", data, sid=sid, seconds=99)


def test_each_trait_finds_its_sessions_alone_and_with_others(house: House) -> None:
    door = house.door()
    door.send(
        [
            start("A", source="1", customer_tier="Gold", region={"city": "Ulm"}),
            said("A", "user", "Hello", 1, lang="en-US"),
            said("A", "agent", "Hallo", 2, lang="de_AT"),
            called("A", "find_slot", 3, error="busy"),
            called("A", "book", 4, result=1),
            label("A", "Slow", "Wrong answer"),
            start("B", source="2", customer_tier="silver", beta=True, seats=3, share=0.5, **EQUALS),
            said("B", "user", "Hello", 1, lang="en"),
            called("B", "find_slot", 3, result=1, error=None),
            label("B", "slow"),
            start("C", source="3", quiet=None),
            said("C", "user", "Grüezi", 1, lang="gsw-CH"),
        ]
    )
    for q, expected in {
        "language:en": "AB",
        "language:EN-us": "A",
        "language:de": "A",
        "language:e": "",
        "language:de,gsw": "AC",
        "-language:en": "C",
        "tool:find_slot": "AB",
        "tool:FIND_SLOT -tool:book": "B",
        "failed:find_slot": "A",
        "tool:find": "",
        "category:slow": "AB",
        'category:"wrong answer"': "A",
        "metadata:customer_tier": "AB",
        "-metadata:customer_tier": "C",
        "metadata:customer_tier=gold": "A",
        "metadata:customer_tier=bronze": "",
        "metadata:region": "A",
        "metadata:beta=true": "B",
        "metadata:seats=3": "B",
        "metadata:seats=3.0": "",
        "metadata:share=0.5": "B",
        "metadata:a=b": "B",
        "metadata:a=b=c=d": "B",
        "metadata:quiet": "",
        "metadata:customer_tier language:en failed:find_slot,book category:slow": "A",
    }.items():
        assert found(door, q) == list(expected), q


def test_what_is_said_later_counts_from_then_on(house: House) -> None:
    """A tool of a session that runs, metadata that is corrected, a label long after the end."""
    door = house.door()
    door.send([start("A", tier="gold")])
    door.send([said("A", "user", "Hello", 1, lang="en")])
    door.send([called("A", "book", 2)])
    assert found(door, "tool:book language:en metadata:tier=gold") == ["A"]
    door.send([end("A", 3), called("A", "pay", 2, error="no")])
    door.send([make_event("session.update", {"tier": "silver"}, sid="A", seconds=4), label("A", "Slow")])
    assert found(door, "tool:book tool:pay failed:pay language:en category:slow metadata:tier=silver") == ["A"]
    assert found(door, "metadata:tier=gold") == []


def test_sessions_that_have_the_same_traits_share_them(house: House) -> None:
    door = house.door()
    for _ in range(20):
        door.send(make_call(make_sid(), customer_tier="gold"))
    assert counts_of(house, door, trait, trait_set, trait_of_set) == [5, 2, 5]


def counts_of(house: House, door: Door, *tables: Table) -> list[int]:
    with house.database.reading() as db:
        mine = [
            select(func.count()).select_from(one).where(one.c.organization_id == door.organization_id) for one in tables
        ]
        return [db.execute(one).scalar_one() for one in mine]


def test_a_number_of_its_own_makes_no_traits_of_every_session(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MOST_OF_A_KEY", 3)
    door, other = house.door(), house.door()
    sids = [f"S{number:02}" for number in range(20)]
    for number, sid in enumerate(sids):
        door.send(make_call(sid, order=f"No {number}", tier=("gold", "silver")[number % 2], source=sid))
        other.send(make_call(sid, order=f"No {number}"))
    assert counts_of(house, door, trait, trait_set, metadata_value) == [10, 1 + 3 + 2, 17]
    for number, sid in enumerate(sids):
        assert found(door, f'metadata:"order=No {number}"') == [sid]
    for q, expected in {
        'metadata:"order=No 0,order=No 19"': [],
        'metadata:"order=NO 0","order=No 19",order=x': ["S00", "S19"],
        'metadata:"order=No 18","order=No 19"': ["S18", "S19"],
        'metadata:"order=No 19" metadata:tier=gold': [],
        'metadata:"order=No 19" -metadata:tier=gold': ["S19"],
        'metadata:"order=No 19",tier=gold -metadata:"order=No 18"': [*sids[:18:2], "S19"],
        'metadata:order -metadata:"order=No 19"': sids[:19],
        "metadata:order=19": [],
    }.items():
        assert found(door, q) == expected, q
    monkeypatch.setattr(search, "_MOST_NAMED", 0)  # whoever has it is looked for among all
    assert found(door, 'metadata:"order=No 19" metadata:tier=silver agent:desk') == ["S19"]


def test_a_value_that_is_corrected_finds_the_session_no_longer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MOST_OF_A_KEY", 1)
    door = house.door()
    door.send([start("A", order="1"), start("B", order="2"), start("C", order="3")])
    assert found(door, "metadata:order=2") == ["B"]
    for seconds, (was, now) in enumerate((("2", "4"), ("4", "1"), ("1", "5")), start=1):
        door.send([make_event("session.update", {"order": now}, sid="B", seconds=seconds)])
        assert "B" in found(door, f"metadata:order={now}")
        assert "B" not in found(door, f"metadata:order={was}")
    door.send(make_call("B", seconds=9))
    assert found(door, "metadata:order=5") == ["B"]
    assert counts_of(house, door, metadata_value) == [2]


@pytest.mark.parametrize("name", ["nul\0", "x" * 300, "Ünï=çødé", "", "a\\b%_'\""])
def test_odd_keys_and_values_are_found_by_what_was_sent(house: House, name: str) -> None:
    door = house.door()
    sent: dict[str, Any] = {name or "k": name}
    door.send([start("A", **sent), said("A", "user", "?", 1, lang=name or "k")])
    if "\0" in name:
        return
    key = (name or "k").replace("\\", "\\\\").replace('"', '\\"')
    assert found(door, f'metadata:"{key}" language:"{key}"') == ["A"]
    value = name.replace("\\", "\\\\").replace('"', '\\"')
    assert found(door, f'metadata:"{key}={value}"') == ["A"]
    assert found(door, f'metadata:"{key}={value}x"') == []


def test_a_thousand_keys_are_taken_and_found(house: House) -> None:
    door = house.door()
    door.send([start("A", **{f"key{number}": number for number in range(1000)})])
    assert found(door, "metadata:key999=999") == ["A"]


@pytest.mark.parametrize(
    ("events", "expected_ms"),
    [
        ([], None),
        ([measured("A", "turn", 900, 2, label="end_of_turn"), measured("A", "llm", 300, 2)], None),
        ([measured("A", "turn", ms, 2, label="user_bot") for ms in range(100, 2100, 100)], 1900),
        ([measured("A", "turn", 1234.6, 2, label="end_to_end"), measured("A", "turn", -5, 3, label="user_bot")], 1235),
        (
            [
                said("A", "user", "Hi", 1, started_at=at(1), ended_at=at(2)),
                said("A", "agent", "Hello", 4, started_at=at(2.75)),
                said("A", "user", "Wait", 5, started_at=at(5), ended_at=at(6)),
                said("A", "agent", "over you", 5.5, started_at=at(5.5)),
            ],
            750,
        ),
        ([said("A", "user", "a line", 1), said("A", "user", "and one", 2), said("A", "agent", "yes", 3.5)], 1500),
        ([said("A", "user", "Hi", 1, ended_at=at(2)), said("A", "agent", "at once", 2)], 0),
        ([said("A", "user", "no end", 1, started_at=at(1)), said("A", "agent", "yes", 3.5)], None),
        ([said("A", "agent", "Hello?", 1), said("A", "agent", "Hello?", 2)], None),
    ],
)
def test_the_response_time_is_what_95_of_100_answers_did_not_exceed(
    sqlite_house: House, events: list[dict[str, Any]], expected_ms: int | None
) -> None:
    door = sqlite_house.door()
    door.send([start("A"), *events])
    assert door.get("/hansard/v1/sessions").json["items"][0]["response_p95_ms"] is None
    door.send([end("A", 10)])
    assert door.get("/hansard/v1/sessions").json["items"][0]["response_p95_ms"] == expected_ms


def test_the_response_time_is_filtered_by_the_millisecond(house: House) -> None:
    door = house.door()
    for number, ms in enumerate((999, 1000, 1001)):
        sid = f"S{number}"
        door.send([start(sid, source=sid), measured(sid, "turn", ms, 1, label="user_bot"), end(sid, 9)])
    door.send([start("running", source="z")])
    for q, expected in {
        "response:>1s": ["S2"],
        "response:>=1": ["S1", "S2"],
        "response:<1000ms": ["S0"],
        "response:1.001": ["S2"],
        "response:999ms..1s": ["S0", "S1"],
        "-response:>1s": ["S0", "S1", "running"],
    }.items():
        assert found(door, q) == expected, q


def test_the_response_time_is_that_of_the_waterfall_and_needs_no_order() -> None:
    told = [said("A", "user", "a line", 2), said("A", "agent", "yes", 3.5), said("A", "agent", "more", 3.6)]
    children = [Child(id=one["id"], kind=one["kind"], at=one["at"], data=one["data"]) for one in told]
    assert waterfall(START, children).responses_ms == [1500]
    assert response_p95_ms(map(kept, children)) == response_p95_ms(map(kept, children[::-1])) == 1500

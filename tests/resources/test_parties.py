"""Who called and who was called: found by a part of the number, whenever it became known, and by nobody else."""

from typing import Any

import pytest

from hansard.resources.sessions import search
from hansard.resources.sessions.indexing import index_all
from tests.conftest import House
from tests.door import Door
from tests.make import make_event, make_session, said, start


def found(door: Door, q: str, **more: str) -> list[str]:
    """The carrier's ids of what a filter finds, in order; the total says the same."""
    page = door.get("/hansard/v1/sessions", q=q, **more).json
    assert page["total_count"] == len(page["items"])
    return sorted(one["channel_manager_sid"] for one in page["items"])


def listed(door: Door, **wanted: str) -> list[str]:
    """The same of the list of the SDKs."""
    return sorted(one["channel_manager_sid"] for one in door.search(**wanted))


@pytest.mark.parametrize(("field", "name"), [("from", "source"), ("to", "target")])
def test_a_part_of_a_number_is_found_wherever_it_stands_and_in_any_case(house: House, field: str, name: str) -> None:
    door = house.door()
    numbers = {"A": "+4989551277", "B": "+4930512", "C": "Kunde@Büro.example", "D": None}
    none: dict[str, Any] = {"source": None, "target": None}
    door.send([start(sid, **none | {name: number}) for sid, number in numbers.items()])
    wanted = {"5512": ["A"], "512": ["A", "B"], "+49": ["A", "B"], "277": ["A"], "BÜRO": ["C"], "5513": []}
    for part, sids in wanted.items():
        assert found(door, f"{field}:{part}") == sids, part
        assert listed(door, **{name: part}) == sids, part
    assert found(door, f"{field}:5512,KUNDE") == ["A", "C"]
    assert found(door, f"{field}:512 {field}:4930") == ["B"]


@pytest.mark.parametrize("name", ["source", "target"])
def test_a_changed_number_is_found_by_the_new_and_not_by_the_old(house: House, name: str) -> None:
    door = house.door()
    field = {"source": "from", "target": "to"}[name]
    first: dict[str, Any] = {name: "+15550001"}
    door.send([start("A", **first), said("A", "user", "hello", 1)])
    assert found(door, f"{field}:50001") == ["A"]
    door.send([make_event("session.update", {name: "+16660002"}, sid="A", seconds=2)])
    assert (found(door, f"{field}:50001"), found(door, f"{field}:60002")) == ([], ["A"])
    assert (listed(door, **{name: "50001"}), listed(door, **{name: "60002"})) == ([], ["A"])
    door.send([make_event("session.update", {name: "+17770003"}, sid="A", seconds=1)])  # late, and overtaken
    assert (found(door, f"{field}:70003"), found(door, f"{field}:60002")) == ([], ["A"])


def test_a_number_that_comes_late_is_found(house: House) -> None:
    door = house.door()
    door.send([said("A", "user", "hello", 1)])
    assert found(door, "from:5512") == []
    door.send([start("A", source="+15512", target="+16623")])
    assert found(door, "from:5512") == found(door, "to:6623") == ["A"]


@pytest.mark.parametrize(
    ("part", "sids"), [("0%", ["A"]), ("%", ["A"]), ("a_b", ["B"]), ("_", ["B"]), ("c/d", ["C"]), (r"e\f", ["D"])]
)
def test_percent_underscore_and_slashes_mean_themselves(house: House, part: str, sids: list[str]) -> None:
    door = house.door()
    names = {"A": "100% sure", "B": "a_b", "C": "c/d", "D": r"e\f", "E": "1000 axb cd ef"}
    door.send([start(sid, source=name, target=name) for sid, name in names.items()])
    typed = part.replace("\\", "\\\\")
    assert found(door, f'from:"{typed}"') == found(door, f'to:"{typed}"') == sids
    assert listed(door, source=part) == listed(door, target=part) == sids


def test_who_has_no_number_is_found_only_by_who_leaves_one_out(house: House) -> None:
    door = house.door()
    door.send([start("A", source=None, target=None), start("B", source="+15512", target="+16623")])
    assert (found(door, "from:5512"), found(door, "-from:5512")) == (["B"], ["A"])
    assert (found(door, "to:6623"), found(door, "-to:6623")) == (["B"], ["A"])
    assert found(door, "-from:nobody") == found(door, "-to:nobody") == ["A", "B"]
    assert found(door, "-from:5512 to:6623") == []


def test_each_organization_knows_its_own_numbers(house: House) -> None:
    ours, theirs = house.door(), house.door()
    theirs.send([start("A", source="+15512", target="+16623"), start("B", source="+17734")])
    assert found(ours, "from:5512") == found(ours, "to:6623") == []
    ours.send([start("A", source="+15512", target="+16623")])
    for door in (ours, theirs):
        assert found(door, "from:5512") == found(door, "to:6623") == listed(door, source="5512") == ["A"]
    assert found(ours, "from:7734") == listed(ours, source="7734") == []


def test_a_number_is_searched_for_beside_everything_else(house: House) -> None:
    door = house.door()
    more: dict[str, Any] = {"source": "+15512", "target": "+16623"}
    door.send([start("A", **more), start("B", 60, **more, is_test=True), start("C", 120, **more, agent_name="Ada")])
    door.send([make_event("label", {"type": "human-rating", "code": "GOOD"}, sid="C", seconds=130)])
    for q in ("from:5512", "to:6623", "from:5512 to:6623", "from:5512 since:9000d"):
        assert found(door, q) == ["A", "B", "C"], q
        assert found(door, f"{q} -is:test") == ["A", "C"], q
        assert found(door, f"{q} agent:ada") == found(door, f"{q} label:GOOD") == ["C"], q
        assert found(door, f"{q} turns:>0") == [], q
    assert found(door, "5512") == found(door, "6623") == ["A", "B", "C"]
    assert listed(door, source="5512") == listed(door, source="5512", target="6623") == ["A", "C"]
    assert listed(door, source="5512", agent_name="ada") == ["C"]


def test_a_batch_notes_its_numbers_in_one_statement_and_none_when_no_number_changes(house: House) -> None:
    door = house.door()

    def noted(events: list[dict[str, Any]]) -> int:
        house.statements.clear()
        door.send(events)
        return sum("INTO party" in one for one in house.statements)

    assert noted([start(f"S{number}", source=f"+1555{number}") for number in range(20)]) == 1
    assert noted([said(f"S{number}", "user", "hello", 1) for number in range(20)]) == 0
    assert noted([start("T", source="+15557"), start("U", source="+1777")]) == 1
    assert found(door, "from:15557") == ["S7", "T"]
    make_session(door)
    assert noted([start("V", source=None, target=None)]) == 0


@pytest.mark.parametrize("most", [0, 3, 2000])
def test_a_number_without_a_field_is_found_wherever_it_is(
    house: House, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """In few sessions, which are looked up by their ids, as in many."""
    monkeypatch.setattr(search, "_MOST_NAMED", most)
    door = house.door()
    door.send([start("A", source="+18045512"), start("B", target="sip:5512@example.com"), start("5512")])
    door.send([start("D"), said("D", "user", "It is 5512.", 1), start("E"), said("E", "agent", "55 12", 1)])
    door.send([start("F", source="+18045512", target="+15512"), start("G", source="+15513", is_test=True)])
    door.send([start("H"), said("H", "user", "Neither 551 nor 2.", 1)])
    index_all(house.database, door.organization_id)

    assert found(door, "5512") == ["5512", "A", "B", "D", "F"]
    assert found(door, "-5512") == ["E", "G", "H"]
    assert found(door, "5512 from:4551") == ["A", "F"]
    assert found(door, "5512 -from:4551") == ["5512", "B", "D"]
    assert found(door, "5512,5513") == ["5512", "A", "B", "D", "F", "G"]
    assert found(door, "5512 neither") == []
    assert found(door, "5512 it", sort="source") == ["D"]
    assert found(door, "5512 -is:test", sort="-duration") == ["5512", "A", "B", "D", "F"]
    assert found(door, "99999") == []
    assert found(door, '"!!!"') == []
    assert found(door, ",".join(["5512", *map(str, range(7000, 7300))])) == ["5512", "A", "B", "D", "F"]

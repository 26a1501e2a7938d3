"""Lists: labels, events and conversations by each of their fields; odd values; whatever a page may be asked."""

import random
from functools import partial
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Connection, delete, select, update

from hansard.db.tables import counter, snapshot
from hansard.resources.sessions.totals import count_all, recount
from tests.conftest import House
from tests.door import Door
from tests.make import make_event, make_session, said, shown, start


def found(door: Door, path: str, key: str, **asked: Any) -> list[Any]:
    answer = door.get(path, **asked)
    assert answer.status == 200, answer.bytes
    return [one[key] for one in answer.json["items"]]


def test_labels_are_found_by_each_field(house: House) -> None:
    door = house.door()
    door.send([start("A"), start("B"), start("C")])
    for sid, seconds, code, who, issues in (
        ("A", 10, "GOOD", "Ann@example.com", []),
        ("B", 20, "BAD", "bob@example.com", ["Silent treatment", "Slow"]),
        ("C", 30, "BAD", "ann@example.com", ["Wrong answer"]),
    ):
        data = {"type": "human-rating", "code": code, "user_email": who, "issue_categories": issues}
        door.send([make_event("label", data, sid=sid, seconds=seconds)])

    def of(name: str, value: str) -> list[int]:
        return found(door, "/api/v1/session_labels/", "session_id", search_fields=name, search_field_values=value)

    assert of("code", "bad") == [3, 2]
    assert of("type", "human-rating") == [3, 2, 1]
    assert of("user_email", "ANN") == [3, 1]
    assert of("issue_categories", "silent") == [2]
    assert of("session_id", "2") == [2]
    assert of("session_id_list", "1, 3 ,,x") == [3, 1]
    assert of("timestamp", shown(10)) == [1]
    assert found(door, "/api/v1/session_labels/", "code", order_by="code") == ["BAD", "BAD", "GOOD"]


def test_the_newest_human_label_is_shown_before_any_automatic_one(house: House) -> None:
    door = house.door()
    door.send([start("A")])

    def label(seconds: float, kind: str) -> str:
        one = make_event("label", {"type": kind, "code": "OK"}, sid="A", seconds=seconds)
        door.send([one])
        items = door.search("/api/v1/session_labels/", timestamp=shown(seconds))
        return str(items[0]["id"])

    def of_session() -> str | None:
        shown_id: str | None = door.get("/api/v1/sessions/1").json["session_label_id"]
        return shown_id

    assert of_session() is None
    auto = label(50, "auto-rating")
    assert of_session() == auto
    first = label(10, "human-rating")
    assert of_session() == first
    label(60, "auto-rating")
    assert of_session() == first
    second = label(20, "human-rating")
    label(5, "human-rating")
    assert of_session() == second


def test_events_are_found_by_each_field(house: House) -> None:
    door = house.door()
    door.send([start("A", conversation_id="c-9"), start("B")])
    full = {
        "source": "tool-call",
        "source_id": "7",
        "category": "automation",
        "type": "phone-transfer",
        "user_id": "+1804",
        "description": "Umleitung zur Ärztin",
        "attributes": {"to": "+1800"},
    }
    door.send([make_event("event", full, sid="A", seconds=1), make_event("event", {}, sid="B", seconds=2)])
    for name, value in {
        "timestamp": shown(1),
        "session_id": "1",
        "conversation_id": "c-9",
        "source": "TOOL",
        "source_id": "7",
        "category": "auto",
        "type": "transfer",
        "user_id": "804",
        "description": "ärzt",
        "attributes": '"+1800"',
    }.items():
        ids = found(door, "/api/v1/events/", "session_id", search_fields=name, search_field_values=value)
        assert ids == ["1"], name
        assert len(found(door, "/api/v1/events/", "session_id", order_by=name)) == 2, name
    assert found(door, "/api/v1/events/", "session_id") == ["2", "1"]
    assert found(door, "/api/v1/events/", "session_id", end_datetime=shown(2)) == ["1"]


def test_events_of_state_and_trace_are_in_the_record_and_not_in_the_list(house: House) -> None:
    door = house.door()
    door.send([start("A")])
    said = [{"category": category, "type": "t"} for category in ("state", "trace", "stately", None)]
    door.send([make_event("event", data, sid="A", seconds=index) for index, data in enumerate(said)])
    listed = door.get("/api/v1/events/", order_by="timestamp", order_by_direction="asc").json["items"]
    assert [one["category"] for one in listed] == ["stately", None]
    record = door.get("/hansard/v1/sessions/1/record").json["events"]
    assert [one["data"] for one in record if one["kind"] == "event"] == said


def test_conversations_are_found_by_each_field_and_show_their_latest_session(house: House) -> None:
    door = house.door()
    llm = {"llm_provider": "openai", "llm_model": "gpt-4.1", "llm_version": "2026-01", "llm_temperature": 0.5}
    door.send(
        [
            start("A", 0, conversation_id="c", agent_name="Old name"),
            start("B", 50, conversation_id="c", agent_name="New name", agent_type="x", prompt_id="6", **llm),
            start("C", 10, is_legacy=True, prompt_name="Other"),
        ]
    )
    (both,) = door.search("/api/v1/conversations/", agent_name="new")
    assert both == both | llm | {"timestamp": shown(0), "conversation_id": "c", "agent_name": "New name"}
    assert door.search("/api/v1/conversations/", agent_name="old") == []
    for name, value, ids in (
        ("timestamp", shown(0), ["c"]),
        ("agent_type", "X", ["c"]),
        ("agent_id", "12", ["3", "c"]),
        ("prompt_id", "6", ["c"]),
        ("prompt_name", "OTHER", ["3"]),
        ("llm_provider", "OpenAI", ["c"]),
        ("llm_model", "GPT-4", ["c"]),
        ("llm_version", "2026", ["c"]),
        ("is_legacy", "true", ["3"]),
    ):
        path = "/api/v1/conversations/"
        assert found(door, path, "conversation_id", search_fields=name, search_field_values=value) == ids, name
        assert len(found(door, path, "conversation_id", order_by=name)) == 2, name
    assert door.search(conversation_id="c")[0]["session_id"] == "2"


def test_a_session_that_changes_its_conversation_leaves_no_empty_one(house: House) -> None:
    door = house.door()
    door.send([said("A", "user", "hi", 1)])
    assert found(door, "/api/v1/conversations/", "conversation_id") == ["1"]
    door.send([make_event("session.update", {"conversation_id": "named"}, sid="A", seconds=2)])
    assert found(door, "/api/v1/conversations/", "conversation_id") == ["named"]


@pytest.mark.parametrize(
    ("start_datetime", "count"),
    [
        ("2026-11-22T10:00:00+00:00", 1),
        ("2026-11-22T10:00:00 00:00", 1),
        ("2026-11-22T11:30:00.000001 01:30", 0),
        ("2026-11-22T10:00:00", 1),
        ("2026-11-22 10:00:00", 1),
        ("2026-11-22T10:00:01Z", 0),
        ("2026-11-22", 1),
        ("2026-11-23", 0),
        ("", 1),
    ],
)
def test_a_start_is_read_however_clients_write_it(house: House, start_datetime: str, count: int) -> None:
    door = house.door()
    make_session(door)
    assert door.get("/api/v1/sessions/", start_datetime=start_datetime).json["total_count"] == count


def test_every_field_sorts_in_both_directions_the_same_in_both_databases(house: House) -> None:
    from hansard.resources.sessions.store import NAMES

    door = house.door()
    for number, name in enumerate(("b", "B", "ä", "", "a b", "a")):
        more = {"is_outbound": bool(number % 2)} if number else {"is_outbound": None}
        door.send([start(f"S{name}", number, agent_name=name, source=name, prompt_id=name or None, **more)])
    for name in NAMES:
        up = found(door, "/api/v1/sessions/", "session_id", order_by=name)
        down = found(door, "/api/v1/sessions/", "session_id", order_by=name, order_by_direction="desc")
        assert sorted(up) == sorted(down) == [*"123456"], name
    by_name = found(door, "/api/v1/sessions/", "agent_name", order_by="agent_name")
    assert by_name == ["", "B", "a", "a b", "b", "ä"]
    assert found(door, "/api/v1/sessions/", "is_outbound", order_by="is_outbound")[-1] is None
    assert (
        found(door, "/api/v1/sessions/", "is_outbound", order_by="is_outbound", order_by_direction="desc")[-1] is None
    )


def test_the_totals_that_are_kept_stay_right_whatever_becomes_known_late(house: House) -> None:
    door = house.door()
    dice = random.Random(5)
    for _ in range(30):
        sids = dice.choices([f"S{number}" for number in range(20)], k=4)
        said = [{"is_test": dice.random() < 0.5, "agent_name": dice.choice("AB")} for _ in sids]
        door.send([make_event("session.update", one, sid=sid) for one, sid in zip(said, sids, strict=True)])
        for is_test in ("true", "false"):
            for more in ({}, {"agent_name": "A"}, {"agent_name": "c"}):
                found = door.get("/api/v1/sessions/", **_searching({"is_test": is_test, **more})).json
                assert found["total_count"] == len(found["items"]), (is_test, more)
        for q in ("is:test", "is:live", "-is:test", "-is:live", "is:test,live", "-is:test,live", "-agent:A is:test"):
            found = door.get("/hansard/v1/sessions", q=q).json
            assert found["total_count"] == len(found["items"]), q
    organization = door.organization_id
    before = _kept(house, organization)
    assert sum(count for _, *counts in before[1] for count in counts) == before[0] == 20
    house.database.write(organization, partial(_forget_totals, organization_id=organization))
    house.database.write(organization, partial(recount, organization_id=organization))
    assert _kept(house, organization) == before


def _searching(wanted: dict[str, str]) -> dict[str, Any]:
    return {"search_fields": list(wanted), "search_field_values": list(wanted.values()), "limit": 100}


def _kept(house: House, organization_id: int) -> tuple[int, list[Any]]:
    """The total of all, and those of each snapshot."""
    columns = (snapshot.c.id, snapshot.c.live_sessions, snapshot.c.test_sessions)
    asked = select(*columns).where(snapshot.c.organization_id == organization_id).order_by(snapshot.c.id)
    with house.database.reading() as db:
        return count_all(db, organization_id, with_tests=True), [tuple(row) for row in db.execute(asked)]


def _forget_totals(db: Connection, organization_id: int) -> None:
    """As after rows were written by another way: too few here, too many there."""
    db.execute(delete(counter).where(_totals_of(organization_id)))
    wrong = {"live_sessions": 7, "test_sessions": 0}
    db.execute(update(snapshot).where(snapshot.c.organization_id == organization_id).values(wrong))


def _totals_of(organization_id: int) -> ColumnElement[bool]:
    return (counter.c.organization_id == organization_id) & counter.c.name.endswith("_sessions")


def test_lists_show_every_digit_and_every_letter_as_they_were_sent(house: House) -> None:
    """SQLite gives a page as one JSON text, and writes fifteen digits of a number unless it is asked for all."""
    door, dice = house.door(), random.Random(4)
    texts = ['"quoted" \\ back', "tab\tand\nline", "\u2028 é 😀 \x01", "[1, 2]", "null", "", "1e5"]
    durations_s = [dice.random() * 10.0 ** dice.randint(-6, 9) for _ in range(40)] + [0.1 + 0.2, 1e12, 5e-324, 7.0]
    sent = {}
    for place, duration_s in enumerate(durations_s):
        text = texts[place % len(texts)]
        session_id = make_session(door, duration=duration_s, agent_name=text, prompt_name=None, source=text or None)
        sent[session_id] = (duration_s, text, text or None)
    for path in ("/api/v1/sessions/", "/hansard/v1/sessions"):
        items = door.get(path, limit=100).json["items"]
        assert {one["session_id"]: (one["duration"], one["agent_name"], one["source"]) for one in items} == sent
    one = next(iter(sent))
    assert door.get(f"/api/v1/sessions/{one}").json["duration"] == sent[one][0]

"""The same events in any order, with duplicates, on both databases, leave the same record byte for byte."""

import random

import pytest

from tests.conftest import House
from tests.door import Door
from tests.make import end, make_call, make_event, said, start

PATHS = (
    "/api/v1/sessions/1",
    "/api/v1/sessions/transcript/1",
    "/api/v1/sessions/timeline/1",
    "/api/v1/sessions/latency/1",
    "/api/v1/sessions/full-summary/1",
    "/api/v1/session_debug/session_id/1",
    "/api/v1/session_labels/",
    "/api/v1/events/",
    "/api/v1/conversations/",
    "/hansard/v1/sessions/1/record",
)
ORDERS = 200


def record_of(door: Door) -> list[bytes]:
    answers = [door.get(path) for path in PATHS]
    assert {answer.status for answer in answers} == {200}
    return [answer.bytes for answer in answers]


@pytest.mark.long
def test_two_hundred_shuffled_orders_with_duplicates_give_the_same_bytes(
    sqlite_house: House, postgres_house: House
) -> None:
    dice = random.Random(824)
    events = make_call("CA-order")
    events += [
        make_event("session.update", {"agent_name": "Back desk", "prompt_id": None}, sid="CA-order", seconds=5),
        make_event("label", {"type": "human-rating", "code": "OK"}, sid="CA-order", seconds=7100),
        said("CA-order", "user", "after the end", 12),
    ]
    expected = None
    for number in range(ORDERS):
        house = sqlite_house if number % 2 else postgres_house
        door = house.door()
        shuffled = events + dice.choices(events, k=6)
        if number:
            dice.shuffle(shuffled)
        cut = sorted(dice.sample(range(1, len(shuffled)), dice.randint(0, 4)))
        for first, last in zip([0, *cut], [*cut, len(shuffled)], strict=True):
            door.send(shuffled[first:last])
        record = record_of(door)
        expected = expected or record
        assert record == expected, f"order {number} of seed 824 differs"


def test_every_order_of_a_thread_of_messages_gives_the_same_conversations(house: House) -> None:
    """Texts a few hours apart are one conversation, a day's silence begins another, a named one stands alone."""
    dice = random.Random(825)
    hours = (0, 5, 11, 80, 90, 91)
    fields = {"channel_manager_type": "sms_twilio_v1"}
    expected = {0: 0, 1: 0, 2: 0, 3: 3, 4: 3, 5: 5}
    for _ in range(8):
        door = house.door()
        events = []
        for number, hour in enumerate(hours):
            more = fields | ({"conversation_id": "mine"} if number == 5 else {})
            events += [
                start(f"S{number}", hour * 3600, **more),
                said(f"S{number}", "user", "hi", hour * 3600 + 1),
                end(f"S{number}", hour * 3600 + 60),
            ]
        dice.shuffle(events)
        for one in events:
            door.send([one])
        sessions = {one["channel_manager_sid"]: one for one in door.search()}
        for number, first in expected.items():
            found = sessions[f"S{number}"]["conversation_id"]
            assert found == ("mine" if number == 5 else sessions[f"S{first}"]["session_id"]), (number, sessions)
        listed = door.get("/api/v1/conversations/").json
        assert {one["conversation_id"] for one in listed["items"]} == {
            one["conversation_id"] for one in sessions.values()
        }
        assert listed["total_count"] == 3

"""A session whole: put together from what is stored as JSON, it says what was sent, whatever that was."""

from typing import Any

import pytest

from hansard.resources.accounts.schemas import Scope
from hansard.resources.sessions import store
from tests.conftest import House
from tests.door import Door
from tests.make import called, end, make_call, make_session, make_sid, said, start

HOSTILE: tuple[Any, ...] = (
    "\0",
    'a "quoted" \\ word\n\t\x7f\u2028',
    "\U0001f600",  # two surrogates on its way, if its sender likes
    "</script>]}",
    2**70,
    -(2**70),
    1.10,
    1e300,
    {"": {"events": [{}], "\0": None}},
    [],
)


def record(door: Door, session_id: str) -> Any:
    answer = door.get(f"/hansard/v1/sessions/{session_id}/record")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return answer.json


def sent(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in ("id", "kind", "data")}


@pytest.mark.parametrize("is_ended", [True, False], ids=["ended", "running"])
def test_every_event_comes_back_as_it_was_sent(door: Door, is_ended: bool) -> None:
    sid = make_sid()
    events = [start(sid, note=list(HOSTILE))]
    events += [called(sid, "tool", place + 1, arguments={"it": one}) for place, one in enumerate(HOSTILE)]
    events += [said(sid, "user", one, 20 + place) for place, one in enumerate(HOSTILE) if isinstance(one, str)]
    events += [end(sid, 40)] if is_ended else []
    receipt = door.send(events)
    assert receipt["rejected"] == []
    session_id = receipt["sessions"][0]["session_id"]
    found = record(door, session_id)
    assert [sent(one) for one in found["events"]] == [sent(one) for one in events]
    assert found["metadata"] == {"note": list(HOSTILE)}
    assert found["session"] == door.get(f"/api/v1/sessions/{session_id}").json


def test_a_session_of_one_event_and_no_metadata(door: Door) -> None:
    sid = make_sid()
    receipt = door.send([start(sid)])
    found = record(door, receipt["sessions"][0]["session_id"])
    assert [one["kind"] for one in found["events"]] == ["session.start"]
    assert found["metadata"] == {}


def test_the_record_is_what_the_folds_read(house: House) -> None:
    door = house.door()
    number = int(make_session(door))
    found = record(door, str(number))
    with house.database.reading() as db:
        assert found["events"] == store.list_children(db, door.organization_id, number)
        assert found["metadata"] == store.get_metadata(db, door.organization_id, number)
    assert len(found["events"]) == len(make_call("any"))


def test_there_is_no_record_of_no_session(door: Door) -> None:
    answer = door.get("/hansard/v1/sessions/99/record")
    assert (answer.status, answer.detail) == (404, "There is no session 99.")


def test_a_key_without_the_scope_reads_nothing(house: House) -> None:
    door = house.door()
    session_id = make_session(door)
    answer = house.door(door.organization_id, Scope.INGEST).get(f"/hansard/v1/sessions/{session_id}/record")
    assert (answer.status, answer.detail) == (403, "This API key lacks the scope 'read'.")

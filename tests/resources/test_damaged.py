"""A record whose bytes a disk has changed: never shown as if it were whole, and in the way of nothing else."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hansard.resources.accounts.schemas import Role
from hansard.resources.sessions.intake import DAMAGED
from hansard.resources.sessions.packing import BUILT_IN, Unreadable
from hansard.resources.sessions.repacking import repack
from hansard.resources.sessions.training import retrain
from tests import otlp
from tests.cli.test_commands import run
from tests.conftest import House
from tests.console.people import text_of, visitor
from tests.damage import damage
from tests.door import Answer, Door
from tests.make import end, make_call, make_session, make_sid, said, start
from tests.resources.test_dictionaries import record
from tests.resources.test_fulltext import find, settle
from tests.resources.test_otlp import settle as settle_traces
from tests.sounds import put, wav


@pytest.fixture
def damaged(house: House, door: Door) -> str:
    """A session whose record is damaged, between two others that say the same."""
    first, session_id, last = (make_session(door, sid=sid) for sid in ("first", "damaged", "last"))
    settle(house, door)
    damage(house, door, session_id)
    assert first < session_id < last
    return session_id


def is_said(answer: Answer, session_id: str) -> bool:
    return answer.status == 500 and answer.detail.startswith(f"The record of session {session_id} is damaged")


def test_a_bit_that_is_turned_anywhere_in_a_body_is_noticed_or_changes_nothing() -> None:
    text = json.dumps(make_call("A")).encode()
    frame = BUILT_IN.compressed(text)
    noticed = 0
    for place in range(len(frame)):
        turned = bytearray(frame)
        turned[place] ^= 4
        try:
            assert BUILT_IN.decompressed(bytes(turned)) == text
        except Unreadable:
            noticed += 1
    assert noticed > len(frame) - 10


def test_a_damaged_record_is_not_shown_and_says_so(door: Door, damaged: str) -> None:
    for path in ("/hansard/v1/sessions/{}/record", "/api/v1/sessions/transcript/{}", "/api/v1/sessions/latency/{}"):
        assert is_said(door.get(path.format(damaged)), damaged), path
    assert door.get(f"/api/v1/sessions/{damaged}").json["session_id"] == damaged


def test_its_page_says_so_and_the_list_still_has_it(house: House, door: Door, damaged: str) -> None:
    viewer = visitor(house, Role.VIEWER, door.organization_id)
    page, listed = viewer.get(f"/s/{damaged}"), viewer.get("/sessions?q=appointment")
    assert page.status == 500
    assert f"The record of session {damaged} is damaged" in text_of(page)
    assert f"/s/{damaged}" in listed.bytes.decode()


def test_a_search_shows_the_session_without_its_places(door: Door, damaged: str) -> None:
    answer = door.get("/hansard/v1/sessions/search", q="appointment")
    counts = {one["channel_manager_sid"]: (one["hit_count"], len(one["hits"])) for one in answer.json["items"]}
    assert counts["damaged"] == (0, 0)
    assert counts["first"] == counts["last"] > (0, 0)


def test_the_index_goes_past_it_and_keeps_the_words_it_has(house: House, door: Door, damaged: str) -> None:
    make_session(door, sid="later")
    settle(house, door)
    assert damaged
    assert sorted(find(door, "appointment")) == ["damaged", "first", "last", "later"]


def test_what_is_sent_to_it_is_rejected_and_the_rest_of_the_request_recorded(door: Door, damaged: str) -> None:
    sid = make_sid()
    receipt = door.send(
        [
            start(sid),
            said("damaged", "user", "One thing more.", 90),
            said(sid, "user", "Hello", 1),
            *make_call("damaged"),
            end(sid, 5),
        ]
    )
    assert receipt["accepted"] == 3
    assert receipt["duplicates"] == 0
    assert [one["index"] for one in receipt["rejected"]] == [1, *range(3, 3 + len(make_call("damaged")))]
    assert {one["error"] for one in receipt["rejected"]} == {f"session: {DAMAGED}"}
    other, mine = sorted(receipt["sessions"], key=lambda one: one["sid"] == "damaged")
    assert mine["session_id"] == damaged
    assert door.get(f"/hansard/v1/sessions/{other['session_id']}/record").status == 200


def test_a_label_and_a_recording_of_it_are_refused(door: Door, damaged: str) -> None:
    asked = {"session_id": int(damaged), "type": "human-rating", "code": "GOOD", "user_email": "a@example.com"}
    for answer in (
        door.post("/api/v1/session_labels/", asked),
        put(door, wav(), sid="damaged"),
    ):
        assert (answer.status, answer.detail) == (409, DAMAGED)


def test_spans_of_it_are_refused_and_those_of_others_kept(house: House) -> None:
    door = house.door()
    spans = otlp.genai()
    otlp.post(door, spans)
    settle_traces(house)
    settle_traces(house, minutes=24 * 60)  # it ends as abandoned
    damage(house, door, "1")
    others = [replace(one, trace="9" * 32) for one in otlp.openinference()]
    answer = otlp.post(door, [*spans, *others])
    assert answer.status == 200
    assert DAMAGED.encode() in answer.bytes
    settle_traces(house)
    assert [one["session_id"] for one in door.get("/api/v1/sessions/").json["items"]] == ["2", "1"]
    assert door.get("/hansard/v1/sessions/2/record").status == 200


def test_an_export_writes_all_others_and_names_it_and_doctor_finds_it(
    own_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = own_house.door(own_house.organization())
    monkeypatch.setenv("HANSARD_DATA", str(own_house.settings.data))
    if own_house.settings.database_url:
        monkeypatch.setenv("HANSARD_DATABASE_URL", own_house.settings.database_url)
    first, session_id, last = (make_session(door, sid=sid) for sid in ("first", "damaged", "last"))
    (name,) = (one for one in run("organizations", "list").stdout.split() if one.startswith("org-"))
    assert f"Of 3 sessions of {name!r} no record is damaged." in run("doctor", "--records").stdout
    damage(own_house, door, session_id)
    assert first < session_id < last
    assert (
        f"The records of these sessions of {name!r} are damaged: {session_id}."
        in run("doctor", "--records", code=1).stdout
    )
    run("doctor")
    out = tmp_path / "out.jsonl"
    done = run("export", "--organization", name, "--output", str(out), code=1)
    assert "2 sessions written." in done.stderr
    assert f"damaged and were left out: {session_id}." in done.stderr
    written: list[Any] = [json.loads(line) for line in out.read_text().splitlines()]
    assert {one["session"]["sid"] for one in written} == {"first", "last"}
    assert len(written) == 2 * len(make_call("first"))


def test_it_is_left_as_it_is_where_others_are_trained_on_and_packed_anew(
    house: House, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansard.resources.sessions.training.FEWEST_SAMPLES", 20)
    numbers = list(record(door, 40))
    damage(house, door, numbers[7])
    assert retrain(house.database, door.organization_id, house.clock()).made
    assert repack(house.database, door.organization_id).bodies == 39
    for number in numbers:
        answer = door.get(f"/hansard/v1/sessions/{number}/record")
        assert is_said(answer, number) if number == numbers[7] else answer.status == 200

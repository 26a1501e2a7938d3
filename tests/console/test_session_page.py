"""The session page without a browser: everything it says is in the page, and of nobody else's session."""

import io
import re
import time
import wave
from collections.abc import Sequence
from typing import Any

import pytest

from hansard.console.session.entries import PER_PART
from hansard.resources.accounts.schemas import Role
from tests.conftest import House
from tests.console.hostile import HEADING, PLAIN, TEXTS, Outline, hostile_session
from tests.console.people import Visitor, as_json, text_of, visitor
from tests.door import Answer, Door
from tests.make import at, called, end, make_call, make_event, make_session, make_sid, measured, said, start


@pytest.fixture
def there(house: House) -> tuple[Door, Visitor]:
    """A program and a member of a fresh organization."""
    door = house.door()
    return door, visitor(house, Role.MEMBER, door.organization_id)


def record(door: Door, *events: dict[str, Any]) -> str:
    """Send what happened in one session; gives its id."""
    for begin in range(0, len(events), 900):
        receipt = door.send(list(events[begin : begin + 900]))
        assert receipt["rejected"] == []
    session_id: str = receipt["sessions"][0]["session_id"]
    return session_id


def long_session(door: Door, turns: int) -> str:
    sid = make_sid()
    talk = [
        said(sid, ("user", "agent")[number % 2], f"turn-{number:05}.", number * 3, started_at=at(number * 3))
        for number in range(turns)
    ]
    return record(door, start(sid), *talk, end(sid, turns * 3))


def sound(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setparams((2, 2, 8000, 0, "NONE", ""))
        made.writeframes(bytes(range(0, 200, 1)) * int(seconds * 8000 * 4 / 200))
    return file.getvalue()


BROKEN = b"RIFF\x24\0\0\0WAVEfmt " + bytes(30)


def upload(door: Door, sid: str, content: bytes, name: str = "call.wav") -> None:
    answer = door.ask(
        "PUT", f"/ingest/v1/recordings/twilio/{sid}/{name}", body=content, headers={"Content-Type": "audio/wav"}
    )
    assert answer.status == 201, answer.bytes


def page_when(member: Visitor, path: str, says: str) -> str:
    """The text of a page as soon as it says this."""
    deadline = time.monotonic() + 20
    while says not in (text := text_of(member.get(path))):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    return text


def test_all_of_a_session_is_in_the_page_without_script(there: tuple[Door, Visitor]) -> None:
    door, member = there
    session_id = make_session(door, customer_tier="gold")
    answer = member.get(f"/s/{session_id}")
    assert answer.status == 200
    text = text_of(answer)
    for words in (
        "Front desk",
        "+18042221111",
        "+18002832940",
        "Ended by the user",
        "Reason: hangup",
        "Reception version 3",
        "An appointment.",
        "Hello, how can I help?",
        "I need an appointment.",
        "answered in 2.2 s",
        "interrupted",
        "50 % sure",
        "find_slot",
        "412 ms",
        "9:15",
        "phone-transfer",
        "Transfer to +18005550100",
        "No recording was uploaded for this session.",
        "GOOD qa@example.com",
        "Slow",
        "customer_tier gold",
        "twilio",
        "voice_twilio_v1",
    ):
        assert words in text, words
    assert re.search(r"<title>Session \d+ · Front desk", answer.bytes.decode())


def test_a_session_of_which_little_is_known_has_a_page(there: tuple[Door, Visitor]) -> None:
    door, member = there
    sid = make_sid()
    session_id = record(door, make_event("usage", {"category": "llm"}, sid=sid))
    text = text_of(member.get(f"/s/{session_id}?view=waterfall"))
    assert "Nothing was recorded of what was said." in text
    assert "the user has said nothing that was recorded" in text
    assert "Running" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"user_terminated": True, "reason": "hangup"}, "Ended by the user Reason: hangup"),
        ({"user_terminated": False}, "Ended by the agent Nobody recorded why."),
        ({"reason": "completed"}, "Completed"),
        ({"reason": "error"}, "Failed Reason: error"),
        ({"reason": "a storm"}, "Ended Reason: a storm"),
        ({}, "Ended Nobody recorded why."),
    ],
)
def test_the_end_is_told_in_words(there: tuple[Door, Visitor], fields: dict[str, Any], words: str) -> None:
    door, member = there
    sid = make_sid()
    assert words in text_of(member.get(f"/s/{record(door, start(sid), end(sid, 5, **fields))}"))


def test_a_running_session_says_that_it_runs_and_a_test_that_it_is_one(there: tuple[Door, Visitor]) -> None:
    door, member = there
    sid = make_sid()
    session_id = record(door, start(sid, is_test=True, is_outbound=True), said(sid, "user", "Hi", 1))
    text = text_of(member.get(f"/s/{session_id}"))
    for words in ("Running", "Test", "Outbound", "This session is still running. Its recording can come"):
        assert words in text


def test_the_page_says_why_there_is_nothing_to_hear(there: tuple[Door, Visitor]) -> None:
    door, member = there
    sid = make_sid()
    session_id = record(door, start(sid), end(sid, 5))
    path = f"/s/{session_id}"
    assert "No recording was uploaded for this session." in text_of(member.get(path))
    upload(door, sid, BROKEN, "broken.wav")
    text = page_when(member, path, "The recording cannot be played: ")
    assert "broken.wav" in text
    assert "unreadable" in text
    upload(door, sid, sound(2), "call.wav")
    page_when(member, path, "call.wav 0.1 MB, 0:02")
    whole = member.get(path).bytes.decode()
    assert 'id="silent" class="silent" hidden' in whole
    recording = re.search(r'<data class="recording" value="(\d+)"', whole)
    assert recording
    assert f'<audio controls preload="none" src="{path}/recordings/{recording[1]}">' in whole  # without script
    assert member.get(f"{path}/recordings/{recording[1]}").status == 200


def test_a_long_session_comes_in_parts_and_none_is_left_out(there: tuple[Door, Visitor]) -> None:
    door, member = there
    path = f"/s/{long_session(door, 2300)}"
    seen: list[str] = []
    address = path
    while address:
        whole = member.get(address).bytes.decode()
        seen += re.findall(r">(turn-\d{5})\.<", whole)
        later = re.search(r'<p id="later" class="more"><a class="button" href="([^"]+)"', whole)
        address = later[1] if later else ""
    assert seen == [f"turn-{number:05}" for number in range(2300)]
    whole = member.get(f"{path}?view=waterfall").bytes.decode()
    later = re.search(r'href="([^"]+)" data-from="200">Later exchanges', whole)
    assert later
    assert 'id="ex201"' in member.get(later[1].replace("&amp;", "&")).bytes.decode()
    part = member.get(f"{path}/items?from=800").bytes.decode()
    assert re.findall(r">turn-(\d{5})\.<", part)[:: PER_PART - 1] == ["00800", "01199"]
    assert 'data-begin="800" data-end="1200" data-total="2300"' in part


def test_a_time_in_the_address_opens_the_part_in_which_it_lies(there: tuple[Door, Visitor]) -> None:
    door, member = there
    path = f"/s/{long_session(door, 1500)}"
    assert "turn-01234." in text_of(member.get(f"{path}?t=3702"))
    assert "turn-00000." not in text_of(member.get(f"{path}?t=3702"))
    for odd in ("x", "nan", "inf", "-5", "", "1e400", "0x10"):
        assert "turn-00000." in text_of(member.get(f"{path}?t={odd}"))
    assert member.get(f"{path}?from=99999").status == 200
    assert member.get(f"{path}?from=-1").status == 422


def test_the_waterfall_tells_what_was_measured_and_what_was_not(there: tuple[Door, Visitor]) -> None:
    door, member = there
    session_id = make_session(door)
    for path in (f"/s/{session_id}?view=waterfall", f"/s/{session_id}/waterfall"):
        text = text_of(member.get(path))
        assert "1 computed from the times of the turns" in text
        assert "Not measured in this session: speech to text." in text
        assert "end_of_turn 620 ms" in text
        assert "first_token 380 ms" in text
    sid = make_sid()
    measured_one = record(
        door,
        start(sid),
        said(sid, "user", "Hi", 1, started_at=at(0), ended_at=at(1)),
        measured(sid, "turn", 700, 1, label="end_to_end", started_at=at(1)),
        said(sid, "agent", "Ho", 2, started_at=at(1.7), ended_at=at(3)),
        said(sid, "user", "And", 4, started_at=at(4), ended_at=at(5)),
        said(sid, "agent", "Yes?", 5, started_at=at(4.5), ended_at=at(6)),
        end(sid, 7),
    )
    text = text_of(member.get(f"/s/{measured_one}?view=waterfall"))
    assert "1 measured" in text
    assert "700 ms measured" in text
    assert "500 ms over the user" in text


def test_moments_worth_a_look_are_listed_with_their_times(there: tuple[Door, Visitor]) -> None:
    door, member = there
    sid = make_sid()
    session_id = record(
        door,
        start(sid),
        said(sid, "agent", "Hello", 1, started_at=at(1), ended_at=at(2), interrupted=True),
        called(sid, "find", 5, error="down"),
        said(sid, "user", "Anybody?", 65, started_at=at(65), ended_at=at(66)),
        end(sid, 80),
        make_event(
            "label", {"type": "human-rating", "code": "BAD", "comments": "at 1:05, not 9:59"}, sid=sid, seconds=999
        ),
    )
    whole = member.get(f"/s/{session_id}")
    text = text_of(whole)
    for words in (
        "4 moments worth a look",
        "0:01 Agent interrupted",
        "0:02 Silence of 63.0 s",
        "0:05 Tool error: find",
    ):
        assert words in text
    assert "1:05 Label BAD by a program" in text
    assert f'<a class="at" href="/s/{session_id}?t=65"' in whole.bytes.decode()
    assert "not 9:59" in text


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_a_session_at_an_end_of_the_calendar_has_a_page(there: tuple[Door, Visitor], moment: str) -> None:
    door, member = there
    events = [one | {"at": moment} for one in make_call(make_sid())]
    session_id = record(door, *events)
    for place in ("", "?view=waterfall", "/raw", "/transcript.txt"):
        assert member.get(f"/s/{session_id}{place}").status == 200
    assert f"{moment[:10]} " in text_of(member.get(f"/s/{session_id}"))


def test_what_is_searched_is_found_wherever_it_was_recorded(there: tuple[Door, Visitor]) -> None:
    door, member = there
    path = f"/s/{make_session(door)}/find?q="
    expected = {"appointment": [1], "APPOINT": [1], "find_slot": [2], "9:15": [2, 3], "transfer": [5], "monday": [2, 3]}
    for wanted, places in (expected | {"": [], "%20": [], "nowhere": []}).items():
        assert as_json(member.get(path + wanted))["hits"] == places, wanted


def test_the_record_can_be_read_and_taken_along(there: tuple[Door, Visitor]) -> None:
    door, member = there
    session_id = make_session(door)
    stored = door.get(f"/hansard/v1/sessions/{session_id}/record").json
    taken = member.get(f"/s/{session_id}/record.json")
    assert taken.json == stored
    assert taken.headers["content-disposition"] == f'attachment; filename="session-{session_id}.json"'
    raw = member.get(f"/s/{session_id}/raw")
    assert '"call_id": "c1"' in Outline(raw.bytes.decode()).text


def test_a_record_too_long_to_show_says_so(there: tuple[Door, Visitor]) -> None:
    door, member = there
    sid = make_sid()
    session_id = record(door, start(sid), *(said(sid, "user", "x" * 100_000, n) for n in range(7)), end(sid, 9))
    assert "The first 500 000 characters are shown." in text_of(member.get(f"/s/{session_id}/raw"))


def test_the_transcript_is_taken_along_as_text_that_nobody_can_forge(there: tuple[Door, Visitor]) -> None:
    door, member = there
    sid = make_sid()
    session_id = record(door, *make_call(sid), said(sid, "user", "one\n[0:09] Agent: I owe you 100 dollars", 8.5))
    answer = member.get(f"/s/{session_id}/transcript.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    lines = answer.bytes.decode().splitlines()
    assert "[0:01] Agent: Hello, how can I help?" in lines
    assert "[0:06] Agent (interrupted): Monday at 9:15?" in lines
    assert "         [0:09] Agent: I owe you 100 dollars" in lines
    assert any(line.startswith("[0:05] Tool find_slot (412 ms): ") for line in lines)
    assert "Ended    Ended by the user. Reason: hangup" in lines


def test_a_member_labels_and_the_label_is_that_of_everybody(there: tuple[Door, Visitor]) -> None:
    door, member = there
    session_id = make_session(door)
    given = {
        "code": "OK",
        "issue_categories": ["Slow", "Echo"],
        "other_categories": "Noise, Slow",
        "comments": " At 0:04. ",
    }
    answer = member.post(f"/s/{session_id}/labels", given | {"in": "q=label%3Anone"})
    assert answer.status == 303
    assert answer.headers["location"] == f"/s/{session_id}/labels?in=q%3Dlabel%253Anone"
    text = text_of(member.get(f"/s/{session_id}/labels"))
    assert "OK mel@example.com" in text
    label = door.search("/api/v1/session_labels/", session_id=session_id, code="OK")[0]
    assert label["issue_categories"] == ["Slow", "Echo", "Noise"]
    assert (label["type"], label["comments"]) == ("human-rating", "At 0:04.")
    assert "Label OK" in text_of(member.get(f"/s/{session_id}"))


def test_a_label_that_cannot_be_is_refused_with_a_sentence(there: tuple[Door, Visitor]) -> None:
    door, member = there
    session_id = make_session(door)
    for sent in ({}, {"code": "GREAT"}, {"code": "OK", "other_categories": "x" * 600}):
        answer = member.post(f"/s/{session_id}/labels", sent)
        assert answer.status == 400
        assert text_of(answer)
    assert len(door.search("/api/v1/session_labels/", session_id=session_id)) == 2


def test_issues_are_suggested_from_the_organizations_own_labels(house: House, there: tuple[Door, Visitor]) -> None:
    door, member = there
    other = house.door()
    theirs = make_session(other)
    visitor(house, Role.MEMBER, other.organization_id).post(
        f"/s/{theirs}/labels", {"code": "OK", "other_categories": "Theirs"}
    )
    session_id = make_session(door)
    member.post(f"/s/{session_id}/labels", {"code": "OK", "other_categories": "Ours"})
    text = text_of(member.get(f"/s/{session_id}"))
    assert "Ours" in text
    assert "Theirs" not in text


def test_a_viewer_sees_why_they_cannot_label(house: House, there: tuple[Door, Visitor]) -> None:
    door, _ = there
    session_id = make_session(door)
    viewer = visitor(house, Role.VIEWER, door.organization_id)
    whole = viewer.get(f"/s/{session_id}")
    assert "You look at this as a viewer. Labels are given by members." in text_of(whole)
    assert '<form id="label-form"' not in whole.bytes.decode()
    assert viewer.post(f"/s/{session_id}/labels", {"code": "OK"}).status == 403


def test_the_way_leads_on_to_the_neighbours_in_the_list(there: tuple[Door, Visitor]) -> None:
    door, member = there
    ids = [make_session(door, agent_name=name) for name in ("A", "B", "A", "B")]

    def around(session_id: str, in_list: str = "") -> list[str]:
        return re.findall(r'rel="(?:prev|next)" href="([^"]+)"', member.get(f"/s/{session_id}{in_list}").bytes.decode())

    assert around(ids[1]) == [f"/s/{ids[2]}", f"/s/{ids[0]}"]
    kept = "?in=q%3Dagent%253AA%26page%3D2"
    assert around(ids[2], kept) == [f"/s/{ids[0]}{kept}"]
    assert around(ids[0], kept) == [f"/s/{ids[2]}{kept}"]
    whole = member.get(f"/s/{ids[0]}{kept}").bytes.decode()
    assert 'href="/sessions?q=agent%3AA&amp;page=2"' in whole
    for odd in ("?in=q%3Dagnet%253AA", "?in=%00", "?in=q%3D" + "x" * 3000, "?in=%3D%3D%26"):
        assert around(ids[1], odd), odd


def test_a_session_of_nobody_or_another_is_a_page_that_says_so(house: House, there: tuple[Door, Visitor]) -> None:
    door, member = there
    stranger = visitor(house, Role.OWNER)
    session_id = make_session(door)
    for who, path, status in (
        (stranger, f"/s/{session_id}", 404),
        (member, "/s/999999", 404),
        (member, "/s/0", 404),
        (member, "/s/x", 400),
        (member, f"/s/{2**53}", 404),
    ):
        answer: Answer = who.get(path)
        assert answer.status == status
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "Go to the sessions" in text_of(answer) or "session" in text_of(answer)


def outline(member: Visitor, session_id: str, place: str = "") -> Outline:
    """Of a page of a session without neighbours, in a list of its own."""
    answer = member.get(f"/s/{session_id}{place}?in=q%3Did%253A{session_id}")
    assert answer.status == 200
    return Outline(answer.bytes.decode())


def test_nothing_that_was_recorded_becomes_markup(there: tuple[Door, Visitor]) -> None:
    door, member = there
    sids = make_sid(), make_sid()
    hostile, plain = (
        record(door, *hostile_session(sid, texts)) for sid, texts in zip(sids, (TEXTS, PLAIN), strict=True)
    )
    for sid, name in zip(sids, ('"><svg onload=alert(1)>.wav', "plain.wav"), strict=True):
        upload(door, sid, BROKEN, name.replace("<", "%3C").replace(">", "%3E").replace('"', "%22"))
    page_when(member, f"/s/{hostile}", "unreadable")
    page_when(member, f"/s/{plain}", "unreadable")
    seen = ""
    for place in ("", "/labels", "/waterfall", "/items", "/raw"):
        bad, good = (outline(member, one, place) for one in (hostile, plain))
        is_cut = place == "/raw"  # of the longer one not all is shown, and that is said
        assert set(bad.tags) == {*good.tags, ("p",)} if is_cut else bad.tags == good.tags, place
        leading = {value for name, value in bad.values if name in ("href", "src", "action", "formaction")}
        assert not [value for value in leading if value[0] not in "/#"], place
        seen += bad.text
    missing = [text for text in TEXTS if text not in seen]
    assert missing == []


def test_nothing_in_the_heading_becomes_markup(sqlite_house: House) -> None:
    door = sqlite_house.door()
    member = visitor(sqlite_house, Role.MEMBER, door.organization_id)

    def page(heading: Sequence[str]) -> Outline:
        session_id = record(door, *hostile_session(make_sid(), PLAIN[:1], heading))
        return outline(member, session_id)

    plain = page(PLAIN)
    for first in range(0, len(TEXTS), HEADING):
        made = page(TEXTS[first : first + HEADING])
        assert made.tags == plain.tags
        assert not [text for text in TEXTS[first : first + HEADING] if text not in made.text]

"""The pages of many sessions without a browser: the list, what runs, the agents; all that they say is in the page."""

import re
import time
from datetime import timedelta
from urllib.parse import quote

import pytest

from hansard.resources.accounts.schemas import Role
from hansard.wire import instant_of
from tests.conftest import House
from tests.console.people import Visitor, as_json, text_of, visitor
from tests.door import Door
from tests.make import end, make_event, make_session, said, start


@pytest.fixture
def there(house: House) -> tuple[Door, Visitor]:
    """A program and a member of a fresh organization."""
    door = house.door()
    return door, visitor(house, Role.MEMBER, door.organization_id)


def ids_of(page: str) -> list[str]:
    return re.findall(r'<tr data-id="(\d+)"', page)


def test_the_list_shows_what_the_filter_finds_and_the_exact_total(there: tuple[Door, Visitor]) -> None:
    door, member = there
    for number in range(55):
        make_session(door, sid=f"S{number}", source=f"+1{number:04}", is_test=number % 2 == 0)
    whole = member.get("/sessions")
    assert len(ids_of(whole.bytes.decode())) == 50
    assert "55 sessions" in text_of(whole)
    tests = member.get("/sessions?q=is:test&page=1")
    assert "28 sessions" in text_of(tests)
    assert len(ids_of(member.get("/sessions?page=2").bytes.decode())) == 5
    assert ids_of(member.get("/sessions?q=from:%2B10007").bytes.decode()) == ["8"]


def test_a_filter_that_cannot_be_read_is_shown_with_the_reason(there: tuple[Door, Visitor]) -> None:
    _, member = there
    for q in ("agnet:x", 'agent:"', "duration:long", "\0"):
        answer = member.get(f"/sessions?q={quote(q)}")
        assert answer.status == 400
        assert 'role="alert"' in answer.bytes.decode()
    assert "did you mean" in text_of(member.get("/sessions?q=agnet:x"))


@pytest.mark.parametrize("query", ["sort=colour", "page=0", "page=x", "page=99999999999999", "columns=nothing"])
def test_an_address_that_means_nothing_is_no_fault_of_the_server(there: tuple[Door, Visitor], query: str) -> None:
    assert there[1].get(f"/sessions?{query}").status in (200, 400, 422)


def test_the_three_empty_lists_say_what_to_do(there: tuple[Door, Visitor]) -> None:
    door, member = there
    assert "Nothing is recorded yet" in text_of(member.get("/sessions"))
    make_session(door)
    nothing = text_of(member.get("/sessions?q=label:BAD+agent:nobody+is:live"))
    assert "No session matches" in nothing
    make_session(door, agent_name="Nobody")
    helped = text_of(member.get("/sessions?q=turns:%3E99+agent:nobody"))
    assert "without turns:&gt;99 : 1" in helped


def test_a_term_is_added_to_the_filter_without_script(there: tuple[Door, Visitor]) -> None:
    _, member = there
    answer = member.get("/sessions/filter?q=is:live&field=agent&value=Front%20desk&is_not=true")
    assert (answer.status, answer.headers["location"]) == (303, "/sessions?q=is%3Alive+-agent%3A%22Front+desk%22")
    twice = member.get("/sessions/filter?q=is:live&field=is&value=LIVE")
    assert twice.headers["location"] == "/sessions?q=is%3Alive"


def test_chosen_columns_are_shown_and_remembered(there: tuple[Door, Visitor]) -> None:
    door, member = there
    make_session(door, sid="CA-chosen")
    answer = member.get("/sessions?columns=started&columns=sid")
    assert "CA-chosen" in text_of(answer)
    assert "hansard_columns=started.sid" in answer.headers["set-cookie"]
    assert "CA-chosen" not in text_of(member.get("/sessions"))
    assert "CA-chosen" in text_of(
        member.get("/sessions", Cookie=f"hansard={member.cookie}; hansard_columns=started.sid")
    )


def test_many_sessions_are_labelled_at_once_or_none(there: tuple[Door, Visitor]) -> None:
    door, member = there
    ids = [make_session(door, sid=f"S{number}") for number in range(3)]
    before = len(door.search("/api/v1/session_labels/"))
    fields = {"ids": ids[:2], "code": "BAD", "comments": "Too slow.", "state": "q=is%3Alive"}
    answer = member.post("/sessions/labels", fields)
    assert (answer.status, answer.headers["location"]) == (303, "/sessions?q=is%3Alive")
    labels = door.search("/api/v1/session_labels/", code="BAD", user_email="mel@example.com")
    assert {str(one["session_id"]) for one in labels} == set(ids[:2])
    assert {(one["type"], one["comments"]) for one in labels} == {("human-rating", "Too slow.")}
    assert member.post("/sessions/labels", {**fields, "ids": [ids[2], "999999"]}).status == 404
    for wrong in ({"code": "GREAT"}, {"ids": ["x"]}, {"comments": "a\0b"}, {"comments": "x" * 200_000}):
        assert member.post("/sessions/labels", {**fields, **wrong}).status in (400, 413, 422), wrong
    assert len(door.search("/api/v1/session_labels/")) == before + 2


def test_a_viewer_and_a_form_from_elsewhere_label_nothing(house: House) -> None:
    door = house.door()
    session_id = make_session(door)
    fields = {"ids": [session_id], "code": "GOOD"}
    viewer = visitor(house, Role.VIEWER, door.organization_id)
    assert viewer.post("/sessions/labels", fields).status == 403
    assert 'name="ids"' not in viewer.get("/sessions").bytes.decode()
    stranger = visitor(house, Role.OWNER)
    assert stranger.post("/sessions/labels", fields).status == 404
    other = visitor(house, Role.OWNER, door.organization_id)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        assert other.post("/sessions/labels", fields, **headers).status == 403


def test_new_sessions_are_counted_by_the_same_filter(there: tuple[Door, Visitor]) -> None:
    door, member = there
    first = make_session(door, sid="A")
    make_session(door, sid="B", agent_name="Night desk")
    make_session(door, sid="C")
    assert as_json(member.get(f"/sessions/new?after={first}")) == {"count": 2}
    assert as_json(member.get(f"/sessions/new?after={first}&q=agent:night")) == {"count": 1}
    assert member.get("/sessions/new?after=-1").status == 422


def test_the_live_page_shows_what_runs_and_the_last_word(there: tuple[Door, Visitor], house: House) -> None:
    door, member = there
    make_session(door, sid="over")
    door.send(
        [start("A", agent_name="Night desk"), said("A", "user", "first", 1), said("A", "agent", "<last> word", 2)]
    )
    page = member.get("/live")
    assert "1 running" in text_of(page)
    assert "Agent: &lt;last&gt; word" in text_of(page)
    assert "no word for" not in text_of(page)
    house.clock.ahead = timedelta(seconds=90)
    assert "no word for 1:30" in text_of(member.get("/live"))
    house.clock.ahead = timedelta()
    door.send([end("A", 3)])
    assert "Nothing runs now" in text_of(member.get("/live"))


def test_the_agents_page_links_every_figure_to_the_sessions_behind_it(
    there: tuple[Door, Visitor], house: House
) -> None:
    door, member = there
    now = instant_of(house.clock())
    for number in range(3):
        events = [start(f"S{number}", agent_id='12"'), end(f"S{number}", 60, duration=60)]
        data = {"category": "llm", "label": "first_token", "duration_ms": 400}
        events.append(make_event("latency", data, sid=f"S{number}"))
        events.append(make_event("label", {"type": "human-rating", "code": "BAD"}, sid=f"S{number}"))
        door.send([one | {"at": now} for one in events])
    page = member.get("/agents").bytes.decode()
    links = {one.replace("&amp;", "&") for one in re.findall(r'href="(/sessions\?[^"]+)"', page)}
    assert len(links) == 3
    for link in links:
        assert "3 sessions" in text_of(member.get(link)), link
    (picture,) = {one.replace("&amp;", "&") for one in re.findall(r'src="(/agents/days.svg[^"]+)"', page)}
    svg = member.get(picture)
    assert (svg.status, svg.headers["content-type"]) == (200, "image/svg+xml")
    assert b"p95" in svg.bytes
    assert member.get(picture.replace("agent_name=", "agent_name=x")).status == 404
    stranger = visitor(house, Role.OWNER)
    assert stranger.get(picture).status == 404
    assert "No sessions in this time" in text_of(stranger.get("/agents"))


def test_agents_who_share_a_name_are_told_apart(there: tuple[Door, Visitor], house: House) -> None:
    door, member = there
    now = instant_of(house.clock())
    for number, agent_id in enumerate(("7", "8", None)):
        door.send([start(f"S{number}", agent_id=agent_id, agent_name="Front desk") | {"at": now}])
    labels = re.findall(r'role="region" aria-label="([^"]+)"', member.get("/agents").bytes.decode())
    assert sorted(labels) == [f"Versions of Front desk ({one})" for one in ("7", "8", "without an id")]


def test_the_first_place_of_the_words_stands_under_the_session_and_leads_there(there: tuple[Door, Visitor]) -> None:
    door, member = there
    text = "<b>REFUND</b> & <mark>refund</mark>"
    door.send([start("HIT"), said("HIT", "user", text, 65.5), said("HIT", "agent", "A refund?", 70), end("HIT", 80)])
    make_session(door)
    deadline = time.monotonic() + 60
    while "HIT" not in (page := member.get("/sessions?q=refund&columns=sid").bytes.decode()):
        assert time.monotonic() < deadline
    assert ids_of(page) == ["1"]
    assert "&lt;b&gt;<mark>REFUND</mark>&lt;/b&gt; &amp; &lt;mark&gt;<mark>refund</mark>&lt;/mark&gt;" in page
    assert '<a href="/s/1?t=65.500&amp;in=q%3Drefund">1:05 user</a>' in page
    assert "and 1 more" in page
    assert member.get("/s/1?t=65.500&in=q%3Drefund").status == 200
    for q in ("agent:desk", "-refund", ""):
        assert "<mark>" not in member.get(f"/sessions?q={q}").bytes.decode()

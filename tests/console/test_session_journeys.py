"""What people do with one session, in a real browser. Where it says keyboard, nothing else is used."""

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from sqlalchemy import update

from hansard.console.session.entries import PER_PART
from hansard.db.tables import recording
from tests.console.conftest import OpenPage, Site
from tests.console.guard import Guard
from tests.console.hostile import TEXTS, hostile_session
from tests.console.look import assert_accessible, take_picture
from tests.console.talks import LINES, add_long_talk, add_talk
from tests.make import at, called, end, make_sid, said, start


@pytest.fixture
def talk(server: Site) -> str:
    """A call whose sound can be played."""
    session_id = add_talk(server.door)
    wait_for(lambda: any(one["state"] == "ready" for one in recordings(server, session_id)))
    return session_id


def recordings(server: Site, session_id: str) -> list[dict[str, str]]:
    from hansard.resources.sessions.recordings import list_recordings

    with server.house.database.reading() as db:
        return [{"state": one.state} for one in list_recordings(db, server.organization.id, int(session_id))]


def wait_for(is_so: Callable[[], Any], patience_s: float = 15) -> None:
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def open_session(page: Page, session_id: str, more: str = "") -> None:
    page.goto(f"/s/{session_id}{more}")
    page.wait_for_selector("html[data-ready]", state="attached")


def sound_s(page: Page) -> float:
    """Where the sound is."""
    where: float = page.evaluate("document.querySelector('audio').currentTime")
    return where


def is_sounding(page: Page) -> bool:
    sounds: bool = page.evaluate("!document.querySelector('audio').paused")
    return sounds


def turn(page: Page, number: int) -> Locator:
    return page.locator(".item.turn").nth(number)


def current(page: Page) -> Locator:
    return page.locator(".item.current")


def test_a_call_is_played_and_followed_by_the_keyboard(page: Page, talk: str) -> None:
    open_session(page, talk)
    expect(page.locator("#silent")).to_be_hidden()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    wait_for(lambda: sound_s(page) > 1.3)
    expect(current(page)).to_contain_text("Good morning")
    expect(current(page)).to_have_attribute("aria-current", "true")
    page.keyboard.press("ArrowRight")
    wait_for(lambda: sound_s(page) > 6)
    expect(current(page)).to_contain_text("Doctor Patel")
    page.keyboard.press("Space")
    wait_for(lambda: not is_sounding(page))
    at_s = sound_s(page)
    page.wait_for_timeout(300)
    assert sound_s(page) == at_s
    page.keyboard.press("ArrowLeft")
    assert abs(sound_s(page) - (at_s - 5)) < 0.1


def test_no_press_of_play_is_lost_while_the_page_still_loads(page: Page, talk: str) -> None:
    held: list[Route] = []
    page.route("**/session/player.js", lambda route: held.append(route))
    page.goto(f"/s/{talk}", wait_until="commit")
    play = page.locator("#play")
    expect(play).to_be_disabled()
    wait_for(lambda: page.title() and held)
    held[0].continue_()
    play.click()
    wait_for(lambda: is_sounding(page) and sound_s(page) > 0.5)


def is_at_the_end(page: Page) -> bool:
    """Whether there is nothing left to scroll to; a pixel may be missing."""
    left: float = page.evaluate("document.documentElement.scrollHeight - innerHeight - scrollY")
    return left < 2


def test_seeking_by_turn_lands_where_the_turn_begins(page: Page, talk: str) -> None:
    open_session(page, talk)
    for number, (_, text, begin_s, _) in enumerate(LINES):
        began_at = time.monotonic()
        turn(page, number).locator("a.seek").click()
        wait_for(lambda begin_s=begin_s: abs(sound_s(page) - begin_s) < 0.1)  # type: ignore[misc]
        assert time.monotonic() - began_at < 2
        expect(current(page)).to_contain_text(text)
    for _, text, begin_s, _ in reversed(LINES[:-1]):
        page.keyboard.press("ArrowUp")
        assert abs(sound_s(page) - begin_s) < 0.1
        expect(current(page)).to_contain_text(text)


def test_the_sound_lies_on_the_sessions_clock_wherever_it_began(page: Page, server: Site) -> None:
    from tests.console.talks import add_sound

    sid = make_sid()
    session_id = server.door.send(
        [start(sid), said(sid, "user", "Hi", 9, started_at=at(9), ended_at=at(10)), end(sid, 24)]
    )
    add_sound(server.door, sid, began_s=4.0)
    number = session_id["sessions"][0]["session_id"]
    wait_for(lambda: recordings(server, number)[0]["state"] == "ready")
    open_session(page, number, "?t=9")
    assert abs(sound_s(page) - 5.0) < 0.1
    page.keyboard.press("Home")
    page.locator("#wave").focus()
    page.keyboard.press("Home")
    expect(page.locator("#now")).to_have_text("0:00")
    page.get_by_label("Speed").select_option("2")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    wait_for(lambda: is_sounding(page))  # after four seconds without sound
    assert abs(float(page.evaluate("document.querySelector('audio').currentTime"))) < 1


def test_the_page_follows_until_somebody_scrolls_and_again_when_asked(page: Page, talk: str) -> None:
    page.set_viewport_size({"width": 900, "height": 420})
    open_session(page, talk)
    page.keyboard.press("Space")
    wait_for(lambda: is_sounding(page))
    expect(page.get_by_role("button", name="Follow again")).to_be_hidden()
    page.mouse.move(450, 350)
    page.mouse.wheel(0, 2000)
    again = page.get_by_role("button", name="Follow again")
    expect(again).to_be_visible()
    wait_for(lambda: is_at_the_end(page))  # a page hears of the wheel before it is scrolled
    wait_for(lambda: sound_s(page) > LINES[1][2] + 0.5)  # another turn is spoken by now
    page.wait_for_timeout(1000)
    assert is_at_the_end(page)
    expect(again).to_be_in_viewport()
    again.click()
    expect(again).to_be_hidden()
    expect(current(page)).to_be_in_viewport()
    assert is_sounding(page)


def test_on_a_low_screen_a_turn_above_is_shown_when_it_is_gone_to(page: Page, talk: str) -> None:
    page.set_viewport_size({"width": 900, "height": 420})
    open_session(page, talk)
    for key in ("ArrowDown",) * len(LINES) + ("ArrowUp",) * len(LINES):
        page.keyboard.press(key)
        expect(current(page)).to_be_in_viewport(ratio=1)
    expect(current(page)).to_contain_text(LINES[0][1])


def test_a_label_is_given_by_the_keyboard_while_it_plays(page: Page, talk: str) -> None:
    loads: list[str] = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))
    open_session(page, talk)
    page.keyboard.press("Space")
    wait_for(lambda: is_sounding(page))
    page.keyboard.press("l")
    expect(page.get_by_role("dialog", name="Label this session")).to_be_visible()
    page.keyboard.press("3")
    expect(page.get_by_role("radio", name="BAD")).to_be_checked()
    page.get_by_label("Comment").focus()
    page.keyboard.type("Cut off 3 times at 0:11")
    expect(page.get_by_role("radio", name="BAD")).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("dialog", name="Label this session")).to_be_hidden()
    expect(page.locator("#labels")).to_contain_text("mel@example.com")
    expect(page.locator("#labels")).to_contain_text("Cut off 3 times at 0:11")
    expect(page.locator("#header")).to_contain_text("Label BAD")
    expect(page.locator("#moments")).to_contain_text("0:11 Label BAD by mel@example.com")
    assert is_sounding(page)
    assert len(loads) == 1


def test_a_label_that_could_not_be_given_is_not_lost(page: Page, talk: str, guard: Guard) -> None:
    guard.expects(400)
    open_session(page, talk)
    page.keyboard.press("l")
    page.keyboard.press("1")
    page.get_by_label("Other issues").fill("x" * 600)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("This cannot be a label")
    expect(page.get_by_role("radio", name="GOOD")).to_be_checked()
    guard.expects_no_server()
    page.context.set_offline(True)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("Your label is still here")
    page.context.set_offline(False)


def test_the_waterfall_opens_by_its_key_and_leads_back_to_the_words(page: Page, talk: str) -> None:
    open_session(page, talk)
    page.keyboard.press("w")
    rows = page.locator("#exchanges > li")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("1.5 s computed")
    expect(rows.nth(1)).to_contain_text("1.2 s computed")
    assert "view=waterfall" in page.url
    page.get_by_text("The exchanges as a table").click()
    expect(page.locator(".twin")).to_contain_text("end_of_turn 400 ms")
    rows.nth(1).get_by_role("link").click()
    assert abs(sound_s(page) - LINES[3][2]) < 0.1
    expect(page.locator("#exchanges > li.current")).to_have_count(1)
    page.keyboard.press("w")
    expect(page.locator("#items")).to_be_visible()
    assert "view=" not in page.url
    page.goto(f"/s/{talk}?view=waterfall")
    expect(rows).to_have_count(3)


def test_a_link_with_its_time_is_copied_and_opens_there(open_page: OpenPage, talk: str) -> None:
    page = open_page("member", permissions=["clipboard-read", "clipboard-write"])
    open_session(page, talk)
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("y")
    expect(page.get_by_text("The link to this moment is copied.")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert parse_qs(urlsplit(link).query) == {"t": ["11.5"]}
    wait_for(lambda: parse_qs(urlsplit(page.evaluate("location.href")).query).get("t") == ["11.5"])
    other = open_page("viewer")
    other.goto(link)
    expect(current(other)).to_contain_text("Half past four, please.")
    expect(current(other)).to_be_in_viewport()
    assert abs(sound_s(other) - 11.5) < 0.1


def test_words_are_found_one_after_the_other_by_the_keyboard(page: Page, talk: str) -> None:
    open_session(page, talk)
    page.keyboard.press("/")
    page.keyboard.type("monday")
    expect(page.locator("#found")).to_have_text("1/4")
    expect(page.locator(".item.hit")).to_contain_text("Doctor Patel")
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_have_text("2/4")
    expect(page.locator(".item.hit details")).to_have_attribute("open", "")
    assert page.evaluate("CSS.highlights.get('found').size") > 0
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#found")).to_have_text("1/4")
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_have_text("")
    page.keyboard.press("/")
    page.keyboard.type("nowhere at all")
    expect(page.locator("#found")).to_have_text("nothing found")


def test_the_next_and_previous_session_of_the_list_by_the_keyboard(page: Page, server: Site) -> None:
    ids = [add_talk(server.door, with_sound=False, agent_name="Neighbour desk") for _ in range(3)]
    add_talk(server.door, with_sound=False)
    open_session(page, ids[1], "?in=q%3Dagent%253ANeighbour")
    page.keyboard.press("j")
    page.wait_for_url(re.compile(rf"/s/{ids[0]}\?in="))
    page.keyboard.press("k")
    page.wait_for_url(re.compile(rf"/s/{ids[1]}\?in="))
    page.keyboard.press("k")
    page.wait_for_url(re.compile(rf"/s/{ids[2]}\?in="))
    page.keyboard.press("k")
    page.get_by_role("link", name="← Sessions").click()
    expect(page.get_by_label("Filter", exact=True)).to_have_value("agent:Neighbour")


def test_a_running_session_grows_and_nothing_jumps(page: Page, server: Site) -> None:
    sid = make_sid()
    door = server.door
    events = [
        said(sid, ("user", "agent")[number % 2], f"Line {number}", number, started_at=at(number))
        for number in range(40)
    ]
    session_id = door.send([start(sid), *events, called(sid, "look", 5.5, call_id="c", arguments={"a": 1})])[
        "sessions"
    ][0]["session_id"]
    open_session(page, session_id)
    expect(page.locator("#live")).to_have_text("Live")
    page.locator(".item.tool summary").click()
    page.evaluate("window.mine = document.querySelector('.item.tool'); scrollTo(0, 700)")
    top = turn(page, 10).bounding_box()
    door.send(
        [
            said(sid, "agent", "A fresh line", 41),
            said(sid, "user", "Between", 20.5),
            called(sid, "look", 6, call_id="c", result={"b": 2}),
        ]
    )
    expect(page.locator("#items")).to_contain_text("A fresh line")
    texts = page.locator(".item.turn .words").all_text_contents()
    assert texts[21] == "Between"
    assert texts[-1] == "A fresh line"
    expect(page.locator(".item.tool details")).to_have_attribute("open", "")
    expect(page.locator(".item.tool")).to_contain_text('"b": 2')
    expect(page.locator("#header")).to_contain_text("42")
    after = turn(page, 10).bounding_box()
    assert top
    assert after
    assert abs(top["y"] - after["y"]) < 5
    expect(page.locator("#live-told")).to_have_text("2 new items in the transcript.")
    assert_accessible(page)
    door.send([end(sid, 60, reason="completed")])
    expect(page.locator("#header")).to_contain_text("Completed")
    expect(page.locator("#live")).to_be_hidden()
    assert page.evaluate("document.contains(window.mine)") is False  # it was told again with its result


def test_without_a_recording_the_clock_goes_on_and_the_page_says_why(page: Page, server: Site) -> None:
    session_id = add_talk(server.door, with_sound=False)
    open_session(page, session_id)
    expect(page.get_by_text("No recording was uploaded for this session.")).to_be_visible()
    expect(page.locator("#sound")).to_be_hidden()
    for key in ("]", "]", "]"):
        page.keyboard.press(key)
    expect(page.get_by_label("Speed")).to_have_value("2")
    page.keyboard.press("Space")
    expect(current(page)).to_contain_text("Good morning")
    expect(current(page)).to_contain_text("Doctor Patel")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    still = page.locator("#now").inner_text()
    page.wait_for_timeout(700)
    assert page.locator("#now").inner_text() == still
    page.keyboard.press("[")
    expect(page.get_by_label("Speed")).to_have_value("1.5")


def test_a_turn_by_a_clock_that_was_wrong_spoils_nothing(page: Page, server: Site) -> None:
    sid = make_sid()
    long_ago = "0001-01-01T00:00:00Z"
    stray = said(sid, "user", "When was that?", 1, started_at=long_ago, ended_at=long_ago)
    talk = [said(sid, "agent", f"Line {n}", n * 3, started_at=at(n * 3), ended_at=at(n * 3 + 2)) for n in range(1, 6)]
    session_id = server.door.send([start(sid), stray, *talk, end(sid, 20, duration=20.0)])["sessions"][0]["session_id"]
    open_session(page, session_id)
    expect(page.locator("#all")).to_have_text("0:20")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#now")).to_have_text("0:03")
    expect(current(page)).to_contain_text("Line 1")


def test_a_recording_plays_before_the_server_has_read_it(page: Page, server: Site, talk: str) -> None:
    mine = (recording.c.organization_id == server.organization.id) & (recording.c.session_id == int(talk))
    unread = {"state": "waiting", "tried_at": server.house.clock(), "duration_ms": None, "peaks": None}
    server.house.database.write(
        server.organization.id, lambda db: db.execute(update(recording).where(mine).values(unread))
    )
    open_session(page, talk)
    page.keyboard.press("Space")
    wait_for(lambda: is_sounding(page) and sound_s(page) > 0.3)
    page.keyboard.press("End")
    page.locator("#wave").focus()
    page.keyboard.press("End")
    wait_for(lambda: not is_sounding(page))


def test_of_several_recordings_one_is_chosen(page: Page, server: Site) -> None:
    from tests.console.talks import add_sound

    sid = make_sid()
    session_id = server.door.send([start(sid), end(sid, 24)])["sessions"][0]["session_id"]
    for name, began_s in (("first.wav", 0.0), ("second.wav", 10.0)):
        add_sound(server.door, sid, began_s, name)
    wait_for(lambda: [one["state"] for one in recordings(server, session_id)] == ["ready", "ready"])
    open_session(page, session_id, "?t=12")
    assert abs(sound_s(page) - 12) < 0.1
    page.get_by_label("Recording").select_option("second.wav")
    assert abs(sound_s(page) - 2) < 0.1
    expect(page.locator("audio")).to_have_count(1)


def test_the_waveform_is_a_slider_for_those_who_do_not_see_it(page: Page, talk: str) -> None:
    open_session(page, talk)
    wave = page.get_by_role("slider", name="Place in the session")
    wave.focus()
    page.keyboard.press("ArrowRight")
    expect(wave).to_have_attribute("aria-valuetext", "0:05 of 0:24, user speaking")
    page.keyboard.press("End")
    expect(wave).to_have_attribute("aria-valuenow", "24")
    page.keyboard.press("PageDown")
    expect(wave).to_have_attribute("aria-valuenow", "0")
    box = wave.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)
    assert abs(sound_s(page) - 12) < 0.2
    assert page.evaluate(
        "document.querySelector('#wave canvas').getContext('2d').getImageData(0, 0, 2000, 60).data.some((x) => x)"
    )


def test_moments_worth_a_look_are_reached_by_the_keyboard(page: Page, talk: str) -> None:
    open_session(page, talk)
    seen = []
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
        seen.append(round(sound_s(page), 1))
    assert seen == [9.0, 17.5, 18.3, 19.0]  # interruption, silence, tool error, label
    page.keyboard.press("Shift+ArrowLeft")
    assert round(sound_s(page), 1) == 18.3
    page.get_by_role("link", name="0:09 Agent interrupted").click()
    assert round(sound_s(page), 1) == 9.0


def test_letters_can_be_switched_off_and_space_presses_what_has_the_focus(page: Page, talk: str) -> None:
    open_session(page, talk)
    page.get_by_role("button", name="5 seconds on").focus()
    page.keyboard.press("Space")
    assert abs(sound_s(page) - 5) < 0.1
    assert not is_sounding(page)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Letters do things").uncheck()
    page.get_by_role("button", name="Close").click()
    page.evaluate("document.activeElement.blur()")
    for key in ("l", "w", "r", "y", "/", "["):
        page.keyboard.press(key)
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#items")).to_be_visible()
    assert f"/s/{talk}" in page.url
    page.keyboard.press("Space")
    wait_for(lambda: is_sounding(page))


def test_the_record_is_a_key_away_and_back(page: Page, talk: str) -> None:
    open_session(page, talk, "?in=q%3Dagent%253AFront")
    page.keyboard.press("r")
    expect(page.get_by_role("region", name="The record as JSON")).to_contain_text('"call_id": "c1"')
    page.wait_for_selector("html[data-ready]", state="attached")
    page.keyboard.press("r")
    page.wait_for_url(re.compile(rf"/s/{talk}\?in=q%3Dagent%253AFront"))


def test_a_viewer_is_told_why_they_cannot_label(open_page: OpenPage, talk: str) -> None:
    page = open_page("viewer")
    open_session(page, talk)
    page.keyboard.press("l")
    expect(page.locator("#toasts")).to_contain_text("You look at this as a viewer. Labels are given by members.")


def test_everything_can_be_read_without_script(open_page: OpenPage, talk: str) -> None:
    page = open_page("viewer", java_script_enabled=False)
    page.goto(f"/s/{talk}")
    for _, text, _, _ in LINES:
        expect(page.get_by_text(text)).to_be_visible()
    expect(page.locator("#play")).to_be_hidden()
    expect(page.locator("#find")).to_be_hidden()
    page.locator("summary").filter(has_text="book_slot").click()
    expect(page.get_by_text("The calendar is closed.")).to_be_visible()
    page.get_by_role("link", name="Waterfall").click()
    expect(page.locator("#exchanges > li")).to_have_count(3)
    page.get_by_role("link", name="Transcript", exact=True).click()
    expect(page.get_by_text("Ruth Okafor.")).to_be_visible()


def test_a_member_can_label_without_script(open_page: OpenPage, talk: str) -> None:
    page = open_page("member", java_script_enabled=False)
    page.goto(f"/s/{talk}")
    page.get_by_role("link", name="Add a label").click()
    page.get_by_role("radio", name="OK").check()
    page.get_by_role("button", name="Give this label").click()
    expect(page.locator("#labels")).to_contain_text("mel@example.com")


def test_on_paper_it_is_a_report(page: Page, talk: str) -> None:
    open_session(page, talk)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for hidden in ("#play", "#find", ".actions", ".around", "nav[aria-label=Main]"):
        expect(page.locator(hidden)).to_be_hidden()
    for shown in ("The calendar is closed.", "Ruth Okafor.", "Slow at 0:19."):
        expect(page.get_by_text(shown).first).to_be_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator(".item.tool details[open]")).to_have_count(0)
    assert len(page.pdf()) > 10_000


def test_a_phone_shows_and_plays_it(open_page: OpenPage, talk: str) -> None:
    page = open_page("member", viewport={"width": 320, "height": 640}, has_touch=True)
    open_session(page, talk)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.get_by_role("button", name="Play", exact=True).tap()
    wait_for(lambda: is_sounding(page))
    turn(page, 5).locator("a.seek").tap()
    assert abs(sound_s(page) - LINES[5][2]) < 0.3
    expect(current(page)).to_be_in_viewport()


@pytest.mark.parametrize("place", ["", "?view=waterfall", "/raw", "/labels"])
def test_the_pages_of_a_session_are_for_everybody(page: Page, talk: str, place: str) -> None:
    page.goto(f"/s/{talk}{place}")
    page.wait_for_timeout(300)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert_accessible(page)


@pytest.mark.parametrize(("name", "view"), [("session", ""), ("waterfall", "?view=waterfall")])
def test_pictures_of_a_session_for_the_docs(page: Page, talk: str, name: str, view: str) -> None:
    page.goto(f"/s/{talk}{view}")
    page.wait_for_timeout(500)
    take_picture(page, name)


def test_the_dialog_and_a_playing_page_are_for_everybody(page: Page, talk: str) -> None:
    open_session(page, talk)
    page.keyboard.press("ArrowDown")
    assert_accessible(page)
    page.keyboard.press("l")
    assert_accessible(page)


# Of a very large page Playwright's `expect` makes a picture for its message, which takes it half a minute; so these
# tests ask the page themselves.


def says(page: Page, selector: str, pattern: str) -> None:
    """Wait until the first such element says this."""
    wait_for(lambda: re.search(pattern, page.evaluate(f"document.querySelector('{selector}')?.textContent ?? ''")))


def count(page: Page, selector: str) -> int:
    found: int = page.evaluate(f"document.querySelectorAll('{selector}').length")
    return found


def test_nothing_that_was_recorded_runs(page: Page, server: Site) -> None:
    sid = make_sid()
    events = hostile_session(sid)
    for begin in range(0, len(events), 900):
        receipt = server.door.send(events[begin : begin + 900])
    session_id = receipt["sessions"][0]["session_id"]
    open_session(page, session_id)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.keyboard.press("w")
    wait_for(lambda: count(page, "#exchanges > li") == 200)
    page.keyboard.press("w")
    for text in TEXTS[::23]:
        page.locator("#wanted").fill(text)
        says(page, "#found", r"^1/\d+")
        says(page, ".item.hit", re.escape(text))
        page.locator("#wanted").fill("")
        says(page, "#found", "^$")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("l")
    wait_for(lambda: count(page, "#label-dialog[open]") == 1)
    page.goto(f"/s/{session_id}/raw")
    page.goto(f"/s/{session_id}/labels")
    page.wait_for_timeout(300)
    assert page.title().startswith("Labels of session")


def test_a_session_of_two_thousand_turns_is_usable_at_once(page: Page, server: Site) -> None:
    session_id = add_long_talk(server.door, 2000)
    open_session(page, session_id)
    began_at = time.monotonic()
    page.goto(f"/s/{session_id}", wait_until="commit")
    page.wait_for_selector("html[data-ready]", state="attached")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(".item.current")
    took_s = time.monotonic() - began_at
    print(f"\n2,000 turns: a key reacts after {took_s:.2f} s")
    assert took_s < 5  # under a second where nothing else runs; tests run beside others


@pytest.mark.long
def test_a_session_of_ten_thousand_turns_works(page: Page, server: Site) -> None:
    session_id = add_long_talk(server.door, 10_000)
    began_at = time.monotonic()
    page.goto(f"/s/{session_id}?t=15000", wait_until="commit")
    says(page, ".item.current", "turn 5000 of")
    print(f"\n10,000 turns: opened in the middle after {time.monotonic() - began_at:.2f} s")
    assert count(page, "#items > li") == PER_PART
    page.locator("#wave").focus()
    page.keyboard.press("End")
    says(page, ".item.current", "turn 9999 of")
    page.locator("#wanted").fill("turn 1234 of")
    says(page, "#found", "^1/1$")
    says(page, ".item.hit", "turn 1234 of")
    wait_for(lambda: page.evaluate("document.querySelector('.item.hit').getBoundingClientRect().top") < 900)
    have = count(page, "#items > li")
    page.locator("#later a").click()
    wait_for(lambda: count(page, "#items > li") == have + PER_PART)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("w")
    wait_for(lambda: count(page, "#exchanges > li") == 200)
    page.locator("a.part", has_text="Later exchanges").click()
    wait_for(lambda: count(page, "#ex201") == 1)

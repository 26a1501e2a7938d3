"""What people do with many sessions, in a real browser: filter, choose, label, watch, compare."""

import re
import shlex
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from hansard.console.access import COOKIE
from hansard.console.pages.sessions import COLUMNS
from hansard.resources.accounts.schemas import Role
from hansard.resources.sessions.query import Query, Term
from tests.console.conftest import OpenPage, Site
from tests.console.guard import Guard
from tests.console.hostile import TEXTS
from tests.console.look import assert_accessible, take_picture
from tests.console.people import add_member, cookie_of
from tests.make import START, end, make_event, make_session, make_sid, said, start


def rows(page: Page) -> list[str]:
    found: list[str] = page.locator("#list tbody tr").evaluate_all("rows => rows.map((row) => row.dataset.id)")
    return found


def now(server: Site) -> float:
    """Seconds from the start of made sessions to the present, so that they are the newest."""
    return (server.house.clock() - START).total_seconds()


def test_the_filter_the_chips_and_the_address_are_one(page: Page, server: Site) -> None:
    page.goto("/sessions")
    page.keyboard.press("/")
    page.keyboard.type('agent:"Parcel desk" -label:GOOD')
    page.keyboard.press("Enter")
    expect(page.locator(".chips code")).to_have_text(['agent:"Parcel desk"', "-label:GOOD"])
    assert dict(parse_qsl(urlsplit(page.url).query)) == {"q": 'agent:"Parcel desk" -label:GOOD'}
    both = page.locator("#total").inner_text()
    page.get_by_role("link", name="Remove -label:GOOD").click()
    expect(page.get_by_label("Filter", exact=True)).to_have_value('agent:"Parcel desk"')
    assert page.locator("#total").inner_text() != both
    page.get_by_role("link", name="7 days", exact=True).click()
    expect(page.get_by_label("Filter", exact=True)).to_have_value('agent:"Parcel desk" since:7d')
    page.go_back()
    page.go_back()
    expect(page.locator("#total")).to_have_text(both)


def test_somebody_who_types_no_filters_chooses_one(page: Page) -> None:
    page.goto("/sessions")
    page.get_by_text("Add a filter").click()
    page.get_by_label("What").select_option("has")
    expect(page.get_by_label("Value")).to_have_attribute("list", "values-has")
    page.get_by_label("Value").fill("tool-error")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".chips code")).to_have_text(["has:tool-error"])
    expect(page.locator("#list .chip.bad").first).to_have_text("tool error")


def test_a_filter_that_finds_nothing_says_which_term_to_leave_out(page: Page) -> None:
    page.goto("/sessions?q=agent:Parcel+turns:>500")
    page.get_by_role("link", name=re.compile("without turns:>500")).click()
    expect(page.locator(".chips code")).to_have_text(["agent:Parcel"])


def test_a_mistyped_filter_is_told_and_mended(page: Page, guard: Guard) -> None:
    guard.expects(400)
    page.goto("/sessions?q=agnet:Parcel")
    expect(page.get_by_role("alert")).to_contain_text("did you mean 'agent'?")
    page.get_by_label("Filter", exact=True).fill("agent:Parcel")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator("#list")).to_be_visible()


def test_sessions_are_chosen_and_labelled_by_the_keyboard_alone(page: Page, server: Site) -> None:
    sids = [make_sid() for _ in range(2)]
    ids = [make_session(server.door, sid=sid, agent_name="Keyboard desk") for sid in sids]
    page.goto("/sessions?q=agent:Keyboard")
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator("#chosen")).to_have_text("2 chosen:")
    page.get_by_role("button", name="BAD", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#list .chip", has_text="BAD")).to_have_count(2)
    labels = server.door.search("/api/v1/session_labels/", user_email="mel@example.com", code="BAD")
    assert set(ids) <= {str(one["session_id"]) for one in labels}
    assert page.url.endswith("/sessions?q=agent%3AKeyboard")


def test_all_on_the_page_are_chosen_and_let_go(page: Page) -> None:
    page.goto("/sessions?q=since:7d")
    count = page.locator("input[name=ids]").count()
    page.get_by_label("Choose all on this page").check()
    expect(page.locator("#chosen")).to_have_text(f"{count} chosen:")
    page.keyboard.press("Escape")
    expect(page.locator("#chosen")).to_have_text("Choose sessions to label them.")
    expect(page.get_by_role("button", name="GOOD", exact=True)).to_be_disabled()


def test_new_sessions_are_announced_and_do_not_jump_in(page: Page, server: Site) -> None:
    page.goto("/sessions?q=agent:Newcomer")
    make_session(server.door, agent_name="Newcomer desk")
    page.goto("/sessions?q=agent:Newcomer")
    before = rows(page)
    for _ in range(2):
        make_session(server.door, agent_name="Newcomer desk")
    link = page.get_by_role("link", name="2 new sessions: show")
    expect(link).to_be_visible(timeout=15_000)
    assert rows(page) == before
    link.click()
    expect(page.locator("#list tbody tr")).to_have_count(len(before) + 2)


def test_the_copied_api_call_gives_what_the_page_shows(open_page: OpenPage, server: Site) -> None:
    page = open_page("member", permissions=["clipboard-read", "clipboard-write"])
    page.goto("/sessions?q=agent:Parcel+has:label&sort=duration")
    page.keyboard.press("c")
    expect(page.get_by_text("The API call is copied.")).to_be_visible()
    call = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    address = urlsplit(call[-1])
    answer = server.door.ask("GET", f"{address.path}?{address.query}")
    assert [one["session_id"] for one in answer.json["items"]] == rows(page)


def test_the_columns_somebody_chose_are_there_the_next_time(page: Page) -> None:
    page.goto("/sessions")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Carrier's id").check()
    page.get_by_label("Prompt").uncheck()
    page.get_by_role("button", name="Show").click()
    page.goto("/sessions?q=is:live")
    expect(page.get_by_role("columnheader", name="Carrier's id")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Prompt")).to_have_count(0)


def test_the_list_is_sorted_by_its_headings(page: Page) -> None:
    page.goto("/sessions?q=is:ended")
    page.get_by_role("link", name="Duration").click()
    header = page.get_by_role("columnheader", name="Duration")
    expect(header).to_have_attribute("aria-sort", "descending")
    page.get_by_role("link", name="Duration").click()
    expect(header).to_have_attribute("aria-sort", "ascending")


def test_pages_are_turned_by_the_keyboard_and_times_are_in_the_viewers_zone(page: Page) -> None:
    page.goto("/sessions")
    first = rows(page)
    expect(page.locator("#zone")).to_have_text("Europe/Berlin")
    page.keyboard.press("n")
    page.wait_for_url("**page=2")
    assert not set(first) & set(rows(page))
    page.keyboard.press("p")
    page.wait_for_url("**/sessions")
    assert rows(page) == first


def test_what_runs_is_watched_as_it_is_said(page: Page, server: Site) -> None:
    sid, at = make_sid(), now(server)
    server.door.send([start(sid, at, agent_name="Watched desk"), said(sid, "user", "Hello?", at + 1)])
    page.goto("/live")
    card = page.locator(".running .card", has_text="Watched desk")
    expect(card).to_contain_text("Hello?")
    expect(page.locator("#state")).to_have_text("live")
    server.door.send([said(sid, "agent", "Good morning.", at + 2)])
    expect(card).to_contain_text("Good morning.")
    page.get_by_role("button", name="Pause").click()
    server.door.send([said(sid, "user", "Are you there?", at + 3)])
    page.wait_for_timeout(2500)
    expect(card).not_to_contain_text("Are you there?")
    page.get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("Are you there?")
    server.door.send([end(sid, at + 4)])
    expect(card).to_have_count(0)


def test_a_figure_of_an_agent_leads_to_its_sessions(page: Page) -> None:
    page.goto("/agents")
    link = page.locator(".codes a", has_text="BAD").first
    count = link.inner_text().split()[-1]
    link.click()
    expect(page.locator("#total")).to_have_text(re.compile(rf"^{count} sessions?$"))


def test_the_chart_has_the_colours_somebody_chose(page: Page) -> None:
    page.goto("/agents")
    chart = page.locator("figure img").first
    chart.scroll_into_view_if_needed()
    expect(chart).to_have_js_property("complete", True)
    assert chart.evaluate("image => image.naturalWidth") > 100
    for theme in ("light", "dark"):
        page.locator("#theme").click()
        expect(chart).to_have_attribute("src", re.compile(f"theme={theme}"))


PAGES = {
    "sessions": "/sessions",
    "filtered": "/sessions?q=since:7d+is:live&sort=duration",
    "nothing": "/sessions?q=agent:nobody",
    "problem": "/sessions?q=agnet:x",
    "live": "/live",
    "agents": "/agents",
}


@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_use(page: Page, guard: Guard, name: str) -> None:
    guard.expects(400)
    page.goto(PAGES[name])
    page.wait_for_timeout(300)
    assert_accessible(page)


@pytest.mark.parametrize("name", ["sessions", "live", "agents"])
def test_pictures_for_the_docs(page: Page, server: Site, name: str) -> None:
    page.goto(PAGES[name])
    page.wait_for_timeout(500)
    assert page.title()
    take_picture(page, name)


def test_the_open_menus_can_be_used_by_everybody(page: Page) -> None:
    page.goto("/sessions")
    for menu in ("Add a filter", "Columns", "How to filter"):
        page.get_by_text(menu, exact=True).click()
        assert_accessible(page)
        page.keyboard.press("Escape")


def test_the_list_is_read_without_script(open_page: OpenPage) -> None:
    page = open_page("member", java_script_enabled=False)
    page.goto("/sessions?q=agent:Parcel")
    expect(page.locator("#list time").first).to_contain_text("UTC")
    page.get_by_label("Filter", exact=True).fill("agent:Pharmacy")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator("#list tbody tr").first).to_contain_text("Pharmacy")
    page.goto("/agents")
    page.get_by_text("These figures as a table").first.click()
    expect(page.locator("table.days").first).to_be_visible()


def test_letters_that_are_switched_off_do_nothing(page: Page) -> None:
    page.goto("/sessions")
    page.keyboard.press("?")
    page.get_by_label("Letters do things").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Letters do things")).to_be_hidden()
    page.keyboard.press("j")
    expect(page.locator("#list tr.here")).to_have_count(0)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#list tr.here")).to_have_count(1)


def test_no_name_that_was_recorded_runs_on_the_pages_of_many_sessions(open_page: OpenPage, server: Site) -> None:
    """Two hundred hostile texts in every field a list shows, in an organization of their own."""
    door = server.house.door()
    at = now(server)
    for text in TEXTS:
        sid = make_sid()
        names = ("agent_id", "agent_name", "prompt_id", "prompt_name", "llm_model", "channel_manager_type")
        fields = dict.fromkeys((*names, "source", "target"), text)
        key = {"service": text[:200], "sid": f"{sid}{text}"[:250]}
        latency = {"category": "llm", "label": "first_token", "duration_ms": 300}
        events = [
            start(sid, at, **fields),
            said(sid, "user", text, at + 1),
            make_event("latency", latency, sid=sid, seconds=at + 1),
            make_event("label", {"type": "human-rating", "code": text[:32]}, sid=sid, seconds=at + 2),
        ]
        if len(text) % 2:
            events.append(end(sid, at + 3, reason=text))
        receipt = door.send([one | {"session": key} for one in events])
        assert receipt["rejected"] == []
    member = add_member(server.house, door.organization_id, Role.MEMBER)
    page = open_page("")
    cookie = cookie_of(server.house, member)
    page.context.add_cookies([{"name": COOKIE, "value": cookie, "url": server.url}])
    everything = "&".join(f"columns={one.name}" for one in COLUMNS)
    for number in range(1, 5):
        page.goto(f"/sessions?page={number}&{everything}")
        expect(page.locator("#list tbody tr")).to_have_count(50)
    page.get_by_text("Add a filter").click()
    page.goto("/live")
    expect(page.locator("#state")).to_have_text("live")
    page.goto("/agents")
    expect(page.locator(".agent")).to_have_count(200)
    page.locator(".agent figure a").nth(7).click()
    for text in TEXTS[::40]:
        page.goto(f"/sessions?{urlencode({'q': str(Query((Term('agent', (text,)),)))})}")
        expect(page.locator(".chips code")).to_have_count(1)
        assert rows(page)

"""From the set-up link to the first session, signing in and out, keys and members: as people do it, in a browser."""

import re
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import urllib3
from playwright.sync_api import Page, expect

from hansard.kit.settings import Settings
from hansard.resources.accounts import members
from hansard.resources.accounts.schemas import Role
from tests.conftest import House, open_house
from tests.console.conftest import OpenPage, Site
from tests.console.guard import Guard
from tests.console.look import assert_accessible, take_picture
from tests.console.people import PASSWORD
from tests.door import Door
from tests.make import make_call

PAGES = ("/settings/keys", "/settings/members", "/settings/retention", "/settings/storage", "/settings/you")


@pytest.fixture
def empty(make_settings: Callable[..., Settings]) -> Iterator[House]:
    """A server nobody has set up: its address is another one than that of `server`."""
    for house in open_house(make_settings("sqlite")):
        house.organization()
        yield house


@pytest.fixture
def guard(request: pytest.FixtureRequest, server: Site) -> Guard:
    """Where a test has a server of its own, its pages come from there."""
    own = "empty" in request.fixturenames
    return Guard(request.getfixturevalue("empty").url if own else server.url)


def link_of(house: House, organization_id: int, role: Role) -> str:
    add = partial(members.add_invitation, organization_id=organization_id, role=role, now=house.clock())
    return f"{house.url}/set-up?token={house.database.write(organization_id, add)}"


def fill_sign_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def status_with(key: str, url: str) -> int:
    """What the API answers a program that shows this key."""
    return urllib3.request("GET", f"{url}/api/v1/sessions/", headers={"Syllable-API-Key": key}).status


def test_a_set_up_link_leads_to_an_owner_a_key_and_the_first_session(open_page: OpenPage, empty: House) -> None:
    page = open_page("", permissions=["clipboard-read", "clipboard-write"])
    page.goto(link_of(empty, 1, Role.OWNER))
    expect(page.get_by_role("heading", name="Set up your console")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("E-mail address").fill("ann@example.com")
    page.get_by_label("Name", exact=True).fill("Ann")
    password = page.get_by_label("Password", exact=True)
    password.fill(PASSWORD)
    page.get_by_role("button", name="Show the password").click()
    expect(password).to_have_attribute("type", "text")
    page.get_by_role("button", name="Sign up").click()

    expect(page.get_by_role("heading", name="Welcome, Ann")).to_be_visible()
    key = page.locator("#key").inner_text()
    page.get_by_role("button", name="Copy the key").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    assert f'Recorder("{empty.url}", "{key}")' in page.locator("#example").inner_text()
    assert_accessible(page)
    expect(page.get_by_text("Waiting for your first session…")).to_be_visible()
    Door(empty.url, key).send(make_call("CA-first"))
    link = page.get_by_role("link", name="Your first session is here. Look at it")
    expect(link).to_have_attribute("href", "/s/1")
    assert_accessible(page)

    page.reload()
    expect(page).to_have_url(f"{empty.url}/welcome")
    expect(page.get_by_text("Your API key was shown once.")).to_be_visible()
    assert key not in page.content()


def test_the_example_on_the_welcome_page_records_a_session(open_page: OpenPage, empty: House) -> None:
    page = open_page("")
    page.goto(link_of(empty, 1, Role.OWNER))
    page.get_by_label("E-mail address").fill("ann@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    program = page.locator("#example").inner_text()
    exec(compile(program + "\nrecorder.close()", "the example", "exec"), {})
    page.get_by_role("link", name="Your first session is here. Look at it").click()
    expect(page).to_have_url(f"{empty.url}/s/1")
    expect(page.get_by_text("Is the blue jumper in stock?")).to_be_visible()


def test_the_welcome_page_waits_ten_minutes_and_not_for_ever(open_page: OpenPage, empty: House) -> None:
    page = open_page("")
    page.clock.install()
    page.goto(link_of(empty, 1, Role.OWNER))
    page.get_by_label("E-mail address").fill("ann@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("Waiting for your first session…")).to_be_visible()
    with page.expect_response("**/welcome/first"):
        page.clock.fast_forward(3_000)
    page.clock.fast_forward("09:00")
    expect(page.get_by_text("Waiting for your first session…")).to_be_visible()
    page.clock.fast_forward("01:05")
    expect(page.get_by_text("No session came within ten minutes.")).to_be_visible()


def test_a_link_that_was_used_says_so(open_page: OpenPage, server: Site, guard: Guard) -> None:
    guard.expects(404)
    page = open_page("")
    page.goto("/set-up?token=1.used")
    expect(page.get_by_text("This link was used already, is too old or was withdrawn.")).to_be_visible()
    assert_accessible(page)


def test_who_signs_in_wrong_then_right_comes_where_they_were_going(
    open_page: OpenPage, server: Site, guard: Guard
) -> None:
    guard.expects(401)
    page = open_page("")
    page.goto("/settings/storage")
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    expect(page.get_by_label("E-mail address")).to_be_focused()
    fill_sign_in(page, "mel@example.com", "not the password")
    expect(page.get_by_role("alert")).to_have_text("That is not the e-mail address and password of a member.")
    expect(page.get_by_label("E-mail address")).to_have_value("mel@example.com")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    assert_accessible(page)
    fill_sign_in(page, "mel@example.com", PASSWORD)
    expect(page).to_have_url(f"{server.url}/settings/storage")
    expect(page.get_by_role("heading", name="Storage")).to_be_visible()


def test_who_signs_out_is_out_also_on_the_way_back(open_page: OpenPage) -> None:
    page = open_page("member")
    page.goto("/settings/keys")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/settings/keys")
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))


def test_a_key_is_made_used_and_revoked(open_page: OpenPage, server: Site) -> None:
    page = open_page("owner")
    page.goto("/settings/keys")
    page.get_by_label("Name", exact=True).fill("Front desk agent")
    page.get_by_role("checkbox", name="ingest").uncheck()
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("heading", name="The key “Front desk agent” is made")).to_be_visible()
    key = page.locator("#key").inner_text()
    assert status_with(key, server.url) == 200
    assert_accessible(page)
    page.reload()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    expect(page.locator("#key")).to_have_count(0)
    page.get_by_role("link", name="Revoke Front desk agent").click()
    assert_accessible(page)
    page.get_by_role("link", name="Keep it").click()
    assert status_with(key, server.url) == 200
    page.get_by_role("link", name="Revoke Front desk agent").click()
    page.get_by_role("button", name="Revoke the key").click()
    row = page.get_by_role("row", name="Front desk agent")
    expect(row.get_by_text("revoked")).to_be_visible()
    assert status_with(key, server.url) == 401


def test_an_invited_person_joins_in_another_browser_and_is_removed(open_page: OpenPage, server: Site) -> None:
    owner = open_page("owner")
    owner.goto("/settings/members")
    owner.get_by_role("radio", name="viewer").check()
    owner.get_by_role("button", name="Make a link").click()
    link = owner.locator("#link").inner_text()
    assert_accessible(owner)

    guest = open_page("")
    guest.goto(link)
    expect(guest.get_by_role("heading", name="Join demo")).to_be_visible()
    guest.get_by_label("E-mail address").fill("guest@example.com")
    guest.get_by_label("Name", exact=True).fill("Guest")
    guest.get_by_label("Password", exact=True).fill(PASSWORD)
    guest.get_by_role("button", name="Sign up").click()
    expect(guest).to_have_url(f"{server.url}/sessions")
    guest.goto("/settings/members")
    expect(guest.get_by_role("row", name="Guest (you)")).to_be_visible()
    expect(guest.get_by_text("yours is viewer")).to_be_visible()

    owner.reload()
    owner.get_by_role("link", name="Remove Guest").click()
    assert_accessible(owner)
    owner.get_by_role("button", name="Remove Guest").click()
    expect(owner.get_by_role("row", name="Guest")).to_have_count(0)
    guest.reload()
    expect(guest.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_who_is_no_owner_sees_the_settings_and_no_way_to_change_them(open_page: OpenPage, role: str) -> None:
    page = open_page(role)
    for path, heading in zip(PAGES[:4], ("API keys", "Members", "Retention", "Storage"), strict=True):
        page.goto(path)
        main = page.get_by_role("main")
        expect(main.get_by_role("heading", level=1)).to_have_text(heading)
        expect(main.locator("form, input, button:visible:not([data-copy])")).to_have_count(0)
        expect(main.get_by_role("navigation", name="Settings").locator("[aria-current]")).to_have_count(1)


@pytest.mark.parametrize("path", PAGES)
def test_everybody_can_use_the_settings(open_page: OpenPage, path: str) -> None:
    page = open_page("owner")
    page.goto(path)
    assert_accessible(page)


def test_the_colours_somebody_chose_stay_and_are_there_before_the_first_thing_is_painted(open_page: OpenPage) -> None:
    page = open_page("member")
    page.goto("/settings/keys")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button = page.get_by_role("button", name="Colours")
    expect(button).to_have_accessible_name("Colours: as the system")
    button.click()
    button.click()
    expect(button).to_have_accessible_name("Colours: dark")
    dark = page.evaluate(ground)
    assert dark != light
    page.add_init_script(
        "new MutationObserver((_, seen) => { if (document.body) { seen.disconnect();"
        " globalThis.atFirst = document.documentElement.dataset.theme } })"
        ".observe(document, { childList: true, subtree: true })"
    )
    page.goto("/settings/members")
    assert page.evaluate("globalThis.atFirst") == "dark"
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Colours").click()
    assert page.evaluate(ground) == light


def test_letters_lead_to_pages_until_they_are_switched_off(open_page: OpenPage, server: Site) -> None:
    page = open_page("member")
    page.goto("/settings/keys")
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page).to_have_url(f"{server.url}/agents")
    page.goto("/settings/keys")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_visible()
    assert_accessible(page)
    dialog.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.reload()
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.keyboard.press("?")
    page.wait_for_timeout(300)
    expect(page).to_have_url(f"{server.url}/settings/keys")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    dialog.get_by_role("checkbox").check()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(dialog).to_be_visible()


def test_letters_do_nothing_while_somebody_types(open_page: OpenPage, server: Site) -> None:
    page = open_page("owner")
    page.goto("/settings/keys")
    page.get_by_label("Name", exact=True).press_sequentially("g a g s ?")
    expect(page.get_by_label("Name", exact=True)).to_have_value("g a g s ?")
    expect(page).to_have_url(f"{server.url}/settings/keys")


def test_the_first_stop_of_the_keyboard_skips_to_the_content(open_page: OpenPage) -> None:
    page = open_page("member")
    page.goto("/settings/storage")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("navigation", name="Settings").get_by_role("link").first).to_be_focused()


def test_by_the_keyboard_alone_one_signs_in_and_makes_a_key(open_page: OpenPage, server: Site) -> None:
    page = open_page("")
    page.goto("/sign-in?next=/settings/keys")
    press = page.keyboard.press
    page.keyboard.type("ann@example.com")
    press("Tab")
    page.keyboard.type(PASSWORD)
    press("Enter")
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    tab_to(page, "#name")
    page.keyboard.type("typed")
    press("Tab")
    press("Space")  # not ingest
    press("Tab")
    press("Tab")
    press("Tab")
    expect(page.get_by_role("button", name="Make the key")).to_be_focused()
    press("Enter")
    expect(page.get_by_role("heading", name="The key “typed” is made")).to_be_visible()
    key = page.locator("#key").inner_text()
    assert status_with(key, server.url) == 200
    tab_to(page, '[data-copy="key"]')
    press("Enter")
    expect(page.get_by_text("Copied.")).to_be_visible()


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until this has the focus, which must be seen on every stop of the way."""
    for _ in range(40):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def test_without_script_one_signs_in_makes_a_key_and_revokes_it(open_page: OpenPage, server: Site) -> None:
    page = open_page("", java_script_enabled=False)
    page.goto("/sign-in?next=/settings/keys")
    fill_sign_in(page, "ann@example.com", PASSWORD)
    page.get_by_label("Name", exact=True).fill("without script")
    page.get_by_role("button", name="Make the key").click()
    key = page.locator("#key").inner_text()
    assert status_with(key, server.url) == 200
    expect(page.get_by_role("button", name="Copy the key")).to_be_hidden()
    page.get_by_role("link", name="Revoke without script").click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_role("row", name="without script").get_by_text("revoked")).to_be_visible()


def test_samples_are_looked_at_without_signing_in(open_page: OpenPage, demo_server: Site) -> None:
    page = open_page("")
    page.goto("/settings/keys")
    expect(page.get_by_role("complementary")).to_contain_text("sample sessions; you are looking at them as a viewer")
    assert_accessible(page)
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("link", name="Look at the sample sessions")).to_be_visible()
    assert_accessible(page)
    fill_sign_in(page, "ann@example.com", PASSWORD)
    expect(page.get_by_role("complementary")).to_have_count(0)


def test_pictures_of_the_settings(open_page: OpenPage) -> None:
    page = open_page("owner")
    for name in ("keys", "members"):
        page.goto(f"/settings/{name}")
        take_picture(page, f"settings-{name}")

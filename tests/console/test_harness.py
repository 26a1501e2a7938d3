"""The harness itself: the guard and axe see what they are there to see."""

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import OpenPage, Site
from tests.console.guard import Guard
from tests.console.look import assert_accessible

# What a page could do wrong, and a word of how the guard says it.
FAULTS = {
    "console error": ("console.error('no')", "console error: no"),
    "console warning": ("console.warn('careful')", "console warning: careful"),
    "uncaught exception": ("throw new Error('oh')", "uncaught: oh"),
    "rejected promise": ("Promise.reject(new Error('oh'))", "uncaught: oh"),
    "inline script": ("const s = document.createElement('script'); s.text = ''; document.body.append(s)", "policy: "),
    "inline style": ("document.body.setAttribute('style', 'color: red')", "policy: style-src-attr refused inline"),
    "text as HTML": ("document.body.innerHTML = '<b>x</b>'", "policy: require-trusted-types-for"),
    "text as program": ("setTimeout('1')", "policy: "),
    "dialog": ("alert('hi')", "dialog: hi"),
    "another host": ("fetch('http://127.0.0.1:9/').catch(() => {})", "policy: connect-src refused http://127.0.0.1:9"),
    "a missing file": ("fetch('/static/none/none.js')", "answer 404"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_guard_sees(open_page: OpenPage, guard: Guard, fault: str) -> None:
    program, said = FAULTS[fault]
    page = open_page("")
    page.goto("/sign-in")
    page.evaluate(f"() => {{ setTimeout(() => {{ {program} }}) }}")
    page.wait_for_timeout(300)
    assert any(said in one for one in guard.problems), guard.problems
    guard.problems.clear()


def test_the_guard_sees_a_page_of_another_host(open_page: OpenPage, guard: Guard, server: Site) -> None:
    page = open_page("")
    page.goto(server.url.replace("127.0.0.1", "localhost") + "/sign-in")
    assert any("request to another host" in one for one in guard.problems)
    page.goto("about:blank")
    guard.problems.clear()


def test_the_guard_lets_pass_what_a_test_expects_and_nothing_else(open_page: OpenPage, guard: Guard) -> None:
    guard.expects(404)
    open_page("").goto("/nowhere")
    assert not guard.problems
    open_page("").goto("/set-up", wait_until="load")
    guard.check()


def test_axe_sees_a_field_without_a_name_and_a_pale_text(open_page: OpenPage) -> None:
    page = open_page("")
    page.goto("/sign-in")
    assert_accessible(page)
    page.evaluate("document.querySelector('label').remove()")
    with pytest.raises(AssertionError, match="label"):
        assert_accessible(page)
    page.goto("/sign-in")
    page.evaluate("document.querySelector('h1').style.color = 'rgb(200 200 200)'")
    with pytest.raises(AssertionError, match="color-contrast"):
        assert_accessible(page)


def test_a_page_wider_than_a_phone_is_seen(open_page: OpenPage) -> None:
    page = open_page("")
    page.goto("/sign-in")
    page.evaluate("document.querySelector('h1').style.width = '600px'")
    with pytest.raises(AssertionError, match="px wide"):
        assert_accessible(page)


def test_each_role_is_signed_in_as_itself(open_page: OpenPage) -> None:
    for role in ("owner", "member", "viewer"):
        page = open_page(role)
        page.goto("/settings/keys")
        expect(page.get_by_role("button", name="Sign out")).to_have_attribute("title", "Signed in as " + NAMES[role])


NAMES = {"owner": "ann@example.com", "member": "mel@example.com", "viewer": "vic@example.com"}


def test_pages_can_be_read_without_script(open_page: OpenPage) -> None:
    page: Page = open_page("", java_script_enabled=False)
    page.goto("/sign-in")
    expect(page.get_by_label("Password", exact=True)).to_be_visible()

"""A real browser on a real server: one Chromium for all tests, a fresh context for each, and a guard on every page.

A test that asks for `page`, `open_page` or `browser` is marked `browser` by itself; where there is none it is skipped,
loudly, and the other tests of the console run.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hansard.cli.demo import ORGANIZATION, load_demo
from hansard.console.access import COOKIE
from hansard.console.throttle import Throttle
from hansard.kit.settings import Settings
from hansard.resources.accounts import passwords
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Member, Organization, Role
from tests.conftest import House, open_house
from tests.console.guard import Guard
from tests.console.people import add_member, cookie_of
from tests.door import Door

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WITHOUT_BROWSER = (
    "NOT LOOKED AT: there is no chromium on this machine, so no page was opened in a browser. "
    "As root on Debian, `make browser` installs it."
)
PATIENCE_MS = 10_000
LIVEKIT = ("APIconsole", "a secret that is long enough to sign with")  # of uploads to the samples' organization
IN_EARNEST = passwords._hasher

OpenPage = Callable[..., Page]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Argon2 as it is in earnest would be most of the time these tests take; `slow_passwords` has it."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", quick)
        yield


@pytest.fixture
def slow_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Argon2 as it is in earnest."""
    monkeypatch.setattr(passwords, "_hasher", IN_EARNEST)
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()


@pytest.fixture(autouse=True)
def _unthrottled(request: pytest.FixtureRequest) -> None:
    """All tests are one client to the servers they share; what one guessed, the next need not wait for."""
    if "house" in request.fixturenames:
        request.getfixturevalue("house").app.state.throttle = Throttle()
    if "server" in request.fixturenames:
        request.getfixturevalue("server").house.app.state.throttle = Throttle()


@dataclass
class Site:
    """A server with an organization of sample sessions, and its owner, member and viewer."""

    house: House
    organization: Organization
    people: dict[Role, Member]
    door: Door  # a program with a key of the organization

    @property
    def url(self) -> str:
        return self.house.url


@pytest.fixture(scope="session")
def _site(make_settings: Callable[..., Settings]) -> Iterator[Site]:
    named = {"livekit_api_key": LIVEKIT[0], "livekit_api_secret": LIVEKIT[1], "livekit_organization": ORGANIZATION}
    for house in open_house(make_settings("sqlite", **named)):
        demo = load_demo(house.database, house.settings, house.clock())
        with house.database.reading() as db:
            organization = accounts.get_organization(db, demo.organization)
        people = {role: add_member(house, organization.id, role) for role in Role}
        yield Site(house, organization, people, Door(house.url, demo.key, organization.id))


@pytest.fixture
def server(_site: Site) -> Site:
    """The server, its clock right and nobody looking at samples. Tests share it: what one changes, others see."""
    _site.house.clock.ahead = timedelta()
    _site.house.app.state.demo = None
    return _site


@pytest.fixture
def demo_server(server: Site) -> Site:
    """The same server as `serve --demo` runs it: who is not signed in is a viewer of the samples."""
    server.house.app.state.demo = server.organization
    return server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Without it the tests are skipped, loudly."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip(WITHOUT_BROWSER)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        expect.set_options(timeout=PATIENCE_MS)
        yield launched
        launched.close()


@pytest.fixture
def guard(server: Site) -> Guard:
    """What watches the pages of this test; tell it which errors are part of the test: `guard.expects(404)`."""
    return Guard(server.url)


@pytest.fixture
def open_page(browser: Browser, server: Site, guard: Guard) -> Iterator[OpenPage]:
    """Open an empty page for somebody with this role ("owner", "member", "viewer"; "" is signed in nowhere).

    Every page has a context of its own: cookies, storage, nothing shared. More options are those of a context,
    such as `java_script_enabled=False`. Addresses may leave the server out: `page.goto("/sessions")`.
    """
    contexts = []

    def open_(role: str = "member", **options: object) -> Page:
        usual = {"base_url": server.url, "locale": "en-GB", "timezone_id": "Europe/Berlin"}
        context = browser.new_context(**(usual | options))  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        guard.watch(context)
        if role:
            text = cookie_of(server.house, server.people[Role(role)])
            context.add_cookies([{"name": COOKIE, "value": text, "url": server.url, "httpOnly": True}])
        return context.new_page()

    yield open_
    for context in contexts:
        context.close()
    guard.check()


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """An empty page, signed in as the member."""
    return open_page("member")

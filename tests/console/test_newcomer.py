"""A newcomer's walk: from `hansard serve --demo`, which is what `make run` does, to hearing a call."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from playwright.sync_api import Browser, expect

from tests.conftest import free_port
from tests.console.guard import Guard
from tests.console.test_session_journeys import is_sounding, sound_s, wait_for


@pytest.fixture
def started(tmp_path: Path) -> Iterator[str]:
    """The address of a server of samples that has just been started, as the program itself starts it."""
    port = free_port()
    command = [sys.executable, "-m", "hansard", "serve", "--demo", "--port", str(port), "--data", str(tmp_path)]
    with subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for(lambda: is_there(url), patience_s=60)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=20)


def is_there(url: str) -> bool:
    """Whether the newest session with a sound can be heard already: sounds are made while the server is up."""
    try:
        listed = urllib3.request("GET", f"{url}/sessions", retries=False).data.decode()
        found = re.search(r'href="(/s/\d+)"(?:(?!</tr>).)*recording', listed, re.DOTALL)
        if found is None:
            return False
        return b"<audio" in urllib3.request("GET", url + found[1], retries=False).data
    except urllib3.exceptions.HTTPError:
        return False


def test_a_call_is_heard_two_clicks_after_the_first_page(browser: Browser, started: str) -> None:
    guard = Guard(started)
    context = browser.new_context()
    guard.watch(context)
    page = context.new_page()
    page.goto(started)
    expect(page.get_by_text("These are sample sessions")).to_be_visible()
    page.locator("#list tr", has_text="recording").first.locator("a.open").click()
    play = page.get_by_role("button", name="Play", exact=True)
    expect(play).to_be_enabled(timeout=30_000)
    play.click()
    wait_for(lambda: is_sounding(page) and sound_s(page) > 0.5)
    assert re.search(r"/s/\d+", page.url)
    context.close()
    guard.check()

"""What LiveKit and Pipecat recorded themselves is played in the browser, the transcript following."""

import os
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import LIVEKIT, Site
from tests.console.test_session_journeys import is_sounding, open_session, recordings, sound_s, wait_for
from tests.door import ROOT

ENVS = ROOT / ".envs"


def run_in(env: str, program: str, *arguments: str | Path, **variables: str) -> None:
    """Run a program in the environment of a framework, as somebody who has it installed would."""
    python = ENVS / env / "bin" / "python"
    if not python.exists():
        pytest.skip(f"NOT LISTENED TO: {env} is not installed here; run `make test-frameworks` first.")
    paths = {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    command = [python, ROOT / program, *arguments]
    done = subprocess.run(command, env=os.environ | paths | variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def newest_with_sound(server: Site, query: str) -> str:
    """The session that was just recorded, once its sound was read."""

    def found() -> list[str]:
        items = server.door.get("/hansard/v1/sessions", q=f"has:recording {query}").json["items"]
        return [one["session_id"] for one in items]

    wait_for(found)
    session_id = found()[0]
    wait_for(lambda: [one["state"] for one in recordings(server, session_id)] == ["ready"])
    return session_id


def assert_played_and_followed(page: Page, session_id: str) -> None:
    """Play from a turn of the agent: the sound is there, and the turn it is in is the one marked."""
    open_session(page, session_id)
    seek = page.locator(".item.turn", has_text="Agent").nth(1).locator("a.seek")
    seek.click()
    began_s = sound_s(page)
    page.get_by_role("button", name="Play", exact=True).click()
    wait_for(lambda: is_sounding(page) and sound_s(page) > began_s + 0.3)
    expect(page.locator(".item.current")).to_have_count(1)
    assert page.evaluate("document.querySelector('audio').error") is None


def test_what_livekit_uploaded_is_heard(page: Page, server: Site, tmp_path: Path) -> None:
    livekit = {"LIVEKIT_OBSERVABILITY_URL": server.url, "LIVEKIT_API_KEY": LIVEKIT[0], "LIVEKIT_API_SECRET": LIVEKIT[1]}
    spool = {"HANSARD_URL": server.url, "HANSARD_API_KEY": server.door.key, "HANSARD_SPOOL": str(tmp_path / "spool")}
    run_in("livekit", "tests/livekit/voice.py", "--report", tmp_path / "report.json", "--upload", **livekit, **spool)
    assert_played_and_followed(page, newest_with_sound(server, "channel:livekit"))


def test_what_pipecat_recorded_is_heard(page: Page, server: Site, tmp_path: Path) -> None:
    spool = {"HANSARD_URL": server.url, "HANSARD_API_KEY": server.door.key, "HANSARD_SPOOL": str(tmp_path / "spool")}
    run_in("pipecat", "examples/pipecat_bot/bot.py", **spool)
    assert_played_and_followed(page, newest_with_sound(server, "channel:pipecat"))

"""The command line, run as a person runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from hansard.cli.opening import opened
from hansard.cli.server import configured
from hansard.db.engine import open_database
from hansard.db.migrate import migrate
from hansard.kit.settings import Settings
from hansard.resources.accounts import members
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Role
from tests.conftest import free_port
from tests.door import Answer, Door
from tests.make import make_call, make_event, said
from tests.test_killed import command, wait_until_ready


def run(*arguments: str, stdin: str | None = None, code: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, input=stdin, env=os.environ | environ, timeout=60
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def test_an_idle_connection_is_kept_longer_than_a_proxy_keeps_its_own(tmp_path: Path) -> None:
    assert configured(Settings(data=tmp_path)).timeout_keep_alive > 60


def test_a_key_is_printed_alone_listed_without_its_secret_and_revoked(data: str) -> None:
    made = run("keys", "create", "--name", "agent", "--scope", "ingest", "--data", data)
    key = made.stdout.strip()
    assert made.stdout == key + "\n"
    assert key.startswith("hsd_1_1_")
    listed = run("keys", "list", "--data", data).stdout
    assert listed.startswith("1\tagent\tingest\tmade ")
    assert key not in listed
    assert listed.endswith("good\n")
    run("keys", "revoke", "1", "--data", data)
    assert "revoked" in run("keys", "list", "--data", data).stdout
    assert "There is no key 9." in run("keys", "revoke", "9", "--data", data, code=1).stderr


def test_an_organization_is_founded_and_has_keys_of_its_own(data: str) -> None:
    run("organizations", "add", "Acme", "--data", data)
    assert "already" in run("organizations", "add", "Acme", "--data", data, code=1).stderr
    assert run("keys", "create", "--name", "k", "--organization", "Acme", "--data", data).stdout.startswith("hsd_2_1_")
    assert run("organizations", "list", "--data", data).stdout.count("\n") == 2
    missing = run("keys", "create", "--name", "k", "--organization", "Nobody", "--data", data, code=1)
    assert "There is no organization 'Nobody'." in missing.stderr


def test_keys_can_be_made_and_revoked_while_the_server_runs(data: str) -> None:
    port = free_port()
    server = subprocess.Popen(command("serve", "--data", data, "--port", str(port)), stderr=subprocess.PIPE)
    try:
        wait_until_ready(port)
        door = Door(f"http://127.0.0.1:{port}", run("keys", "create", "--name", "k", "--data", data).stdout.strip())
        assert door.get("/api/v1/sessions/").status == 200
        run("keys", "revoke", "1", "--data", data)
        assert door.get("/api/v1/sessions/").status == 401
        second = run("serve", "--data", data, "--port", str(free_port()), code=1)
        assert "Another server has" in second.stderr
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=20) == 0
        assert server.stderr
        assert b"Traceback" not in server.stderr.read()
        server.stderr.close()
    assert not (Path(data) / "hansard.db-wal").exists()


def test_serve_prints_a_set_up_link_until_somebody_is_a_member(data: str) -> None:
    port = free_port()
    here = Door(f"http://127.0.0.1:{port}", "")
    (earlier,) = set_up_links(started_and_stopped(data, port))
    server = subprocess.Popen(command("serve", "--data", data, "--port", str(port)), stderr=subprocess.PIPE, text=True)
    try:
        wait_until_ready(port)
        assert here.ask("GET", earlier).status == 404
        invited = run("members", "invite", "--role", "owner", "--port", str(port), "--data", data).stdout.strip()
        fields = {"email": "ann@example.com", "password": "correct horse battery"}
        joined = sent(here, "/set-up", fields | {"token": invited.partition("token=")[2]})
        assert joined.status == 200, joined.bytes
        cookie = {"Cookie": joined.headers["set-cookie"].partition(";")[0]}
        assert here.ask("GET", "/settings/keys", headers=cookie).status == 200
        listed = run("members", "list", "--data", data).stdout
        assert listed.startswith("ann@example.com\towner\tann@example.com\tsince")
        run("members", "remove", "ANN@example.com", "--data", data)
        assert here.ask("GET", "/settings/keys", headers=cookie).status == 303
    finally:
        server.send_signal(signal.SIGTERM)
        said = server.communicate(timeout=20)[1]
    assert "Traceback" not in said
    (later,) = set_up_links(said)
    assert later != earlier
    assert "There is no member" in run("members", "remove", "ann@example.com", "--data", data, code=1).stderr


def set_up_links(said: str) -> list[str]:
    return re.findall(r"Set up your console: http://127\.0\.0\.1:\d+(/set-up\?token=1\.\S+)\n", said)


def sent(door: Door, path: str, fields: dict[str, str]) -> Answer:
    """Send a form as the console's own page does."""
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    return door.ask("POST", path, body=urlencode(fields).encode(), headers=form)


def test_once_somebody_is_a_member_serve_prints_no_link(data: str) -> None:
    run("organizations", "add", "Other", "--data", data)
    with opened(Settings(data=Path(data))) as database:
        now = datetime.now(UTC)
        database.write(2, lambda db: members.add_member(db, 2, "a@example.com", "A", "x", Role.VIEWER, now))
    assert "Set up your console" not in started_and_stopped(data, free_port())


def test_a_server_whose_organization_has_another_name_starts_and_prints_its_link(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    migrate(settings)
    database = open_database(settings)
    database.write(0, lambda db: accounts.add_organization(db, "Parcels", datetime.now(UTC)))
    database.close()
    assert len(set_up_links(started_and_stopped(str(settings.data), free_port()))) == 1


def test_links_lead_to_where_people_reach_the_server(data: str) -> None:
    invite = ("members", "invite", "--data", data)
    assert run(*invite, "--host", "0.0.0.0").stdout.startswith("http://127.0.0.1:8700/set-up?token=1.")
    assert run(*invite, "--host", "::1").stdout.startswith("http://[::1]:8700/set-up?token=1.")
    behind = run(*invite, HANSARD_PUBLIC_URL="https://hansard.example.com/").stdout
    assert behind.startswith("https://hansard.example.com/set-up?token=1.")


def started_and_stopped(data: str, port: int) -> str:
    """What a server says from its start to its stop."""
    server = subprocess.Popen(command("serve", "--data", data, "--port", str(port)), stderr=subprocess.PIPE, text=True)
    wait_until_ready(port)
    server.send_signal(signal.SIGTERM)
    return server.communicate(timeout=20)[1]


def lines_of(calls: int) -> list[dict[str, Any]]:
    return [one for number in range(calls) for one in make_call(f"CA-{number}")]


def written(file: Path, events: list[dict[str, Any]]) -> str:
    file.write_text("".join(json.dumps(one) + "\n" for one in events))
    return str(file)


@pytest.mark.long
def test_what_is_exported_and_imported_elsewhere_is_exported_the_same(tmp_path: Path, data: str) -> None:
    file = written(tmp_path / "in.jsonl", [*lines_of(5), said("running", "user", "hi", 1)])
    assert "81 events of 6 sessions recorded" in run("import", file, "--data", data).stderr
    assert "0 events of 6 sessions recorded, 81 were there" in run("import", file, "--data", data).stderr
    out = tmp_path / "out.jsonl"
    run("export", "--output", str(out), "--data", data)
    other = str(tmp_path / "other")
    run("import", "-", "--data", other, stdin=out.read_text())
    assert run("export", "--data", other).stdout == out.read_text()
    assert sorted(json.loads(line)["id"] for line in out.read_text().splitlines()) == sorted(
        json.loads(line)["id"] for line in Path(file).read_text().splitlines()
    )


def test_a_bad_line_is_named_and_the_others_are_recorded(tmp_path: Path, data: str) -> None:
    file = tmp_path / "in.jsonl"
    good = json.dumps(said("A", "user", "hi", 1))
    bad = json.dumps(make_event("message", {"role": "robot", "text": ""}, sid="A"))
    file.write_text(f"{good}\n\noops\n{bad}\n{good}\n")
    done = run("import", str(file), "--data", data, code=1)
    assert "line 3: An event must be an object." in done.stderr
    assert "line 4: data.role: Input should be 'user' or 'agent'." in done.stderr
    assert "1 events of 1 sessions recorded, 1 were there already, 2 rejected." in done.stderr


@pytest.mark.long
def test_an_import_that_was_killed_goes_on_where_it_was(tmp_path: Path, data: str) -> None:
    events = lines_of(1500)
    file = written(tmp_path / "in.jsonl", events)
    note = tmp_path / "in.jsonl.hansard-progress"
    killed = subprocess.Popen(command("import", file, "--data", data), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not note.exists() and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    killed.kill()
    killed.wait(timeout=20)
    place = json.loads(note.read_text())
    assert 0 < place["line"] < len(events)
    done = run("import", file, "--data", data)
    recorded, there = (int(done.stderr.split(word)[0].split()[-1]) for word in (" events of", " were there"))
    assert recorded + there == len(events) - place["line"]
    assert not note.exists()
    exported = run("export", "--data", data).stdout.splitlines()
    assert {json.loads(line)["id"] for line in exported} == {one["id"] for one in events}
    assert len(exported) == len(events)


@pytest.mark.long
def test_an_export_that_was_stopped_goes_on_where_it_was(tmp_path: Path, data: str) -> None:
    run("import", written(tmp_path / "in.jsonl", lines_of(30)), "--data", data)
    whole = run("export", "--data", data).stdout
    out = tmp_path / "out.jsonl"
    first_two = whole[: whole.index('{"id"', whole.index("CA-2") - 200)]
    offset = len("".join(line for line in whole.splitlines(keepends=True)[:32]))
    out.write_text(whole[:offset] + "half a li")
    (tmp_path / "out.jsonl.hansard-progress").write_text(json.dumps({"offset": offset, "line": 2}))
    assert "28 sessions written." in run("export", "--output", str(out), "--data", data).stderr
    assert out.read_text() == whole
    assert first_two


def test_the_doctor_says_what_is_well_and_what_is_not(tmp_path: Path, data: str) -> None:
    assert "There is no database" in run("doctor", "--data", data).stdout
    run("keys", "create", "--name", "k", "--data", data)
    well = run("doctor", "--data", data).stdout
    assert "The file is sound." in well
    assert "SQLite 3." in well
    assert "Organization 'default' has 0 sessions." in well
    file = Path(data) / "hansard.db"
    content = bytearray(file.read_bytes())
    content[8192 * 2 : 8192 * 9] = b"\x55" * (8192 * 7)
    file.write_bytes(content)
    broken = run("doctor", "--data", data, code=1).stdout
    assert "broken" in broken


def test_config_show_says_where_each_value_came_from(tmp_path: Path) -> None:
    file = tmp_path / "h.toml"
    file.write_text('database_url = "postgresql://me:hidden@host/db"\nlivekit_api_secret = "hidden"\n')
    shown = run("config", "show", "--port", "1", "--config", str(file), HANSARD_HOST="::1").stdout
    assert "port = 1\t(flag)" in shown
    assert "host = ::1\t(environment)" in shown
    assert f"database_url = postgresql://me:…@host/db\t({file})" in shown
    assert "data = hansard-data\t(default)" in shown
    assert f"livekit_api_secret = …\t({file})" in shown
    assert "hidden" not in shown
    refused = run("config", "show", code=1, HANSARD_COLOUR="red")
    assert "HANSARD_COLOUR in the environment is not a setting of Hansard's." in refused.stderr


def test_the_demo_has_everything_to_look_at_and_prints_how(data: str) -> None:
    port = free_port()
    outputs = []
    for _ in range(2):
        server = subprocess.Popen(
            command("serve", "--demo", "--data", data, "--port", str(port)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            wait_until_ready(port)
        finally:
            server.send_signal(signal.SIGTERM) if _ else None
            if not _:
                check_demo(port, (Path(data) / "demo-key").read_text().strip())
                server.send_signal(signal.SIGTERM)
            outputs.append(server.communicate(timeout=20)[0])
    key = (Path(data) / "demo-key").read_text().strip()
    for output in outputs:
        assert f"API key  {key}" in output
        assert f"console  http://127.0.0.1:{port}" in output
        assert "from syllable_sdk import SyllableSDK" in output
    assert "321 sample sessions" in outputs[0]
    assert "322 sample sessions" in outputs[1]


def check_demo(port: int, key: str) -> None:
    door = Door(f"http://127.0.0.1:{port}", key)
    sessions = door.search(is_test="true")
    assert len(sessions) == 321
    assert len({one["agent_name"] for one in sessions}) == 5
    assert len({one["channel_manager_type"] for one in sessions}) >= 5
    assert {one["is_test"] for one in sessions} == {True, False}
    assert any(one["session_label_id"] for one in sessions)
    running = [one for one in sessions if one["duration"] is None]
    assert running[0] == sessions[0]
    transcript = door.get(f"/api/v1/sessions/transcript/{running[0]['session_id']}").json
    assert transcript["transcript_complete"] is False
    assert transcript["transcription"]


def test_without_the_server_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError('no click', name='click')")
    code = "from hansard.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 1
    assert "pip install 'hansard[server]'" in done.stderr


@pytest.mark.long
def test_sessions_are_searched_and_the_index_is_made_anew(tmp_path: Path, data: str) -> None:
    lines = tmp_path / "events.jsonl"
    lines.write_text("".join(json.dumps(one) + "\n" for one in make_call("CA-searched")), encoding="utf-8")
    run("import", str(lines), "--data", data)
    assert "has 1 sessions that search has yet to read" in run("doctor", "--data", data).stdout
    shown = run("sessions", "search", "user:appointment agent:desk", "--data", data)
    assert shown.stdout.startswith("1\t2026-11-22 10:00:00 UTC\tFront desk\tCA-searched\n")
    assert shown.stdout.endswith("    0:04 user: I need an appointment.\n")
    assert shown.stderr == "1 of 1 sessions.\n"
    assert "can be searched, 1 sessions with words" in run("doctor", "--data", data).stdout
    for flags in ([], ["--empty"], ["--empty"]):
        assert run("search", "rebuild", *flags, "--data", data).stderr == "The search index is made anew.\n"
        found = json.loads(run("sessions", "search", '"find slot"', "--json", "--data", data).stdout)
        assert (found["session_id"], found["hit_count"], found["hits"][0]["tool_name"]) == ("1", 1, "find_slot")
    assert run("sessions", "search", "nobody", "--data", data).stdout == ""
    assert "did you mean 'agent'" in run("sessions", "search", "agnet:x", "--data", data, code=1).stderr


def test_with_few_sessions_there_is_nothing_to_train_or_pack_anew(tmp_path: Path, data: str) -> None:
    lines = tmp_path / "events.jsonl"
    lines.write_text("".join(json.dumps(one) + "\n" for one in make_call("CA-few")), encoding="utf-8")
    run("import", str(lines), "--data", data)
    told = run("sessions", "retrain", "--data", data).stdout
    assert told == "1 ended sessions are too little to learn from; it takes 200 at least.\n"
    assert run("sessions", "repack", "--data", data).stdout == "0 sessions are packed anew.\n"
    missing = run("sessions", "repack", "--organization", "Nobody", "--data", data, code=1)
    assert "There is no organization 'Nobody'." in missing.stderr

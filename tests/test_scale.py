"""Ten thousand sessions of twenty turns: imported by the command, listed with the exact total, opened from one row."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from hansard.db.engine import open_database
from hansard.kit.settings import Settings
from tests.conftest import open_house
from tests.make import called, end, said, start
from tests.test_killed import command

SESSIONS = 10_000
TURNS = 20


def write_sessions(file: Path) -> None:
    with file.open("w") as lines:
        for number in range(SESSIONS):
            sid = f"CA{number:06}"
            agent = str(number % 7)
            events = [start(sid, number, agent_id=agent, agent_name=f"Agent {agent}", is_test=number % 10 == 0)]
            for turn in range(TURNS):
                text = f"This is turn {turn} of session {number}, which somebody said on the phone."
                events.append(said(sid, "user" if turn % 2 else "agent", text, number + turn))
            events.append(called(sid, "find_slot", number + 5, arguments={"day": "Monday"}, result={"n": number}))
            events.append(end(sid, number + TURNS, counts={"message": TURNS, "tool_call": 1}))
            lines.writelines(json.dumps(one) + "\n" for one in events)


@pytest.mark.long
def test_ten_thousand_sessions_are_imported_listed_and_opened(tmp_path: Path) -> None:
    file, data = tmp_path / "sessions.jsonl", tmp_path / "data"
    write_sessions(file)
    began = time.monotonic()
    done = subprocess.run(command("import", str(file), "--data", str(data)), capture_output=True, text=True)
    took_s = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert f"{SESSIONS * (TURNS + 3)} events of {SESSIONS} sessions recorded, 0 were there" in done.stderr
    print(f"imported {SESSIONS} sessions in {took_s:.1f} s")
    settings = Settings(data=data)
    database = open_database(settings)
    with database.reading() as db:
        assert db.exec_driver_sql("SELECT count(*) FROM child").scalar_one() == 0
        assert db.exec_driver_sql("SELECT count(*) FROM body").scalar_one() == SESSIONS
    database.close()
    for house in open_house(settings):
        door = house.door(1)
        live = SESSIONS * 9 // 10
        assert door.get("/api/v1/sessions/").json["total_count"] == live
        of_one = door.get("/api/v1/sessions/", search_fields="agent_name", search_field_values="agent 3").json
        assert of_one["total_count"] == sum(1 for n in range(SESSIONS) if n % 7 == 3 and n % 10)
        last = door.get("/api/v1/sessions/", limit=25, page=live // 25 - 1).json
        assert len(last["items"]) == 25
        house.app.state.indexer.close()  # which read bodies too, for themselves
        house.app.state.trainer.close()
        house.statements.clear()
        transcript = door.get("/api/v1/sessions/transcript/7777").json
        assert len(transcript["transcription"]) == TURNS
        assert transcript["transcript_complete"] is True
        assert [one for one in house.statements if "child" in one] == []
        assert len([one for one in house.statements if "body" in one]) <= 1  # none is heard where the file is asked

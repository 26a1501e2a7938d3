"""What agent and user were doing, as LiveKit tells it: in the session's record, not in the list of events."""

import pytest

pytest.importorskip("livekit.agents", reason="livekit-agents is not installed here; run `make test-livekit`")

from tests.conftest import House
from tests.livekit.held import ROOT, at, hold, unix_s

pytestmark = pytest.mark.livekit

STATES = {"agent_state_changed": "agent-state", "user_state_changed": "user-state"}


def test_every_change_of_state_is_in_the_record_and_none_in_the_list_of_events(
    sqlite_house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    door = sqlite_house.door()
    program = ROOT / "examples" / "livekit_text" / "agent.py"
    held = hold(program, door, tmp_path_factory.mktemp("livekit") / "report.json")
    told = [
        (STATES[one["type"]], at(one["created_at"]), one["old_state"], one["new_state"])
        for kind in STATES
        for one in held.happened(kind)
    ]
    recorded = [
        (
            one["data"]["type"],
            unix_s(one["at"]),
            one["data"]["attributes"]["from"],
            one["data"]["attributes"]["to"],
        )
        for one in held.recorded("event")
        if one["data"].get("category") == "state"
    ]
    assert len(told) >= 6
    assert sorted(recorded, key=repr) == sorted(told, key=repr)
    listed = door.get("/api/v1/events/", limit=1000).json["items"]
    assert not [one for one in listed if one["category"] == "state"]

"""A session that was held: what LiveKit reports of it, and the door to what was recorded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.door import ROOT as ROOT
from tests.door import Door, run
from tests.figures import at as at
from tests.figures import unix_s as unix_s


@dataclass(frozen=True)
class Held:
    """A session that was held: the door to its record, and LiveKit's own report."""

    door: Door
    report: dict[str, Any]
    session: dict[str, Any]

    def get(self, path: str) -> Any:
        return self.door.get(path.format(self.session["session_id"])).json

    def reported(self, *types: str) -> list[dict[str, Any]]:
        """The items of these types in LiveKit's chat history."""
        return [item for item in self.report["chat_history"]["items"] if item["type"] in types]

    def happened(self, event: str) -> list[dict[str, Any]]:
        """The events of this type that LiveKit emitted."""
        return [one for one in self.report["events"] if one["type"] == event]

    def recorded(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.get("/hansard/v1/sessions/{}/record")["events"] if one["kind"] == kind]


def hold(program: Path, door: Door, report: Path) -> Held:
    """Hold a session with this program; it is the only one of the door's organization."""
    run(program, door, "--report", report)
    (session,) = door.get("/api/v1/sessions/").json["items"]
    return Held(door, json.loads(report.read_text()), session)

"""Labels as they come out of label events, and which of them a session is shown with."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic_core import to_json

from hansard.resources.sessions.kept import Kept
from hansard.wire import moment_of

_PLACES = 1 << 20  # the lower digits of a label's id come from its event, the upper from its session


def label_row(organization_id: int, session_id: int, told: Kept, taken: Collection[int]) -> dict[str, Any]:
    """The row of a label event.

    Its id follows from its session and its event's id, not from its arrival, so that the same events give the
    same labels in any order; `taken` are the ids this session's labels have, which it steps past.
    """
    said = told.said
    return {
        "organization_id": organization_id,
        "id": _label_id(session_id, told.id, taken),
        "session_id": session_id,
        "at": moment_of(told.at),
        "type": said["type"],
        "code": said["code"].upper(),
        "user_email": said.get("user_email") or "",
        "comments": said.get("comments"),
        "issue_categories": to_json(said.get("issue_categories") or []).decode(),
    }


def _label_id(session_id: int, event_id: str, taken: Collection[int]) -> int:
    digest = hashlib.blake2b(event_id.encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") % _PLACES
    while session_id * _PLACES + place in taken:
        place = (place + 1) % _PLACES
    return session_id * _PLACES + place


def shown_label(labels: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The newest human rating, else the newest automatic one (wire contract 2.1). There must be one at least."""
    return max(labels, key=lambda label: (label["type"] == "human-rating", label["at"], label["id"]))

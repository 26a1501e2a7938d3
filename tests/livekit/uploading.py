"""What the tests of LiveKit's uploads share: a server that takes them, and uploads made by hand."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import jwt
from livekit.protocol.metrics import MetricsRecordingHeader
from urllib3 import encode_multipart_formdata

from hansard.kit.settings import Settings
from hansard.resources.accounts import store as accounts
from tests.conftest import House, open_house
from tests.door import Answer, Door

KEY, SECRET = "APIhansard", "a secret that is long enough to sign with"
RECORDINGS, LOGS = "/observability/recordings/v0", "/observability/logs/otlp/v0"
METRICS, TRACES = "/observability/metrics/otlp/v0", "/observability/traces/otlp/v0"
AT = 1_795_358_700.0  # 2026-11-22T14:45:00Z


def open_uploads_house(make_settings: Callable[..., Settings], dialect: str) -> Iterator[House]:
    """A server that takes uploads for the organization `calls`, which is there once `door_of_calls` was asked."""
    named = {"livekit_api_key": KEY, "livekit_api_secret": SECRET, "livekit_organization": "calls"}
    yield from open_house(make_settings(dialect, body_timeout_s=5.0, **named))


def door_of_calls(house: House) -> Door:
    """A door of the organization that uploads are recorded for."""
    made = house.database.write(0, lambda db: accounts.add_organization(db, "calls", house.clock()))
    return house.door(made.id)


def refuse(house: House, error: Exception, duration_s: float) -> dict[str, list[float]]:
    """Let the server's writer refuse everything for a while, spans and the rest each from its first refusal on.

    Gives when it did, for `traces` and for `session`.
    """
    writer, submit = house.database.writer, house.database.writer.submit
    refused: dict[str, list[float]] = {"traces": [], "session": []}

    def refusing(organization_id: int, work: Any) -> "Future[Any]":
        if "events" not in getattr(work, "keywords", {}):
            return submit(organization_id, work)  # the server's own work
        is_span = work.keywords["events"][0]["data"].get("category") == "trace"
        times = refused["traces" if is_span else "session"]
        if not times or time.monotonic() < times[0] + duration_s:
            times.append(time.monotonic())
            raise error
        return submit(organization_id, work)

    writer.submit = refusing  # type: ignore[method-assign]
    return refused


def accept(house: House) -> None:
    """Let the writer take everything again."""
    del house.database.writer.submit  # type: ignore[method-assign]


def token(secret: str = SECRET, key: str = KEY, ttl_s: float = 6 * 3600, *, may_write: bool = True) -> str:
    """What LiveKit signs for an upload."""
    now = time.time()
    return jwt.encode(
        {"iss": key, "nbf": int(now) - 300, "exp": int(now + ttl_s), "observability": {"write": may_write}}, secret
    )


def history(room_id: str, *items: Any, **summary: Any) -> dict[str, Any]:
    """The parts of an upload."""
    header = MetricsRecordingHeader(
        room_id=room_id, job_id="AJ_1", session_summary=json.dumps({"timestamp": AT + 60, **summary})
    )
    return {
        "header": ("header.binpb", header.SerializeToString(), "application/protobuf"),
        "chat_history": ("chat_history.json", json.dumps({"items": items}), "application/json"),
    }


def said(text: str = "Hello.", item_id: Any = "item_1", **more: Any) -> dict[str, Any]:
    item = {"id": item_id, "type": "message", "role": "user", "content": [text], "created_at": AT, "metrics": {}}
    return item | more


def send(
    door: Door, parts: dict[str, Any] | bytes, bearer: str | None = None, path: str = RECORDINGS, **headers: str
) -> Answer:
    body, media_type = (
        (parts, "application/x-protobuf") if isinstance(parts, bytes) else encode_multipart_formdata(parts)
    )
    signed = {"Content-Type": media_type, "Authorization": f"Bearer {token() if bearer is None else bearer}"}
    return Door(door.url, "").ask("POST", path, body=body, headers=signed | headers)


def record(door: Door, room_id: str) -> list[dict[str, Any]]:
    """The events in the record of the session of this room."""
    (session,) = door.search(channel_manager_sid=room_id)
    events: list[dict[str, Any]] = door.get(f"/hansard/v1/sessions/{session['session_id']}/record").json["events"]
    return events

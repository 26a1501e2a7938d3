"""LiveKit's log records in, labels and the start of the session out.

Of the five kinds of record that tell of a session, "chat item" says what the upload says too and is left to it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json

from hansard.kit.errors import Invalid
from hansard.kit.otlp import attributes
from hansard.resources.livekit.events import SERVICE, event_of, moment
from hansard.wire import Event

SCOPES = ("chat_history", "evaluations")
CODES = {"pass": "GOOD", "maybe": "OK", "fail": "BAD", "success": "GOOD"}

Child = tuple[str, str, datetime, dict[str, Any]]


@dataclass
class Read:
    """The events of a request of log records, and how many of its records are not kept."""

    events: list[Event] = field(default_factory=list)
    left: int = 0


def read(body: bytes) -> Read:
    """Read an ExportLogsServiceRequest. Raises Invalid. A record that cannot be kept is counted."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError:
        raise Invalid("The body is not an ExportLogsServiceRequest in protobuf.") from None
    made = Read()
    for one in (scope for resource in request.resource_logs for scope in resource.scope_logs):
        where = attributes(one.scope.attributes) if one.scope.name in SCOPES else {}
        for record in one.log_records:
            _take(made, where, record)
    return made


def _take(made: Read, where: dict[str, Any], record: Any) -> None:
    make = _MAKERS.get(record.body.string_value)
    if not where.get("room_id") or make is None:
        made.left += 1
        return
    try:
        job_id, at = where.get("job_id") or "job", moment(record.time_unix_nano / 1e9)
        if at is None:
            raise ValueError("The record says no instant.")
        made.events += [event_of(where["room_id"], *one) for one in make(job_id, at, attributes(record.attributes))]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        made.left += 1


def _report(job_id: str, at: datetime, said: dict[str, Any]) -> Iterator[Child]:
    """Its instant is when the session began, which the upload does not say."""
    options = said.get("session.options")
    yield f"{job_id}.report", "session.start", at, {"livekit_options": options, "livekit_job_id": job_id}


def _evaluation(job_id: str, at: datetime, said: dict[str, Any]) -> Iterator[Child]:
    judged = said["evaluation"]
    digest = hashlib.sha256(to_json(judged)).hexdigest()[:16]
    data = {
        "type": "auto-rating",
        "code": CODES.get(judged["verdict"], "N/A"),
        "comments": f"{judged['name']}: {judged['verdict']}. {judged.get('reasoning') or ''}".strip(),
        "livekit_evaluation": judged,
    }
    yield f"{job_id}.evaluation.{digest}", "label", at, data


def _outcome(job_id: str, at: datetime, said: dict[str, Any]) -> Iterator[Child]:
    """The agent's own verdict comes after those of its judges, which have the same instant: it is the one shown."""
    ended = said["outcome"]
    comments = f"outcome: {ended['outcome']}. {ended.get('reason') or ''}".strip()
    data = {"type": "auto-rating", "code": CODES.get(ended["outcome"], "N/A"), "comments": comments}
    yield f"{job_id}.outcome", "label", at + timedelta(microseconds=1), data


def _tag(job_id: str, at: datetime, said: dict[str, Any]) -> Iterator[Child]:
    tag = said["tag"]
    digest = hashlib.sha256(to_json(tag)).hexdigest()[:16]
    yield f"{job_id}.tag.{digest}", "event", at, {"type": "tag", "source": SERVICE, "attributes": tag}


def _chat_item(_job_id: str, _at: datetime, _said: dict[str, Any]) -> Iterator[Child]:
    yield from ()


_MAKERS = {
    "session report": _report,
    "evaluation": _evaluation,
    "outcome": _outcome,
    "tag": _tag,
    "chat item": _chat_item,
}

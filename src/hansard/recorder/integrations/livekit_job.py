"""What a LiveKit job knows beside its session: who is on the line, and how the session was judged."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livekit.agents import JobContext

CODES = {"pass": "GOOD", "maybe": "OK", "fail": "BAD", "success": "GOOD"}


@dataclass(frozen=True)
class Line:
    """The session's key at the service that carries it, and what the line says of the session."""

    service: str
    sid: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def line_of(job: "JobContext") -> Line:
    """The call of the SIP participant in the room, under the carrier's own id where the trunk is Twilio's; else the
    room. Who has not joined yet is not seen: wait for the participant first. The attributes are LiveKit's for SIP.
    """
    for participant in job.room.remote_participants.values():
        said = participant.attributes
        if call_id := said.get("sip.twilio.callSid"):
            return Line("twilio", call_id, _parties(said, "voice_twilio_v1"))
        if call_id := said.get("sip.callIDFull") or said.get("sip.callID"):
            return Line("sip", call_id, _parties(said, "voice_sip_v1"))
    identities = [one.identity for one in job.room.remote_participants.values()]
    return Line("livekit", job.job.room.sid, {"source": identities[0]} if identities else {})


def _parties(said: Mapping[str, str], kind: str) -> dict[str, Any]:
    return {
        "channel_manager_type": kind,
        "source": said.get("sip.phoneNumber"),
        "target": said.get("sip.trunkPhoneNumber"),
    }


def labels_of(job: "JobContext") -> Iterator[dict[str, Any]]:
    """The verdicts of judges, and the outcome the agent gave itself, as `SessionRecorder.label` takes them.

    The ids are those of LiveKit's own upload, so that a session told by both is judged once. The outcome comes last
    and is the one shown.
    """
    tagger = job.tagger
    for judged in tagger.evaluations:
        digest = hashlib.sha256(json.dumps(judged, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
        yield {
            "id": f"{job.job.id}.evaluation.{digest[:16]}",
            "code": CODES.get(judged["verdict"], "N/A"),
            "comments": f"{judged['name']}: {judged['verdict']}. {judged.get('reasoning') or ''}".strip(),
            "livekit_evaluation": judged,
        }
    if tagger.outcome:
        yield {
            "id": f"{job.job.id}.outcome",
            "code": CODES.get(tagger.outcome, "N/A"),
            "comments": f"outcome: {tagger.outcome}. {tagger.outcome_reason or ''}".strip(),
        }


def tags_of(job: "JobContext") -> list[str]:
    """The tags the agent set itself, without those LiveKit makes of verdicts."""
    return sorted(tag for tag in job.tagger.tags if not tag.startswith("lk."))

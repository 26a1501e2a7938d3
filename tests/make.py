"""Valid things with one call."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from hansard.wire import instant_of
from tests.door import Door

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def at(seconds: float) -> str:
    """An instant this long after the start of every made session."""
    return instant_of(START + timedelta(seconds=seconds))


def shown(seconds: float) -> str:
    """The same instant as the API writes it."""
    return at(seconds).replace(".000000Z", "Z")


def make_event(kind: str, data: dict[str, Any], *, sid: str, seconds: float = 0, **more: Any) -> dict[str, Any]:
    made = {
        "id": f"e{next(_numbers):08}",
        "session": {"service": "twilio", "sid": sid},
        "kind": kind,
        "at": at(seconds),
        "data": data,
    }
    return made | more


def make_sid() -> str:
    return f"CA{next(_numbers):08}"


def start(sid: str, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    data = {
        "channel_manager_type": "voice_twilio_v1",
        "agent_id": "12",
        "agent_name": "Front desk",
        "agent_type": "ca_v1",
        "agent_timezone": "America/New_York",
        "prompt_id": "5",
        "prompt_name": "Reception",
        "prompt_version_number": 3,
        "source": "+18042221111",
        "target": "+18002832940",
        "is_test": False,
        "is_outbound": False,
    }
    return make_event("session.start", data | fields, sid=sid, seconds=seconds)


def said(sid: str, role: str, text: str, seconds: float, **more: Any) -> dict[str, Any]:
    return make_event("message", {"role": role, "text": text, **more}, sid=sid, seconds=seconds)


def called(sid: str, name: str, seconds: float, **more: Any) -> dict[str, Any]:
    return make_event("tool_call", {"name": name, **more}, sid=sid, seconds=seconds)


def measured(sid: str, category: str, duration_ms: float, seconds: float, **more: Any) -> dict[str, Any]:
    data = {"category": category, "duration_ms": duration_ms, **more}
    return make_event("latency", data, sid=sid, seconds=seconds)


def end(sid: str, seconds: float, **fields: Any) -> dict[str, Any]:
    return make_event("session.end", fields, sid=sid, seconds=seconds)


def make_call(sid: str, **fields: Any) -> list[dict[str, Any]]:
    """A whole call with one of everything."""
    return [
        start(sid, **fields),
        said(sid, "agent", "Hello, how can I help?", 1, lang="en-US", started_at=at(1), ended_at=at(2.5)),
        said(sid, "user", "I need an appointment.", 4, lang="en-US", confidence=0.94, stt_provider="deepgram"),
        measured(sid, "turn", 620.5, 4.7, label="end_of_turn", started_at=at(4.1)),
        measured(sid, "llm", 380, 5.2, label="first_token", started_at=at(4.8), metadata=["gpt-4.1"]),
        called(
            sid,
            "find_slot",
            5.3,
            call_id="c1",
            arguments={"day": "Monday", "n": [1, {"b": None, "a": True}]},
            result={"slots": ["9:15"]},
            duration_ms=412,
        ),
        measured(sid, "tool", 412, 5.8, label="find_slot", started_at=at(5.3)),
        measured(sid, "tts", 120.25, 6.1, label="first_byte", started_at=at(6)),
        said(sid, "agent", "Monday at 9:15?", 6.2, lang="en-US", interrupted=True),
        said(sid, "user", "Perfect.", 8, lang="en-US", confidence=0.5),
        make_event(
            "event",
            {
                "source": "tool-call",
                "source_id": "7",
                "category": "automation",
                "type": "phone-transfer",
                "user_id": "+18042221111",
                "description": "Transfer to +18005550100",
                "attributes": {"to": "+18005550100"},
            },
            sid=sid,
            seconds=9,
        ),
        make_event("usage", {"category": "llm", "input_tokens": 10, "output_tokens": 3}, sid=sid, seconds=9.5),
        end(sid, 10, user_terminated=True, reason="hangup", counts={"message": 4, "tool_call": 1}),
        make_event("session.update", {"summary": "An appointment.", "rating": "Good"}, sid=sid, seconds=60),
        make_event(
            "label",
            {"type": "human-rating", "code": "good", "user_email": "qa@example.com", "issue_categories": ["Slow"]},
            sid=sid,
            seconds=7200,
        ),
        make_event("label", {"type": "auto-rating", "code": "BAD"}, sid=sid, seconds=9000),
    ]


def make_session(door: Door, *, sid: str | None = None, **fields: Any) -> str:
    """Record a whole call and give its session id."""
    receipt = door.send(make_call(sid or make_sid(), **fields))
    assert receipt["rejected"] == []
    session_id: str = receipt["sessions"][0]["session_id"]
    return session_id

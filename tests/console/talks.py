"""Sessions to look at: a call with its sound, and very long ones."""

import array
import io
import math
import wave
from typing import Any

from tests.door import Door
from tests.make import at, called, end, make_event, make_sid, measured, said, start

RATE = 8000
LINES = (
    ("agent", "Good morning, Riverside Clinic. How can I help you today?", 1.0, 4.0),
    ("user", "I need an appointment with Doctor Patel on Monday.", 4.5, 7.5),
    ("agent", "Of course. Let me look at Monday. There is a quarter past two, and there is", 9.0, 12.0),
    ("user", "Half past four, please.", 11.5, 13.0),
    ("agent", "Half past four it is. Your name?", 14.2, 16.0),
    ("user", "Ruth Okafor.", 16.5, 17.5),
    ("agent", "Thank you, Ruth. It is booked.", 21.0, 23.5),
)


def add_talk(door: Door, *, with_sound: bool = True, **fields: Any) -> str:
    """A call of 24 seconds: tools, an interruption, a tool error, a silence, a label. Gives its id."""
    sid = make_sid()
    receipt = door.send([*_events(sid, **fields), end(sid, 24, user_terminated=True, reason="hangup")])
    assert receipt["rejected"] == []
    if with_sound:
        add_sound(door, sid)
    session_id: str = receipt["sessions"][0]["session_id"]
    return session_id


def add_sound(door: Door, sid: str, began_s: float = 0.0, name: str = "call.wav") -> None:
    headers = {"Content-Type": "audio/wav", "Hansard-Channels": "2", "Hansard-At": at(began_s)}
    path = f"/ingest/v1/recordings/twilio/{sid}/{name}"
    assert door.ask("PUT", path, body=_wav(24.0 - began_s, began_s), headers=headers).status == 201


def _events(sid: str, **fields: Any) -> list[dict[str, Any]]:
    events = [start(sid, **fields)]
    for number, (role, text, begin_s, end_s) in enumerate(LINES):
        began = {"started_at": at(begin_s), "ended_at": at(end_s), "lang": "en-US", "interrupted": number == 2}
        events.append(said(sid, role, text, end_s, **began))
    for second in (7.5, 13.0, 17.5):
        events.append(measured(sid, "turn", 400, 0, label="end_of_turn", started_at=at(second)))
        events.append(measured(sid, "llm", 350, 0, label="first_token", started_at=at(second + 0.4)))
    arguments = {"doctor": "Patel", "day": "Monday"}
    events.append(
        called(sid, "find_slot", 8.3, call_id="c1", arguments=arguments, result={"slots": ["14:15"]}, duration_ms=400)
    )
    events.append(
        called(
            sid, "book_slot", 18.3, call_id="c2", arguments=arguments, error="The calendar is closed.", duration_ms=2400
        )
    )
    event = {"category": "automation", "type": "sms-sent", "description": "Confirmation", "attributes": {"to": "+1804"}}
    events.append(make_event("event", event, sid=sid, seconds=22))
    label = {"type": "auto-rating", "code": "BAD", "comments": "Slow at 0:19.", "issue_categories": ["Slow answer"]}
    return [*events, make_event("label", label, sid=sid, seconds=900)]


def _wav(seconds: float, began_s: float) -> bytes:
    """The user on the left, the agent on the right, a tone while they speak."""
    samples = array.array("h", bytes(int(seconds * RATE) * 4))
    for role, _, begin_s, end_s in LINES:
        lane, pitch = (0, 200) if role == "user" else (1, 300)
        for index in range(int((begin_s - began_s) * RATE), int((end_s - began_s) * RATE)):
            samples[2 * index + lane] = int(9000 * math.sin(2 * math.pi * pitch * index / RATE))
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setparams((2, 2, RATE, 0, "NONE", ""))
        made.writeframes(samples.tobytes())
    return file.getvalue()


def add_long_talk(door: Door, turns: int) -> str:
    """As many turns, each of three seconds, every second one measured; a tool call with every tenth. Gives its id."""
    sid = make_sid()
    waiting = [start(sid)]
    for number in range(turns):
        waiting += _long_turn(sid, number)
        if len(waiting) > 900:
            door.send(waiting, gzipped=True)
            waiting = []
    receipt = door.send([*waiting, end(sid, turns * 3.0, reason="completed")], gzipped=True)
    session_id: str = receipt["sessions"][0]["session_id"]
    return session_id


def _long_turn(sid: str, number: int) -> list[dict[str, Any]]:
    second = number * 3.0
    began = {"started_at": at(second), "ended_at": at(second + 2), "lang": "en-US"}
    text = f"This is turn {number} of a talk that goes on for very long, as some do."
    if number % 2 == 0:
        return [said(sid, "user", text, second + 2, confidence=0.9, **began)]
    answer = [said(sid, "agent", text, second + 2, **began)]
    for category, label, begin_s in (
        ("turn", "end_of_turn", 1),
        ("stt", "transcription", 0.9),
        ("llm", "first_token", 0.6),
        ("tts", "first_byte", 0.2),
    ):
        answer.append(measured(sid, category, 180, 0, label=label, started_at=at(second - begin_s)))
    if number % 10 == 1:
        answer.append(
            called(
                sid, "find_order", second - 0.5, arguments={"order": number}, result={"state": "sent"}, duration_ms=90
            )
        )
    return answer

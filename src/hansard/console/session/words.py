"""A session in words: how it ended, why there is nothing to hear, and the moments worth a look."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hansard.console.render import clock, ms
from hansard.console.session.look import Look
from hansard.resources.labels.schemas import SessionLabel
from hansard.resources.sessions.recordings import Recording
from hansard.resources.sessions.schemas import FoundSession
from hansard.resources.sessions.story import Called, Happened, Item, Said, Silence, Story, offset_ms
from hansard.resources.sessions.waterfall import Part

ROLES = {"user": "User", "agent": "Agent"}
PARTS = {
    Part.WAIT: "End-of-turn wait",
    Part.STT: "Speech to text",
    Part.LLM: "Language model",
    Part.TOOL: "Tools",
    Part.TTS: "Text to speech",
    Part.OTHER: "Other",
}
LOW_CONFIDENCE = 0.7
_TIME = re.compile(r"(?<![\d:.])(?:(\d{1,2}):)?(\d{1,2}):([0-5]\d)(?![\d:])")
_CODES = {"GOOD": "good", "BAD": "bad", "OK": "", "N/A": ""}


@dataclass(frozen=True)
class Outcome:
    """How a session ended: a few words, a sentence where there is more to say, and how it looks."""

    words: str
    more: str = ""
    look: str = ""


def outcome(one: FoundSession) -> Outcome:
    """In words; the reason of the writer stays as it was written."""
    reason = one.end_reason or ""
    if one.ended_at is None:
        return Outcome("Running", "It has not ended yet.", "live")
    if one.is_abandoned:
        return Outcome("Abandoned", "Nothing more came, so it was closed by this server.", "warn")
    if reason == "completed":
        return Outcome("Completed", "The agent's side said it was done.", "good")
    if one.user_terminated:
        return Outcome("Ended by the user", _by(reason), "")
    if one.user_terminated is False:
        return Outcome("Ended by the agent", _by(reason), "")
    if reason in ("error", "failed", "crashed"):
        return Outcome("Failed", _by(reason), "bad")
    return Outcome("Ended", _by(reason), "")


def _by(reason: str) -> str:
    return f"Reason: {reason}" if reason else "Nobody recorded why."


def label_look(code: str) -> str:
    """How a label's code looks beside its word."""
    return _CODES.get(code, "")


def without_sound(look: Look) -> str:
    """Why there is nothing to hear, as a sentence; empty when there is."""
    if playable(look.recordings):
        return ""
    if look.recordings:
        problem = look.recordings[0].problem or "The file holds no sound we can read."
        return f"The recording cannot be played: {problem}"
    if look.is_running:
        return "This session is still running. Its recording can come when it has ended."
    return "No recording was uploaded for this session."


def playable(recordings: Sequence[Recording]) -> list[Recording]:
    """Those that a browser is given to play: also one that nobody has read yet, for it may well play it."""
    return [one for one in recordings if one.state != "unreadable"]


def begin_ms(one: Recording, started_at: datetime) -> float:
    """Where a recording begins on the session's clock; with the session, where nobody said."""
    return offset_ms(one.began_at, started_at) if one.began_at else 0.0


@dataclass(frozen=True)
class Moment:
    """A place on the clock worth a look, and the item it belongs to, where it belongs to one."""

    kind: str  # error, interruption, silence or label
    begin_ms: float
    end_ms: float | None
    words: str
    item: Item | None = None

    @property
    def begin_s(self) -> float:
        return round(self.begin_ms / 1000, 3)


def moments(look: Look) -> list[Moment]:
    """In the order of the clock: tool errors, interruptions, silences, and labels that speak of a time."""
    found = [moment for item in look.story.items if (moment := _moment(item))]
    found += [moment for label in look.labels for moment in _labelled(label, look)]
    return sorted(found, key=lambda one: one.begin_ms)


def _moment(item: Item) -> Moment | None:
    if isinstance(item, Called) and item.error is not None:
        return Moment("error", item.begin_ms, item.end_ms, f"Tool error: {item.name}", item)
    if isinstance(item, Said) and item.is_interrupted:
        return Moment("interruption", item.begin_ms, item.end_ms, f"{ROLES[item.role]} interrupted", item)
    if isinstance(item, Silence):
        return Moment("silence", item.begin_ms, item.end_ms, f"Silence of {ms(item.duration_ms)}", item)
    return None


def _labelled(label: SessionLabel, look: Look) -> Iterator[Moment]:
    """Of a label: the first time its comment names, such as 1:13, else when it was given, if that was meanwhile."""
    times = (at_ms for _, at_ms in times_in(label.comments or "", look.story) if at_ms is not None)
    given_ms = offset_ms(datetime.fromisoformat(label.timestamp), look.session.timestamp)
    at_ms = next(times, given_ms if look.story.begin_ms <= given_ms <= look.story.end_ms else None)
    if at_ms is not None:
        yield Moment("label", at_ms, None, f"Label {label.code} by {label.user_email or 'a program'}")


def times_in(text: str, told: Story) -> list[tuple[str, float | None]]:
    """A text in pieces, each a time of the session's, in milliseconds, or none."""
    pieces: list[tuple[str, float | None]] = []
    done = 0
    for found in _TIME.finditer(text):
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        at_ms = 1000.0 * (hours * 3600 + minutes * 60 + seconds)
        if at_ms <= told.end_ms:
            pieces += [(text[done : found.start()], None), (found[0], at_ms)]
            done = found.end()
    return [piece for piece in (*pieces, (text[done:], None)) if piece[0]]


def fields(look: Look) -> list[tuple[str, Any]]:
    """Every field of the session that has a value, and what was said of it beside them."""
    named = look.session.model_dump(mode="json", exclude=_SHOWN_ELSEWHERE)
    more = {name: value for name, value in look.said.items() if name not in named and name not in _SHOWN_ELSEWHERE}
    return [(name, value) for name, value in (named | more).items() if value is not None]


# Figures of the list, which the page counts itself; and what has a place of its own.
_SHOWN_ELSEWHERE = {
    "turn_count",
    "interruption_count",
    "has_tool_error",
    "has_recording",
    "label_code",
    "received_at",
    "summary",
    "rating",
    "counts",
    "reason",  # which is the end_reason of an ended session
}


def response_words(look: Look) -> str:
    """Of how many answers the response time is known, and how."""
    known = [one for one in look.waterfall.exchanges if one.response_ms is not None]
    measured = sum(one.is_measured for one in known)
    if not known:
        return "of no answer is known how long it took"
    if measured == len(known):
        return f"{measured} measured"
    if not measured:
        return f"{len(known)} computed from the times of the turns"
    return f"{measured} measured, {len(known) - measured} computed from the times of the turns"


def more_of(event: Happened) -> dict[str, Any]:
    """What an event says beside its line."""
    named = {"source": event.source, "source_id": event.source_id, "user_id": event.user_id}
    return {name: value for name, value in named.items() if value is not None} | event.attributes


def not_measured(parts: Collection[Part]) -> str:
    """Which parts of an answer were never measured, as a sentence; empty when all were."""
    missing = [title.lower() for part, title in PARTS.items() if part not in parts and part is not Part.OTHER]
    return f" Not measured in this session: {', '.join(missing)}." if missing else ""


def offset(begin_ms: float) -> str:
    """A place on the session's clock: `1:13`, before its start with a minus."""
    return f"\N{MINUS SIGN}{clock(-begin_ms / 1000)}" if begin_ms < 0 else clock(begin_ms / 1000)

"""What a filter should find, worked out in plain Python from the events that were sent. It knows no SQL.

Nothing here is taken from the server's own folds: what is read twice by the same hand is not checked.
"""

import json
import math
import random
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

FIELDS = {
    *("timestamp", "conversation_id", "channel_manager_type", "agent_id", "agent_name", "agent_type", "agent_timezone"),
    *("prompt_id", "prompt_name", "prompt_version", "prompt_version_number", "duration", "source", "target"),
    *("is_legacy", "is_test", "is_outbound", "llm_model", "summary", "reason", "counts"),
}
TALK = ("session.start", "message", "tool_call", "latency", "event", "session.end")


@dataclass
class Facts:
    """A session as its events tell it. `fields` are those that were said; times are aware, durations seconds."""

    id: int
    service: str
    sid: str
    started_at: datetime
    fields: dict[str, Any]
    metadata: dict[str, Any]
    is_ended: bool
    is_abandoned: bool
    has_recording: bool
    duration_s: float | None
    response_ms: int | None
    turns: int = 0
    interruptions: int = 0
    languages: set[str] = field(default_factory=set)
    tools: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    label: str | None = None

    @property
    def conversation(self) -> str:
        return str(self.fields.get("conversation_id", self.id))


def facts_of(
    number: int, key: tuple[str, str], children: Iterable[dict[str, Any]], *, was_abandoned: bool, has_recording: bool
) -> Facts:
    told = sorted(children, key=lambda one: (one["at"], one["id"]))
    header = [one for one in told if one["kind"].startswith("session.")]
    said = {name: value for one in header for name, value in one["data"].items() if value is not None}
    fields = {name: value for name, value in said.items() if name in FIELDS}
    talk = [moment for one in told if one["kind"] in TALK for moment in _moments(one)]
    starts = [_moment(one["at"]) for one in header if one["kind"] == "session.start"]
    started_at = starts[0] if starts else min(talk or [_moment(one["at"]) for one in told])
    started_at = _moment(fields["timestamp"]) if "timestamp" in fields else started_at
    is_ended = was_abandoned or any(one["kind"] == "session.end" for one in header)
    lasted_s = max(0.0, (max(talk, default=started_at) - started_at).total_seconds())
    made = Facts(
        id=number,
        service=key[0],
        sid=key[1],
        started_at=started_at,
        fields=fields,
        metadata={name: value for name, value in said.items() if name not in FIELDS},
        is_ended=is_ended,
        is_abandoned=was_abandoned,
        has_recording=has_recording,
        duration_s=float(fields.get("duration", lasted_s)) if is_ended else None,
        response_ms=_response_ms(told) if is_ended else None,
    )
    _count(made, told)
    return made


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _moments(one: dict[str, Any]) -> list[datetime]:
    said = [one["at"]]
    if one["kind"] in ("message", "latency"):
        said += [one["data"][name] for name in ("started_at", "ended_at") if one["data"].get(name)]
    return [_moment(text) for text in said]


def _count(made: Facts, told: Sequence[dict[str, Any]]) -> None:
    labels = []
    for one in told:
        data = one["data"]
        if one["kind"] == "message":
            made.turns += 1
            made.interruptions += 1 if data.get("interrupted") else 0
            made.languages |= {data["lang"]} if data.get("lang") else set()
        if one["kind"] == "tool_call":
            made.tools.add(data["name"])
            made.failed |= {data["name"]} if data.get("error") is not None else set()
        if one["kind"] == "label":
            labels.append((data["type"] == "human-rating", one["at"], data["code"].upper()))
            made.categories |= set(data.get("issue_categories") or [])
    made.label = max(labels)[2] if labels else None


def _response_ms(told: Sequence[dict[str, Any]]) -> int | None:
    values = [
        one["data"]["duration_ms"]
        for one in told
        if one["kind"] == "latency"
        and one["data"]["category"] == "turn"
        and one["data"].get("label") in ("end_to_end", "user_bot")
        and one["data"]["duration_ms"] >= 0
    ]
    values = values or _between_ms(told)
    enough = [value for value in values if 100 * sum(one <= value for one in values) >= 95 * len(values)]
    return round(min(enough)) if enough else None


def _between_ms(told: Sequence[dict[str, Any]]) -> list[float]:
    turns = [(_moment(one["data"].get("started_at") or one["at"]), one) for one in told if one["kind"] == "message"]
    turns.sort(key=lambda turn: (turn[0], turn[1]["at"], turn[1]["id"]))
    found = []
    for place in range(1, len(turns)):
        (began, before), (answered, answer) = turns[place - 1], turns[place]
        if before["data"]["role"] != "user" or answer["data"]["role"] != "agent":
            continue
        done = before["data"].get("ended_at")
        if done is None and before["data"].get("started_at"):
            continue
        done_at = max(began, _moment(done)) if done else began
        if answered >= done_at:
            found.append((answered - done_at) / timedelta(milliseconds=1))
    return found


def folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _holds(whole: str | None, part: str) -> bool:
    return whole is not None and folded(part) in folded(whole)


def _same(words: Iterable[str], word: str) -> bool:
    return folded(word) in {folded(one) for one in words}


def _speaks(one: Facts, word: str) -> bool:
    wanted = folded(word).replace("_", "-")
    spoken = {folded(lang).replace("_", "-") for lang in one.languages}
    return any(lang == wanted or lang.startswith(wanted + "-") for lang in spoken)


def _tells(one: Facts, word: str) -> bool:
    if _same(one.metadata, word):
        return True
    scalars = {name: value for name, value in one.metadata.items() if not isinstance(value, list | dict)}
    return _same(
        (f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in scalars.items()), word
    )


def _version(one: Facts, word: str) -> bool:
    return one.fields.get("prompt_version") == word or str(one.fields.get("prompt_version_number")) == word


def _is(one: Facts, word: str) -> bool:
    is_test = bool(one.fields.get("is_test"))
    return {
        "running": not one.is_ended,
        "ended": one.is_ended,
        "abandoned": one.is_abandoned,
        "test": is_test,
        "live": not is_test,
    }[word]


def _has(one: Facts, word: str) -> bool:
    return {
        "recording": one.has_recording,
        "tool-error": bool(one.failed),
        "interruption": one.interruptions > 0,
        "label": one.label is not None,
    }[word]


def _label(one: Facts, word: str) -> bool:
    return one.label is None if word == "none" else one.label == word.upper()


# Whether a session is found by a word of each field that has words; ranges and times are below.
WORDS: dict[str, Callable[[Facts, str], bool]] = {
    "agent": lambda one, word: _holds(one.fields.get("agent_name"), word) or one.fields.get("agent_id") == word,
    "prompt": lambda one, word: _holds(one.fields.get("prompt_name"), word) or one.fields.get("prompt_id") == word,
    "version": _version,
    "model": lambda one, word: word.lower() in (one.fields.get("llm_model") or "").lower(),
    "channel": lambda one, word: _holds(one.service, word) or _holds(one.fields.get("channel_manager_type"), word),
    "direction": lambda one, word: bool(one.fields.get("is_outbound")) is (word == "outbound"),
    "from": lambda one, word: _holds(one.fields.get("source"), word),
    "to": lambda one, word: _holds(one.fields.get("target"), word),
    "label": _label,
    "language": _speaks,
    "tool": lambda one, word: _same(one.tools, word),
    "failed": lambda one, word: _same(one.failed, word),
    "category": lambda one, word: _same(one.categories, word),
    "metadata": _tells,
    "is": _is,
    "has": _has,
    "id": lambda one, word: str(one.id) == word,
    "sid": lambda one, word: one.sid == word,
    "conversation": lambda one, word: one.conversation == word,
}
NUMBERS: dict[str, Callable[[Facts], float | None]] = {
    "duration": lambda one: one.duration_s,
    "response": lambda one: one.response_ms,
    "turns": lambda one: one.turns,
    "interruptions": lambda one: one.interruptions,
}
SORTS: dict[str, Callable[[Facts], Any]] = {
    "started": lambda one: one.started_at,
    "duration": lambda one: one.duration_s,
    "turns": lambda one: one.turns,
    "agent": lambda one: one.fields.get("agent_name"),
    "source": lambda one: one.fields.get("source"),
    "target": lambda one: one.fields.get("target"),
}


def in_order(found: Sequence[Facts], sort: str) -> list[int]:
    """The ids, ordered as `sort` says: nulls last, ties by the id in the same direction."""
    value, is_down = SORTS[sort.removeprefix("-")], sort.startswith("-")
    known = sorted(((value(one), one.id) for one in found if value(one) is not None), reverse=is_down)
    nulls = sorted((one.id for one in found if value(one) is None), reverse=is_down)
    return [number for _, number in known] + nulls


Test = Callable[[Facts], bool]


@dataclass(frozen=True)
class Drawn:
    """A random term: as it is typed, and what it says of a session."""

    text: str
    test: Test


def draw(dice: random.Random, all_facts: Sequence[Facts], now: datetime) -> Drawn:
    """A term about values that some of these sessions have, and now and then about one that none has."""
    name = dice.choice([*WORDS, *NUMBERS, "since", "after", "before"])
    drawn = [_alternative(name, dice, all_facts, now) for _ in range(dice.choice((1, 1, 1, 2, 3)))]
    values = ",".join(text for text, _ in drawn)
    text = f"{name}:{values}"
    tests = [test for _, test in drawn]
    if dice.random() < 0.3:
        return Drawn("-" + text, lambda one: not any(test(one) for test in tests))
    return Drawn(text, lambda one: any(test(one) for test in tests))


def _alternative(name: str, dice: random.Random, all_facts: Sequence[Facts], now: datetime) -> tuple[str, Test]:
    one = dice.choice(all_facts)
    if name in NUMBERS:
        return _range(dice, NUMBERS[name], NUMBERS[name](one), 1000 if name == "response" else 1)
    if name == "since":
        minutes = max(1, math.ceil((now - one.started_at) / timedelta(minutes=1)) + dice.randint(-1, 1))
        return f"{minutes}m", lambda other: other.started_at >= now - timedelta(minutes=minutes)
    if name in ("after", "before"):
        border = one.started_at + timedelta(microseconds=dice.randint(-1, 1))
        is_after = name == "after"
        return _quoted(border.isoformat()), lambda other: (other.started_at >= border) is is_after
    word = dice.choice(_words(name, one)) if dice.random() < 0.9 else "nothing like it"
    if name in ("is", "has", "direction"):
        word = dice.choice(_words(name, one))
    return _quoted(word), lambda other: WORDS[name](other, word)


def _range(
    dice: random.Random, value_of: Callable[[Facts], float | None], near: float | None, per_unit: int
) -> tuple[str, Test]:
    """`>3`, `2..5`, `7`: around what a session has. `per_unit` is how many the column counts to a second."""
    least = round(max(0, (near or 0) + dice.choice((-1, 0, 0, 1))), 3)
    most = round(least + dice.choice((0, 1, 30)), 3)
    sign = dice.choice((">", ">=", "<", "<=", "", ".."))
    tests: dict[str, Callable[[float], bool]] = {
        ">": lambda value: value > least,
        ">=": lambda value: value >= least,
        "<": lambda value: value < least,
        "<=": lambda value: value <= least,
        "": lambda value: value == least,
        "..": lambda value: least <= value <= most,
    }
    unit = dice.choice(("", "s")) if per_unit == 1 else dice.choice(("ms", "s", ""))
    shown = [
        f"{value if unit == 'ms' else value / per_unit if per_unit > 1 else value}{unit}" for value in (least, most)
    ]

    def test(one: Facts) -> bool:
        value = value_of(one)
        return value is not None and tests[sign](value)

    return f"{shown[0]}..{shown[1]}" if sign == ".." else sign + shown[0], test


def _words(name: str, one: Facts) -> list[str]:
    """Words by which this session is found in the field, or nearly."""
    fields = one.fields
    found: dict[str, list[str | None]] = {
        "agent": [fields.get("agent_name"), fields.get("agent_id"), (fields.get("agent_name") or "")[1:5].upper()],
        "prompt": [fields.get("prompt_name"), fields.get("prompt_id")],
        "version": [fields.get("prompt_version"), str(fields.get("prompt_version_number", 1))],
        "model": [fields.get("llm_model"), "GPT"],
        "channel": [one.service, fields.get("channel_manager_type"), "VOICE"],
        "direction": ["inbound", "outbound"],
        "from": [fields.get("source"), (fields.get("source") or "")[2:6]],
        "to": [fields.get("target"), (fields.get("target") or "")[2:6]],
        "label": [one.label, "good", "none"],
        "language": [*one.languages, *(lang[:2] for lang in one.languages), "EN", "e"],
        "tool": [*one.tools, *(tool.upper() for tool in one.tools), "book"],
        "failed": [*one.failed, *one.tools],
        "category": [*one.categories, *(name.upper() for name in one.categories), "slow"],
        "metadata": [*one.metadata, *(f"{name}={value}" for name, value in one.metadata.items()), "tier=gold"],
        "is": ["running", "ended", "abandoned", "test", "live"],
        "has": ["recording", "tool-error", "interruption", "label"],
        "id": [str(one.id)],
        "sid": [one.sid],
        "conversation": [one.conversation],
    }
    return [word for word in found[name] if word] or ["x"]


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'

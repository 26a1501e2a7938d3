"""Sample sessions: a few businesses' agents on several channels, in several languages, over the last two weeks."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

from hansard.cli.demo_scripts import AGENTS, SCRIPTS, Agent, Line, Script
from hansard.db.engine import Database
from hansard.kit.settings import Settings
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Organization, Scope
from hansard.resources.ingest.receipt import take
from hansard.resources.ingest.validation import checked
from hansard.resources.sessions.intake import close_abandoned
from hansard.resources.sessions.store import count_sessions
from hansard.wire import MAX_EVENTS, instant_of

ORGANIZATION = "demo"
SESSIONS = 320
_CHANNELS = {
    "voice": (("twilio", "voice_twilio_v1"), ("sip", "voice_sip_v1"), ("livekit", "voice_livekit_v1")),
    "chat": (("webchat", "web_chat_v1"),),
    "text": (("twilio", "sms_twilio_v1"), ("whatsapp", "whatsapp_v1")),
}
_ISSUES = ("Silent treatment", "Speech transcription (STT)", "Wrong answer", "Slow answer")


@dataclass(frozen=True)
class Demo:
    """What `--demo` made: whose sessions, how many, and a key to read them."""

    organization: str
    sessions: int
    key: str


def load_demo(database: Database, settings: Settings, now: datetime) -> Demo:
    """Load the samples into an organization of their own, once; a session that is running now, every time.

    The key is kept beside the data, readable by its owner only, so that it is the same after a restart. Without
    a data folder (PostgreSQL) every start makes a new one.
    """
    mine = database.write(accounts.EVERYBODY, partial(_organization, now=now)).id
    with database.reading() as db:
        is_empty = not count_sessions(db, mine)
    dice = random.Random(1810)  # noqa: S311 - samples, not secrets: the same every time
    if is_empty:
        _load(database, settings, mine, [e for n in range(SESSIONS) for e in _session(dice, n, now)], now)
        database.write(mine, partial(close_abandoned, organization_id=mine, silent_since=now + timedelta(seconds=1)))
    _load(database, settings, mine, _running(dice, now), now)
    with database.reading() as db:
        return Demo(ORGANIZATION, count_sessions(db, mine), _key(database, settings, mine, now))


def _organization(db: Connection, now: datetime) -> Organization:
    return accounts.find_organization(db, ORGANIZATION) or accounts.add_organization(db, ORGANIZATION, now)


def _key(database: Database, settings: Settings, mine: int, now: datetime) -> str:
    file = settings.data / "demo-key"
    with database.reading() as db:
        kept = file.read_text().strip() if database.folder and file.exists() else ""
        if kept and accounts.find_caller(db, kept):
            return kept
    scopes = [Scope.READ, Scope.INGEST]
    _, key = database.write(mine, lambda db: accounts.add_key(db, mine, "demo", scopes, now))
    if database.folder:
        file.touch(mode=0o600)
        file.write_text(key + "\n")
    return key


def _load(database: Database, settings: Settings, mine: int, events: Sequence[Any], now: datetime) -> None:
    idle = timedelta(seconds=settings.conversation_idle_s)
    for start in range(0, len(events), MAX_EVENTS):
        given = checked(list(events[start : start + MAX_EVENTS]))
        database.write(mine, partial(take, organization_id=mine, given=given, now=now, idle=idle))


def _session(dice: random.Random, number: int, now: datetime) -> list[dict[str, Any]]:
    """One finished session: about one in ten a test, one in twenty never ended by its writer."""
    agent = dice.choice(AGENTS)
    script = dice.choice([one for one in SCRIPTS if one.agent == agent.id])
    started_at = now - timedelta(minutes=dice.randint(90, 14 * 24 * 60), seconds=dice.random() * 60)
    call = _Call(dice, agent, script, f"demo-{number:04}", started_at)
    return [*call.events(is_abandoned=dice.random() < 0.05)]


def _running(dice: random.Random, now: datetime) -> list[dict[str, Any]]:
    """A session that began a moment ago and has not ended."""
    script = SCRIPTS[0]
    agent = next(one for one in AGENTS if one.id == script.agent)
    call = _Call(dice, agent, script, f"demo-now-{now:%Y%m%d%H%M%S}", now - timedelta(seconds=40))
    events = [*call.events(is_abandoned=True)]
    return [one for one in events if one["at"] <= instant_of(now)]


class _Call:
    """Plays a script once: the events of one session, its clock moving on with every line."""

    def __init__(self, dice: random.Random, agent: Agent, script: Script, sid: str, started_at: datetime) -> None:
        self._dice = dice
        self._agent = agent
        self._script = script
        self._medium = dice.choice(script.media)
        self._service, self._type = dice.choice(_CHANNELS[self._medium])
        self._sid = sid
        self._at = started_at
        self._started_at = started_at
        self._count = 0
        self._values = {
            "name": dice.choice(("Maria Lopez", "James Chen", "Anna Weber", "Omar Haddad", "Ruth Okafor")),
            "day": dice.choice(("Monday", "Tuesday", "Thursday", "Friday")),
            "time": dice.choice(("8:30", "9:15", "10:45", "14:00", "15:30")),
            "number": str(dice.randint(10_000, 99_999)),
        }
        self._phone = f"+1{dice.choice(('804', '212', '415', '617'))}{dice.randint(2_000_000, 9_999_999)}"

    def events(self, *, is_abandoned: bool) -> Iterator[dict[str, Any]]:
        yield self._start()
        lines = self._script.lines[: self._dice.randint(2, 5)] if is_abandoned else self._script.lines
        for line in lines:
            yield from self._line(line)
        if is_abandoned:
            return
        yield from self._end()
        yield from self._label()

    def _event(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        self._count += 1
        key = {"service": self._service, "sid": self._sid}
        return {
            "id": f"{self._sid}-{self._count:03}",
            "session": key,
            "kind": kind,
            "at": instant_of(self._at),
            "data": data,
        }

    def _start(self) -> dict[str, Any]:
        agent, version = self._agent, self._dice.randint(1, self._agent.versions)
        is_person_known = self._medium == "voice" or self._dice.random() < 0.7
        return self._event(
            "session.start",
            {
                "channel_manager_type": self._type,
                "agent_id": agent.id,
                "agent_name": agent.name,
                "agent_type": "ca_v1",
                "agent_timezone": agent.timezone,
                "prompt_id": agent.prompt_id,
                "prompt_name": agent.prompt_name,
                "prompt_version": f"2026-{5 + version:02}-01T09:00:00Z",
                "prompt_version_number": version,
                "source": self._phone if is_person_known else f"visitor-{self._values['number']}",
                "target": agent.target,
                "is_test": self._dice.random() < 0.1,
                "is_outbound": self._script.is_outbound,
                "llm_provider": "openai",
                "llm_model": self._dice.choice(("gpt-4.1", "gpt-4.1-mini")),
                "region": self._dice.choice(("us-east-1", "eu-central-1")),
            },
        )

    def _line(self, line: Line) -> Iterator[dict[str, Any]]:
        self._wait(0.3, 1.2)
        if line.tool:
            yield from self._tool(line)
            return
        if line.role == "agent":
            yield from self._latencies()
        text = line.text.format(**self._values)
        begun_at, lasts_s = self._at, len(text) / 15 if self._medium == "voice" else 0.0
        self._at += timedelta(seconds=lasts_s)
        data: dict[str, Any] = {"role": line.role, "text": text, "lang": self._script.lang}
        if self._medium == "voice":
            data |= {"started_at": instant_of(begun_at), "ended_at": instant_of(self._at)}
            data["interrupted"] = line.role == "agent" and self._dice.random() < 0.08
            if line.role == "user":
                data |= {"confidence": round(self._dice.uniform(0.7, 0.99), 3), "stt_provider": "deepgram"}
        yield self._event("message", data)

    def _latencies(self) -> Iterator[dict[str, Any]]:
        silent_at = self._at
        if self._medium == "voice":
            yield self._latency("turn", "end_of_turn", 300, 900, [])
            yield self._latency("stt", "transcription", 60, 240, ["deepgram", "nova-3"])
        yield self._latency("llm", "first_token", 220, 1400, ["openai", "gpt-4.1"])
        if self._medium == "voice":
            yield self._latency("tts", "first_byte", 90, 420, ["cartesia", "sonic"])
            whole = {"category": "turn", "label": "end_to_end", "started_at": instant_of(silent_at)}
            yield self._event("latency", whole | {"duration_ms": (self._at - silent_at) / timedelta(milliseconds=1)})

    def _latency(self, category: str, label: str, low: int, high: int, metadata: list[str]) -> dict[str, Any]:
        lasted_ms = round(self._dice.triangular(low, high, low + (high - low) / 4), 1)
        begun_at = instant_of(self._at)
        self._at += timedelta(milliseconds=lasted_ms)
        data = {"category": category, "label": label, "started_at": begun_at, "duration_ms": lasted_ms}
        return self._event("latency", data | ({"metadata": metadata} if metadata else {}))

    def _tool(self, line: Line) -> Iterator[dict[str, Any]]:
        fails = self._dice.random() < 0.07
        lasted_ms = self._dice.randint(80, 2600)
        call_id = f"call_{self._count:03}"
        data = {
            "call_id": call_id,
            "name": line.tool,
            "arguments": _filled(line.arguments, self._values),
            "result": None if fails else _filled(line.result, self._values),
            "error": {"code": "timeout", "message": "The calendar did not answer."} if fails else None,
            "duration_ms": lasted_ms,
        }
        yield self._event("tool_call", data)
        self._at += timedelta(milliseconds=lasted_ms)
        if line.tool == "transfer_call":
            data = {"source": "tool-call", "source_id": "7", "category": "automation", "type": "phone-transfer"}
            data |= {"user_id": self._phone, "description": "Transfer to the front desk"}
            yield self._event("event", data | {"attributes": {"to": "+18005550100"}})

    def _end(self) -> Iterator[dict[str, Any]]:
        self._wait(0.5, 3)
        lasted_s = round((self._at - self._started_at) / timedelta(seconds=1), 1)
        said = {"summary": self._script.summary.format(**self._values), "rating": self._script.rating}
        data: dict[str, Any] = {"duration": lasted_s, "reason": self._dice.choice(("hangup", "completed"))}
        if self._medium == "voice":
            data["user_terminated"] = data["reason"] == "hangup"
        yield self._event("session.end", data)
        yield self._event("session.update", said)
        usage = {"category": "llm", "provider": "openai", "model": "gpt-4.1", "cost": 0.0123, "currency": "USD"}
        usage |= {"input_tokens": self._dice.randint(800, 9000), "output_tokens": self._dice.randint(80, 900)}
        yield self._event("usage", usage)

    def _label(self) -> Iterator[dict[str, Any]]:
        if self._dice.random() > 0.6:
            return
        self._wait(60, 4000)
        code = self._dice.choices(("GOOD", "OK", "BAD"), (6, 3, 2))[0]
        is_human = self._dice.random() < 0.4
        data = {
            "type": "human-rating" if is_human else "auto-rating",
            "code": code,
            "user_email": "qa@example.com" if is_human else "judge@example.com",
            "issue_categories": [self._dice.choice(_ISSUES)] if code == "BAD" else [],
            "comments": "The caller had to ask twice." if code == "BAD" else None,
        }
        yield self._event("label", data)

    def _wait(self, least_s: float, most_s: float) -> None:
        self._at += timedelta(seconds=self._dice.uniform(least_s, most_s))


def _filled(value: Any, values: dict[str, str]) -> Any:
    """A payload with the caller's own values in its texts."""
    if isinstance(value, str):
        return value.format(**values)
    if isinstance(value, dict):
        return {name: _filled(inner, values) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    return value

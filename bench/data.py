"""Made-up organizations, sessions and talks: skewed as real ones are, and the same for the same seed.

Fifty organizations share the sessions by Zipf's law, so that the largest holds 36.6 %; within one, agents are as
uneven. Prompt versions grow through the year, durations are lognormal, words follow Zipf's law as language does.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

from hansard.wire import Child, Event, SessionKey, instant_of

ORGANIZATIONS = 50
END = datetime(2026, 11, 22, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_US = 365 * 86400 * 1_000_000
END_US = (END - EPOCH) // timedelta(microseconds=1)
VERSIONS = 8
PROMPTS = 3
TURNS, TOOL_CALLS, LATENCIES = 20, 5, 40
EVENTS = TURNS + TOOL_CALLS + LATENCIES + 2  # and the start and the end
WORDS = 30_000
WORDS_PER_TURN = 13
SPEECH = 500_000
CHANNELS = (
    ("twilio", "voice_twilio_v1"),
    ("sip", "voice_sip_v1"),
    ("livekit", "voice_livekit_v1"),
    ("webchat", "web_chat_v1"),
    ("genesys", "voice_genesys_v1"),
)
TOOLS = (
    "find_slot",
    "book_slot",
    "cancel",
    "find_patient",
    "verify",
    "transfer",
    "send_text",
    "take_note",
    "pay",
    "faq",
)
TIERS = ("bronze", "silver", "gold")
USES = 60  # ways in which a session goes, each a set of traits
CODES = ("GOOD", "OK", "BAD", "N/A", "BOOKED", "MOVED", "SPAM", "SILENT", "VOICEMAIL", "ANGRY", "WRONG", "REFUND")


def zipf(count: int, exponent: float) -> list[float]:
    """Cumulated weights of ranks 1 to `count`, for `random.choices`."""
    return list(accumulate(rank**-exponent for rank in range(1, count + 1)))


def shares(count: int) -> list[int]:
    """How many of `count` sessions each organization has, the largest first; small runs have fewer organizations."""
    weights = [rank**-1.35 for rank in range(1, ORGANIZATIONS + 1)]
    most = [round(count * weight / sum(weights)) for weight in weights]
    return [one for one in most if one]


class Seen(NamedTuple):
    """Who talked: the agent, its prompt and the channel, as numbers within their organization."""

    agent: int
    prompt: int
    version: int
    channel: int

    @property
    def agent_name(self) -> str:
        return f"Agent {self.agent:04}"

    @property
    def prompt_id(self) -> str:
        return str(self.agent * PROMPTS + self.prompt + 1)

    @property
    def prompt_name(self) -> str:
        return f"Prompt {int(self.prompt_id):05}"

    @property
    def channel_type(self) -> str:
        return CHANNELS[self.channel][1]

    def fields(self) -> dict[str, Any]:
        """In the names of the wire."""
        return {
            "channel_manager_type": self.channel_type,
            "agent_id": str(self.agent),
            "agent_name": self.agent_name,
            "agent_type": "ca_v1",
            "agent_timezone": "America/New_York",
            "prompt_id": self.prompt_id,
            "prompt_name": self.prompt_name,
            "prompt_version_number": self.version,
        }


class Talk(NamedTuple):
    """What the list knows of a session."""

    started_us: int  # since 1970
    seen: Seen
    duration_s: float
    source: str
    target: str
    is_test: bool
    is_outbound: bool
    label: str | None
    use: int  # which of the uses
    tier: str
    order: str  # no other session has it


class Use(NamedTuple):
    """What a session is found by beside its columns."""

    language: str
    tools: tuple[str, ...]
    failed: tuple[str, ...]


@cache
def uses() -> list[Use]:
    """The ways in which sessions go, most common first."""
    dice = random.Random(9)
    made = []
    for _ in range(USES):
        tools = tuple(sorted(dice.sample(TOOLS, dice.randint(1, 5))))
        language = dice.choices(("en-us", "es-us", "de"), weights=(8, 1, 1))[0]
        made.append(Use(language, tools, tools[:1] if dice.random() < 0.2 else ()))
    return made


def talks(organization: int, count: int) -> list[Talk]:
    """The sessions of an organization, oldest first."""
    dice = random.Random(organization)
    starts = sorted(END_US - int(dice.random() * YEAR_US) for _ in range(count))
    agents = dice.randint(8, 40)
    chosen = dice.choices(range(1, agents + 1), cum_weights=zipf(agents, 1.1), k=count)
    codes = dice.choices([*CODES, None], weights=[*(0.7 / (n + 1) for n in range(len(CODES))), 0.93], k=count)
    kinds = random.Random(organization + 2000).choices(range(USES), cum_weights=zipf(USES, 1.1), k=count)
    return [_talk(dice, *one) for one in zip(range(count), starts, chosen, codes, kinds, strict=True)]


def _talk(dice: random.Random, place: int, started_us: int, agent: int, code: str | None, use: int) -> Talk:
    at = 1 - (END_US - started_us) / YEAR_US
    version = max(1, round(at * VERSIONS + dice.random() - 0.5))
    channel = (agent + (dice.random() < 0.2)) % len(CHANNELS)
    return Talk(
        started_us=started_us,
        seen=Seen(agent, min(PROMPTS - 1, int(dice.expovariate(1.5))), version, channel),
        duration_s=round(dice.lognormvariate(4.5, 0.8), 1),
        source=f"+1804{int(dice.paretovariate(1.1) * 200) % 10_000_000:07}",
        target=f"+1800{agent:07}",
        is_test=dice.random() < 0.1,
        is_outbound=dice.random() < 0.2,
        label=code,
        use=use,
        tier=TIERS[place * 7 % len(TIERS)],
        order=f"r-{place:07}",
    )


@cache
def words() -> list[str]:
    """The vocabulary, most common first: invented, so that none is part of another language's index rules."""
    dice = random.Random(7)
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    found: dict[str, None] = {}
    while len(found) < WORDS:
        found["".join(dice.choices(syllables, k=dice.choice((2, 3, 3, 4))))] = None
    return list(found)


@cache
def _talk_of_the_town() -> list[str]:
    """Half a million words in a row. Drawing every word of every session anew would take longer than all the rest."""
    return random.Random(8).choices(words(), cum_weights=zipf(WORDS, 1.05), k=SPEECH)


def said(dice: random.Random) -> list[str]:
    """What was said in the turns of one session: a stretch of that speech, from anywhere in it."""
    heard = _talk_of_the_town()
    first = dice.randrange(SPEECH - TURNS * WORDS_PER_TURN)
    places = range(first, first + TURNS * WORDS_PER_TURN, WORDS_PER_TURN)
    return [" ".join(heard[place : place + WORDS_PER_TURN]) for place in places]


def spoken(dice: random.Random, started: datetime) -> list[Child]:
    """A session of words alone: what the search index reads, and nothing else."""
    return [_message(place, started, text) for place, text in enumerate(said(dice))]


def _message(place: int, started: datetime, text: str) -> Child:
    at = instant_of(started + timedelta(seconds=4 * place + 1))
    role = "user" if place % 2 else "agent"
    return _child(f"m{place:02}", "message", at, {"role": role, "text": text, "lang": "en-US"})


def _child(name: str, kind: str, at: str, data: dict[str, Any]) -> Child:
    return {"id": name, "kind": kind, "at": at, "data": data}


def whole(dice: random.Random, seen: Seen, started: datetime, source: str) -> list[Child]:
    """A whole call: 20 turns, 5 tool calls, 40 latencies, its start and its end."""

    def at(seconds: float) -> str:
        return instant_of(started + timedelta(seconds=seconds))

    start = seen.fields() | {"source": source, "target": "+18002832940", "is_test": False, "is_outbound": False}
    children = [_child("start", "session.start", at(0), start), *spoken(dice, started)]
    children += [_latency(dice, n, at(8 * (n // 4) + 0.2 * (n % 4))) for n in range(LATENCIES)]
    children += [_tool_call(dice, n, at(16 * n + 6)) for n in range(TOOL_CALLS)]
    counts = {"message": TURNS, "tool_call": TOOL_CALLS, "latency": LATENCIES}
    end = {"duration": 4.0 * TURNS, "user_terminated": True, "reason": "hangup", "counts": counts}
    return [*children, _child("end", "session.end", at(4 * TURNS), end)]


def _latency(dice: random.Random, number: int, at: str) -> Child:
    category, label = (
        ("stt", "transcription"),
        ("llm", "first_token"),
        ("tts", "first_byte"),
        ("turn", "end_of_turn"),
    )[number % 4]
    duration_ms = round(dice.lognormvariate(6, 0.5), 1)
    data = {"category": category, "label": label, "started_at": at, "duration_ms": duration_ms, "metadata": ["gpt-4.1"]}
    return _child(f"l{number:02}", "latency", at, data)


def _tool_call(dice: random.Random, number: int, at: str) -> Child:
    data = {
        "call_id": f"call_{dice.getrandbits(48):012x}",
        "name": dice.choice(("find_slot", "book_slot", "find_patient", "send_text")),
        "arguments": {"day": dice.randint(1, 28), "phone": f"+1804{dice.randint(2_000_000, 9_999_999)}"},
        "result": {"status": "ok", "items": [dice.randint(1, 10_000) for _ in range(5)]},
        "duration_ms": round(dice.lognormvariate(6, 0.5), 1),
    }
    return _child(f"t{number:02}", "tool_call", at, data)


class Recorded(NamedTuple):
    """A whole session on its way to a server."""

    seen: Seen
    started: datetime
    source: str
    key: SessionKey
    children: list[Child]

    def events(self) -> list[Event]:
        return [{**child, "session": self.key} for child in self.children]


def recorded(seed: int, count: int) -> Iterator[Recorded]:
    """Sessions of the last days by twenty agents; another seed makes other sessions."""
    dice = random.Random(seed)
    agents = zipf(20, 1.1)
    for number in range(count):
        (agent,) = dice.choices(range(1, 21), cum_weights=agents)
        seen = Seen(agent, dice.randrange(PROMPTS), VERSIONS, agent % len(CHANNELS))
        started = END - timedelta(seconds=dice.random() * 3 * 86400)
        source = f"+1804{dice.randint(2_000_000, 9_999_999)}"
        key: SessionKey = {"service": CHANNELS[seen.channel][0], "sid": f"CA{seed:08x}{number:024x}"}
        yield Recorded(seen, started, source, key, whole(dice, seen, started, source))

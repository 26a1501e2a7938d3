"""The filter on one line: `agent:"Front desk" label:BAD duration:>60 -is:test`. Text in, terms out, and back.

One language for the console, its address, the API and the command line. Terms are ANDed, the values of one term,
separated by commas, are ORed, and a minus before a term turns it round.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache

from hansard.kit.errors import Invalid
from hansard.resources.sessions.words import MOST_PHRASE_WORDS, PARTS, Phrase, phrase

MOST_CHARACTERS = 2000
MOST_TERMS = 40
_MOST_KEPT = 1000

# Every field and one line about it; `search.py` knows what each means in the database.
FIELDS = {
    "agent": "part of the agent's name, or its id",
    "prompt": "part of the prompt's name, or its id",
    "version": "the version of the prompt",
    "model": "part of the language model's name",
    "channel": "part of the service or the kind of channel",
    "direction": "inbound or outbound",
    "from": "part of who called or wrote",
    "to": "part of whom they reached",
    "label": "the code of the label shown: GOOD, OK, BAD, N/A; or none",
    "duration": "seconds, or 500ms, 90s, 5m, 1h: >60, <5m, 1m..2m",
    "response": "the time within which 95 of 100 answers came, once it has ended: >2s, <800ms, 1s..1.5s",
    "turns": "how many: >10, <3, 5..9",
    "interruptions": "how many times the agent was interrupted: >2, 0, 1..3",
    "language": "a language that was spoken: en, or en-US alone",
    "tool": "the name of a tool that was called",
    "failed": "the name of a tool that gave an error",
    "category": "an issue category of any of its labels",
    "metadata": "a key that was sent along, or the key and its value: customer_tier=gold",
    "is": "running, ended, abandoned, test, live",
    "has": "recording, tool-error, interruption, label",
    "since": "how long ago it began at most: 24h, 7d, 30m",
    "after": "began at or after: 2026-11-01, 2026-11-01T10:00:00Z",
    "before": "began before",
    "id": "the session's id",
    "sid": "the id on the carrier's side",
    "conversation": "the conversation's id",
    "user": "words or a phrase that the user said",
    "reply": "words or a phrase that the agent said",
    "text": "words or a phrase, said by anybody or in a tool call; of three digits or more also part of source, "
    "target or an id; the same without a field",
}
# The fields that search what was said and done, each with the parts of a session it looks in.
SPOKEN: dict[str, tuple[str, ...]] = {"user": ("user",), "reply": ("agent",), "text": PARTS}
WORDS = {
    "direction": ("inbound", "outbound"),
    "is": ("running", "ended", "abandoned", "test", "live"),
    "has": ("recording", "tool-error", "interruption", "label"),
}
_BARE = re.compile(r'[^\s",]+')
_TERM = re.compile(
    r"""\s*(?P<minus>-)?(?:(?P<field>[a-z]+):)?(?P<values>(?:"(?:[^"\\]|\\.)*"|[^\s",]+)(?:,(?:"(?:[^"\\]|\\.)*"|[^\s",]+))*)(?=\s|$)""",
    re.VERBOSE,
)
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s",]+)')


@dataclass(frozen=True)
class Term:
    """One field, the values it may have, and whether that is turned round."""

    field: str
    values: tuple[str, ...]
    is_not: bool = False

    def __str__(self) -> str:
        values = ",".join(_quoted(value) for value in self.values)
        named = values if self.field == "text" and not _looks_named(self.values[0]) else f"{self.field}:{values}"
        return f"-{named}" if self.is_not else named


@dataclass(frozen=True)
class Query:
    """The terms of a filter; none at all finds everything."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))

    def without(self, term: Term) -> "Query":
        return replace(self, terms=tuple(one for one in self.terms if one != term))

    def without_field(self, field: str) -> "Query":
        return replace(self, terms=tuple(one for one in self.terms if one.field != field))

    def having(self, *terms: Term) -> "Query":
        """With these terms too; one that is there already is not doubled."""
        return replace(self, terms=(*self.terms, *(one for one in terms if one not in self.terms)))

    def values(self, field: str) -> Sequence[str]:
        """The values that a field may have by this filter."""
        return [value for term in self.terms if term.field == field and not term.is_not for value in term.values]


@lru_cache(maxsize=_MOST_KEPT)
def read_query(text: str) -> Query:
    """Read a filter. Raises Invalid, with a sentence that names the place, for one that cannot be read.

    What was read is kept: who looks whether something came asks for the same again and again.
    """
    if len(text) > MOST_CHARACTERS or "\0" in text:
        raise Invalid(f"A filter has at most {MOST_CHARACTERS} characters and no NUL.")
    terms: list[Term] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        found = _TERM.match(text, place)
        if found is None:
            raise Invalid(f"The filter cannot be read from here on: {text[place:].strip()[:40]!r}.")
        terms.append(_term(found))
        place = found.end()
    if len(terms) > MOST_TERMS:
        raise Invalid(f"A filter has at most {MOST_TERMS} terms.")
    return Query(tuple(dict.fromkeys(terms)))


def _term(found: re.Match[str]) -> Term:
    field = found["field"] or "text"
    values = tuple(_unquoted(*pair) for pair in _VALUE.findall(found["values"]))
    if field not in FIELDS:
        raise Invalid(f"There is no filter {field!r}{_meant(field, FIELDS)}.")
    if field in SPOKEN and any(len(one.words) > MOST_PHRASE_WORDS for one in phrases(field, values)):
        raise Invalid(f"A phrase has at most {MOST_PHRASE_WORDS} words.")
    for value in values:
        if field in WORDS and value.lower() not in WORDS[field]:
            raise Invalid(f"{field}: can be {', '.join(WORDS[field])}, not {value!r}.")
    return Term(field, tuple(v.lower() for v in values) if field in WORDS else values, bool(found["minus"]))


def phrases(field: str, values: Iterable[str]) -> tuple[Phrase, ...]:
    """What the values of a field of `SPOKEN` search for; those without a letter or digit are left out."""
    return tuple(found for value in values if (found := phrase(value, SPOKEN[field])))


def _meant(word: str, known: Collection[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"


def _unquoted(quoted: str, bare: str) -> str:
    return bare or re.sub(r"\\(.)", r"\1", quoted)


def _quoted(value: str) -> str:
    """The value as it can stand in a filter: in quotes where it would not be read as one word."""
    if _BARE.fullmatch(value) and not value.startswith("-"):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _looks_named(value: str) -> bool:
    """Whether a bare word would be read as a field and its value."""
    return re.match(r"[a-z]+:", value) is not None

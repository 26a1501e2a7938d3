"""What was said and done and a filter in, hits out: where in a session the words are that were searched for."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from hansard.resources.sessions.kept import read_json
from hansard.resources.sessions.query import SPOKEN, Query, phrases
from hansard.resources.sessions.spoken import Message, Spoken
from hansard.resources.sessions.talk import Talk
from hansard.resources.sessions.words import (
    Phrase,
    Text,
    beginning_from,
    ending_by,
    holds,
    standing,
    texts,
)
from hansard.wire import moment_of

MOST_HITS = 3
_BEFORE = 60  # characters of a snippet before the first word that was found
_LENGTH = 180


class Hit(Struct, gc=False):
    """What `schemas.Hit` says, made and written in a third of the time. A common word has 75 on a page."""

    kind: str
    role: str | None
    tool_name: str | None
    field: str
    event_id: str
    at: datetime
    offset_s: float
    turn_index: int | None
    snippet: str
    ranges: list[tuple[int, int]]


def sought_phrases(query: Query) -> list[Phrase]:
    """What a filter searches in what was said and done; terms turned round leave nothing to show."""
    wanted = [one for one in query.terms if one.field in SPOKEN and not one.is_not]
    return list(dict.fromkeys(found for one in wanted for found in phrases(one.field, one.values)))


def hits(talk: Talk, wanted: Sequence[Phrase], started_at: datetime) -> tuple[int, list[Hit]]:
    """How many messages and events of tools hold any of the phrases, and the first of them in order of time."""
    likely = talk.likely({phrase.words[0] for phrase in wanted})
    found = [(one, text) for one in likely if (text := _first(one, wanted))]
    found.sort(key=lambda each: each[0].began_at)
    return len(found), [_hit(*one, wanted, talk, started_at) for one in found[:MOST_HITS]]


def _hit(one: Spoken, text: Text, wanted: Sequence[Phrase], talk: Talk, started_at: datetime) -> Hit:
    is_message = isinstance(one, Message)
    at = moment_of(one.began_at)
    if is_message:
        turn_index = talk.places[one.id]
    else:
        turn_index = bisect_right(talk.turns, one.began_at, key=lambda each: each.began_at) - 1
    snippet, ranges = _snippet(text, wanted)
    return Hit(
        kind="message" if is_message else "tool_call",
        role=one.data.role if isinstance(one, Message) else None,
        tool_name=None if isinstance(one, Message) else read_json(one.data)["name"],
        field=text.field,
        event_id=one.id,
        at=at,
        offset_s=(at - started_at).total_seconds(),
        turn_index=turn_index if turn_index >= 0 else None,
        snippet=snippet,
        ranges=ranges,
    )


def _first(one: Spoken, wanted: Sequence[Phrase]) -> Text | None:
    """The first text of an event that holds a phrase."""
    for text in texts(one):
        for phrase in wanted:
            if text.part in phrase.parts and holds(phrase, text.text):
                return text
    return None


def _snippet(searched: Text, wanted: Sequence[Phrase]) -> tuple[str, list[tuple[int, int]]]:
    """A piece of the text round the first phrase that was found, and where in it the words of all phrases stand."""
    part, _, text = searched
    found = standing((one for one in wanted if part in one.parts), text)
    begin, end = _piece(text, *found[0])
    ends = ("…" if begin else "", "…" if end < len(text) else "")
    shift = len(ends[0]) - begin
    ranges = [(start + shift, stop + shift) for start, stop in found if begin <= start and stop <= end]
    return ends[0] + text[begin:end] + ends[1], _joined(ranges)


def _piece(text: str, start: int, stop: int) -> tuple[int, int]:
    """Where a snippet round this word begins and ends: at words, where there are any near enough."""
    if start <= _BEFORE and len(text) <= _LENGTH:
        return 0, len(text)
    begin = beginning_from(text, start - _BEFORE) if start > _BEFORE else 0
    end = min(len(text), max(begin + _LENGTH, stop))
    if end < len(text):
        end = ending_by(text, stop, end)
    return begin, end


def _joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without those that one character gave twice."""
    made: list[tuple[int, int]] = []
    for start, end in ranges:
        if made and start < made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((start, end))
    return made

"""Children and a filter in, hits out: where in a session the words are that were searched for."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from hansard.resources.sessions.query import SPOKEN, Query, phrases
from hansard.resources.sessions.schemas import Hit
from hansard.resources.sessions.turns import in_order, turns
from hansard.resources.sessions.words import SPOKEN_KINDS, Phrase, Span, Text, places, spans, texts_of, words
from hansard.wire import Child, moment_of

MOST_HITS = 3
_BEFORE = 60  # characters of a snippet before the first word that was found
_LENGTH = 180


def sought_phrases(query: Query) -> list[Phrase]:
    """What a filter searches in what was said and done; terms turned round leave nothing to show."""
    wanted = [one for one in query.terms if one.field in SPOKEN and not one.is_not]
    return list(dict.fromkeys(found for one in wanted for found in phrases(one.field, one.values)))


def hits(children: Sequence[Child], wanted: Sequence[Phrase], started_at: datetime) -> tuple[int, list[Hit]]:
    """How many messages and events of tools hold any of the phrases, and the first of them in order of time."""
    spoken = [child for child in children if child["kind"] in SPOKEN_KINDS]
    found = [text for child in in_order(spoken) if (text := _first(child, wanted))]
    if not found:
        return 0, []
    said = turns(children)
    said_at = [turn.at for turn in said]
    place_of = {turn.id: place for place, turn in enumerate(said)}
    made = []
    for text in sorted(found, key=_at)[:MOST_HITS]:
        at = _at(text)
        is_message = text.child["kind"] == "message"
        turn_index = place_of[text.child["id"]] if is_message else bisect_right(said_at, at) - 1
        snippet, ranges = _snippet(text.text, wanted, text.part)
        made.append(
            Hit(
                kind=text.child["kind"],
                role=text.child["data"]["role"] if is_message else None,
                tool_name=None if is_message else text.child["data"]["name"],
                field=text.field,
                event_id=text.child["id"],
                at=at,
                offset_s=(at - started_at) / timedelta(seconds=1),
                turn_index=turn_index if turn_index >= 0 else None,
                snippet=snippet,
                ranges=ranges,
            )
        )
    return len(found), made


def _first(child: Child, wanted: Sequence[Phrase]) -> Text | None:
    """The first text of an event that holds a phrase."""
    for text in texts_of(child):
        mine = [one for one in wanted if text.part in one.parts]
        if mine:
            found = words(text.text)
            if any(places(one, found) for one in mine):
                return text
    return None


def _at(text: Text) -> datetime:
    return moment_of(text.child["data"].get("started_at") or text.child["at"])


def _snippet(text: str, wanted: Sequence[Phrase], part: str) -> tuple[str, list[tuple[int, int]]]:
    """A piece of the text round the first phrase that was found, and where in it the words of all phrases stand."""
    found = spans(text)
    told = [span.word for span in found]
    marked: set[int] = set()
    for one in wanted:
        if part in one.parts:
            for place in places(one, told):
                marked.update(range(place, place + len(one.words)))
    begin, end = _piece(text, found, min(marked))
    ends = ("…" if begin else "", "…" if end < len(text) else "")
    shift = len(ends[0]) - begin
    inside = (found[place] for place in sorted(marked))
    ranges = [(one.start + shift, one.end + shift) for one in inside if begin <= one.start and one.end <= end]
    return ends[0] + text[begin:end] + ends[1], _joined(ranges)


def _piece(text: str, found: Sequence[Span], first: int) -> tuple[int, int]:
    """Where the snippet begins and ends: at words, where there are any near enough."""
    begin = max(0, found[first].start - _BEFORE)
    if begin:
        begin = next(one.start for one in found if one.start >= begin)
    end = min(len(text), max(begin + _LENGTH, found[first].end))
    if end < len(text):
        end = max((one.end for one in found[first:] if one.end <= end), default=end)
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

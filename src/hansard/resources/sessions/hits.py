"""Children and a filter in, hits out: where in a session the words are that were searched for."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from hansard.resources.sessions.query import SPOKEN, Query, phrases
from hansard.resources.sessions.schemas import Hit
from hansard.resources.sessions.turns import in_order
from hansard.resources.sessions.words import SPOKEN_KINDS, Phrase, Span, Text, places, spans, texts, words
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
    spoken = sorted(in_order(child for child in children if child["kind"] in SPOKEN_KINDS), key=_began)
    found = [(child, text) for child in spoken if (text := _first(child, wanted))]
    if not found:
        return 0, []
    said = [child for child in spoken if child["kind"] == "message"]
    index_of = {child["id"]: index for index, child in enumerate(said)}
    said_at = [_began(child) for child in said]
    made = []
    for child, text in found[:MOST_HITS]:
        began, data = _began(child), child["data"]
        at = moment_of(began)
        is_message = child["kind"] == "message"
        turn_index = index_of[child["id"]] if is_message else bisect_right(said_at, began) - 1
        snippet, ranges = _snippet(text, wanted)
        made.append(
            Hit(
                kind="message" if is_message else "tool_call",
                role=data["role"] if is_message else None,
                tool_name=None if is_message else data["name"],
                field=text.field,
                event_id=child["id"],
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
    for text in texts(child):
        mine = [one for one in wanted if text.part in one.parts and _may_hold(text.text, one)]
        found = words(text.text) if mine else []
        if any(places(one, found) for one in mine):
            return text
    return None


def _may_hold(text: str, wanted: Phrase) -> bool:
    """False where a look at the letters is enough: those of plain English become words as they stand, but small."""
    if not text.isascii():
        return True
    small = text.lower()
    return all(word in small for word in wanted.words)


def _began(child: Child) -> str:
    """When a message began to be said, or a tool was called: instants of fixed width, in order as texts."""
    began = child["data"].get("started_at") if child["kind"] == "message" else None
    return str(began or child["at"])


def _snippet(searched: Text, wanted: Sequence[Phrase]) -> tuple[str, list[tuple[int, int]]]:
    """A piece of the text round the first phrase that was found, and where in it the words of all phrases stand."""
    part, _, text = searched
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

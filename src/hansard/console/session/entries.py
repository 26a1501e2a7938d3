"""The items of a story as the page carries them: each with a name that lasts and a mark that changes with it."""

import zlib
from bisect import bisect_right
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from hansard.console.session.look import Look
from hansard.console.session.words import Moment, moments
from hansard.resources.sessions.story import Item, Said
from hansard.resources.sessions.waterfall import Exchange

PER_PART = 400


@dataclass(frozen=True)
class Entry:
    """An item in its place. A browser that has it already under `key` takes it again when `version` is another."""

    place: int
    key: str
    version: str
    item: Item
    answers: Exchange | None  # what an agent's turn answers

    @property
    def begin_s(self) -> float:
        return round(self.item.begin_ms / 1000, 3)


@dataclass(frozen=True)
class Part:
    """A stretch of the items, and how many there are before and after it."""

    entries: list[Entry]
    begin: int
    total: int

    @property
    def end(self) -> int:
        return self.begin + len(self.entries)

    @property
    def before(self) -> int | None:
        """Where the part before this one begins; None when this is the first."""
        return max(0, self.begin - PER_PART) if self.begin else None

    @property
    def after(self) -> int | None:
        return self.end if self.end < self.total else None


def key_of(kind: str, item_id: str) -> str:
    """A name for an element, whatever signs are in the id its writer gave it."""
    return f"{kind[:2]}{blake2b(item_id.encode(), digest_size=6).hexdigest()}"


def part_of(look: Look, begin: int) -> Part:
    """The part that begins with this item, counted from 0; at most `PER_PART`."""
    items = look.story.items
    begin = min(max(0, begin), max(0, len(items) - 1))
    entries = [_entry(look, place, item) for place, item in enumerate(items[begin : begin + PER_PART], start=begin)]
    return Part(entries, begin, len(items))


def begin_at(look: Look, at_s: float) -> int:
    """Where the part begins in which this second of the session's clock lies."""
    begins = [item.begin_ms for item in look.story.items]
    return max(0, bisect_right(begins, at_s * 1000 + 1) - 1) // PER_PART * PER_PART


def _entry(look: Look, place: int, item: Item) -> Entry:
    answers = look.answers.get(item.id) if isinstance(item, Said) else None
    seen = repr((item, answers and (answers.response_ms, answers.overlap_ms, answers.is_measured)))
    return Entry(place, key_of(item.kind, item.id), f"{zlib.crc32(seen.encode('utf-8', 'replace')):x}", item, answers)


def marks(look: Look) -> dict[str, Any]:
    """What the player needs of the whole session, in seconds on its clock.

    `turns` are [begin, end or null, 1 for the agent, place among the items]; `moments` [kind, begin, end or null,
    words, key or null].
    """
    told = look.story
    return {
        "begin": _seconds(told.begin_ms),
        "end": _seconds(told.end_ms),
        "turns": [
            [_seconds(item.begin_ms), _seconds(item.end_ms), int(item.role == "agent"), place]
            for place, item in enumerate(told.items)
            if isinstance(item, Said)
        ],
        "moments": [_marked(one) for one in moments(look)],
    }


def _marked(one: Moment) -> list[Any]:
    key = one.item and key_of(one.item.kind, one.item.id)
    return [one.kind, _seconds(one.begin_ms), _seconds(one.end_ms), one.words, key]


def _seconds(at_ms: float | None) -> float | None:
    return None if at_ms is None else round(at_ms / 1000, 3)

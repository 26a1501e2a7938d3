"""A session as a search reads it: what was said and done, and where in that words can be.

The newest sessions are shown again and again: to whoever makes a search narrower, and to every page that looks whether
something came. What was read of a body is kept by the very bytes of it, so it is never older than the record, and
nobody gets it to whom the database did not just give these bytes.
"""

from collections.abc import Sequence
from functools import cached_property

from hansard.kit.at_hand import AtHand
from hansard.resources.sessions.packing import Dictionary, text_of
from hansard.resources.sessions.spoken import Message, Spoken, spoken_in
from hansard.resources.sessions.words import Letters, all_text

_MOST_AT_HAND = 500
_MOST_BYTES = 65_536  # of the text of a body that is kept: five times one of twenty turns


class Talk:
    """What was said and done in a session, in the order of the record."""

    def __init__(self, spoken: Sequence[Spoken]) -> None:
        self.spoken = spoken

    @cached_property
    def turns(self) -> list[Message]:
        """The messages, in order of time."""
        return sorted([one for one in self.spoken if isinstance(one, Message)], key=lambda one: one.began_at)

    @cached_property
    def places(self) -> dict[str, int]:
        """Which turn each message is, from 0, by its id."""
        return {one.id: place for place, one in enumerate(self.turns)}

    @cached_property
    def _letters(self) -> Letters:
        return self._letters_of(with_numbers=False)

    def _letters_of(self, *, with_numbers: bool) -> Letters:
        return Letters([all_text(one, with_numbers=with_numbers) for one in self.spoken])

    def likely(self, beginnings: set[str]) -> list[Spoken]:
        """What may hold any of these words: in all else none need be looked for."""
        has_digit = any(one[0].isdigit() for one in beginnings)
        letters = self._letters_of(with_numbers=True) if has_digit else self._letters
        return [self.spoken[place] for place in letters.holding(beginnings)]


_at_hand = AtHand[tuple[bytes, Dictionary], Talk](_MOST_AT_HAND)


def find_talk(packed: bytes, dictionary: Dictionary) -> Talk | None:
    """The talk of a body that was read of late; None where it must be read."""
    return _at_hand.find((packed, dictionary))


def read_talk(packed: bytes, dictionary: Dictionary) -> Talk:
    """Read the talk of a body. Raises Unreadable."""
    text = text_of(packed, dictionary)
    talk = Talk(spoken_in(text))
    return _at_hand.keep((packed, dictionary), talk) if len(text) <= _MOST_BYTES else talk

"""Text in, words out: how search tells words apart, the same in every database; and the words of a session.

A word is a run of letters and digits, in small letters and without accents. Scripts that write no blanks between words
(Chinese, Japanese, Thai and their neighbours) give one word for each character, so that a query of several becomes a
phrase. A phrase lies within one text: a message, a tool's name, or one value of a tool's payload.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any, NamedTuple
from zlib import crc32

from msgspec import Struct

from hansard.resources.sessions.kept import read_json
from hansard.resources.sessions.spoken import Message, Spoken, ToolCall

MOST_CHARACTERS = 64  # of a word; longer ones are told apart by so many
MOST_PHRASE_WORDS = 64
PARTS = ("user", "agent", "tool")
BETWEEN_TEXTS = "\u00a6"  # no word, so no phrase reaches from one text into the next
_KEY_BYTES = 4
_MORE = "[0-9a-z]*"  # letters of a word

# Written without blanks: Thai and Lao, Tibetan, Burmese, Khmer, kana, Han.
_WITHOUT_BLANKS = (
    (0x0E00, 0x0EFF),
    (0x0F00, 0x0FFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0x20000, 0x3FFFF),
)
_SEPARATING = "\u200b"  # zero width, yet it stands between words


class _Folded(dict[int, str]):
    """What each character becomes: letters of words, blanks between them, or nothing."""

    def __missing__(self, code: int) -> str:
        made = _folded(chr(code))
        if code < 0x10000:  # a text of every character there is must not stay in memory for ever
            self[code] = made
        return made


def _folded(character: str) -> str:
    whole = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(_letter(one) for one in whole)


def _letter(one: str) -> str:
    category = unicodedata.category(one)
    if category == "Cf":
        return " " if one == _SEPARATING else ""
    if category == "Me" or unicodedata.combining(one) or "VARIATION SELECTOR" in unicodedata.name(one, ""):
        return ""
    if not (one.isalnum() or category in ("Mn", "Mc")):
        return " "
    is_alone = any(first <= ord(one) <= last for first, last in _WITHOUT_BLANKS)
    return f" {one} " if is_alone else one


_FOLDED = _Folded()
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_ASCII_WORD = re.compile("[0-9A-Za-z]+")
_ASCII_BEGINNING = re.compile("(?<![0-9A-Za-z])[0-9A-Za-z]")
_HAS_WORD = re.compile(r"[0-9A-Za-z]|[^\x00-\x7f]")  # of a plain text
_PLAIN = {code: _folded(chr(code)) for code in range(128)}


def letters(text: str) -> str:
    """A text with its words in their letters, however long, and blanks between them."""
    return text.translate(_FOLDED)


class Letters:
    """Texts one after another in the letters of their words, to look for some in all of them at once."""

    def __init__(self, told: Sequence[str]) -> None:
        whole = "".join(told)
        if whole.isascii():
            self._whole = whole.lower()
        else:
            told = list(map(letters, told))
            self._whole = "".join(told)
        self._ends = list(accumulate(map(len, told)))

    def holding(self, beginnings: Collection[str]) -> list[int]:
        """Which texts have the letters of any of these words in a row: in others no word need be looked for."""
        return sorted({place for one in beginnings for place in self._with(one)})

    def _with(self, word: str) -> Iterator[int]:
        """In which texts a word begins; it may end in the next. None is looked at twice."""
        at = self._whole.find(word)
        while at >= 0:
            place = bisect_right(self._ends, at)
            yield place
            at = self._whole.find(word, self._ends[place])


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    return _shortened(letters(text).split())


def plain(text: str) -> str:
    """A text with the same words that anybody tells apart who knows ASCII alone, and takes all else for letters.

    Most texts are so already; nothing is done for them, and what is not ASCII in the others is all that is looked at.
    """
    if not text.isascii():
        text = _NOT_ASCII.sub(lambda some: some[0].translate(_FOLDED), text)
    return " ".join(plain_words(text)) if _may_have_a_long_word(text) else text


def _may_have_a_long_word(text: str) -> bool:
    """Goes through a text from blank to blank, as far apart as a word may be long: no word is cut out for it."""
    start = 0
    while len(text) - start > MOST_CHARACTERS:
        blank = text.rfind(" ", start, start + MOST_CHARACTERS + 1)
        if blank < 0:
            return True
        start = blank + 1
    return False


def plain_words(text: str) -> list[str]:
    """The words of a plain text; what parts texts is one of them."""
    return _shortened(text.translate(_PLAIN).split())


def _shortened(found: list[str]) -> list[str]:
    if max(map(len, found), default=0) <= MOST_CHARACTERS:
        return found
    return [word[:MOST_CHARACTERS] for word in found]


class Span(Struct, frozen=True, gc=False):
    """A word and where it stands in its text, `end` excluded."""

    word: str
    start: int
    end: int


def spans(text: str) -> list[Span]:
    """The words of a text with their places: the same words that `words` gives."""
    if text.isascii():
        told = _ASCII_WORD.finditer(text.lower())
        return [Span(one[0][:MOST_CHARACTERS], one.start(), one.end()) for one in told]
    found: list[Span] = []
    letters: list[str] = []
    start = end = 0
    for place, character in enumerate(text):
        folded = _FOLDED[ord(character)]
        if not folded and letters:
            end = place + 1  # an accent written by itself belongs to its letter
        for letter in folded:
            if letter != " ":
                start = start if letters else place
                letters.append(letter)
                end = place + 1
            elif letters:
                found.append(Span("".join(letters)[:MOST_CHARACTERS], start, end))
                letters = []
    if letters:
        found.append(Span("".join(letters)[:MOST_CHARACTERS], start, end))
    return found


def beginning_from(text: str, place: int) -> int:
    """Where the first word begins that begins at a place or behind it. There must be one."""
    if text.isascii():
        found = _ASCII_BEGINNING.search(text, place)
        assert found is not None  # noqa: S101 - for the type checker
        return found.start()
    return next(one.start for one in spans(text) if one.start >= place)


def ending_by(text: str, place: int, last: int) -> int:
    """Where the last word ends that ends behind a place and by the `last`; the place itself where none does."""
    if not text.isascii():
        return max((one.end for one in spans(text) if place <= one.end <= last), default=place)
    if text[last : last + 1].isalnum():
        while last > place and text[last - 1].isalnum():
            last -= 1  # of a word that goes on
    while last > place and not text[last - 1].isalnum():
        last -= 1
    return last


class Text(NamedTuple):
    """One text of an event: whose it is (`PARTS`), which field of the event holds it, and itself."""

    part: str
    field: str
    text: str


def texts(one: Spoken) -> Iterator[Text]:
    """What can be searched of an event: what was said, or a tool's name and every value of its payload."""
    if isinstance(one, Message):
        yield Text(one.data.role, "text", one.data.text)
        return
    for field, value in _values(one):
        yield Text("tool", field, value)


def all_text(one: Spoken, *, with_numbers: bool) -> str:
    """The same in one piece. Of a tool call it may be its JSON, where only words without a digit are looked for: these
    have the same letters there, and a number can be written in many ways.
    """
    if isinstance(one, Message):
        return one.data.text
    return " ".join(value for _, value in _values(one)) if with_numbers else str(one.data, "utf-8")


def _values(one: ToolCall) -> Iterator[tuple[str, str]]:
    """A tool's name and every value of its payload, each behind the field that holds it."""
    data = read_json(one.data)
    yield "name", data["name"]
    for field in ("arguments", "result", "error"):
        found: list[str] = []
        _find_values(data.get(field), found)
        for value in found:
            yield field, value


def _find_values(payload: Any, found: list[str]) -> None:
    kind = type(payload)  # what JSON gives is of these types themselves
    if kind is str:
        found.append(payload)
    elif kind is int or kind is float:
        found.append(str(payload))
    elif kind is dict or kind is list:
        for value in payload.values() if kind is dict else payload:
            _find_values(value, found)


class Entry(Struct, frozen=True, gc=False):
    """The words of an event, as a plain text. `key` stands for the event's id, in few bytes."""

    key: bytes
    part: str
    text: str


def entries(spoken: Iterable[Spoken]) -> list[Entry]:
    """The words of a session, event by event; what has none is left out."""
    made = []
    for one in spoken:
        if isinstance(one, Message):
            part, told = one.data.role, plain(one.data.text)
        else:
            part, told = "tool", joined(plain(value) for _, value in _values(one))
        if _HAS_WORD.search(told):
            made.append(Entry(crc32(one.id.encode()).to_bytes(_KEY_BYTES, "big"), part, told))
    return made


def joined(parted: Iterable[str]) -> str:
    """Plain texts as one."""
    return f" {BETWEEN_TEXTS} ".join(parted)


def keys_of(given: Iterable[Entry]) -> bytes:
    """The events that these entries are of, one key after another."""
    return b"".join(dict.fromkeys(one.key for one in given))


def with_keys(given: Iterable[Entry], keys: bytes) -> list[Entry]:
    """Those entries that are of the events with these keys, in their order."""
    known = {keys[place : place + _KEY_BYTES] for place in range(0, len(keys), _KEY_BYTES)}
    return [one for one in given if one.key in known]


@dataclass(frozen=True)
class Phrase:
    """Words one after another in one text, of these parts; of the last word its beginning will do if `is_prefix`."""

    words: tuple[str, ...]
    parts: tuple[str, ...] = PARTS
    is_prefix: bool = False

    @cached_property
    def in_ascii(self) -> re.Pattern[str]:
        """What finds it in a text of small ASCII letters. A word of the most characters may be cut from a longer.

        It begins with the first word, for which Python looks quickly, and then looks back.
        """
        *others, last = (f"{re.escape(one)}{_MORE if len(one) == MOST_CHARACTERS else ''}" for one in self.words)
        told = "[^0-9a-z]+".join((*others, last + _MORE if self.is_prefix else last))
        first = re.escape(self.words[0])
        return re.compile(f"{first}(?<![0-9a-z]{first}){told.removeprefix(first)}(?![0-9a-z])")


@lru_cache(maxsize=1000)
def phrase(text: str, parts: tuple[str, ...] = PARTS) -> Phrase | None:
    """What a text searches for; None where it holds no letter and no digit. A star at its end asks for beginnings."""
    found = words(text)
    is_prefix = text.endswith("*") and bool(words(text[-2:-1]))
    return Phrase(tuple(found), parts, is_prefix) if found else None


def places(wanted: Phrase, found: Sequence[str]) -> list[int]:
    """Where, among the words of a text, the phrase begins."""
    *first, last = wanted.words
    before = len(first)
    if wanted.is_prefix:
        ends = [place for place, word in enumerate(found) if word.startswith(last)]
    else:
        ends = [place for place, word in enumerate(found) if word == last]
    return [end - before for end in ends if end >= before and list(found[end - before : end]) == first]


def holds(wanted: Phrase, text: str) -> bool:
    """Whether a text has the phrase anywhere. Of ASCII no word is cut out for it."""
    if not text.isascii():
        return bool(places(wanted, words(text)))
    return wanted.in_ascii.search(text.lower()) is not None


def standing(wanted: Iterable[Phrase], text: str) -> list[tuple[int, int]]:
    """Where in a text the words of any of these phrases stand, in order. Of ASCII no other word is cut out for it."""
    find = _standing_in_ascii if text.isascii() else _standing
    return sorted({place for one in wanted for place in find(one, text)})


def _standing(wanted: Phrase, text: str) -> Iterator[tuple[int, int]]:
    found = spans(text)
    for place in places(wanted, [span.word for span in found]):
        for span in found[place : place + len(wanted.words)]:
            yield span.start, span.end


def _standing_in_ascii(wanted: Phrase, text: str) -> Iterator[tuple[int, int]]:
    """A phrase may begin within itself, as `no no` does in `no no no`."""
    told = text.lower()
    if len(wanted.words) == 1:
        yield from (one.span() for one in wanted.in_ascii.finditer(told))
        return
    whole = wanted.in_ascii.search(told)
    while whole:
        for one in _ASCII_WORD.finditer(told, *whole.span()):
            yield one.span()
        whole = wanted.in_ascii.search(told, whole.start() + 1)

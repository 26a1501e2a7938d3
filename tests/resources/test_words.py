"""Words told apart by the quick way as by the slow one, and read from a body as from its children."""

# ruff: noqa: RUF001 - other alphabets are what is tested
import json
import random
import sqlite3
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from hansard.resources.sessions.kept import kept
from hansard.resources.sessions.packing import BUILT_IN, packed, text_of
from hansard.resources.sessions.spoken import Message, Spoken, spoken_in, spoken_of
from hansard.resources.sessions.talk import find_talk, read_talk
from hansard.resources.sessions.words import (
    BETWEEN_TEXTS,
    Entry,
    Letters,
    beginning_from,
    ending_by,
    entries,
    holds,
    letters,
    phrase,
    places,
    plain,
    plain_words,
    spans,
    standing,
    words,
)
from hansard.wire import Child

HOSTILE = st.text(
    st.one_of(
        st.characters(codec="utf-8"), st.sampled_from(" aZ09-_'\"\0\t\n\x1f\x7fé\u0301ßİıſ你¦§\u200b\u200d\ufe0f½ﷺ")
    ),
    max_size=200,
)


def cut_by_fts5(text: str) -> list[str]:
    """The words that SQLite itself tells apart."""
    db = sqlite3.connect(":memory:")
    db.execute('CREATE VIRTUAL TABLE told USING fts5(said, tokenize="ascii")')
    db.execute("CREATE VIRTUAL TABLE seen USING fts5vocab(told, instance)")
    db.execute("INSERT INTO told VALUES (?)", [text])
    found = [row[0] for row in db.execute("SELECT term FROM seen ORDER BY offset")]
    db.close()
    return found


@settings(max_examples=200, deadline=None)
@given(HOSTILE)
def test_a_plain_text_has_the_same_words_by_every_way_of_telling_them_apart(text: str) -> None:
    assert plain_words(plain(text)) == words(text)
    assert cut_by_fts5(plain(text)) == words(text)
    assert [one.word for one in spans(text)] == words(text)
    for one in spans(text):
        assert one.word in words(text[one.start : one.end])


@settings(max_examples=300, deadline=None)
@given(st.text("aZ09 .-_\n", min_size=1, max_size=60), st.data())
def test_a_piece_of_a_text_begins_and_ends_with_a_word_by_every_way_of_telling_them_apart(
    text: str, data: st.DataObject
) -> None:
    found = spans(text)
    place = data.draw(st.integers(0, len(text)))
    if later := [one.start for one in found if one.start >= place]:
        assert beginning_from(text, place) == later[0]
    for word in found:
        last = data.draw(st.integers(word.end, len(text)))
        assert ending_by(text, word.end, last) == max(one.end for one in found if one.end <= last)


@pytest.mark.parametrize("count", [63, 64, 65, 66, 200])
@pytest.mark.parametrize("letter", ["a", "Z", "é", "я", "-"])
@pytest.mark.parametrize("around", ["{}", "x {} y", "{}\t{}", "-{}-", "a b {} " + "c" * 64, " " * 70 + "{}"])
def test_a_long_word_is_cut_alike(count: int, letter: str, around: str) -> None:
    text = around.format(letter * count, letter * count)
    assert cut_by_fts5(plain(text)) == plain_words(plain(text)) == words(text)


_FEW_WORDS = st.lists(st.sampled_from(["a", "b", "ab", "é", "a" * 64, "a" * 65, "-", ".", " "]), max_size=8)


@settings(max_examples=300, deadline=None)
@given(_FEW_WORDS, _FEW_WORDS, st.sampled_from(["", " ", "\n", ", "]), st.booleans())
def test_a_text_holds_a_phrase_where_its_words_do(said: list[str], sought: list[str], between: str, star: bool) -> None:
    text, wanted = between.join(said).upper(), phrase(between.join(sought) + "*" * star)
    if wanted:
        begun, found = places(wanted, words(text)), spans(text)
        assert holds(wanted, text) == bool(begun)
        stand = [found[at] for place in begun for at in range(place, place + len(wanted.words))]
        assert standing([wanted, wanted], text) == sorted({(one.start, one.end) for one in stand})


@settings(max_examples=300, deadline=None)
@given(st.lists(_FEW_WORDS, max_size=6), st.lists(st.sampled_from(["a", "ab", "b", "ba", "e"]), min_size=1))
def test_of_many_texts_those_are_known_that_have_the_letters_of_a_word(
    said: list[list[str]], sought: list[str]
) -> None:
    told = ["".join(some).upper() for some in said]
    holding = [place for place, text in enumerate(told) if any(one in letters(text) for one in sought)]
    assert set(holding) <= set(Letters(told).holding(sought))
    alone = [place for place, text in enumerate(told) if Letters([text]).holding(sought)]
    assert alone == holding


@pytest.mark.long
def test_every_character_there_is_is_told_apart_alike() -> None:
    some = [chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(some), 500):
        text = "".join(f"a{one}B " for one in some[start : start + 500])
        assert cut_by_fts5(plain(text)) == words(text), (start, sys.version)


NUMBERS = [0, -1, 1.5, 1e22, 10**30]
VALUES: list[Any] = ["", "-", "ok", "ÉTÉ", None, True, [], {}, ["a", ["b"]], {"k": {"k": "v"}}, *NUMBERS]


def children(dice: random.Random) -> list[Child]:
    made: list[Child] = []
    for number in range(dice.randint(0, 12)):
        kind = dice.choice(["message", "tool_call", "latency", "event", "session.update", "usage", "label"])
        data: dict[str, Any] = {"role": dice.choice(("user", "agent")), "text": "Hello, É"}
        if kind == "tool_call":
            given = dice.sample(("arguments", "result", "error", "call_id"), dice.randint(0, 4))
            data = {"name": "find_slot", **{name: dice.choice(VALUES) for name in given}}
        elif kind != "message":
            data = {"text": 5, "role": None, "name": [1], "data": {"kind": "message"}, "x": dice.choice(VALUES)}
        if kind == "latency":
            data |= {"category": "llm", "duration_ms": 5}
        made.append({"id": f"id{number:02}", "kind": kind, "at": "2026-11-22T10:00:00.000000Z", "data": data})
    return made


def told(spoken: Any) -> list[Entry]:
    return entries(spoken)


def said_in(spoken: list[Spoken]) -> list[Message]:
    return [one for one in spoken if isinstance(one, Message)]


@pytest.mark.parametrize("seed", range(300))
def test_a_body_is_read_as_its_children_are(seed: int) -> None:
    given = children(random.Random(seed))
    expected = list(spoken_of(map(kept, given)))
    for text in (packed(map(kept, given)), BUILT_IN.compressed(json.dumps(given).encode())):  # and as before
        found = spoken_in(text_of(text, BUILT_IN))
        assert [(one.id, one.at) for one in found] == [(one.id, one.at) for one in expected]
        assert said_in(found) == said_in(expected)
        assert told(found) == told(expected)


def test_a_talk_is_at_hand_unless_it_is_long_however_small_it_is_packed() -> None:
    def body(text: str) -> bytes:
        one: Child = {"id": "a", "kind": "message", "at": "x", "data": {"role": "user", "text": text}}
        return packed([kept(one)])

    short, long = body("once is enough"), body("and again " * 100_000)
    for frame in (short, long):
        assert len(frame) < 16_384
        assert len(read_talk(frame, BUILT_IN).turns) == 1
    assert find_talk(short, BUILT_IN)
    assert find_talk(long, BUILT_IN) is None


def test_a_kind_that_is_new_is_passed_over() -> None:
    said = b'{"id":"b","kind":"message","at":"x","data":{"role":"user","text":"hi"}}'
    before = b'[{"id":"a","kind":"hologram","at":"x","data":{}},' + said + b"]"
    assert [one.text for one in told(spoken_in(text_of(BUILT_IN.compressed(before), BUILT_IN)))] == ["hi"]


def test_what_an_earlier_build_wrote_that_is_no_json_is_read_as_nothing() -> None:
    call = {"id": "a", "kind": "tool_call", "at": "x", "data": {"name": "t", "result": [float("inf"), "ok"]}}
    frame = BUILT_IN.compressed(to_json([call]))
    assert b"Infinity" in to_json([call])
    assert [one.text for one in told(spoken_in(text_of(frame, BUILT_IN)))] == [f"t {BETWEEN_TEXTS} ok"]

"""The filter on one line: read, written, and right against a plain oracle on both databases."""

import base64
import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansard.kit.errors import Invalid
from hansard.resources.sessions import search
from hansard.resources.sessions.query import FIELDS, WORDS, Query, Term, read_query
from tests.conftest import House
from tests.door import Door
from tests.make import START, end, make_event, said, start

free = st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text)
terms = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda name: st.builds(
        Term,
        st.just(name),
        st.lists(st.sampled_from(WORDS[name]) if name in WORDS else free, min_size=1, max_size=3).map(tuple),
        st.booleans(),
    )
)


@settings(max_examples=400, deadline=None)
@given(st.lists(terms, max_size=5, unique=True))
def test_a_filter_that_is_written_is_read_back_the_same(made: list[Term]) -> None:
    query = Query(tuple(made))
    assert read_query(str(query)) == query


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_refused_with_a_sentence(text: str) -> None:
    try:
        query = read_query(text)
    except Invalid:
        return
    assert read_query(str(query)) == query


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("agnet:x", "There is no filter 'agnet'; did you mean 'agent'?."),
        ("is:runing", "is: can be running, ended, abandoned, test, live, not 'runing'."),
        ('agent:"half', "The filter cannot be read from here on: 'agent:\"half'."),
        ("duration:long", "'long' is no number and no length of time; write 90, 90s, 5m, 24h or 7d."),
        ("after:someday", "'someday' is not a date and time; write it like 2026-11-22T10:00:00Z."),
        ("since:99999999w", "That is longer ago than the calendar reaches."),
    ],
)
def test_a_filter_that_means_nothing_is_refused_with_a_sentence(door: Door, text: str, sentence: str) -> None:
    answer = door.get("/hansard/v1/sessions", q=text)
    assert (answer.status, answer.detail) == (400, sentence)


AGENTS = ("Front desk", "Back Office", "Straße", None)
CODES = ("GOOD", "OK", "BAD")


def make_many(door: Door, dice: random.Random, count: int) -> list[dict[str, Any]]:
    """Sessions of every kind, sent, and what the oracle must know of each."""
    made = []
    for number in range(count):
        sid, at_s = f"S{number:03}", dice.randint(0, 50) * 3600.0
        one: dict[str, Any] = {
            "sid": sid,
            "at": START + timedelta(seconds=at_s),
            "agent": dice.choice(AGENTS),
            "version": dice.choice((1, 2, None)),
            "channel": dice.choice(("voice_sip_v1", "web_chat_v1", None)),
            "outbound": dice.choice((True, False, None)),
            "source": dice.choice(("+18042221111", "Kunde@Büro", None)),
            "test": dice.random() < 0.3,
            "duration": dice.choice((None, 10.0, 60.0, 61.5, 400.0)),
            "label": dice.choice((None, *CODES)),
            "turns": dice.randint(0, 3),
            "interrupted": dice.random() < 0.3,
            "tool_error": dice.random() < 0.3,
        }
        fields = {
            "agent_name": one["agent"],
            "prompt_version_number": one["version"],
            "channel_manager_type": one["channel"],
            "is_outbound": one["outbound"],
            "source": one["source"],
            "is_test": one["test"],
        }
        events = [start(sid, at_s, **fields)]
        for turn in range(one["turns"]):
            is_cut = one["interrupted"] and turn == 0
            events.append(said(sid, "agent", "Hello.", at_s + 1 + turn, interrupted=is_cut))
        one["interrupted"] = one["interrupted"] and one["turns"] > 0
        if one["tool_error"]:
            events.append(make_event("tool_call", {"name": "t", "error": "no"}, sid=sid, seconds=at_s + 5))
        if one["duration"] is not None:
            events.append(end(sid, at_s + 6, duration=one["duration"]))
        if one["label"]:
            events.append(make_event("label", {"type": "auto-rating", "code": one["label"]}, sid=sid, seconds=at_s + 7))
        made.append(one)
        door.send(events)
    return made


Test = Callable[[dict[str, Any]], bool]
TERMS: list[tuple[str, Test]] = [
    ("agent:desk", lambda s: "desk" in (s["agent"] or "").lower()),
    ("agent:STRASSE", lambda s: s["agent"] == "Straße"),
    ('agent:"back office",front', lambda s: s["agent"] in ("Back Office", "Front desk")),
    ("version:2", lambda s: s["version"] == 2),
    ("channel:chat", lambda s: s["channel"] == "web_chat_v1"),
    ("channel:twilio", lambda s: True),
    ("direction:outbound", lambda s: s["outbound"] is True),
    ("direction:inbound", lambda s: not s["outbound"]),
    ("from:804", lambda s: "804" in (s["source"] or "")),
    ("from:BÜRO", lambda s: "Büro" in (s["source"] or "")),
    ("label:bad,good", lambda s: s["label"] in ("BAD", "GOOD")),
    ("label:none", lambda s: s["label"] is None),
    ("has:label", lambda s: s["label"] is not None),
    ("duration:>60", lambda s: s["duration"] is not None and s["duration"] > 60),
    ("duration:<=1m", lambda s: s["duration"] is not None and s["duration"] <= 60),
    ("duration:10..61.5", lambda s: s["duration"] is not None and 10 <= s["duration"] <= 61.5),
    ("duration:400", lambda s: s["duration"] == 400),
    ("turns:>1", lambda s: s["turns"] > 1),
    ("is:test", lambda s: s["test"]),
    ("is:live", lambda s: not s["test"]),
    ("is:running", lambda s: s["duration"] is None),
    ("is:ended", lambda s: s["duration"] is not None),
    ("is:abandoned", lambda s: False),
    ("has:tool-error", lambda s: s["tool_error"]),
    ("has:interruption", lambda s: s["interrupted"]),
    ("has:recording", lambda s: False),
    ("sid:S007", lambda s: s["sid"] == "S007"),
]


def test_any_combination_of_terms_finds_what_a_plain_oracle_finds(house: House) -> None:
    dice = random.Random(7)
    door = house.door()
    made = make_many(door, dice, 60)
    hour = made[3]["at"].isoformat()
    times: list[tuple[str, Test]] = [
        (f'after:"{hour}"', lambda s: s["at"] >= made[3]["at"]),
        (f'before:"{hour}"', lambda s: s["at"] < made[3]["at"]),
    ]
    for _ in range(250):
        chosen = dice.sample([*TERMS, *times], dice.randint(0, 3))
        turned = [(text, test, dice.random() < 0.25) for text, test in chosen]
        query = " ".join(f"-{text}" if is_not else text for text, _, is_not in turned)
        expected = {s["sid"] for s in made if all(test(s) is not is_not for _, test, is_not in turned)}
        answer = door.get("/hansard/v1/sessions", q=query, limit=1000)
        assert answer.status == 200, (query, answer.bytes)
        assert {one["channel_manager_sid"] for one in answer.json["items"]} == expected, query
        assert answer.json["total_count"] == len(expected), query


def test_a_list_is_sorted_by_what_was_asked_and_nulls_come_last(house: House) -> None:
    dice = random.Random(8)
    door = house.door()
    make_many(door, dice, 30)
    for sort, field in (
        ("duration", "duration"),
        ("turns", "turn_count"),
        ("agent", "agent_name"),
        ("source", "source"),
    ):
        for sign in ("", "-"):
            items = door.get("/hansard/v1/sessions", sort=sign + sort, limit=100).json["items"]
            values = [one[field] for one in items]
            known = [value for value in values if value is not None]
            assert values == sorted(known, reverse=bool(sign)) + [None] * (len(values) - len(known)), sort
    assert door.get("/hansard/v1/sessions", sort="colour").status == 400


def test_pages_neither_repeat_nor_leave_out_a_session(house: House) -> None:
    door = house.door()
    make_many(door, random.Random(9), 23)
    seen = []
    for number in range(5):
        page = door.get("/hansard/v1/sessions", page=number, limit=5).json
        assert (page["total_count"], page["total_pages"]) == (23, 5)
        seen += [one["session_id"] for one in page["items"]]
    assert len(seen) == len(set(seen)) == 23
    assert door.get("/hansard/v1/sessions", page=5, limit=5).json["items"] == []


SORTS = ("started", "duration", "turns", "agent", "source", "target")


def test_pages_one_after_another_are_the_whole_list_in_every_order(house: House) -> None:
    door = house.door()
    make_many(door, random.Random(10), 23)
    for sort in [sign + name for name in SORTS for sign in ("", "-")]:
        whole = door.get("/hansard/v1/sessions", sort=sort, limit=100).json
        assert (whole["total_count"], whole["next"]) == (23, None)
        seen, after = [], ""
        while after is not None:
            page = door.get("/hansard/v1/sessions", sort=sort, limit=5, after=after).json
            assert page["total_count"] == (None if after else 23)
            seen += page["items"]
            after = page["next"]
        assert seen == whole["items"], sort


def test_pages_behind_a_place_are_asked_for_by_one_statement(house: House) -> None:
    door = house.door()
    make_many(door, random.Random(10), 12)
    first = door.get("/hansard/v1/sessions", limit=4).json
    second = door.get("/hansard/v1/sessions", limit=4, after=first["next"]).json
    before = search._keys.cache_info().misses
    assert len(door.get("/hansard/v1/sessions", limit=4, after=second["next"]).json["items"]) == 4
    assert search._keys.cache_info().misses == before


def test_what_comes_in_meanwhile_neither_repeats_nor_hides_a_session(house: House) -> None:
    door = house.door()
    make_many(door, random.Random(11), 20)
    expected = [one["session_id"] for one in door.get("/hansard/v1/sessions").json["items"]]
    seen, after = [], ""
    while after is not None:
        page = door.get("/hansard/v1/sessions", limit=6, after=after, total="true").json
        seen += [one["session_id"] for one in page["items"]]
        assert page["total_count"] == 20 + (len(seen) - 1) // 6
        after = page["next"]
        door.send([start(f"new{len(seen)}", 10**6 + len(seen))])
    assert seen == expected


def test_a_total_is_counted_where_it_is_wanted(house: House) -> None:
    door = house.door()
    make_many(door, random.Random(12), 7)
    first = door.get("/hansard/v1/sessions", limit=5, total="false").json
    assert (first["total_count"], first["total_pages"], len(first["items"])) == (None, None, 5)
    rest = door.get("/hansard/v1/sessions", limit=5, after=first["next"], total="true").json
    assert (rest["total_count"], rest["total_pages"], len(rest["items"]), rest["next"]) == (7, 2, 2, None)


def place(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


BROKEN = (
    *("x", "....", "nonsense", "é", place(), place("-started"), place("-started", "2026-11-22T10:00:00Z", 0)),
    *(place("-started", "someday", 1), place("-started", None, 1), place("-started", "2026-11-22T10:00:00", 1)),
    *(place("-started", 5, 1), place("-started", "2026-11-22T10:00:00Z", 2**53), place({}, [], {})),
    *(base64.urlsafe_b64encode(text).decode() for text in (b"7", b"null", b'"abc"', b"\xff\xfe", b"[" * 5000)),
)


@pytest.mark.parametrize("after", BROKEN)
def test_a_place_that_is_none_is_refused_with_a_sentence(door: Door, after: str) -> None:
    answer = door.get("/hansard/v1/sessions", after=after)
    assert (answer.status, answer.detail) == (
        400,
        "That is no place in a list; `after` takes what an earlier page gave as `next`.",
    )


@pytest.mark.parametrize(
    ("sort", "value"),
    [("duration", "x"), ("duration", 1e300), ("duration", True), ("turns", None), ("agent", 5), ("source", "\0")],
)
def test_a_place_with_a_value_its_order_cannot_have_is_refused(house: House, sort: str, value: Any) -> None:
    answer = house.door().get("/hansard/v1/sessions", sort=sort, after=place(sort, value, 1))
    assert answer.status == 400


def test_a_place_of_another_order_or_beside_a_page_is_refused(door: Door) -> None:
    door.send([start("A"), start("B")])
    after = door.get("/hansard/v1/sessions", limit=1, sort="turns").json["next"]
    assert door.get("/hansard/v1/sessions", sort="turns", after=after).status == 200
    for sort in ("-turns", "", "source"):
        answer = door.get("/hansard/v1/sessions", sort=sort, after=after)
        wanted = sort or "-started"
        sentence = f"That place is in the order 'turns', but the list is asked for in the order {wanted!r}."
        assert (answer.status, answer.detail) == (400, sentence)
    answer = door.get("/hansard/v1/sessions", sort="turns", after=after, page=1)
    assert answer.detail == "A list is asked for by `page` or by `after`, not by both."

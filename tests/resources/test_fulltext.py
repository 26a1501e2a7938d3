"""Search over what was said and done: right against a plain oracle, whatever the words, on both databases."""

# ruff: noqa: RUF001 - other alphabets are what is tested
import json
import random
import re
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import Any

import pytest
from sqlalchemy import Connection

from hansard.db import hot
from hansard.db.engine import Database
from hansard.resources.accounts.store import list_organizations
from hansard.resources.sessions import backlog as reading
from hansard.resources.sessions import fulltext, indexing, store
from hansard.resources.sessions import search as searching
from hansard.resources.sessions import talk as reading_talks
from hansard.resources.sessions.backlog import Backlog, add_batch, find_backlog, find_batch, start_walk
from hansard.resources.sessions.fulltext import Document, count_documents, remove_all_documents, remove_document
from hansard.resources.sessions.indexing import Indexer, index_all
from hansard.resources.sessions.kept import kept
from hansard.resources.sessions.spoken import spoken_of
from hansard.resources.sessions.store import find_talks, list_children
from hansard.resources.sessions.words import entries
from tests.conftest import House
from tests.door import Door
from tests.make import at, called, end, make_event, make_session, said, shown, start


def backlog(house: House, door: Door) -> Backlog:
    with house.database.reading() as db:
        return find_backlog(db, door.organization_id)


def settle(house: House, door: Door, most_s: float = 60.0) -> float:
    """Wait for the server's own thread to have read everything; give how many seconds it took."""
    began = time.monotonic()
    while backlog(house, door).count:
        assert time.monotonic() - began < most_s, "the index does not keep up"
        time.sleep(0.01)
    return time.monotonic() - began


def find(door: Door, q: str) -> list[str]:
    """The carrier's ids of the sessions found, in order."""
    answer = door.get("/hansard/v1/sessions", q=q, limit=1000)
    assert answer.status == 200, (q, answer.bytes)
    items = answer.json["items"]
    assert answer.json["total_count"] == len(items), q
    return [one["channel_manager_sid"] for one in items]


def talk(door: Door, *events: Any, is_over: bool = True) -> str:
    """Record a session of these events, written by `said` and `called` for the sid they were made with."""
    sid: str = events[0]["session"]["sid"]
    door.send([start(sid), *events, *([end(sid, 60)] if is_over else [])])
    return sid


def test_words_are_found_in_messages_tool_names_and_every_value_of_a_payload(house: House) -> None:
    door = house.door()
    make_session(door, sid="A")
    sid = "B"
    talk(
        door,
        said(sid, "user", "Where is my parcel?", 1),
        called(sid, "track_parcel", 2, arguments={"deep": [{"code": "ZX-81"}], "n": 4711}, error="no such depot"),
    )
    settle(house, door)
    assert find(door, "appointment") == ["A"]
    assert find(door, "find_slot") == find(door, '"find slot"') == find(door, "Monday") == ["A"]
    for q in ("parcel", "track", "zx-81", "ZX", "4711", "depot", '"such depot"', "user:parcel", "track_parcel"):
        assert find(door, q) == ["B"], q
    for q in ("deep", "code", "reply:parcel", '"depot such"', "user:depot", "par", "null"):
        assert find(door, q) == [], q
    assert sorted(find(door, "-parcel")) == ["A"]
    assert sorted(find(door, "parcel,appointment")) == ["A", "B"]
    assert find(door, "parcel appointment") == []
    assert find(door, "parc*") == find(door, '"my par*"') == find(door, "user:par*") == ["B"]
    assert find(door, "reply:par*") == []


@pytest.mark.parametrize("is_over", [True, False])
def test_every_word_of_a_payload_is_shown_however_its_json_is_written(house: House, is_over: bool) -> None:
    door = house.door()
    told = {"text": 'line\nfeed "quoted" Café \\back tab\tstop', "n": [99, 4.50, 7], "deep": {"x": "ÉTÉ"}}
    events = [start("J"), called("J", "track_parcel", 2, result=told), *([end("J", 60)] if is_over else [])]
    written = json.dumps({"events": events}, separators=(",", ":"), ensure_ascii=False).replace("99", "12345E18")
    door.post("/ingest/v1/events", written.encode())
    settle(house, door)
    for q in ("feed", "quoted", "cafe", "back", "stop", "2345e", "22", "4", "5", "7", "ete", "track", "line*"):
        (shown,) = door.get("/hansard/v1/sessions/search", q=q).json["items"]
        assert shown["hit_count"] == 1, q
        assert shown["hits"][0]["tool_name"] == "track_parcel", q
        assert shown["hits"][0]["ranges"], q
    for q in ("nfeed", "tstop", "deep"):
        assert find(door, q) == [], q


def test_what_the_user_said_and_what_the_agent_said_are_told_apart(house: House) -> None:
    door = house.door()
    talk(door, said("U", "user", "I want a refund", 1), said("U", "agent", "No money back", 2))
    talk(door, said("V", "user", "Give me money", 1), said("V", "agent", "A refund it is", 2))
    settle(house, door)
    assert find(door, "user:refund") == find(door, "reply:money") == ["U"]
    assert find(door, "reply:refund") == find(door, "user:money") == ["V"]
    assert sorted(find(door, "refund money")) == ["U", "V"]
    assert find(door, 'user:"a refund" -reply:"refund it"') == ["U"]
    assert find(door, "agent:refund") == []


def test_a_phrase_lies_within_one_message(house: House) -> None:
    door = house.door()
    talk(door, said("P", "user", "please cancel my", 1), said("P", "user", "order now", 2))
    talk(door, said("Q", "user", "Please, cancel: MY order!", 1))
    settle(house, door)
    assert find(door, '"cancel my order"') == ["Q"]
    assert sorted(find(door, "cancel my order")) == ["P", "Q"]


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("Ich möchte die Straße ändern", ("MOCHTE", "möchte", "mo\u0308chte", "strasse", "STRASSE", '"die straße"')),
        ("Çà et là, un café", ("cafe", "CAFÉ", '"ca et la"')),
        ("我想取消订单", ("取消", "订单", "我", '"想取消"', "user:取消订单")),
        ("キャンセルしたい", ("キャンセル", "したい")),
        ("Отмените заказ", ("ЗАКАЗ", "отмените")),
        ("आपका आदेश", ("आदेश",)),
        ("ﬁne ① ½ ＡＢＣ", ("fine", "1", "abc")),
        ("l'été d’Anna", ("ete", "l'ete", "anna")),
    ],
)
def test_case_accents_and_scripts_do_not_hide_a_word(house: House, text: str, queries: Iterable[str]) -> None:
    door = house.door()
    talk(door, said("T", "user", text, 1))
    settle(house, door)
    for q in queries:
        assert find(door, q) == ["T"], q
    for q in ("取订", "ンキ", "стр", "xyz"):
        assert find(door, q) == [], q


def test_another_organizations_words_are_not_found(house: House) -> None:
    mine, theirs = house.door(), house.door()
    for _ in range(3):
        make_session(theirs)
    talk(mine, said("M", "user", "hello appointment", 1))
    settle(house, mine)
    settle(house, theirs)
    assert find(mine, "appointment") == ["M"]
    assert find(mine, "monday") == []
    assert len(find(theirs, "appointment")) == 3
    assert find(theirs, "appointment -monday") == []


def search(door: Door, q: str, **more: Any) -> list[dict[str, Any]]:
    answer = door.get("/hansard/v1/sessions/search", q=q, **more)
    assert answer.status == 200, (q, answer.bytes)
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def test_a_running_session_is_found_within_two_seconds_and_grows(house: House) -> None:
    door = house.door()
    for number, word in enumerate(("first", "second", "third")):
        events = [start("R")] if not number else []
        door.send([*events, said("R", "user", f"the {word} word", number + 1)])
        assert settle(house, door) < 2
        assert find(door, word) == ["R"]
        assert find(door, '"the first word"') == ["R"]
    door.send([end("R", 9)])
    settle(house, door)
    assert find(door, "first second third is:ended") == ["R"]
    assert find(door, '"word the second"') == []


def test_late_and_repeated_events_leave_what_the_record_has(house: House) -> None:
    door = house.door()
    whole = [start("L"), said("L", "user", "alpha beta", 1), said("L", "user", "beta gamma", 5), end("L", 9)]
    late = said("L", "agent", "delta beta", 3)
    for events in (whole, whole, [late], [late], [whole[1], late], [make_label("L")]):
        door.send(events)
        settle(house, door)
    assert find(door, "alpha") == find(door, "delta") == find(door, "gamma") == ["L"]
    assert find(door, '"alpha beta"') == find(door, '"delta beta"') == ["L"]
    assert find(door, '"beta delta"') == find(door, "user:delta") == []
    with house.database.reading() as db:
        assert count_documents(db, door.organization_id) == 1


def make_label(sid: str) -> dict[str, Any]:
    return make_event("label", {"type": "auto-rating", "code": "BAD", "comments": "omega"}, sid=sid, seconds=100)


def test_each_hit_says_who_said_it_when_and_where_in_the_text(house: House) -> None:
    door = house.door()
    long = "x " * 100 + "I want a REFUND, and the refund now" + " y" * 100
    talk(
        door,
        said("H", "agent", "A refund?", 7, started_at=at(6.5)),
        said("H", "user", "Good day", 1),
        said("H", "user", long, 4),
        called("H", "refund_order", 8, arguments={"why": "Refund: asked"}, result={"n": 12}),
        said("H", "user", "Thanks for the refund", 9),
    )
    settle(house, door)
    (one,) = search(door, "refund")
    assert one["channel_manager_sid"] == "H"
    assert one["hit_count"] == 4
    first, second, third = one["hits"]
    assert (first["role"], first["kind"], first["field"], first["turn_index"]) == ("user", "message", "text", 1)
    assert (first["offset_s"], first["at"], first["tool_name"]) == (4.0, shown(4), None)
    assert [first["snippet"][a:b] for a, b in first["ranges"]] == ["REFUND", "refund"]
    assert first["snippet"].startswith("…")
    assert first["snippet"].endswith("…")
    assert len(first["snippet"]) < 250
    assert (second["offset_s"], second["turn_index"], second["snippet"], second["ranges"]) == (
        6.5,
        2,
        "A refund?",
        [[2, 8]],
    )
    assert (third["kind"], third["role"], third["tool_name"], third["field"]) == (
        "tool_call",
        None,
        "refund_order",
        "name",
    )
    assert (third["turn_index"], third["ranges"], third["offset_s"]) == (2, [[0, 6]], 8.0)
    record = door.get(f"/hansard/v1/sessions/{one['session_id']}/record").json
    assert {hit["event_id"] for hit in one["hits"]} < {child["id"] for child in record["events"]}
    (phrased,) = search(door, '"for the refund" reply:a')
    assert [hit["snippet"] for hit in phrased["hits"]] == ["A refund?", "Thanks for the refund"]
    assert phrased["hits"][1]["ranges"] == [[7, 10], [11, 14], [15, 21]]
    assert [(one["hit_count"], one["hits"]) for one in search(door, "agent:desk -parcel")] == [(0, [])]


def test_only_the_few_hits_of_one_word_are_read_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may take long keeps nobody waiting: the index passes by much for a phrase, and a session may be long."""
    is_file, door = house.database.folder is not None, house.door()
    talk(door, said("W", "user", "a zebra crossing", 4))
    talk(door, said("Z", "user", "zebras, a zebra", 4))
    talk(door, said("R", "user", "a zephyr", 4), is_over=False)
    settle(house, door)
    monkeypatch.setattr(reading_talks, "_MOST_BYTES", 0)  # so that none is at hand
    is_read_at_once = _at_once(door, monkeypatch)
    assert is_read_at_once("Zebra") == is_file
    assert not any(map(is_read_at_once, ("zebra*", '"a zebra"', "a zebra", "user:zebra", "zebra,zephyr", "zephyr")))
    monkeypatch.setattr(store, "_SOON_READ", 50)
    assert not is_read_at_once("zebra")
    monkeypatch.setattr(fulltext, "_RARE", 1)
    monkeypatch.setattr(store, "_SOON_READ", 1000)
    assert not is_read_at_once("zebra")
    assert is_read_at_once("crossing") == is_file


def _at_once(door: Door, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], bool]:
    """Tells of a search whether the event loop itself reads the sessions that are shown."""
    readers = []

    def spy(db: Connection, *given: Any) -> Any:
        readers.append(threading.current_thread().name)
        return find_talks(db, *given)

    monkeypatch.setattr(searching, "find_talks", spy)

    def is_read_at_once(q: str) -> bool:
        readers.clear()
        assert search(door, q), q
        return not readers[-1].startswith("hansard-reader")

    return is_read_at_once


def test_what_was_read_of_a_session_is_at_hand_until_it_is_another(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = sqlite_house.door()
    talk(door, said("H", "user", f"a heron {random.random()}", 4))
    settle(sqlite_house, door)
    is_read_at_once = _at_once(door, monkeypatch)
    monkeypatch.setattr(store, "_SOON_READ", 50)  # so that reading a body takes long
    assert [is_read_at_once("heron") for _ in range(3)] == [False, True, True]
    door.send([said("H", "agent", "a heron, you say", 5)])
    settle(sqlite_house, door)
    assert [is_read_at_once("heron") for _ in range(2)] == [False, True]
    (shown,) = search(door, "heron")
    assert (shown["hit_count"], [hit["turn_index"] for hit in shown["hits"]]) == (2, [0, 1])


def test_a_rare_word_is_looked_for_in_the_index_once(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    door, asked, ask = sqlite_house.door(), [], hot._rows_of_file
    talk(door, said("Z", "user", "a zebra", 4))
    settle(sqlite_house, door)

    def heard(db: Connection, sql: str, given: Any) -> list[Any]:
        asked.append(sql)
        return ask(db, sql, given)

    monkeypatch.setattr(hot, "_rows_of_file", heard)
    assert [len(search(door, q)) for q in ("zebra", "zebra is:ended", "zebra is:running", "okapi")] == [1, 1, 0, 0]
    assert sum("MATCH" in one for one in asked) == 4


def test_a_search_for_other_words_needs_no_other_statement(house: House) -> None:
    door = house.door()
    for word in ("zebra", "okapi"):
        talk(door, said(word, "user", f"a {word}", 4))
    settle(house, door)
    assert find(door, "zebra") == ["zebra"]
    before = searching._keys.cache_info().misses
    assert find(door, "okapi") == ["okapi"]
    assert searching._keys.cache_info().misses == before


def test_a_page_of_hits_is_as_asked_and_bad_questions_are_refused(house: House) -> None:
    door = house.door()
    for number in range(7):
        door.send([start(f"S{number}", number), said(f"S{number}", "user", "hello there", number)])
    settle(house, door)
    page = door.get("/hansard/v1/sessions/search", q="hello", limit=3, page=1).json
    assert [one["channel_manager_sid"] for one in page["items"]] == ["S3", "S2", "S1"]
    assert (page["total_count"], page["total_pages"], page["page"], page["page_size"]) == (7, 3, 1, 3)
    assert door.get("/hansard/v1/sessions/search").status == 422
    assert door.get("/hansard/v1/sessions/search", q="x", limit=101).status == 422
    assert door.get("/hansard/v1/sessions/search", q="agnet:x").status == 400
    assert door.get("/hansard/v1/sessions/search", q='"' + "w " * 65 + '"').detail == "A phrase has at most 64 words."


HOSTILE = (
    'a "quoted" word',
    "AND OR NOT NEAR",
    "NEAR(a b)",
    "a* *b ^c",
    "{user} : x",
    "-minus col:on",
    "'); DROP TABLE session; --",
    "& | ! <-> :* 'a':1A",
    "\\ back \\' slash",
    "¦ § §1 §2",
    "🙂 🏴‍☠️ 1️⃣",
    "\t\n\r",
    "a\0b",
    "ﷺ ½ ǅ İ ı ſ",
    "x" * 5000,
    "é" * 300,
    "\u200d\u00ad\ufeff",
    "%_%",
    "",
    " ",
)


def test_no_text_is_an_error_neither_recorded_nor_searched(house: House) -> None:
    door = house.door()
    for number, text in enumerate(HOSTILE):
        talk(
            door,
            said(f"X{number}", "user", text, 1),
            called(f"X{number}", text or "-", 2, arguments=[text, {text: text}]),
        )
    many = " ".join(f"w{number}" for number in range(10_000))
    talk(door, said("MANY", "agent", many, 1))
    talk(door, said("SAME", "agent", "again " * 10_000 + "and the end", 1))
    settle(house, door)
    for number, text in enumerate(HOSTILE):
        clean = text.replace("\0", " ").replace("\\", " ").replace('"', " ")[:1000]
        for q in (f'"{clean}"', f'user:"{clean}"', f'-reply:"{clean}"', f'"{clean}*"', clean, f'"{clean}",b'):
            answer = door.get("/hansard/v1/sessions/search", q=q)
            assert answer.status in (200, 400), (q, answer.bytes)
        if clean.split() and any(one.isalnum() for one in clean):
            assert f"X{number}" in find(door, f'"{clean}"'), text
    assert find(door, "w9999") == find(door, '"w9998 w9999"') == find(door, '"w299 w300 w301"') == ["MANY"]
    assert (
        find(door, '"w2998 w2999 w3000 w3001"') == find(door, '"' + " ".join(many.split()[2960:3020]) + '"') == ["MANY"]
    )
    assert find(door, '"again and the end"') == find(door, '"again again again"') == find(door, "end again") == ["SAME"]
    assert find(door, '"end again"') == []
    for q in (",".join("abcdefgh" * 100), " ".join(f"-user:{one}" for one in "abcdefghij"), '"' + "a " * 64 + '"'):
        assert door.get("/hansard/v1/sessions", q=q).status == 200, q


def test_what_is_removed_is_found_no_more_however_far_the_index_had_read(house: House) -> None:
    door = house.door()
    mine = door.organization_id
    for sid in ("GONE", "KEPT"):
        talk(door, said(sid, "user", "the secret word", 1), called(sid, "vault", 2, result={"code": "hush"}))
    settle(house, door)
    number = int(search(door, "secret")[1]["session_id"])
    with house.database.reading() as db:
        gone = Document(number, entries(spoken_of(map(kept, list_children(db, mine, number)))))
    for _ in range(2):
        house.database.write(mine, lambda db: remove_document(db, mine, gone))
    assert find(door, "secret") == find(door, "hush") == find(door, "-nothing secret") == ["KEPT"]
    with house.database.reading() as db:
        assert count_documents(db, mine) == 1


def words_of(text: str) -> list[str]:
    """The oracle's words, told apart without our tables."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(one))
    return re.findall(r"[^\W_]+", plain.casefold())


def holds(text: str, wanted: list[str], is_prefix: bool) -> bool:
    told = words_of(text)
    for place in range(len(told) - len(wanted) + 1):
        some = told[place : place + len(wanted)]
        if some == wanted or (is_prefix and some[:-1] == wanted[:-1] and some[-1].startswith(wanted[-1])):
            return True
    return False


VOCABULARY = ["refund", "refunds", "Café", "straße", "order", "my", "the", "cancel", "ÉTÉ", "a1", "b-2", "no", "Ok!"]


def test_any_search_finds_what_a_plain_scan_of_the_texts_finds(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(5)
    door = house.door()
    texts: dict[str, list[tuple[str, str]]] = {}

    def more(sid: str) -> list[dict[str, Any]]:
        text = " ".join(dice.choices(VOCABULARY, k=dice.randint(1, 5)))
        part = dice.choice(("user", "agent", "tool"))
        texts.setdefault(sid, []).append((part, text))
        if part == "tool":
            return [called(sid, "look", dice.randint(1, 50), result={"found": [text, None, True]})]
        return [said(sid, part, text, dice.randint(1, 50))]

    for step in range(120):
        sid = f"O{dice.randint(0, 39)}"
        events = more(sid) + ([end(sid, 60)] if dice.random() < 0.3 else [])
        door.send([start(sid, version=1), *events])
        if step % 40 == 0:
            settle(house, door)
    settle(house, door)
    parts = {"": ("user", "agent", "tool"), "user:": ("user",), "reply:": ("agent",)}
    for _ in range(200):
        expected = set(texts)
        terms = []
        for _ in range(dice.randint(1, 3)):
            field, is_not, is_prefix = dice.choice(list(parts)), dice.random() < 0.25, dice.random() < 0.2
            values = [
                " ".join(dice.choices(VOCABULARY, k=dice.choice((1, 1, 2, 3)))) for _ in range(dice.choice((1, 1, 2)))
            ]
            if is_prefix:
                values = [value.rstrip("!")[: dice.randint(4, 9)].strip("- ") for value in values]
            terms.append(("-" if is_not else "") + field + ",".join(f'"{value}{"*" * is_prefix}"' for value in values))
            hit = {
                sid
                for sid, told in texts.items()
                if any(
                    part in parts[field] and holds(text, words_of(value), is_prefix)
                    for part, text in told
                    for value in values
                )
            }
            expected &= set(texts) - hit if is_not else hit
        monkeypatch.setattr(fulltext, "_FEW", dice.choice((0, 5, 2000)))  # each way of looking gives the same
        found = find(door, " ".join(terms))
        assert set(found) == expected, terms
        some = door.get("/hansard/v1/sessions", q=" ".join(terms), limit=3, page=1).json["items"]
        assert [one["channel_manager_sid"] for one in some] == found[3:6], terms


def test_a_kill_between_reading_and_writing_loses_nothing(house: House) -> None:
    """A batch that was read and never written is read again; one that another process wrote first is not written."""
    door = house.door()
    mine = door.organization_id
    house.app.state.indexer.close()
    try:
        talk(door, said("K", "user", "killed once", 1))
        index_all(house.database, mine)
        door.send([said("K", "user", "killed twice", 2)])
        with house.database.reading() as db:
            lost = find_batch(db, mine)
        assert lost
        assert find(door, "twice") == []
        door.send([said("K", "user", "killed thrice", 3)])
        index_all(house.database, mine)
        assert find(door, "once twice thrice") == ["K"]
        late = partial(add_batch, organization_id=mine, batch=lost)
        assert house.database.write(mine, late) is False
        assert find(door, "thrice") == ["K"]
        assert backlog(house, door).count == 0
    finally:
        restart(house)


def test_a_long_backlog_is_read_in_small_batches_and_none_is_left_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = house.door()
    mine = door.organization_id
    monkeypatch.setattr(reading, "_MOST_CHARACTERS", 120)
    monkeypatch.setattr(reading, "_AT_ONCE", 3)
    house.app.state.indexer.close()
    try:
        talk(door, said("J", "user", "the first is read in a walk, what follows by the log", 1))
        index_all(house.database, mine)
        for number in range(25):
            talk(door, said(f"J{number}", "user", f"long backlog of word {number}", 1))
        assert backlog(house, door).count == 25
        index_all(house.database, mine)
        assert len(find(door, "backlog")) == 25
        house.database.write(mine, partial(start_walk, organization_id=mine))
        house.database.write(mine, empty)
        index_all(house.database, mine)
        assert len(find(door, "backlog")) == 25
    finally:
        restart(house)


def test_a_session_that_is_removed_while_the_index_reads_it_does_not_come_back(house: House) -> None:
    door = house.door()
    mine = door.organization_id
    house.app.state.indexer.close()
    try:
        talk(door, said("RACE", "user", "soon gone", 1))
        index_all(house.database, mine)
        door.send([said("RACE", "user", "one more", 2)])
        with house.database.reading() as db:
            batch = find_batch(db, mine)
            held = Document(1, entries(spoken_of(map(kept, list_children(db, mine, 1)))))
        assert batch

        def remove(db: Any) -> None:
            remove_document(db, mine, held)
            for table in ("body", "child", "session"):
                key = "id" if table == "session" else "session_id"
                db.exec_driver_sql(f"DELETE FROM {table} WHERE organization_id = {mine} AND {key} = 1")

        house.database.write(mine, remove)
        assert house.database.write(mine, partial(add_batch, organization_id=mine, batch=batch))
        assert find(door, "gone") == find(door, "more") == []
    finally:
        restart(house)


def restart(house: House) -> None:
    house.app.state.indexer = Indexer(house.database)
    house.app.state.indexer.start()


def test_sessions_from_before_the_index_are_read_newest_first(house: House) -> None:
    """As after an upgrade: the log says nothing of them."""
    door = house.door()
    mine = door.organization_id
    house.app.state.indexer.close()
    try:
        for number in range(3):
            talk(door, said(f"B{number}", "user", "before", 1))
        index_all(house.database, mine)
        house.database.write(mine, remove_all_of(mine))
        assert find(door, "before") == []
        assert backlog(house, door).count == 3
        index_all(house.database, mine)
        assert len(find(door, "before")) == 3
        assert backlog(house, door) == Backlog(0, None)
    finally:
        restart(house)


def empty(db: Connection) -> None:
    remove_all_documents(db, [one.id for one in list_organizations(db)])


def remove_all_of(organization_id: int) -> Any:
    def work(db: Any) -> None:
        empty(db)
        db.exec_driver_sql(f"DELETE FROM cursor WHERE organization_id = {organization_id}")
        db.exec_driver_sql(f"DELETE FROM change WHERE organization_id = {organization_id}")

    return work


def test_searching_goes_on_while_the_index_is_made_anew(house: House) -> None:
    door = house.door()
    mine = door.organization_id
    for number in range(40):
        talk(door, said(f"W{number}", "user", f"common word {number} unique{number}", 1))
    settle(house, door)
    wrong: list[Any] = []
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            count = len(find(door, "common"))
            if count < 40:
                wrong.append(count)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(5):
        house.database.write(mine, partial(start_walk, organization_id=mine))
        talk(door, said(f"N{number}", "user", "common newcomer", 1))
        settle(house, door)
    is_over.set()
    thread.join()
    assert wrong == []
    assert len(find(door, "common")) == 45
    assert find(door, "unique7") == ["W7"]
    assert find(door, "unique7 newcomer") == []


def test_the_index_keeps_up_with_full_ingest_and_never_holds_a_session_back(house: House) -> None:
    door = house.door()
    lags_s = []
    for batch in range(6):
        events = []
        for number in range(60):
            sid = f"F{batch}-{number}"
            events += [
                start(sid),
                *(said(sid, "user", f"flood {batch} {turn}", turn) for turn in range(10)),
                end(sid, 20),
            ]
        door.send(events[:720])
        lags_s.append(settle(house, door))
    assert median(lags_s) < 2  # how far it lags at most is for the bench: tests run beside others
    assert len(find(door, "flood")) == 360


def test_an_error_of_the_thread_is_survived(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    door = house.door()
    real, failed = indexing.index_batch, threading.Event()

    def fail_once(database: Database, organization_id: int) -> Any:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("the moon is in the way")
        return real(database, organization_id)

    monkeypatch.setattr(indexing, "index_batch", fail_once)
    talk(door, said("E", "user", "still found", 1))
    assert failed.wait(5)
    settle(house, door)
    assert find(door, "still") == ["E"]
    assert "it will be tried again" in caplog.text

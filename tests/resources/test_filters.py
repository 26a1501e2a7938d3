"""Random filters against the plain oracle, in one view of the record, while others write into it."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from hansard.db.tables import recording
from hansard.resources.sessions import paths, search, values
from hansard.resources.sessions.intake import close_abandoned
from hansard.resources.sessions.order import read_cursor, read_sort
from hansard.resources.sessions.query import FIELDS, SPOKEN, Query, read_query
from hansard.resources.sessions.schemas import FoundPage
from hansard.resources.sessions.search import Paging, find_sessions
from hansard.resources.sessions.store import list_keys_after, list_records
from tests.conftest import House
from tests.door import Door
from tests.make import START, at, called, end, make_event, measured, said, start
from tests.resources.oracle import NUMBERS, SORTS, WORDS, Drawn, Facts, draw, facts_of, in_order
from tests.sounds import put, wav

NOW = START + timedelta(hours=60)
TERMS_AT_MOST = 5
FILTERS_PER_VIEW = 20
SESSIONS_AT_MOST = 300


@dataclass
class Writers:
    """Makes sessions of every kind and sends them a bit at a time, in no order, as agents would."""

    door: Door
    dice: random.Random
    sids: list[str] = field(default_factory=list)
    made: int = 0
    failures: list[BaseException] = field(default_factory=list)

    def send(self) -> None:
        """Some events of a new session, or some more of an old one."""
        dice = self.dice
        if not self.sids or (self.made < SESSIONS_AT_MOST and dice.random() < 0.4):
            self.made += 1
            self.sids.append(f"S{self.made:04}")
            events = self._founding(self.sids[-1])
        else:
            events = [self._any(dice.choice(self.sids)) for _ in range(dice.randint(1, 4))]
        dice.shuffle(events)
        assert self.door.send(events)["rejected"] == []

    def _founding(self, sid: str) -> list[dict[str, Any]]:
        events = [self._any(sid) for _ in range(self.dice.randint(0, 12))]
        events += [self._end(sid)] if self.dice.random() < 0.7 else []
        return events if events and self.dice.random() < 0.1 else [*events, self._start(sid)]

    def _seconds(self, sid: str) -> float:
        """Within a few minutes of the session's own hour, to the millisecond; some begin at the very same instant."""
        hour = int(sid[1:]) * 7 % 50
        return hour * 3600 + self.dice.choice((0, self.dice.randint(0, 300_000) / 1000))

    def _start(self, sid: str) -> dict[str, Any]:
        return start(sid, self._seconds(sid), **self._said())

    def _said(self) -> dict[str, Any]:
        dice = self.dice
        fields = {
            "agent_id": dice.choice(("12", "13", None)),
            "agent_name": dice.choice(("Front desk", "Back Office", "Straße", 'desk, "so" said', None)),
            "prompt_name": dice.choice(("Reception", "Ünder", None)),
            "prompt_version": dice.choice(("v2", "3", None)),
            "prompt_version_number": dice.choice((1, 3, None)),
            "channel_manager_type": dice.choice(("voice_sip_v1", "web_chat_v1", None)),
            "is_outbound": dice.choice((True, False, None)),
            "is_test": dice.choice((True, False, False, None)),
            "source": dice.choice(("+18042221111", "+4989123456", "Kunde@Büro.example", None)),
            "target": dice.choice(("+18002832940", "100% sure_", None)),
            "llm_model": dice.choice(("gpt-4.1", "Claude", None)),
            "conversation_id": dice.choice(("one", "two", None, None)),
            "timestamp": at(dice.randint(0, 50) * 3600) if dice.random() < 0.1 else None,
            "customer_tier": dice.choice(("gold", "silver", "Gold", None)),
            "seats": dice.choice((1, 2, 0.5, True, [1], None)),
            "a=b": dice.choice(("c", None)),
            "order": dice.choice((*range(20), "0=0", None)),
        }
        return {name: value for name, value in fields.items() if dice.random() < 0.7}

    def _end(self, sid: str) -> dict[str, Any]:
        lasted = {"duration": self.dice.choice((0, 10, 61.5, 400.25))} if self.dice.random() < 0.5 else {}
        return end(sid, self._seconds(sid), **lasted)

    def _any(self, sid: str) -> dict[str, Any]:
        kinds = (self._word, self._word, self._word, self._tool, self._latency, self._label, self._rest)
        return self.dice.choice(kinds)(sid)

    def _word(self, sid: str) -> dict[str, Any]:
        dice, seconds = self.dice, self._seconds(sid)
        more: dict[str, Any] = {"lang": dice.choice(("en", "en-US", "EN_us", "de-AT", "e", None))}
        more |= {"started_at": at(seconds - dice.randint(0, 3))} if dice.random() < 0.5 else {}
        more |= {"ended_at": at(seconds + dice.randint(0, 4))} if dice.random() < 0.7 else {}
        return said(sid, dice.choice(("user", "agent")), "words", seconds, interrupted=dice.random() < 0.2, **more)

    def _tool(self, sid: str) -> dict[str, Any]:
        name = self.dice.choice(("book", "Book", "find_slot", "pay now"))
        return called(sid, name, self._seconds(sid), error=self.dice.choice((None, None, "no", {}, False)))

    def _latency(self, sid: str) -> dict[str, Any]:
        category = self.dice.choice(("turn", "turn", "llm"))
        label = self.dice.choice(("end_to_end", "user_bot", "end_of_turn", None))
        lasted_ms = self.dice.choice((-5, 0, 850, 1200.4, 1999.6, 2000, self.dice.randint(0, 4000)))
        return measured(sid, category, lasted_ms, self._seconds(sid), label=label)

    def _label(self, sid: str) -> dict[str, Any]:
        """At an instant of its own: which of two of one instant is shown is the server's choice."""
        data = {
            "type": self.dice.choice(("auto-rating", "human-rating")),
            "code": self.dice.choice(("good", "OK", "BAD", "N/A")),
            "issue_categories": self.dice.choice((None, [], ["Slow"], ["slow", "Wrong, rude"])),
        }
        made = make_event("label", data, sid=sid)
        return made | {"at": at(200_000 + int(made["id"][1:]) / 1000)}

    def _rest(self, sid: str) -> dict[str, Any]:
        kind = self.dice.choice(("session.update", "event", "usage"))
        data = {"session.update": self._said(), "event": {"type": "x"}, "usage": {"category": "llm"}}[kind]
        return make_event(kind, data, sid=sid, seconds=self._seconds(sid))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Send and send, for as long as the block lasts."""
        done = threading.Event()

        def work() -> None:
            try:
                while not done.wait(0.05):
                    self.send()
            except BaseException as error:
                self.failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def record_of(db: Connection, organization_id: int, abandoned: set[str]) -> list[Facts]:
    """The facts of every session of this view, from its events as they were sent."""
    keys = list_keys_after(db, organization_id, 0, 10_000)
    heard = set(
        db.execute(select(recording.c.session_id).where(recording.c.organization_id == organization_id)).scalars()
    )
    return [
        facts_of(
            key.id,
            (key.service, key.sid),
            [dict(one) for one in children or ()],
            was_abandoned=key.sid in abandoned,
            has_recording=key.id in heard,
        )
        for key, children in list_records(db, organization_id, keys)
    ]


def through_cursors(db: Connection, organization_id: int, query: Query, sort: str, limit: int) -> list[int]:
    """The ids of all pages, each asked for by the place behind the one before."""
    order, found, after = read_sort(sort), [], None
    while True:
        page = find_sessions(db, organization_id, query, NOW, Paging(order, 0, limit, after, with_total=False))
        assert page.total_count is None
        assert len(page.items) == limit or page.next is None
        found += [int(one.session_id or 0) for one in page.items]
        if page.next is None:
            return found
        after = read_cursor(page.next, order)


def _differing(facts: list[Facts], whole: FoundPage, terms: list[Drawn]) -> list[tuple[Facts, list[bool]]]:
    """For the reader of a failure: the sessions that only one side finds, and what the oracle says of each term."""
    found = {int(one.session_id or 0) for one in whole.items}
    said = [(one, [term.test(one) for term in terms]) for one in facts]
    return [(one, tests) for one, tests in said if all(tests) is not (one.id in found)]


def compare(db: Connection, organization_id: int, facts: list[Facts], dice: random.Random) -> int:
    """One random filter in one random order, whole, by page and by cursor; gives how many it found."""
    terms = [draw(dice, facts, NOW) for _ in range(dice.randint(1, TERMS_AT_MOST))]
    text, sort = " ".join(term.text for term in terms), dice.choice(("", "-")) + dice.choice(list(SORTS))
    expected = in_order([one for one in facts if all(term.test(one) for term in terms)], sort)
    query, order, limit = read_query(text), read_sort(sort), dice.choice((3, 10, 50))
    whole = find_sessions(db, organization_id, query, NOW, Paging(order, limit=1000))
    assert [int(one.session_id or 0) for one in whole.items] == expected, (text, sort, _differing(facts, whole, terms))
    assert (whole.total_count, whole.next) == (len(expected), None), (text, sort)
    if dice.random() < 0.5:
        number = dice.randint(0, len(expected) // limit + 1)
        page = find_sessions(db, organization_id, query, NOW, Paging(order, number, limit))
        shown = [int(one.session_id or 0) for one in page.items]
        assert shown == expected[number * limit :][:limit], (text, sort, number)
        assert page.total_count == len(expected), (text, number)
    elif len(expected) <= 5 * limit:
        assert through_cursors(db, organization_id, query, sort, limit) == expected, (text, sort, limit)
    return len(expected)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few that are few that a list of these sessions is read in every way that a long one is."""
    monkeypatch.setattr(paths, "_FEW", 12)
    monkeypatch.setattr(paths, "_FEW_ROWS", 40)
    monkeypatch.setattr(search, "_MOST_NAMED", 15)
    monkeypatch.setattr(values, "MOST_OF_A_KEY", 3)


def prove(house: House, filters: int, seed: int) -> None:
    dice = random.Random(seed)
    door = house.door()
    mine = door.organization_id
    writers = Writers(door, random.Random(seed + 1))
    for _ in range(30):
        writers.send()
    abandoned_count = house.database.write(mine, lambda db: close_abandoned(db, mine, house.clock(), most=10))
    listed = door.get("/hansard/v1/sessions", q="is:abandoned", limit=1000).json["items"]
    abandoned = {one["channel_manager_sid"] for one in listed}
    assert len(abandoned) == abandoned_count > 0
    writers.sids = [sid for sid in writers.sids if sid not in abandoned]  # or what still arrives would reopen them
    for _ in range(120):
        writers.send()
    for sid in writers.sids[:5]:
        assert put(door, wav(), sid=sid, name="call.wav").status == 201
    counts: list[int] = []
    sizes = set()
    with writers.at_work():
        while len(counts) < filters:
            with house.database.reading() as db:
                facts = record_of(db, mine, abandoned)
                sizes.add((len(facts), sum(one.turns for one in facts)))
                counts += [compare(db, mine, facts, dice) for _ in range(min(FILTERS_PER_VIEW, filters - len(counts)))]
    assert writers.failures == []
    assert len(sizes) > filters // FILTERS_PER_VIEW // 4, "nobody wrote meanwhile"
    assert sum(count > 0 for count in counts) > filters // 3, "most filters found nothing"


def test_the_oracle_knows_every_field() -> None:
    """But for what was said: the index of that may be a second behind, and has an oracle of its own."""
    assert {*WORDS, *NUMBERS, "since", "after", "before", *SPOKEN} == set(FIELDS)


def test_two_hundred_random_filters_find_what_the_oracle_finds(house: House) -> None:
    prove(house, 200, seed=11)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_two_thousand_random_filters_find_what_the_oracle_finds(house: House) -> None:
    prove(house, 2000, seed=12)

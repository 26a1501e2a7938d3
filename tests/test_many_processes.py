"""Several server processes on one PostgreSQL leave the record that one alone would, whoever is told what, and when."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
from sqlalchemy import Connection, literal, select

from hansard.db.engine import Database, open_database
from hansard.db.migrate import migrate
from hansard.db.tables import (
    conversation,
    event,
    label,
    latency_histogram,
    metadata,
    metadata_value,
    party,
    session,
    snapshot,
    trait,
    trait_of_set,
)
from hansard.kit.settings import Settings
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Scope
from hansard.resources.sessions.histograms import unpacked_counts
from hansard.resources.sessions.store import get_last_change, list_changes_after, list_children
from tests.conftest import House, free_port
from tests.door import Door
from tests.make import START, end, make_call, make_event, make_sid, said, start
from tests.test_killed import command, wait_until_ready

CLIENTS = 6


def events_of(dice: random.Random, count: int) -> list[dict[str, Any]]:
    """Calls with one of everything, and threads of text messages that belong together."""
    made: list[dict[str, Any]] = []
    for number in range(count):
        sid = make_sid()
        if number % 3:
            fields = {"source": f"+1804{number:07}", "order": f"No {number}", "tier": "gold"}
            made += make_call(sid, agent_name=f"Agent {number % 4}", **fields)
            corrected = {"agent_name": "Back desk", "order": f"No {number // 2}"}
            made.append(make_event("session.update", corrected, sid=sid, seconds=5))
            continue
        at = 3600.0 * number
        fields = {"channel_manager_type": "sms_twilio_v1", "source": f"+1555{number % 2:07}"}
        made += [start(sid, at, **fields), said(sid, "user", "hi", at + 1), end(sid, at + 60)]
        made.append(make_event("label", {"type": "human-rating", "code": "OK"}, sid=sid, seconds=at + 90))
    dice.shuffle(made)
    return made


@dataclass
class Client:
    """Sends its share of the events, in its own order, until each was acknowledged; goes elsewhere when it must."""

    doors: list[Door]
    batches: list[list[dict[str, Any]]]
    failures: list[str] = field(default_factory=list)
    sent: int = 0

    def send_all(self) -> None:
        deadline = time.monotonic() + 120
        while self.sent < len(self.batches):
            try:
                answer = self.doors[0].post("/ingest/v1/events", {"events": self.batches[self.sent]})
            except urllib3.exceptions.HTTPError:
                self.doors = self.doors[1:] + self.doors[:1]
                self.sent = 0  # it cannot know what of it arrived, and need not
                continue
            if answer.status == 200 and not answer.json["rejected"]:
                self.sent += 1
            elif answer.status != 503 or time.monotonic() > deadline:
                self.failures.append(f"{answer.status} {answer.bytes!r}")
                return


@dataclass
class Follower:
    """Reads the change log as it grows, as search and live pages do, each look a transaction of its own."""

    database: Database
    organization_id: int
    seen: list[tuple[int, int]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def follow(self, stop: threading.Event) -> None:
        while True:
            is_last = stop.is_set()
            after = self.seen[-1][0] if self.seen else 0
            with self.database.reading() as db:
                found = list_changes_after(db, self.organization_id, after, most=50)
            for one in found:
                if one.seq != after + 1:
                    self.gaps.append((after, one.seq))
                after = one.seq
                self.seen.append((one.seq, one.session_id))
            if is_last and not found:
                return


def read_until(stop: threading.Event, door: Door, problems: list[str]) -> None:
    """A reader's totals only grow, and each page holds as many as it says."""
    before = 0
    while not stop.is_set():
        try:
            answer = door.get("/api/v1/sessions/", limit=1000)
        except urllib3.exceptions.HTTPError:
            return  # it was killed
        total = answer.json.get("total_count", -1) if answer.status == 200 else -1
        if answer.status not in (200, 503) or (answer.status == 200 and len(answer.json["items"]) != total):
            problems.append(f"{answer.status}: {answer.bytes[:200]!r}")
        if total != -1 and total < before:
            problems.append(f"{before} sessions became {total}")
        before = max(before, total)


def record_of(db: Connection, organization_id: int) -> dict[str, Any]:
    """Everything that is kept of an organization's sessions, under names that do not depend on who came first."""
    sids = {
        row.id: f"{row.service} {row.sid}"
        for row in db.execute(
            select(session.c.id, session.c.service, session.c.sid).where(session.c.organization_id == organization_id)
        )
    }
    seen_as = {
        row.id: row.digest.hex()
        for row in db.execute(select(snapshot).where(snapshot.c.organization_id == organization_id))
    }

    def named(row: Any) -> str:
        shown = {name: value for name, value in row.items() if name not in {"organization_id", "received_at"}}
        shown["snapshot_id"] = seen_as.get(shown.get("snapshot_id"))
        if "conversation_id" in shown or "is_legacy" in shown:
            key = "conversation_id" if "conversation_id" in shown else "id"
            shown[key] = sids.get(int(shown[key]), shown[key]) if str(shown[key]).isdigit() else shown[key]
        if "session_id" in shown:
            shown["session_id"] = sids[shown["session_id"]]
        return repr(sorted(shown.items(), key=lambda one: one[0]))

    def rows(table: Any, *without: str) -> list[str]:
        asked = select(table).where(table.c.organization_id == organization_id)
        found = [{k: v for k, v in row.items() if k not in without} for row in db.execute(asked).mappings()]
        return sorted(named(row) for row in found)

    def traits() -> list[str]:
        named_by = (session.c.trait_set_id == trait_of_set.c.set_id) | (
            session.c.metadata_set_id == trait_of_set.c.set_id
        )
        asked = (
            select(session.c.service, session.c.sid, trait.c.kind, trait.c.word)
            .join(trait_of_set, named_by & (trait_of_set.c.organization_id == organization_id))
            .join(trait, (trait.c.organization_id == organization_id) & (trait.c.id == trait_of_set.c.trait_id))
            .where(session.c.organization_id == organization_id)
        )
        noted = (
            select(session.c.service, session.c.sid, literal("value"), metadata_value.c.word)
            .join(
                session, (session.c.organization_id == organization_id) & (session.c.id == metadata_value.c.session_id)
            )
            .where(metadata_value.c.organization_id == organization_id)
        )  # which values are traits depends on who came first
        return sorted(map(repr, (*db.execute(asked), *db.execute(noted))))

    def counted() -> list[str]:
        asked = select(latency_histogram).where(latency_histogram.c.organization_id == organization_id)
        found = [dict(row) | {"counts": unpacked_counts(row["counts"])} for row in db.execute(asked).mappings()]
        return sorted(named(row) for row in found if row["counts"])  # nothing is left of what moved

    return {
        "session": rows(session, "id", "label_id", "trait_set_id", "metadata_set_id"),
        "trait": traits(),
        "party": rows(party),
        "label": rows(label, "id"),
        "event": rows(event),
        "conversation": rows(conversation),
        "latency": counted(),
        "children": {
            sid: sorted(repr(sorted(one.items())) for one in list_children(db, organization_id, number))
            for number, sid in sids.items()
        },
    }


@contextmanager
def two_servers(url: str, folder: Path) -> Iterator[tuple[list["subprocess.Popen[bytes]"], list[int]]]:
    ports = [free_port(), free_port()]
    logs = [(folder / f"log-{port}").open("wb") for port in ports]
    processes = [
        subprocess.Popen(
            command("serve", "--database-url", url, "--port", str(port), "--data", str(folder / str(port))),
            stdout=log,
            stderr=log,
        )
        for port, log in zip(ports, logs, strict=True)
    ]
    try:
        for port in ports:
            wait_until_ready(port)
        yield processes, ports
    finally:
        for process, log in zip(processes, logs, strict=True):
            process.kill()
            process.wait(timeout=20)
            log.close()


def load_and_compare(
    make_settings: Callable[..., Settings], folder: Path, alone: House, sessions: int, *, kill: bool
) -> None:
    dice = random.Random(7)
    events = events_of(dice, sessions)
    settings = make_settings("postgres")
    migrate(settings)
    database = open_database(settings)
    mine = database.write(accounts.EVERYBODY, lambda db: accounts.add_organization(db, "default", START)).id
    _, key = database.write(mine, lambda db: accounts.add_key(db, mine, "k", [Scope.READ, Scope.INGEST], START))
    with two_servers(str(settings.database_url), folder) as (processes, ports):
        doors = [Door(f"http://127.0.0.1:{port}", key, mine) for port in ports]
        clients = [Client(doors[n % 2 :] + doors[: n % 2], list(batches(dice, events, n))) for n in range(CLIENTS)]
        stop, problems = threading.Event(), list[str]()
        follower = Follower(database, mine)
        following = threading.Thread(target=follower.follow, args=(stop,))
        reading = [threading.Thread(target=read_until, args=(stop, door, problems)) for door in doors]
        sending = [threading.Thread(target=client.send_all) for client in clients]
        for thread in (following, *reading, *sending):
            thread.start()
        if kill:
            until_half = sum(len(client.batches) for client in clients) / 3
            deadline = time.monotonic() + 60
            while sum(client.sent for client in clients) < until_half and time.monotonic() < deadline:
                time.sleep(0.01)
            os.kill(processes[0].pid, signal.SIGKILL)
        for thread in sending:
            thread.join(timeout=200)
        stop.set()
        for thread in (following, *reading):
            thread.join(timeout=60)
        assert [client.failures for client in clients] == [[]] * CLIENTS
        assert problems == []
    expect_followed(database, mine, follower)
    door = alone.door()
    for first in range(0, len(events), 500):
        door.send(events[first : first + 500])
    with database.reading() as ours, alone.database.reading() as theirs:
        many, one = record_of(ours, mine), record_of(theirs, door.organization_id)
    database.close()
    for name, expected in one.items():
        assert expected, f"nothing to compare in {name}"
        assert many[name] == expected, name


def batches(dice: random.Random, events: list[dict[str, Any]], client: int) -> Iterator[list[dict[str, Any]]]:
    """Two thirds of all events, some of them twice, in an order of its own; three clients have them all."""
    share = [one for number, one in enumerate(events) if number % 3 != client % 3]
    dice.shuffle(share)
    share += dice.choices(share, k=len(share) // 10)
    for number, first in enumerate(range(0, len(share), 12)):
        yield share[first : first + 12]
        if number % 7 == 0:
            yield share[first : first + 12]


def expect_followed(database: Database, organization_id: int, follower: Follower) -> None:
    """Who followed the log during the load missed nothing and saw nothing out of order."""
    assert follower.gaps == []
    with database.reading() as db:
        last = get_last_change(db, organization_id)
        whole: list[tuple[int, int]] = []
        while found := list_changes_after(db, organization_id, len(whole)):
            whole += [(one.seq, one.session_id) for one in found]
    assert follower.seen == whole
    assert [seq for seq, _ in whole] == list(range(1, last + 1))


@pytest.mark.long
def test_two_processes_leave_what_one_alone_would(
    make_settings: Callable[..., Settings], tmp_path: Path, postgres_house: House
) -> None:
    load_and_compare(make_settings, tmp_path, postgres_house, 24, kill=False)


@pytest.mark.long
def test_two_processes_of_which_one_is_killed_leave_what_one_alone_would(
    make_settings: Callable[..., Settings], tmp_path: Path, postgres_house: House
) -> None:
    load_and_compare(make_settings, tmp_path, postgres_house, 150, kill=True)


def test_everything_that_is_kept_of_sessions_is_compared() -> None:
    compared = {session, label, event, conversation, latency_histogram, trait, trait_of_set, metadata_value, party}
    others = {"organization", "api_key", "member", "signin", "invitation", "counter", "change", "child", "body"}
    others |= {
        "snapshot",
        "recording",
        "otlp_trace",
        "otlp_span",
        "trait_set",
        "cursor",
        "search_doc",
        "dictionary",
    }  # written by the same door, under the same lock
    assert {table.name for table in compared} | others == set(metadata.tables)

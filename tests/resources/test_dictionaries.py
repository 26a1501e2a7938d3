"""Bodies packed with dictionaries of an organization's own: whatever was recorded when, it is read back as it was."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, select, update

from hansard.db.engine import Database, open_database
from hansard.db.migrate import migrate
from hansard.db.tables import body, dictionary
from hansard.kit.errors import Damaged
from hansard.kit.settings import Settings
from hansard.resources.sessions import dictionaries, repacking, training
from hansard.resources.sessions.backlog import find_backlog
from hansard.resources.sessions.dictionaries import (
    Known,
    Trained,
    add_dictionary,
    count_bodies,
    get_dictionary,
    get_newest_dictionary,
    list_dictionaries,
    list_unused,
    remove_dictionaries,
)
from hansard.resources.sessions.intake import add_changes
from hansard.resources.sessions.packing import BUILT_IN, Dictionary, packing_of
from hansard.resources.sessions.repacking import repack
from hansard.resources.sessions.store import find_children, list_children
from hansard.resources.sessions.training import Trainer, Training, is_due, retrain, train
from tests.cli.test_commands import run
from tests.conftest import DIALECTS, House, open_house
from tests.door import Door
from tests.make import START, called, end, make_sid, said, start
from tests.test_killed import command

CARE = (
    "Thank you for calling the practice of Doctor Okonkwo.",
    "You can come on Monday at a quarter past nine.",
    "Please bring your insurance card and the letter of your doctor.",
    "Is there anything else that I can do for you today?",
    "I have moved your appointment; you will get a message.",
)
PARCELS = (
    "Ihre Sendung liegt seit gestern in der Filiale am Bahnhof.",
    "Bitte nennen Sie mir die Nummer auf dem Zettel.",
    "Der Fahrer hat Sie um zehn Uhr leider nicht angetroffen.",
    "Soll das Paket noch einmal zugestellt werden?",
    "Dann wünsche ich Ihnen einen schönen Tag.",
)
_A_REQUEST = 60
Recorded = dict[str, list[dict[str, Any]]]  # what was sent, by the session's id


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "FEWEST_SAMPLES", 20)


def talk(dice: random.Random, phrases: Sequence[str]) -> list[dict[str, Any]]:
    sid = make_sid()
    lines = [
        said(sid, ("agent", "user")[n % 2], f"{dice.choice(phrases)} {dice.getrandbits(32)}", n + 1.0, lang="en-US")
        for n in range(8)
    ]
    slot = called(sid, "find_slot", 4.5, arguments={"day": dice.randint(1, 28), "desk": "Reception of the practice"})
    return [start(sid), *lines, slot, end(sid, 20)]


def record(door: Door, count: int, phrases: Sequence[str] = CARE, seed: int = 1) -> Recorded:
    """Record this many ended sessions, some dozens a request."""
    dice, made = random.Random(seed), Recorded()
    for first in range(0, count, _A_REQUEST):
        talks = [talk(dice, phrases) for _ in range(min(_A_REQUEST, count - first))]
        receipt = door.send([one for events in talks for one in events])
        ids = {one["sid"]: one["session_id"] for one in receipt["sessions"]}
        made |= {ids[events[0]["session"]["sid"]]: events for events in talks}
    return made


def expect_whole(database: Database, organization_id: int, recorded: Recorded) -> None:
    """Every session has just what was sent."""
    with database.reading() as db:
        found = find_children(db, organization_id, [int(number) for number in recorded])
    for number, events in recorded.items():
        sent = [{name: one[name] for name in ("id", "kind", "at", "data")} for one in events]
        assert found[int(number)] == sorted(sent, key=lambda one: (one["at"], one["id"])), number


def answers(door: Door, recorded: Recorded) -> list[bytes]:
    """What the API says of the first of these sessions, byte by byte."""
    paths = ("/hansard/v1/sessions/{}/record", "/api/v1/sessions/transcript/{}", "/api/v1/sessions/latency/{}")
    found = [door.get(path.format(number)) for number in [*recorded][:5] for path in paths]
    assert {one.status for one in found} == {200}
    return [one.bytes for one in found]


def train_now(house: House, door: Door) -> Training:
    return retrain(house.database, door.organization_id, house.clock())


def known(database: Database, organization_id: int) -> list[Known]:
    with database.reading() as db:
        return list_dictionaries(db, organization_id)


def uses(database: Database, organization_id: int) -> dict[int, int]:
    """How many bodies are packed with each number."""
    with database.reading() as db:
        return {packing: use.bodies for packing, use in count_bodies(db, organization_id).items()}


@contextmanager
def another(house: House) -> Iterator[Database]:
    """A second server's view of the database, which remembers nothing yet."""
    made = open_database(house.settings)
    yield made
    made.close()


def test_sessions_from_before_during_and_after_a_retraining_are_read_back_as_they_were(house: House) -> None:
    door = house.door()
    before = record(door, 40)
    shown = answers(door, before)
    meanwhile: list[Recorded] = []
    sending = threading.Thread(target=lambda: meanwhile.append(record(door, 25, PARCELS, seed=2)))
    sending.start()
    done = train_now(house, door)
    sending.join(timeout=60)
    assert done.is_used
    assert done.made
    assert done.made.saved > 0.2
    after = record(door, 10, seed=3)
    late = said(next(iter(before.values()))[0]["session"]["sid"], "user", "Oh, and thank you.", 5000)
    assert uses(house.database, door.organization_id).keys() == {BUILT_IN.packing, done.made.packing}
    assert uses(house.database, door.organization_id)[done.made.packing] >= len(after)
    expect_whole(house.database, door.organization_id, before | meanwhile[0] | after)
    assert answers(door, before) == shown
    door.send([late])
    next(iter(before.values())).append(late)
    expect_whole(house.database, door.organization_id, before)
    with another(house) as fresh:
        expect_whole(fresh, door.organization_id, before | meanwhile[0] | after)


def test_a_body_that_an_earlier_build_wrote_child_after_child_is_read_and_packed_anew(house: House) -> None:
    door = house.door()
    recorded = record(door, 3)
    name = next(iter(recorded))
    number = int(name)
    shown = answers(door, recorded)
    mine = (body.c.organization_id == door.organization_id) & (body.c.session_id == number)

    def text(db: Connection) -> bytes:
        return BUILT_IN.decompressed(db.execute(select(body.c.packed).where(mine)).scalar_one())

    def write_as_before(db: Connection) -> None:
        children = list_children(db, door.organization_id, number)
        packed = BUILT_IN.compressed(json.dumps(children, separators=(",", ":"), ensure_ascii=False).encode())
        db.execute(update(body).where(mine).values(packed=packed))

    house.database.write(door.organization_id, write_as_before)
    with house.database.reading() as db:
        assert text(db).startswith(b'[{"id":')
    assert answers(door, recorded) == shown
    (key,) = {event["session"]["sid"] for event in recorded[name]}
    receipt = door.send([said(key, "user", "one more thing", 3000), *recorded[name]])
    assert (receipt["accepted"], receipt["duplicates"]) == (1, len(recorded[name]))
    with house.database.reading() as db:
        assert text(db).startswith(b'{"data":{')


def test_a_second_training_is_used_only_where_it_saves_more_and_what_was_packed_before_stays_readable(
    house: House,
) -> None:
    door = house.door()
    care = record(door, 40)
    first = train_now(house, door)
    again = train_now(house, door)
    assert (first.is_used, again.is_used) == (True, False)
    parcels = record(door, 60, PARCELS, seed=2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "MOST_SAMPLES", 60)
        second = train_now(house, door)
    assert second.is_used
    with house.database.reading() as db:
        assert list_unused(db, door.organization_id) == []  # the one is used, the other about to be
    more = record(door, 5, PARCELS, seed=3)
    versions = [one.packing for one in known(house.database, door.organization_id)]
    assert first.made
    assert second.made
    assert versions == [second.made.packing, first.made.packing]
    used = uses(house.database, door.organization_id)
    assert used == {BUILT_IN.packing: 40, first.made.packing: 60, second.made.packing: 5}
    expect_whole(house.database, door.organization_id, care | parcels | more)
    shown = answers(door, care)
    done = repack(house.database, door.organization_id)
    assert (done.bodies, done.removed) == (100, 1)
    assert uses(house.database, door.organization_id) == {second.made.packing: 105}
    assert [one.packing for one in known(house.database, door.organization_id)] == [second.made.packing]
    assert repack(house.database, door.organization_id) == repacking.Repacked(0, 0, 0, 0)
    expect_whole(house.database, door.organization_id, care | parcels | more)
    assert answers(door, care) == shown
    with another(house) as fresh:
        expect_whole(fresh, door.organization_id, care | parcels | more)


def test_a_dictionary_never_crosses_organizations(house: House) -> None:
    ours, theirs = house.door(), house.door()
    record(ours, 40)
    mine = train_now(house, ours).made
    assert mine
    said_there = record(theirs, 5)
    record(ours, 1)
    assert uses(house.database, theirs.organization_id) == {BUILT_IN.packing: 5}
    assert known(house.database, theirs.organization_id) == []
    assert train_now(house, theirs).made is None
    expect_whole(house.database, theirs.organization_id, said_there)
    read = house.database.write(ours.organization_id, lambda db: get_dictionary(db, ours.organization_id, mine.packing))
    assert read.packing == mine.packing
    with pytest.raises(Damaged, match="is missing"):
        house.database.write(
            theirs.organization_id, lambda db: get_dictionary(db, theirs.organization_id, mine.packing)
        )
    with house.database.reading() as db:
        assert get_dictionary(db, ours.organization_id, mine.packing).packing == mine.packing
        with pytest.raises(Damaged, match="is missing"):
            get_dictionary(db, theirs.organization_id, mine.packing)


def test_no_database_of_a_process_takes_another_ones_dictionary(make_settings: Callable[..., Settings]) -> None:
    """The same organization and number in two databases; only one has the dictionary."""
    content = trained_on(CARE).content
    databases = []
    for _ in range(2):
        settings = make_settings("sqlite")
        migrate(settings)
        databases.append(open_database(settings))
    first, second = databases
    assert first.write(1, lambda db: add_dictionary(db, 1, trained_on(CARE), BUILT_IN.packing, START))
    assert first.write(1, lambda db: get_newest_dictionary(db, 1)).packing == packing_of(content)
    assert second.write(1, lambda db: get_newest_dictionary(db, 1)) is BUILT_IN
    with pytest.raises(Damaged):
        second.write(1, lambda db: get_dictionary(db, 1, packing_of(content)))
    for one in databases:
        one.close()


def trained_on(phrases: Sequence[str]) -> Trained:
    """A dictionary made outside of any database."""
    dice = random.Random(5)
    texts = [" ".join(dice.choices(phrases, k=30)).encode() + dice.randbytes(20) for _ in range(60)]
    made = train(texts, BUILT_IN)
    assert made
    return made


def test_a_body_whose_dictionary_is_missing_or_damaged_is_an_error_and_keeps_no_other_organization_waiting(
    own_house: House,
) -> None:
    house = own_house
    door, other = house.door(), house.door()
    mine = door.organization_id
    record(door, 40)
    made = train_now(house, door).made
    assert made
    (number,) = record(door, 1)
    content = trained_on(PARCELS).content
    house.database.write(mine, lambda db: change_content(db, mine, content))
    with another(house) as fresh, fresh.reading() as db, pytest.raises(Damaged, match="is damaged"):
        list_children(db, mine, int(number))
    house.database.write(mine, lambda db: remove_dictionaries(db, mine, [made.packing]))
    with another(house) as fresh, fresh.reading() as db, pytest.raises(Damaged, match="is missing"):
        list_children(db, mine, int(number))
    dictionaries._at_hand.pop(house.database.reader, None)
    answer = door.get(f"/hansard/v1/sessions/{number}/record")
    assert answer.status == 500
    assert f"Dictionary {made.packing} of organization {mine} is missing" in answer.detail
    assert record(door, 1, seed=9)  # what comes is recorded all the same
    house.database.write(mine, lambda db: add_changes(db, mine, [int(number)]))
    record(other, 3)
    deadline = time.monotonic() + 20
    while waiting(house.database, other.organization_id) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert waiting(house.database, other.organization_id) == 0
    assert waiting(house.database, mine) > 0


def waiting(database: Database, organization_id: int) -> int:
    """How many sessions search has yet to read."""
    with database.reading() as db:
        return find_backlog(db, organization_id).count


def change_content(db: Connection, organization_id: int, content: bytes) -> None:
    db.execute(update(dictionary).where(dictionary.c.organization_id == organization_id).values(content=content))


def test_of_two_servers_that_train_at_once_one_is_used_and_both_pack_with_it(house: House) -> None:
    door = house.door()
    mine = door.organization_id
    before = record(door, 40)
    with another(house) as second:
        done: list[Training] = []
        both = [
            threading.Thread(target=lambda one=one: done.append(retrain(one, mine, house.clock())))
            for one in (house.database, second)
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(timeout=60)
        assert sorted(one.is_used for one in done) == [False, True]
        (one,) = known(second, mine)
        for database in (house.database, second):
            newest = database.write(mine, lambda db: get_newest_dictionary(db, mine))
            assert newest.packing == one.packing
        after = record(door, 3, seed=2)
        expect_whole(second, mine, before | after)
    assert uses(house.database, mine) == {BUILT_IN.packing: 40, one.packing: 3}


def test_a_server_that_knew_a_removed_dictionary_does_not_pack_with_it(house: House) -> None:
    door = house.door()
    mine = door.organization_id
    care = record(door, 40)
    train_now(house, door)
    care |= record(door, 2, seed=2)  # the server has it at hand
    with another(house) as second:
        replaced = known(second, mine)[0].packing
        assert second.write(mine, lambda db: add_dictionary(db, mine, trained_on(PARCELS), replaced, house.clock()))
        assert repack(second, mine).removed == 1
        care |= record(door, 2, seed=3)
        newest = trained_on(PARCELS).packing
        assert uses(second, mine) == {newest: 44}
        assert not second.write(mine, lambda db: add_dictionary(db, mine, trained_on(CARE), replaced, house.clock()))
    with another(house) as fresh:
        expect_whole(fresh, mine, care)


def test_a_dictionary_that_was_taken_back_stands_for_no_other(house: House) -> None:
    """What a broken-off write had at hand is not mistaken for what a later one adds."""
    door = house.door()
    mine = door.organization_id

    def broken_off(db: Connection) -> None:
        assert add_dictionary(db, mine, trained_on(CARE), BUILT_IN.packing, START)
        assert get_newest_dictionary(db, mine) is not BUILT_IN
        raise RuntimeError("broken off")

    with pytest.raises(RuntimeError):
        house.database.write(mine, broken_off)
    assert house.database.write(mine, lambda db: get_newest_dictionary(db, mine)) is BUILT_IN
    assert house.database.write(mine, lambda db: add_dictionary(db, mine, trained_on(PARCELS), BUILT_IN.packing, START))
    recorded = record(door, 3)
    assert uses(house.database, mine) == {trained_on(PARCELS).packing: 3}
    with another(house) as fresh:
        expect_whole(fresh, mine, recorded)


def test_with_too_little_to_learn_from_the_built_in_dictionary_stays(house: House) -> None:
    door = house.door()
    record(door, 5)
    done = train_now(house, door)
    assert (done.samples, done.made, done.is_used) == (5, None, False)
    assert known(house.database, door.organization_id) == []
    assert train([b"x"] * 50, BUILT_IN) is None
    assert train([b""] * 50, BUILT_IN) is None


def test_a_dictionary_that_saves_too_little_is_not_used(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    door = house.door()
    record(door, 40)
    monkeypatch.setattr(training, "MUST_SAVE", 0.99)
    done = train_now(house, door)
    assert done.made
    assert not done.is_used
    assert known(house.database, door.organization_id) == []
    record(door, 1, seed=2)
    assert uses(house.database, door.organization_id) == {BUILT_IN.packing: 41}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_of_several_servers_one_trains_and_again_when_there_is_twice_as_much(
    dialect: str, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "FEWEST_SESSIONS", 30)
    monkeypatch.setattr(training, "LOOK_EVERY_S", 0.05)
    trained = []

    def train_and_note(database: Database, organization_id: int, now: datetime) -> Training:
        trained.append((database, organization_id))  # of other tests' servers, which train too, with theirs
        return retrain(database, organization_id, now)

    monkeypatch.setattr(training, "retrain", train_and_note)
    for house in open_house(make_settings(dialect)):
        house.app.state.trainer.close()
        door = house.door()
        mine, due = door.organization_id, []
        for seed, count in enumerate((29, 1, 0, 29, 1)):
            record(door, count, seed=seed)
            if seed == 2:
                train_by_themselves(house, mine)
            with house.database.reading() as db:
                due.append(is_due(db, mine))
        assert due == [False, True, False, False, True]
        assert [one for one in trained if one[0] is house.database] == [(house.database, mine)]


def train_by_themselves(house: House, organization_id: int) -> None:
    """Let three look at once and again, until there is a dictionary."""
    trainers = [Trainer(house.database, house.clock) for _ in range(3)]
    for one in trainers:
        one.start()
    deadline = time.monotonic() + 20
    while not known(house.database, organization_id) and time.monotonic() < deadline:
        time.sleep(0.02)
    for one in trainers:
        one.close()


def test_a_server_looks_for_what_it_can_train_as_soon_as_it_is_started(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings("sqlite")
    for house in open_house(settings):
        mine = house.organization()
        record(house.door(mine), 40)
    monkeypatch.setattr(training, "FEWEST_SESSIONS", 40)
    for house in open_house(settings):
        deadline = time.monotonic() + 20
        while not known(house.database, mine) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert known(house.database, mine)


def test_a_repacking_that_breaks_off_leaves_all_readable_and_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repacking, "_AT_ONCE", 7)
    door = house.door()
    mine = door.organization_id
    recorded = record(door, 40)
    shown = answers(door, recorded)
    made = train_now(house, door).made
    assert made
    count = 0
    whole = repacking._repack

    def third_breaks(*given: Any, **more: Any) -> Any:
        nonlocal count
        count += 1
        done = whole(*given, **more)
        if count == 3:
            raise RuntimeError("broken off")
        return done

    with monkeypatch.context() as patched:
        patched.setattr(repacking, "_repack", third_breaks)
        with pytest.raises(RuntimeError):
            repack(house.database, mine)
    assert uses(house.database, mine) == {BUILT_IN.packing: 26, made.packing: 14}
    expect_whole(house.database, mine, recorded)
    recorded |= record(door, 2, seed=2)
    done = repack(house.database, mine)
    assert done.bodies == 26
    assert done.after_bytes < done.before_bytes
    assert uses(house.database, mine) == {made.packing: 42}
    expect_whole(house.database, mine, recorded)
    assert answers(door, recorded) == shown


def test_a_session_of_which_more_arrives_while_it_is_packed_anew_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrives after the sessions to pack anew were listed and before they are."""
    door = house.door()
    mine = door.organization_id
    recorded = record(door, 30)
    train_now(house, door)
    number, events = next(iter(recorded.items()))
    late = said(events[0]["session"]["sid"], "user", "One more thing.", 500)
    listed = repacking._others

    def more_arrives(database: Database, organization_id: int, after: int) -> list[int]:
        found = listed(database, organization_id, after)
        if not after:
            door.send([late])
        return found

    monkeypatch.setattr(repacking, "_others", more_arrives)
    repack(house.database, mine)
    recorded[number] = [*events, late]
    expect_whole(house.database, mine, recorded)


def test_more_dictionaries_than_are_kept_at_hand_are_read_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictionaries, "MOST_AT_HAND", 1)
    dictionaries._at_hand.clear()
    doors = [house.door(), house.door()]
    recorded = [record(door, 40) for door in doors]
    for door in doors:
        assert train_now(house, door).is_used
    for seed in range(2, 5):
        for place, door in enumerate(doors):
            recorded[place] |= record(door, 2, seed=seed)
    for door, made in zip(doors, recorded, strict=True):
        expect_whole(house.database, door.organization_id, made)
    kept = dictionaries._at_hand[house.database.reader]
    assert len(kept._found) == 1


def test_many_threads_pack_the_same_to_the_same_bytes() -> None:
    made = trained_on(CARE)
    shared = Dictionary(made.packing, made.content)
    texts = [f"{CARE[n % 5]} {n}".encode() * (n + 1) for n in range(200)]
    expected = [Dictionary(made.packing, made.content).compressed(text) for text in texts]
    found: dict[int, list[bytes]] = {}

    def pack(number: int) -> None:
        found[number] = [shared.compressed(text) for text in texts]

    threads = [threading.Thread(target=pack, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert list(found.values()) == [expected] * 8
    assert [shared.decompressed(frame) for frame in expected] == texts


@pytest.mark.long
def test_a_repacking_that_is_killed_again_and_again_leaves_all_readable(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = Settings(data=data)
    lines = tmp_path / "events.jsonl"
    dice = random.Random(3)
    write_lines(lines, [one for _ in range(3000) for one in talk(dice, CARE)])
    subprocess.run(command("import", str(lines), "--data", str(data)), check=True, capture_output=True, timeout=240)
    first = exported(data, tmp_path)
    assert "It is used from now on." in run("sessions", "retrain", "--data", str(data)).stdout
    for wait_s in (0.0, 0.02, 0.05, 0.1):
        packing = subprocess.Popen(slowly("sessions", "repack", "--data", str(data)), stdout=subprocess.DEVNULL)
        database = open_database(settings)
        had = uses(database, 1).get(BUILT_IN.packing, 0)
        deadline = time.monotonic() + 20
        while uses(database, 1).get(BUILT_IN.packing, 0) == had and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(wait_s)
        packing.send_signal(signal.SIGKILL)
        packing.wait(timeout=20)
        assert 0 < uses(database, 1).get(BUILT_IN.packing, 0) < had
        with database.reading() as db:
            (count,) = db.execute(select(func.count()).select_from(body).where(body.c.organization_id == 1)).one()
        assert count == 3000
        database.close()
        assert exported(data, tmp_path) == first
    assert run("sessions", "repack", "--data", str(data)).stdout.count("sessions are packed anew, ") == 1
    assert exported(data, tmp_path) == first
    assert (
        "'default' has a dictionary. Trained on 1600 sessions; others take "
        in run("doctor", "--data", str(data)).stdout
    )
    database = open_database(settings)
    database.write(1, lambda db: db.execute(delete(dictionary).where(dictionary.c.organization_id == 1)))
    database.close()
    told = run("doctor", "--data", str(data), code=1).stdout
    assert "broken  3000 sessions of 'default' cannot be read: their dictionary is missing." in told
    assert "is missing; its sessions cannot be read." in run("export", "--data", str(data), code=1).stderr


def slowly(*arguments: str) -> list[str]:
    """Run the command, but let it rest before it commits each of its writes: there it is killed, and not when it is
    done."""
    code = f"""if True:
        import sys, time
        from hansard.cli import main
        from hansard.resources.sessions import repacking
        plain = repacking._repack
        def resting(*args, **named):
            done = plain(*args, **named)
            time.sleep(0.5)
            return done
        repacking._repack = resting
        sys.argv[1:] = {list(arguments)!r}
        main()"""
    return [sys.executable, "-c", code]


def write_lines(file: Path, events: Sequence[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")


def exported(data: Path, folder: Path) -> bytes:
    file = folder / "exported.jsonl"
    file.unlink(missing_ok=True)
    subprocess.run(
        command("export", "--output", str(file), "--data", str(data)), check=True, capture_output=True, timeout=120
    )
    return file.read_bytes()

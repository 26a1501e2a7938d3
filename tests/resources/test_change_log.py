"""The change log is kept for who follows it, and does not grow for ever: on both databases."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from hansard.db.engine import Database, open_database
from hansard.kit.settings import Settings
from hansard.resources.sessions import backlog
from hansard.resources.sessions.backlog import find_backlog, find_batch, find_place, start_walk
from hansard.resources.sessions.indexing import Indexer, Outcome, index_all, index_batch
from hansard.resources.sessions.intake import add_changes
from hansard.resources.sessions.store import get_last_change, list_changes_after
from tests.conftest import DIALECTS, House, open_house
from tests.door import Door
from tests.make import end, make_sid, said, start


@pytest.fixture
def unread(own_house: House) -> House:
    """A server whose search index does not read by itself."""
    own_house.app.state.indexer.close()
    return own_house


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five entries are kept, and removed two by two."""
    monkeypatch.setattr(backlog, "KEPT_CHANGES", 5)
    monkeypatch.setattr(backlog, "_EVERY", 2)


def record(door: Door, count: int) -> list[str]:
    """So many sessions, each one entry; gives the carrier's ids."""
    sids = [make_sid() for _ in range(count)]
    for sid in sids:
        door.send([start(sid), said(sid, "user", "a word of the log", 1), end(sid, 2)])
    return sids


def kept(database: Database, organization_id: int) -> list[int]:
    with database.reading() as db:
        return [one.seq for one in list_changes_after(db, organization_id, 0, 10_000)]


def found(door: Door) -> set[str]:
    items = door.get("/hansard/v1/sessions", q='"word of the log"', limit=1000).json["items"]
    return {one["channel_manager_sid"] for one in items}


def test_what_the_index_has_read_goes_and_the_newest_stays(unread: House) -> None:
    door = unread.door()
    mine = door.organization_id
    sids = record(door, 1)
    index_all(unread.database, mine)  # which begins at the end of the log, and reads what was before in a walk
    for more in (3, 3, 20, 1, 1):
        sids += record(door, more)
        index_all(unread.database, mine)
        last = len(sids)
        log = kept(unread.database, mine)
        assert log == list(range(log[0], last + 1))
        assert min(last, 5) <= len(log) <= 6, more
    with unread.database.reading() as db:
        assert get_last_change(db, mine) == len(sids)
        assert not find_backlog(db, mine).count
    assert found(door) == set(sids)


def test_what_the_index_has_not_read_stays_however_old(unread: House, monkeypatch: pytest.MonkeyPatch) -> None:
    door, other = unread.door(), unread.door()
    mine = door.organization_id
    sids = record(door, 12)
    theirs = record(other, 12)  # which the index never began with
    assert kept(unread.database, mine) == list(range(1, 13))
    index_all(unread.database, mine)
    sids += record(door, 30)
    monkeypatch.setattr(backlog, "_MOST_CHANGES", 4)
    while index_batch(unread.database, mine) is Outcome.WRITTEN:
        with unread.database.reading() as db:
            place = find_place(db, mine)
        assert place
        log = kept(unread.database, mine)
        assert log == list(range(log[0], 43))
        assert log[0] <= place.seq - 5 + 1 + 1
    assert found(door) == set(sids)
    assert kept(unread.database, other.organization_id) == list(range(1, len(theirs) + 1))


def test_a_long_log_goes_in_pieces(unread: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_MOST_REMOVED", 10)
    door = unread.door()
    mine = door.organization_id
    record(door, 1)
    index_all(unread.database, mine)
    unread.database.write(mine, lambda db: add_changes(db, mine, [1] * 99))  # as long as an older version left it
    sizes = []
    for _ in range(14):
        index_all(unread.database, mine)
        sizes.append(len(kept(unread.database, mine)))
        record(door, 2)
    assert sizes[:3] == [90, 82, 74]
    assert sizes[-1] <= 7


def test_an_index_that_is_made_anew_needs_no_entry_that_is_gone(unread: House) -> None:
    door = unread.door()
    mine = door.organization_id
    sids = record(door, 3)
    index_all(unread.database, mine)
    sids += record(door, 20)
    index_all(unread.database, mine)
    assert len(kept(unread.database, mine)) < 7
    unread.database.write(mine, partial(start_walk, organization_id=mine))
    sids += record(door, 3)
    index_all(unread.database, mine)
    assert found(door) == set(sids)
    with unread.database.reading() as db:
        assert find_batch(db, mine) is None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_several_servers_that_index_and_remove_lose_no_change(
    dialect: str, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(dialect)
    serving = open_house(settings)
    house: House = next(serving)
    door = house.door()
    others = [open_database(settings) for _ in range(2)]
    threads = [Indexer(one) for one in others]  # beside the server's own
    for one in threads:
        one.start()
    sids: list[list[str]] = []
    recording = [threading.Thread(target=lambda: sids.append(record(door, 25))) for _ in range(3)]
    for thread in recording:
        thread.start()
    for thread in recording:
        thread.join(timeout=60)
    for one in threads:
        one.close()
    index_all(house.database, door.organization_id)
    assert found(door) == {sid for some in sids for sid in some}
    assert len(found(door)) == 75
    log = kept(house.database, door.organization_id)
    assert log == list(range(log[0], 76))
    assert len(log) <= 6
    for database in others:
        database.close()
    next(serving, None)

"""The stream of changes: told as they come, and ended when it should be."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from hansard.console import live
from hansard.kit.settings import Settings
from hansard.resources.accounts.schemas import Role
from hansard.resources.sessions import backlog
from hansard.resources.sessions.store import get_last_change, list_changes_after
from tests.conftest import House, open_house
from tests.console.people import Visitor, visitor
from tests.door import Door
from tests.make import end, make_sid, said, start


class Stream:
    """An open stream of server-sent events, read line by line."""

    def __init__(self, member: Visitor, path: str, **headers: str) -> None:
        self._line = http.client.HTTPConnection(member.url.partition("://")[2], timeout=10)
        sent = {"Cookie": f"hansard={member.cookie}", "Accept": "text/event-stream", **headers}
        self._line.request("GET", path, headers=sent)
        self.answer = self._line.getresponse()

    def next(self) -> dict[str, str]:
        """The next event; empty when the stream has ended. A comment is an event with nothing but `comment`."""
        found: dict[str, str] = {}
        while line := self.answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if line == "\n" and "retry" not in found:
                return found
            found = {} if line == "\n" else found | {name or "comment": value}
        return {}

    def close(self) -> None:
        self.answer.close()
        self._line.close()


@pytest.fixture
def there(house: House) -> tuple[Door, Visitor]:
    door = house.door()
    return door, visitor(house, Role.MEMBER, door.organization_id)


@contextmanager
def following(member: Visitor, path: str, **headers: str) -> Iterator[Stream]:
    stream = Stream(member, path, **headers)
    try:
        yield stream
    finally:
        stream.close()


def wait_until(is_so: Callable[[], bool], patience_s: float = 10) -> None:
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(door: Door) -> tuple[str, str]:
    sid = make_sid()
    return sid, door.send([start(sid), said(sid, "user", "Hi", 1)])["sessions"][0]["session_id"]


def test_a_change_is_told_at_once_and_the_end_is_the_last(there: tuple[Door, Visitor]) -> None:
    door, member = there
    sid, session_id = running(door)
    with following(member, f"/s/{session_id}/live") as stream:
        assert stream.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.answer.headers["cache-control"] == "no-store"
        time.sleep(0.3)
        running(door)  # another session, which is not this page's business
        door.send([said(sid, "agent", "Hello", 2)])
        sent_at = time.monotonic()
        told = stream.next()
        assert time.monotonic() - sent_at < 2
        assert (told["event"], told["data"]) == ("change", f'{{"session_ids":["{session_id}"]}}')
        door.send([end(sid, 3)])
        assert [stream.next()["event"] for _ in range(2)] == ["change", "ended"]
        assert stream.next() == {}


def test_who_comes_back_misses_nothing_and_is_told_nothing_twice(
    there: tuple[Door, Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    door, member = there
    monkeypatch.setattr(live, "SAY_SOMETHING_EVERY_S", 0.2)
    sid, session_id = running(door)
    with following(member, f"/s/{session_id}/live?after=0") as stream:
        first = stream.next()
    with following(member, f"/s/{session_id}/live?after=0", **{"Last-Event-ID": first["id"]}) as stream:
        assert stream.next() == {"comment": "nothing new", "id": first["id"]}
    door.send([said(sid, "agent", "while away", 2)])
    with following(member, f"/s/{session_id}/live?after=0", **{"Last-Event-ID": first["id"]}) as stream:
        second = stream.next()
        assert int(second["id"]) > int(first["id"])
    for odd in ("x", "-1", "9" * 30, ""):
        with following(member, f"/s/{session_id}/live", **{"Last-Event-ID": odd}) as stream:
            assert stream.answer.status == 200


def test_a_session_that_is_over_is_told_so_and_one_that_is_not_there_is_not_found(there: tuple[Door, Visitor]) -> None:
    door, member = there
    sid, session_id = running(door)
    door.send([end(sid, 3)])
    with following(member, f"/s/{session_id}/live") as stream:
        assert stream.next()["event"] == "ended"
        assert stream.next() == {}
    with following(member, "/s/999999/live") as stream:
        assert stream.answer.status == 404


def test_between_two_looks_no_connection_is_held(house: House, there: tuple[Door, Visitor]) -> None:
    door, member = there
    _, session_id = running(door)
    with following(member, f"/s/{session_id}/live"):
        seen = []
        for _ in range(60):
            seen.append(house.database.reader.pool.checkedout())  # type: ignore[attr-defined]
            time.sleep(0.02)
    kept = int(house.app.state.readers._here is not None)  # by the server, for looking up
    assert seen.count(kept) > 10  # it would be none; others of the server's own read meanwhile


def test_a_quiet_stream_says_something_and_is_bounded_in_time(
    there: tuple[Door, Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    door, member = there
    _, session_id = running(door)
    monkeypatch.setattr(live, "SAY_SOMETHING_EVERY_S", 0.2)
    monkeypatch.setattr(live, "LIFETIME_S", 2.0)
    with following(member, f"/s/{session_id}/live") as stream:
        assert stream.next() == {"comment": "nothing new", "id": "1"}
        began_at = time.monotonic()
        while stream.next():
            assert time.monotonic() - began_at < 5


def test_only_so_many_are_followed_and_who_leaves_makes_room(
    house: House, there: tuple[Door, Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    door, member = there
    _, session_id = running(door)
    path = f"/s/{session_id}/live"
    wait_until(lambda: not house.app.state.streams)
    monkeypatch.setattr(live, "MOST_STREAMS", 2)
    with following(member, path) as one, following(member, path) as two:
        assert (one.answer.status, two.answer.status) == (200, 200)
        wait_until(lambda: house.app.state.streams == 2)
        refused = member.get(path)
        assert refused.status == 503
        assert b"pages are following sessions already" in refused.bytes
    wait_until(lambda: house.app.state.streams == 0, patience_s=3)
    with following(member, path) as again:
        assert again.answer.status == 200


def test_a_server_that_stops_waits_for_no_stream(make_settings: Callable[..., Settings]) -> None:
    opened = open_house(make_settings("sqlite"))
    house = next(opened)
    door = house.door()
    member = visitor(house, Role.MEMBER, door.organization_id)
    _, session_id = running(door)
    with following(member, f"/s/{session_id}/live") as stream:
        wait_until(lambda: getattr(house.app.state, "streams", 0) == 1)
        began_at = time.monotonic()
        assert next(opened, None) is None  # stops the server and waits for it
        assert stream.next() == {}
        assert time.monotonic() - began_at < 5


def test_a_burst_larger_than_one_look_is_told_whole(house: House, there: tuple[Door, Visitor]) -> None:
    door, member = there
    _, session_id = running(door)
    with house.database.reading() as db:
        look = partial(list_changes_after, db, door.organization_id)
        everything = look(0, 10_000)
        assert [*look(0, 1), *look(everything[0].seq, 10_000)] == everything
    with following(member, f"/s/{session_id}/live?after=0") as stream:
        assert stream.next()["event"] == "change"


def test_who_was_away_for_longer_than_the_log_goes_back_is_told_so_once_and_then_goes_on(
    house: House, there: tuple[Door, Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    door, member = there
    sid, session_id = running(door)
    last = shorten_the_log(house, door, monkeypatch)
    for path in ("/live/changes", f"/s/{session_id}/live"):
        for back in (0, 1, last - 4):  # the log begins at last - 2
            with following(member, f"{path}?after={back}") as stream:
                assert stream.next() == {"id": str(last), "event": "missed", "data": "{}"}, (path, back)
    with following(member, "/live/changes?after=0", **{"Last-Event-ID": str(last - 3)}) as stream:
        assert stream.next()["event"] == "change"
    with following(member, f"/s/{session_id}/live?after=0") as stream:
        assert stream.next()["event"] == "missed"
        door.send([said(sid, "agent", "Still here", 2)])
        told = stream.next()
        assert (told["id"], told["event"]) == (str(last + 1), "change")


def shorten_the_log(house: House, door: Door, monkeypatch: pytest.MonkeyPatch) -> int:
    """Until it holds the newest three of eight; gives the number of the last."""
    monkeypatch.setattr(backlog, "KEPT_CHANGES", 3)
    monkeypatch.setattr(backlog, "_EVERY", 1)
    with house.database.reading() as db:
        last = get_last_change(db, door.organization_id)
    for _ in range(8 - last):
        running(door)

    def first() -> int:
        with house.database.reading() as db:
            return list_changes_after(db, door.organization_id, 0)[0].seq

    wait_until(lambda: first() == 6)
    return 8


def test_a_page_that_hears_of_nothing_new_learns_how_far_that_goes(
    there: tuple[Door, Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would come back with the place it was made at, however much happened to others since."""
    door, member = there
    monkeypatch.setattr(live, "SAY_SOMETHING_EVERY_S", 0.7)
    _, session_id = running(door)
    with following(member, f"/s/{session_id}/live?after=1") as stream:
        running(door)
        assert stream.next() == {"comment": "nothing new", "id": "2"}


def test_who_is_signed_out_follows_nothing_more(there: tuple[Door, Visitor]) -> None:
    door, member = there
    with following(member, "/live/changes") as stream:
        Visitor(member.url, member.cookie).post("/sign-out")
        sid = make_sid()
        time.sleep(2 * live.LOOK_EVERY_S)
        door.send([start(sid)])
        assert stream.next() == {}

"""The one writer: grouped commits, failures that take nothing else with them, limits, pragmas, locks."""

import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from hansard.db import writer
from hansard.db.engine import AlreadyServed, Database, open_database, served
from hansard.db.health import has_wal_reset_bug
from hansard.db.migrate import migrate
from hansard.kit.errors import Busy, DiskFull
from hansard.kit.settings import Settings

COUNT = text("SELECT count(*) FROM counter WHERE organization_id = 7")


def insert(name: str) -> Callable[[Connection], Any]:
    statement = text("INSERT INTO counter (organization_id, name, value) VALUES (7, :name, 1)")
    return lambda db: db.execute(statement, {"name": name})


def count(database: Database) -> int:
    with database.reading() as db:
        return int(db.execute(COUNT).scalar_one())


def held_up(database: Database) -> threading.Event:
    """Keep the writer busy with one piece of work until the event is set, so that others wait together."""
    go = threading.Event()
    started = threading.Event()

    def wait(_db: Connection) -> None:
        started.set()
        go.wait(10)

    database.writer.submit(1, wait)
    started.wait(10)
    return go


def test_what_waits_is_committed_together(database: Database) -> None:
    commits = []
    from sqlalchemy import event

    event.listen(database.writer._engine, "commit", lambda _db: commits.append(1))
    go = held_up(database)
    answers = [database.writer.submit(7, insert(f"n{number}")) for number in range(50)]
    assert not any(answer.done() for answer in answers)
    go.set()
    for answer in answers:
        answer.result(10)
    assert count(database) == 50
    assert len(commits) == 2


def test_a_failure_takes_back_its_own_work_and_nothing_else(database: Database) -> None:
    def fail(db: Connection) -> None:
        insert("bad")(db)
        raise ValueError("no")

    go = held_up(database)
    answers = [database.writer.submit(7, work) for work in (insert("a"), fail, insert("a"), insert("b"))]
    go.set()
    answers[0].result(10)
    with pytest.raises(ValueError, match="no"):
        answers[1].result(10)
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        answers[2].result(10)
    answers[3].result(10)
    assert count(database) == 2


def insert_all(db: Connection, organization_id: int, names: list[str]) -> list[tuple[int, list[str]]]:
    """Insert each; every answer says together with which it was done."""
    if "bad" in names:
        raise ValueError("no")
    for name in names:
        insert(name)(db)
    return [(organization_id, names) for _ in names]


def test_what_waits_for_one_work_is_done_together_and_each_gets_its_answer(database: Database) -> None:
    go = held_up(database)
    answers = [database.writer.submit_joined(one, insert_all, name) for one, name in ((7, "a"), (8, "x"), (7, "b"))]
    apart = database.writer.submit(7, insert("c"))
    go.set()
    assert [answer.result(10) for answer in answers] == [(7, ["a", "b"]), (8, ["x"]), (7, ["a", "b"])]
    apart.result(10)
    assert count(database) == 4


def test_one_that_fails_costs_none_that_was_done_together_with_it(database: Database) -> None:
    go = held_up(database)
    answers = [database.writer.submit_joined(7, insert_all, name) for name in ("a", "bad", "b")]
    go.set()
    assert (answers[0].result(10), answers[2].result(10)) == ((7, ["a"]), (7, ["b"]))
    with pytest.raises(ValueError, match="no"):
        answers[1].result(10)
    assert count(database) == 2


def test_a_commit_that_fails_is_an_error_for_all_that_waited_for_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import event

    def refuse(_db: Connection) -> None:
        raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))

    event.listen(database.writer._engine, "commit", refuse)
    with pytest.raises(OperationalError):
        database.write(7, insert("a"))
    event.remove(database.writer._engine, "commit", refuse)
    assert count(database) == 0
    database.write(7, insert("a"))
    assert count(database) == 1


def test_too_many_waiting_writes_are_refused_at_once(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings("sqlite", waiting_writes=3)
    migrate(settings)
    database = open_database(settings)
    go = held_up(database)
    for number in range(3):
        database.writer.submit(7, insert(f"n{number}"))
    with pytest.raises(Busy):
        database.writer.submit(7, insert("late"))
    go.set()
    database.close()
    with pytest.raises(Busy):
        database.writer.submit(7, insert("later"))


def test_a_full_disk_is_said_and_reading_goes_on(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings("sqlite")
    migrate(settings)
    database = open_database(settings)
    with database.writer._engine.connect() as db:
        pages = db.exec_driver_sql("PRAGMA page_count").scalar_one()
        db.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    big = text("INSERT INTO counter (organization_id, name, value) VALUES (7, :name, 1)")

    def fill() -> None:
        for number in range(1000):
            database.write(7, lambda db, n=number: db.execute(big, {"name": f"{n}" + "x" * 4000}))  # type: ignore[misc]

    with pytest.raises(DiskFull):
        fill()
    before = count(database)
    with database.writer._engine.connect() as db:
        db.exec_driver_sql("PRAGMA max_page_count=1000000")
    database.write(7, insert("again"))
    assert count(database) == before + 1
    database.close()


def test_sqlite_is_set_up_so_that_a_commit_is_on_disk(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings("sqlite")
    migrate(settings)
    database = open_database(settings)
    expected = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "mmap_size": 0, "page_size": 8192}
    for engine, query_only in ((database.writer._engine, 0), (database.reader, 1)):
        with engine.connect() as db:
            found = {name: db.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in expected}
            assert found == expected
            assert db.exec_driver_sql("PRAGMA query_only").scalar_one() == query_only
    database.close()


def test_postgres_readers_cannot_write(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings("postgres")
    migrate(settings)
    database = open_database(settings)
    with database.reading() as db, pytest.raises(Exception, match="read-only transaction"):
        insert("a")(db)
    database.close()


def test_a_reader_sees_one_moment_while_a_writer_goes_on(database: Database) -> None:
    with database.reading() as db:
        assert db.execute(COUNT).scalar_one() == 0
        database.write(7, insert("a"))
        assert db.execute(COUNT).scalar_one() == 0
    assert count(database) == 1


def test_the_log_is_moved_into_the_file_and_stays_small(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings("sqlite")
    migrate(settings)
    database = open_database(settings)
    row = text("INSERT INTO counter (organization_id, name, value) VALUES (7, :name, 1)")
    for number in range(40):
        rows = [{"name": f"{number}-{n}" + "x" * 2000} for n in range(100)]
        database.write(7, lambda db, rows=rows: db.execute(row, rows))  # type: ignore[misc]
    database.close()
    assert not (settings.data / "hansard.db-wal").exists()
    assert (settings.data / "hansard.db").stat().st_size > 5_000_000


def test_readers_that_are_always_there_do_not_let_the_log_grow(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "CHECKPOINT_BYTES", 256 * 1024)
    monkeypatch.setattr(writer, "CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr(writer, "CHECKPOINT_AGAIN_S", 0.0)
    monkeypatch.setattr(writer, "LONG_LOG_BYTES", 1024 * 1024)
    settings = make_settings("sqlite")
    migrate(settings)
    database = open_database(settings)
    log, done = settings.data / "hansard.db-wal", threading.Event()

    def read(rest_s: float) -> None:
        done.wait(rest_s)
        while not done.is_set():
            with database.reading() as db:
                db.execute(COUNT).scalar_one()
                done.wait(0.06)

    readers = [threading.Thread(target=read, args=(0.03 * number,)) for number in range(2)]
    for one in readers:
        one.start()
    row = text("INSERT INTO counter (organization_id, name, value) VALUES (7, :name, 1)")
    longest = 0
    for number in range(60):
        rows = [{"name": f"{number}-{n}" + "x" * 2000} for n in range(100)]
        database.write(7, lambda db, rows=rows: db.execute(row, rows))  # type: ignore[misc]
        longest = max(longest, log.stat().st_size)
    done.set()
    for one in readers:
        one.join()
    database.close()
    assert longest < 3 * 1024 * 1024


def test_a_second_server_is_refused(make_settings: Callable[..., Settings]) -> None:
    data = make_settings("sqlite").data
    with served(data), pytest.raises(AlreadyServed, match="Another server has"), served(data):
        pass
    with served(data):
        pass


def test_the_sqlite_versions_with_the_wal_reset_bug_are_known() -> None:
    bad = [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 50, 6), (3, 51, 2)]
    good = [(3, 6, 9), (3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 54, 1)]
    assert [has_wal_reset_bug(version) for version in bad] == [True] * 5
    assert [has_wal_reset_bug(version) for version in good] == [False] * 5


def test_an_error_of_the_database_does_not_repeat_what_was_to_be_written(database: Database) -> None:
    database.write(7, insert("what somebody said"))
    with pytest.raises(Exception, match="hide_parameters=True"):
        database.write(7, insert("what somebody said"))

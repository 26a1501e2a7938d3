"""A cluster could cut every table by the organization: the keys allow it, and every statement keeps to one.

That every statement does is checked while all the other tests run (`judge` in conftest.py); here, that it would be
noticed if one did not.
"""

import pytest
from sqlalchemy import Select, UniqueConstraint, delete, exists, func, insert, or_, select, union_all, update

from hansard.db import hot
from hansard.db.tables import REFERENCE_TABLES, change, counter, label, metadata, organization, session, snapshot
from hansard.resources.sessions import store
from tests.conftest import House
from tests.make import make_session
from tests.organizations import DISTRIBUTED, KEY, Judge, strays_of, strays_of_text

MINE = session.c.organization_id == 1
OF_LABEL = label.c.organization_id == session.c.organization_id
other = session.alias("other")


def test_every_key_and_index_of_a_distributed_table_starts_with_the_organization() -> None:
    assert set(REFERENCE_TABLES) <= set(metadata.tables)
    for name in DISTRIBUTED:
        table = metadata.tables[name]
        uniques = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
        keys = [table.primary_key.columns, *(one.columns for one in table.indexes), *(one.columns for one in uniques)]
        assert {next(iter(columns)).name for columns in keys} == {KEY}, name
        assert not table.foreign_keys, name
        assert not table.c[KEY].nullable


@pytest.mark.parametrize(
    "statement",
    [
        select(session).where(MINE),
        select(session).join(label, OF_LABEL).where(MINE),
        select(session).outerjoin(label, (label.c.organization_id == 1) & (label.c.id == 2)).where(MINE),
        select(session).where(MINE, exists().where(OF_LABEL)),
        select(session).where(MINE, session.c.id.in_(select(label.c.session_id).where(label.c.organization_id == 1))),
        select(select(session.c.id).where(MINE).subquery()),
        union_all(select(session.c.id).where(MINE), select(label.c.id).where(label.c.organization_id == 1)),
        select(organization),
        update(session).where(MINE).values(rating="x"),
        delete(session).where(MINE, session.c.id.in_(select(change.c.seq).where(change.c.organization_id == 1))),
    ],
)
def test_a_statement_that_keeps_to_one_organization_is_taken(statement: Select[tuple[int]]) -> None:
    assert strays_of(statement) == []


@pytest.mark.parametrize(
    ("statement", "strays"),
    [
        (select(session), ["session"]),
        (select(session).where(or_(MINE, session.c.id == 3)), ["session"]),
        (select(session).where(session.c.organization_id > 1), ["session"]),
        (select(session).where(~MINE), ["session"]),
        (select(session).join(label, label.c.session_id == session.c.id).where(MINE), ["label"]),
        (select(session).where(MINE, exists().where(label.c.session_id == session.c.id)), ["label"]),
        (select(session).where(MINE, session.c.id.in_(select(label.c.session_id))), ["label"]),
        (select(session).where(MINE, session.c.id.in_(select(session.c.id))), ["session"]),
        (select(session, other).where(MINE), ["session"]),
        (select(session, select(func.count()).select_from(label).scalar_subquery()).where(MINE), ["label"]),
        (select(select(session.c.id).subquery()), ["session"]),
        (union_all(select(session.c.id).where(MINE), select(label.c.id)), ["label"]),
        (select(session).where(MINE).order_by(select(snapshot.c.id).scalar_subquery()), ["snapshot"]),
        (update(session).where(session.c.id == 3).values(rating="x"), ["session"]),
        (delete(session).where(session.c.id == 3), ["session"]),
        (insert(counter).from_select(["value"], select(session.c.id)), ["session"]),
    ],
)
def test_a_statement_that_does_not_is_noticed(statement: Select[tuple[int]], strays: list[str]) -> None:
    assert strays_of(statement) == strays


def test_what_is_read_without_a_listener_is_judged_as_it_is_worked_out(house: House, judge: Judge) -> None:
    door = house.door()
    session_id = make_session(door)
    for path in ("/api/v1/sessions/", "/hansard/v1/sessions", f"/hansard/v1/sessions/{session_id}/record"):
        assert door.get(path).status == 200
    for q in ("monday", "mon*", "-monday", "agent:desk", "agent:desk label:GOOD", "from:5 tool:find", "id:1 sid:x"):
        assert door.get("/hansard/v1/sessions/search", q=q).status == 200
        assert door.get("/hansard/v1/sessions", q=q, total="false").status == 200
    assert len(judge.kept) >= 12
    with house.database.reading() as db:
        assert hot.rows_of(db, select(session.c.id).where(session.c.id == -7), {}) == []
    assert len(judge.strays) == 1
    assert judge.strays[0].startswith("session in: SELECT")
    judge.strays.clear()
    with house.database.reading() as db:
        assert hot._rows_of_text(db, "SELECT id FROM session WHERE id = -7", ()) == []
    assert judge.strays == ["session in: SELECT id FROM session WHERE id = -7"]
    judge.strays.clear()


def test_text_is_judged_by_its_words() -> None:
    assert strays_of_text("SELECT 1 FROM session WHERE organization_id = :mine") == []
    assert strays_of_text("SELECT 1 FROM session s JOIN label l ON l.id = s.label_id WHERE organization_id = ?") != []
    assert strays_of_text("INSERT INTO child (organization_id, id) VALUES (?, ?)") == []
    assert strays_of_text("INSERT INTO child (id) VALUES (?)") == ["child"]
    assert strays_of_text("DELETE FROM body WHERE session_id = %s") == ["body"]
    assert strays_of_text("SELECT 1 FROM organization") == []


def test_a_store_function_that_forgets_the_organization_fails_the_test_it_runs_in(
    house: House, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is planted in our own code, behind a route; what the judge heard of it is taken back here."""
    door = house.door()
    assert door.get("/api/v1/sessions/").status == 200
    assert judge.strays == []
    heard = len(judge.kept)
    monkeypatch.setattr(store, "_WHOLE", select(session.c.id.label("session_id"), session.c.started_at))
    door.get("/api/v1/sessions/1")
    assert len(judge.kept) > heard
    assert len(judge.strays) == 1
    assert judge.strays[0].startswith("session in: SELECT")
    judge.strays.clear()
    with house.database.reading() as db:
        assert hot._rows_of_text(db, "SELECT id FROM session WHERE id = -7", ()) == []
    assert judge.strays == ["session in: SELECT id FROM session WHERE id = -7"]
    judge.strays.clear()


def test_what_a_test_itself_asks_is_its_own_affair(house: House, judge: Judge) -> None:
    with house.database.reading() as db:
        db.execute(select(session.c.id))
    assert judge.strays == []

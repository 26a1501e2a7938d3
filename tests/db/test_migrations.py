"""The migrations lead to the tables, on both databases, and running them again changes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, insert, inspect, select, text

from hansard.db.engine import database_url
from hansard.db.migrate import migrate, migrate_connection, newest_revision, revision_of
from hansard.db.tables import BARE, NARROW, metadata, organization, party, session, snapshot
from hansard.kit.settings import Settings
from tests.conftest import DIALECTS


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_migrations_lead_to_the_tables(dialect: str, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(dialect)
    migrate(settings)
    migrate(settings)
    engine = create_engine(database_url(settings))
    with engine.connect() as db:
        assert revision_of(db) == newest_revision()
        others = set(BARE if dialect == "sqlite" else NARROW)
        ours = {
            "compare_type": True,
            "include_name": lambda name, _type, _of: not str(name).startswith("search_words"),
            "include_object": lambda _one, name, *_: name not in others,
        }
        context = MigrationContext.configure(db, opts=ours)
        assert compare_metadata(context, metadata) == []
        have = {index["name"] for table in metadata.tables for index in inspect(db).get_indexes(table)}
        assert have >= {index.name for table in metadata.tables.values() for index in table.indexes} - others
        assert not have & others
    engine.dispose()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_sessions_of_before_get_the_code_of_their_label(dialect: str, make_settings: Callable[..., Settings]) -> None:
    engine = create_engine(database_url(make_settings(dialect)))
    with engine.begin() as db:
        migrate_connection(db, "0009")
        db.execute(insert(organization), {"id": 1, "name": "A", "created_at": datetime.now(UTC)})
        for mine, label_id in ((1, 7), (2, 7), (1, None)):
            number = 5 if label_id else 6
            db.execute(text(_SESSION), {"mine": mine, "id": number, "sid": f"S{number}", "label_id": label_id})
        db.execute(text(_LABEL), {"mine": 1, "code": "GOOD"})
        db.execute(text(_LABEL), {"mine": 2, "code": "BAD"})
        migrate_connection(db)
        codes = db.execute(select(session.c.organization_id, session.c.id, session.c.label_code)).all()
    assert sorted(codes) == [(1, 5, "GOOD"), (1, 6, None), (2, 5, "BAD")]
    engine.dispose()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_snapshots_of_before_get_the_number_of_their_sessions(
    dialect: str, make_settings: Callable[..., Settings]
) -> None:
    engine = create_engine(database_url(make_settings(dialect)))
    with engine.begin() as db:
        migrate_connection(db, "0010")
        db.execute(insert(organization), {"id": 1, "name": "A", "created_at": datetime.now(UTC)})
        for mine, number in ((1, 1), (1, 2), (2, 1)):
            db.execute(text(_SESSION), {"mine": mine, "id": number, "sid": f"S{number}", "label_id": None})
        db.execute(text("UPDATE session SET is_test = true WHERE organization_id = 1 AND id = 2"))
        for mine, number in ((1, 1), (1, 2), (2, 1)):
            db.execute(text(_SNAPSHOT), {"mine": mine, "id": number, "digest": bytes([number])})
        migrate_connection(db)
        columns = (snapshot.c.organization_id, snapshot.c.id, snapshot.c.live_sessions, snapshot.c.test_sessions)
        counts = db.execute(select(*columns)).all()
    assert sorted(counts) == [(1, 1, 1, 1), (1, 2, 0, 0), (2, 1, 1, 0)]
    engine.dispose()


_SNAPSHOT = (
    "INSERT INTO snapshot (organization_id, id, digest, channel_manager_service, service_folded) "
    "VALUES (:mine, :id, :digest, 'SIP', 'sip')"
)
_SESSION = (
    "INSERT INTO session (organization_id, id, service, sid, snapshot_id, conversation_id, named_conversation, "
    "started_at, is_abandoned, is_test, is_legacy, received_at, label_id) SELECT :mine, :id, 'SIP', :sid, 1, 'C', "
    "false, created_at, false, false, false, created_at, :label_id FROM organization"
)
_LABEL = (
    "INSERT INTO label (organization_id, id, session_id, at, type, code, user_email, issue_categories) "
    "SELECT :mine, 7, 5, created_at, 'human-rating', :code, '', '[]' FROM organization"
)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_numbers_of_sessions_of_before_are_known_once_each(
    dialect: str, make_settings: Callable[..., Settings]
) -> None:
    engine = create_engine(database_url(make_settings(dialect)))
    numbers = [(1, "+1", "+2"), (1, "+1", "+3"), (1, "+3", None), (1, None, "+1"), (1, None, None), (2, "+1", "+4")]
    with engine.begin() as db:
        migrate_connection(db, "0010")
        db.execute(insert(organization), {"id": 1, "name": "A", "created_at": datetime.now(UTC)})
        for number, (mine, source, target) in enumerate(numbers):
            db.execute(text(_SESSION), {"mine": mine, "id": number, "sid": f"S{number}", "label_id": None})
            said = {"mine": mine, "id": number, "source": source, "target": target}
            db.execute(text(_NUMBERS), said)
        migrate_connection(db)
        known = db.execute(select(party.c.organization_id, party.c.folded)).all()
    assert sorted(known) == [(1, "+1"), (1, "+2"), (1, "+3"), (2, "+1"), (2, "+4")]
    engine.dispose()


_NUMBERS = (
    "UPDATE session SET source_folded = :source, target_folded = :target WHERE organization_id = :mine AND id = :id"
)


def test_a_forgotten_migration_is_noticed(make_settings: Callable[..., Settings]) -> None:
    """The comparison above can fail: a column the tables do not know is a difference."""
    settings = make_settings("sqlite")
    migrate(settings)
    engine = create_engine(database_url(settings))
    with engine.connect() as db:
        db.exec_driver_sql("ALTER TABLE session ADD COLUMN colour TEXT")
        context = MigrationContext.configure(db)
        assert compare_metadata(context, metadata) != []
    engine.dispose()

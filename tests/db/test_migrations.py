"""The migrations lead to the tables, on both databases, and running them again changes nothing."""

from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from hansard.db.engine import database_url
from hansard.db.migrate import migrate, newest_revision, revision_of
from hansard.db.tables import metadata
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
        ours = {"compare_type": True, "include_name": lambda name, _type, _of: not str(name).startswith("search_words")}
        context = MigrationContext.configure(db, opts=ours)
        assert compare_metadata(context, metadata) == []
        have = {index["name"] for table in metadata.tables for index in inspect(db).get_indexes(table)}
        assert have >= {index.name for table in metadata.tables.values() for index in table.indexes}
    engine.dispose()


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

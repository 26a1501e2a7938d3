"""Bring a database to the newest tables; doing it again changes nothing."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from hansard.db.engine import database_url, sqlite_engine
from hansard.db.writer import ProcessLock
from hansard.kit.settings import Settings

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 0x48414E53


def migrate(settings: Settings) -> None:
    """Create the tables or bring them up to date, one process at a time and all or nothing."""
    url = database_url(settings)
    if url.get_backend_name() == "sqlite":
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = ProcessLock(settings.data / "writer.lock")
        engine = sqlite_engine(url, writing=True)
        with lock.held(), engine.begin() as db:
            migrate_connection(db)
        engine.dispose()
        lock.close()
        return
    engine = create_engine(url)
    with engine.begin() as db:
        db.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        migrate_connection(db)
    engine.dispose()


def migrate_connection(db: Connection, revision: str = "head") -> None:
    """Run the migrations that are missing, up to this one, on an open transaction."""
    config = _config()
    config.attributes["connection"] = db
    command.upgrade(config, revision)


def revision_of(db: Connection) -> str | None:
    """The newest migration this database has had."""
    return MigrationContext.configure(db).get_current_revision()


def newest_revision() -> str | None:
    """The newest migration this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    return config

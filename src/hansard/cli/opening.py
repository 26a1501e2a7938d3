"""What most commands begin with: the settings, and the database they name, ready to use."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy import Connection

from hansard.db.engine import Database, open_database
from hansard.db.migrate import migrate
from hansard.kit.errors import HansardError
from hansard.kit.settings import SettingError, Settings, Sourced, read_settings
from hansard.resources.accounts import store as accounts
from hansard.resources.accounts.schemas import Organization
from hansard.resources.sessions.store import SessionRef, list_keys_after

DEFAULT_ORGANIZATION = "default"
_SESSIONS_AT_ONCE = 200

Command = TypeVar("Command", bound=Callable[..., Any])


def with_settings(*flags: str) -> Callable[[Command], Command]:
    """Give a command `sourced`: the settings, where `--data`, `--database-url` and these flags win over the rest."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run(*args: Any, config: Path | None, **options: Any) -> Any:
            given = {name: options.pop(name) for name in ("data", "database_url", *flags)}
            return command(*args, sourced=_read(given, config), **options)

        made: Any = run
        for name in reversed(flags):
            made = click.option(f"--{name.replace('_', '-')}", name, default=None)(made)
        made = click.option("--database-url", default=None, help="postgresql://… instead of SQLite.")(made)
        made = click.option("--data", default=None, metavar="DIR", help="The folder of the database.")(made)
        file = click.Path(path_type=Path)
        made = click.option("--config", type=file, default=None, help="A TOML file of settings.")(made)
        result: Command = made
        return result

    return decorate


def _read(flags: dict[str, Any], config: Path | None) -> Sourced:
    try:
        return read_settings(flags, os.environ, config)
    except SettingError as error:
        raise click.ClickException(str(error)) from None


def walked(
    database: Database, organization_id: int, after: int = 0
) -> Iterator[tuple[Connection, Sequence[SessionRef]]]:
    """The sessions of an organization with an id above `after`, in order of id, some at a time in a view of theirs."""
    while True:
        with database.reading() as db:
            keys = list_keys_after(db, organization_id, after, _SESSIONS_AT_ONCE)
            if not keys:
                return
            yield db, keys
        after = keys[-1].id


def address_of(settings: Settings) -> str:
    """Where a person finds the server, without a slash at the end."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - read, not listened on
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The database of the settings, its tables up to date and one organization in it at least."""
    migrate(settings)
    database = open_database(settings)
    try:
        database.write(accounts.EVERYBODY, _first_organization)
        yield database
    except HansardError as error:
        raise click.ClickException(error.sentence) from None
    finally:
        database.close()


def _first_organization(db: Any) -> None:
    if not accounts.list_organizations(db):
        accounts.add_organization(db, DEFAULT_ORGANIZATION, datetime.now(UTC))


def organization_named(database: Database, name: str) -> Organization:
    """Raises NotFound."""
    with database.reading() as db:
        return accounts.get_organization(db, name)

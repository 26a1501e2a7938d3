"""A database of each dialect that no other test uses."""

from collections.abc import Callable, Iterator

import pytest

from hansard.db.engine import Database, open_database
from hansard.db.migrate import migrate
from hansard.kit.settings import Settings
from tests.conftest import DIALECTS


@pytest.fixture(params=DIALECTS)
def database(request: pytest.FixtureRequest, make_settings: Callable[..., Settings]) -> Iterator[Database]:
    yield from _opened(make_settings(request.param))


@pytest.fixture
def sqlite_database(make_settings: Callable[..., Settings]) -> Iterator[Database]:
    yield from _opened(make_settings("sqlite"))


@pytest.fixture
def postgres_database(make_settings: Callable[..., Settings]) -> Iterator[Database]:
    yield from _opened(make_settings("postgres"))


def _opened(settings: Settings) -> Iterator[Database]:
    migrate(settings)
    one = open_database(settings)
    yield one
    one.close()

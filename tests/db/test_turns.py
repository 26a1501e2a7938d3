"""What only one of several servers shall do at a time: the first to ask does it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from hansard.db.counters import take_turn
from hansard.db.engine import open_database
from hansard.db.migrate import migrate
from hansard.kit.settings import Settings
from tests.conftest import DIALECTS

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_of_servers_that_ask_together_one_does_it(dialect: str, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(dialect)
    migrate(settings)
    servers = [open_database(settings) for _ in range(3)]

    def ask(now: datetime) -> list[bool]:
        asking = partial(take_turn, organization_id=0, name="sweep", now=now, every=timedelta(seconds=28))
        return [answer.result(10) for answer in [server.writer.submit(0, asking) for server in servers]]

    assert sorted(ask(NOW)) == [False, False, True]
    assert ask(NOW + timedelta(seconds=27)) == [False, False, False]
    assert sorted(ask(NOW + timedelta(seconds=28))) == [False, False, True]
    assert sorted(ask(NOW - timedelta(hours=3))) == [False, False, True]  # one clock was ahead, and is no more
    for server in servers:
        server.close()

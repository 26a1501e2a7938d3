"""Wait until a server has nothing left to do for what was written: until its search index has read all of it.

Asked of the database and not of the processor's time, for a server looks for work even when there is none.
"""

import time

from sqlalchemy import Engine, create_engine

from bench.fill import Filled
from hansard.db.engine import database_url, sqlite_engine
from hansard.resources.accounts.store import list_organizations
from hansard.resources.sessions.backlog import is_behind

WITHIN_S = 1800.0
LOOK_EVERY_S = 0.1


def settle(filled: Filled) -> float:
    """Wait, and give how many seconds it took. Raises RuntimeError where it takes half an hour."""
    url, began = database_url(filled.settings), time.monotonic()
    engine = create_engine(url) if filled.settings.database_url else sqlite_engine(url, writing=False)
    try:
        while _is_behind(engine):
            if time.monotonic() - began > WITHIN_S:
                raise RuntimeError(f"After {WITHIN_S:.0f} s the search index has not read everything.")
            time.sleep(LOOK_EVERY_S)
    finally:
        engine.dispose()
    return time.monotonic() - began


def _is_behind(engine: Engine) -> bool:
    with engine.connect() as db:
        return any(is_behind(db, one.id) for one in list_organizations(db))

"""Many rows at once arrive as single ones do, on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hansard.db.dialect import insert_many
from hansard.db.engine import open_database
from hansard.db.migrate import migrate
from hansard.db.tables import body, child, recording
from hansard.kit.settings import Settings
from tests.conftest import DIALECTS

TEXTS = ("", "a\tb\nc\rd\\n\\.", "\\N", '{"\\u00e9": "\u00e9\U0001f4de"}', "NULL", "'\"")


def recordings(count: int) -> list[dict[str, Any]]:
    return [
        {
            "organization_id": 7,
            "session_id": number,
            "name": TEXTS[number % len(TEXTS)],
            "id": number,
            "sha256": "x",
            "size_bytes": 2**40,
            "media_type": "audio/ogg",
            "channels": None if number % 2 else 2,
            "stored_at": datetime(1970, 1, 1, microsecond=number, tzinfo=UTC),
            "state": "ready",
            "tries": 3,
            "duration_ms": 0.1 + number,
            "peaks": None if number % 3 else bytes(range(256)),
        }
        for number in range(count)
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("count", [0, 3, 300])
def test_many_rows_are_stored_as_they_are(dialect: str, count: int, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(dialect)
    migrate(settings)
    database = open_database(settings)
    rows = recordings(count)
    database.write(7, lambda db: insert_many(db, recording, rows))
    with database.reading() as db:
        asked = select(*(recording.c[name] for name in recordings(1)[0])).where(recording.c.organization_id == 7)
        found = [dict(row) for row in db.execute(asked.order_by(recording.c.id)).mappings()]
    assert found == rows
    database.close()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_rows_that_cannot_be_take_back_their_own_work_only(
    dialect: str, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(dialect)
    migrate(settings)
    database = open_database(settings)
    packed = [{"organization_id": 7, "session_id": n, "packing": 1, "packed": b"x"} for n in range(200)]
    said = [{"organization_id": 7, "session_id": 1, "id": "twice", "kind": "k", "at": "", "data": "secret"}] * 200
    first = database.writer.submit(7, lambda db: insert_many(db, body, packed))
    second = database.writer.submit(7, lambda db: insert_many(db, child, said))
    third = database.writer.submit(
        8, lambda db: insert_many(db, body, [row | {"organization_id": 8} for row in packed])
    )
    first.result(10)
    with pytest.raises(IntegrityError) as refused:
        second.result(10)
    assert "secret" not in str(refused.value)
    third.result(10)
    with database.reading() as db:
        assert [db.execute(select(body).where(body.c.organization_id == n)).all().__len__() for n in (7, 8)] == [
            200
        ] * 2
        assert db.execute(select(child).where(child.c.organization_id == 7)).all() == []
    database.close()

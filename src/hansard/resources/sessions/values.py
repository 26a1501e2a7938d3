"""Values of metadata that few sessions share: each is noted beside its session, and is no trait of it.

The number of an order is in one session, that of a customer in a few. As a trait, such a value would make a set of
traits for every session, and whatever else is sought in metadata would go through all of these. So of each key only the
values that came first are traits. A value is a trait or it is noted, never both: what it is once, it stays.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, func, select

from hansard.db.hot import upsert_rows
from hansard.db.tables import metadata_value, session, trait
from hansard.resources.sessions.traits import VALUE, Trait, find_traits, metadata_traits

MOST_OF_A_KEY = 64  # values that are traits


@dataclass(frozen=True)
class Noted:
    """The values that are to be noted of a session, as they were and as they are."""

    session_id: int
    before: Collection[str]
    after: Collection[str]


def values_in(metadata: str | None) -> set[str]:
    """Every value in the metadata of a session, which is JSON: those that are traits, too."""
    return _values(metadata_traits(from_json(metadata))) if metadata else set()


def told_apart(db: Connection, organization_id: int, told: Sequence[set[Trait]]) -> list[tuple[set[Trait], set[str]]]:
    """Of the metadata of each of these sessions, the traits, some of them from now on, and the values to be noted.

    The transaction must hold the organization.
    """
    words = sorted({word for some in told for word in _values(some)})
    if not words:
        return [(some, set()) for some in told]
    known = _values(find_traits(db, organization_id, [VALUE], words))
    unseen = defaultdict[str, list[str]](list)
    for word in words:
        if word not in known:
            unseen[_key_of(word)].append(word)
    for key, some in unseen.items():
        known.update(some[: MOST_OF_A_KEY - _count(db, organization_id, key)])
    rare = [_values(some) - known for some in told]
    return [(some - {(VALUE, word) for word in noted}, noted) for some, noted in zip(told, rare, strict=True)]


def note_values(db: Connection, organization_id: int, noted: Iterable[Noted]) -> None:
    """Note the values of sessions, and take out those that they no longer have."""
    gone, come = [], []
    for one in noted:
        gone += [{"value": word, "of": one.session_id} for word in sorted(set(one.before) - set(one.after))]
        come += [
            {"organization_id": organization_id, "word": word, "session_id": one.session_id}
            for word in sorted(one.after)
        ]
    if gone:
        mine = metadata_value.c.organization_id == organization_id
        this = (metadata_value.c.word == bindparam("value")) & (metadata_value.c.session_id == bindparam("of"))
        db.execute(delete(metadata_value).where(mine, this), gone)
    upsert_rows(db, metadata_value, come)


def find_few(db: Connection, organization_id: int, words: Sequence[str], most: int) -> list[int] | None:
    """The sessions for which one of these values was noted; None where they are more than `most`."""
    ids = list(db.execute(_sessions_with(organization_id, words).limit(most + 1)).scalars())
    return sorted(set(ids)) if len(ids) <= most else None


def has_value(mine: Any, *words: Any) -> ColumnElement[bool]:
    """That one of these values was noted for a session of the organization `mine`.

    Looked for session by session: those that have it may be nearly all, and are then no set to be made for each page.
    """
    noted = _sessions_with(mine, words).where(metadata_value.c.session_id == session.c.id)
    return noted.correlate(session).exists()


def _sessions_with(mine: Any, words: Sequence[Any]) -> Select[Any]:
    return select(metadata_value.c.session_id).where(
        metadata_value.c.organization_id == mine, metadata_value.c.word.in_(words)
    )


def _values(told: Iterable[Trait]) -> set[str]:
    return {word for kind, word in told if kind == VALUE}


def _key_of(word: str) -> str:
    return word.partition("=")[0]


def _count(db: Connection, organization_id: int, key: str) -> int:
    """How many values of a key are traits, as far as that matters."""
    of_key = (trait.c.word >= f"{key}=") & (trait.c.word < f"{key}>")  # ">" comes after "="
    some = select(trait.c.id).where(trait.c.organization_id == organization_id, trait.c.kind == VALUE, of_key)
    return int(db.execute(select(func.count()).select_from(some.limit(MOST_OF_A_KEY).subquery())).scalar_one())

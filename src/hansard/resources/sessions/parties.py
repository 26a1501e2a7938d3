"""Who called and who was called: each number or address that a session ever had, once, to search a part of it in.

Sessions are many and those who talk are few: a part is looked for among these, and the sessions of what it is in by an
index. A number that no session has any longer stays, and finds none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select

from hansard.db.hot import upsert_rows
from hansard.db.tables import party, session
from hansard.kit.listing import Column, folded_part
from hansard.kit.text import has_part
from hansard.resources.sessions.query import Term

PARTIES = {"from": "source_folded", "to": "target_folded"}  # the fields of a filter, and the columns of a session


def add_parties(db: Connection, organization_id: int, rows: Iterable[Mapping[str, Any]]) -> None:
    """Note those of new or changed rows of `session`; one that is there already is let be."""
    seen = {row[name] for row in rows for name in PARTIES.values()} - {None}
    upsert_rows(db, party, [{"organization_id": organization_id, "folded": one} for one in sorted(seen)])


def seeks_party(term: Term) -> bool:
    """Whether a term of a filter asks for sessions with somebody; who is left out is sooner looked at in each."""
    return term.field in PARTIES and not term.is_not


@cache
def is_with(field: str) -> Callable[..., ColumnElement[bool]]:
    """What such a term asks of a session of an organization, by the parts that `folded_part` made of its values."""
    folded = session.c[PARTIES[field]]
    return lambda mine, *parts: _is_one_of(mine, folded, parts)


def of_party(organization_id: int, folded: ColumnElement[Any], order: ColumnElement[Any]) -> Column:
    """A literal part of the number or address in any case, in a list of the SDKs."""
    return Column(lambda value: _is_one_of(organization_id, folded, [folded_part(value)]), order)


def _is_one_of(mine: Any, folded: ColumnElement[Any], parts: Sequence[Any]) -> ColumnElement[bool]:
    """Whether this is one of those that hold one of these parts."""
    holding = or_(*(has_part(party.c.folded, part) for part in parts))
    found = select(party.c.folded).where(party.c.organization_id == mine, holding)
    one_of_them: ColumnElement[bool] = folded.in_(found)
    return one_of_them

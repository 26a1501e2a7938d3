"""All SQL about organizations and API keys."""

import hmac
import os
from collections.abc import Iterable
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from hansard.db.counters import next_numbers
from hansard.db.hot import Foreseen, rows_of
from hansard.db.tables import api_key, organization
from hansard.kit.errors import Conflict, Invalid, NotFound
from hansard.resources.accounts.keys import KeyIds, find_key_ids, hash_of, new_key
from hansard.resources.accounts.schemas import ApiKey, Caller, Organization, Scope

# Keys are looked up before anybody is known, and organizations are nobody's: they are numbered on their own.
EVERYBODY = 0
# Made once: every request asks it.
_KEY = select(api_key.c.hash, api_key.c.scopes, api_key.c.revoked_at).where(
    api_key.c.organization_id == bindparam("mine"), api_key.c.id == bindparam("id")
)
_ORGANIZATIONS = select(organization.c.id, organization.c.name, organization.c.created_at)


def find_caller(db: Connection, key: str) -> Caller | None:
    """The holder of this key; None when it is none of ours, wrong, or revoked."""
    ids = find_key_ids(key)
    if ids is None:
        return None
    for stored, scopes, revoked_at in rows_of(db, _KEY, _asked_of(ids)):
        if revoked_at is None and hmac.compare_digest(stored, hash_of(key)):
            return Caller(ids.organization_id, ids.key_id, _scopes(scopes))
    return None


def foresee_caller(ids: KeyIds) -> Foreseen:
    """What `find_caller` asks for a key that claims to be this one."""
    return Foreseen(_KEY, _asked_of(ids))


def _asked_of(ids: KeyIds) -> dict[str, int]:
    return {"mine": ids.organization_id, "id": ids.key_id}


def add_organization(db: Connection, name: str, now: datetime) -> Organization:
    """Found an organization. Raises Conflict when the name is taken, Invalid when it is empty."""
    if not name.strip():
        raise Invalid("An organization needs a name.")
    if find_organization(db, name):
        raise Conflict(f"There is an organization {name!r} already.")
    (number,) = next_numbers(db, EVERYBODY, "organization", 1)
    db.execute(organization.insert().values(id=number, name=name, created_at=now, signing_key=os.urandom(32)))
    return Organization(number, name, now)


def find_organization(db: Connection, name: str) -> Organization | None:
    row = db.execute(_ORGANIZATIONS.where(organization.c.name == name)).mappings().one_or_none()
    return Organization(**row) if row else None


def get_organization(db: Connection, name: str) -> Organization:
    """Raises NotFound."""
    found = find_organization(db, name)
    if found is None:
        raise NotFound(f"There is no organization {name!r}.")
    return found


def list_organizations(db: Connection) -> list[Organization]:
    rows = db.execute(_ORGANIZATIONS.order_by(organization.c.id)).mappings()
    return [Organization(**row) for row in rows]


def find_signing_key(db: Connection, organization_id: int) -> bytes | None:
    """What the short-lived links of an organization are signed with; None when there is no such organization."""
    asked = select(organization.c.signing_key).where(organization.c.id == organization_id)
    return db.execute(asked).scalar_one_or_none()


def add_key(
    db: Connection, organization_id: int, name: str, scopes: Iterable[Scope], now: datetime
) -> tuple[ApiKey, str]:
    """Make a key; its text is returned this once and kept nowhere."""
    if not name.strip():
        raise Invalid("A key needs a name.")
    (number,) = next_numbers(db, organization_id, "api_key", 1)
    key = new_key(organization_id, number)
    made = ApiKey(organization_id, number, name, frozenset(scopes), now, None)
    db.execute(
        api_key.insert().values(
            organization_id=organization_id,
            id=number,
            name=name,
            hash=hash_of(key),
            scopes=" ".join(sorted(made.scopes)),
            created_at=now,
        )
    )
    return made, key


def list_keys(db: Connection, organization_id: int) -> list[ApiKey]:
    asked = select(api_key).where(api_key.c.organization_id == organization_id).order_by(api_key.c.id)
    return [_shown(row) for row in db.execute(asked).mappings()]


def get_key(db: Connection, organization_id: int, key_id: int) -> ApiKey:
    """Raises NotFound."""
    mine = select(api_key).where(api_key.c.organization_id == organization_id, api_key.c.id == key_id)
    row = db.execute(mine).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no key {key_id}.")
    return _shown(row)


def change_key_to_revoked(db: Connection, organization_id: int, key_id: int, now: datetime) -> None:
    """Make a key open nothing from now on; doing it again changes nothing. Raises NotFound."""
    get_key(db, organization_id, key_id)
    mine = (api_key.c.organization_id == organization_id) & (api_key.c.id == key_id)
    db.execute(update(api_key).where(mine, api_key.c.revoked_at.is_(None)).values(revoked_at=now))


def _shown(row: RowMapping) -> ApiKey:
    return ApiKey(
        row["organization_id"], row["id"], row["name"], _scopes(row["scopes"]), row["created_at"], row["revoked_at"]
    )


@cache
def _scopes(stored: str) -> frozenset[Scope]:
    return frozenset(map(Scope, stored.split()))

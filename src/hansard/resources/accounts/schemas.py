"""Who is asking, and with what."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What a key opens. `admin` opens everything."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True)
class Caller:
    """The holder of a good key. Everything a caller reads or writes belongs to this organization."""

    organization_id: int
    key_id: int
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(frozen=True)
class Organization:
    id: int
    name: str
    created_at: datetime


class Role(StrEnum):
    """What a member may do in the console: an owner everything, a member label, a viewer look."""

    OWNER = "owner"
    MEMBER = "member"
    VIEWER = "viewer"


@dataclass(frozen=True)
class Member:
    """Somebody who signs in to the console of an organization."""

    organization_id: int
    id: int
    email: str
    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True)
class Invitation:
    """A link that makes one member of an organization, as it can be shown: its text has only who was given it."""

    id: str
    organization: Organization
    role: Role
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class ApiKey:
    """A key as it can be shown: without its secret, which nobody has but its holder."""

    organization_id: int
    id: int
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    revoked_at: datetime | None

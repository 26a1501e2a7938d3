"""All SQL about the people who sign in: members, the links that make them, and where they are signed in."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, select, update

from hansard.db.counters import next_numbers
from hansard.db.tables import invitation, member, organization, signin
from hansard.kit.errors import Conflict, Invalid, NotFound
from hansard.kit.ids import find_id
from hansard.resources.accounts.schemas import Invitation, Member, Organization, Role
from hansard.resources.accounts.store import list_organizations

SIGNED_IN_FOR = timedelta(days=14)
SET_UP_FOR = timedelta(minutes=15)  # the link stands in a terminal and its log
INVITED_FOR = timedelta(days=3)  # the link is on its way to somebody
LONGEST_NAME = 200
_OPENS_NOTHING = "This link was used already, is too old or was withdrawn. Ask for another one."


@dataclass(frozen=True)
class Known:
    """A member and what is kept of their password."""

    member: Member
    password_hash: str


def add_invitation(
    db: Connection, organization_id: int, role: Role, now: datetime, lasts: timedelta = INVITED_FOR
) -> str:
    """Make the text of a link that makes one member, once, for as long as it `lasts`; only its hash is kept."""
    text = _new_text(organization_id)
    row = {"role": role.value, "created_at": now, "expires_at": now + lasts}
    db.execute(invitation.insert().values(organization_id=organization_id, hash=_hash(text), **row))
    return text


def get_invitation(db: Connection, text: str, now: datetime) -> Invitation:
    """What a link still opens. Raises NotFound for one that is wrong, used, withdrawn or too old."""
    organization_id = _organization_of(text)
    mine = (invitation.c.organization_id == organization_id) & (invitation.c.hash == _hash(text))
    row = db.execute(_open_invitations(now).where(mine)).mappings().one_or_none()
    if row is None:
        raise NotFound(_OPENS_NOTHING)
    return _invited(row)


def list_invitations(db: Connection, organization_id: int, now: datetime) -> list[Invitation]:
    """The links that still open something, the newest first."""
    asked = _open_invitations(now).where(invitation.c.organization_id == organization_id)
    newest_first = asked.order_by(invitation.c.created_at.desc(), invitation.c.hash)
    return [_invited(row) for row in db.execute(newest_first).mappings()]


def remove_invitation(db: Connection, organization_id: int, invitation_id: str) -> None:
    """Withdraw a link; doing it again changes nothing."""
    try:
        known_by = bytes.fromhex(invitation_id)
    except ValueError:
        raise NotFound("There is no such invitation.") from None
    mine = (invitation.c.organization_id == organization_id) & (invitation.c.hash == known_by)
    db.execute(delete(invitation).where(mine))


def remove_invitations(db: Connection, organization_id: int) -> None:
    """Withdraw every link."""
    db.execute(delete(invitation).where(invitation.c.organization_id == organization_id))


def add_member_by_invitation(
    db: Connection, organization_id: int, text: str, email: str, name: str, password_hash: str, now: datetime
) -> Member:
    """Make the member a link invites and use the link up.

    Raises NotFound for a link that opens nothing here, Invalid for an address or name that will not do, Conflict
    when the address is a member's already; the link then stays good.
    """
    invited = get_invitation(db, text, now)
    if invited.organization.id != organization_id:
        raise NotFound(_OPENS_NOTHING)
    made = add_member(db, organization_id, email, name, password_hash, invited.role, now)
    mine = (invitation.c.organization_id == organization_id) & (invitation.c.hash == _hash(text))
    db.execute(update(invitation).where(mine).values(used_at=now))
    return made


def add_member(
    db: Connection, organization_id: int, email: str, name: str, password_hash: str, role: Role, now: datetime
) -> Member:
    """`password_hash` is from `passwords.hashed`, made before the transaction began, for it is slow.

    Raises Invalid for an address or name that will not do, Conflict for an address that is taken.
    """
    address = as_address(email)
    shown_name = name.strip() or address
    if len(shown_name) > LONGEST_NAME or not shown_name.isprintable():
        raise Invalid(f"A name may have {LONGEST_NAME} characters, all of them printable.")
    if find_member(db, organization_id, address):
        raise Conflict(f"{address} is a member already.")
    (number,) = next_numbers(db, organization_id, "member", 1)
    row = {"email": address, "name": shown_name, "role": role.value, "created_at": now}
    db.execute(member.insert().values(organization_id=organization_id, id=number, password_hash=password_hash, **row))
    return Member(organization_id, number, address, shown_name, role, now)


def find_member(db: Connection, organization_id: int, email: str) -> Known | None:
    """The member with this address, in any case; None when there is none or they were removed."""
    address = email.strip().lower()
    asked = select(member).where(member.c.organization_id == organization_id, member.c.email == address)
    row = db.execute(asked.where(member.c.removed_at.is_(None))).mappings().one_or_none()
    return Known(_member(row), row["password_hash"]) if row else None


def get_member(db: Connection, organization_id: int, member_id: int) -> Member:
    """Raises NotFound, also for one who was removed."""
    found = [one for one in list_members(db, organization_id) if one.id == member_id]
    if not found:
        raise NotFound(f"There is no member {member_id}.")
    return found[0]


def list_members(db: Connection, organization_id: int) -> list[Member]:
    """Those who were not removed, in the order in which they came."""
    asked = select(member).where(member.c.organization_id == organization_id, member.c.removed_at.is_(None))
    return [_member(row) for row in db.execute(asked.order_by(member.c.id)).mappings()]


def list_organizations_with_members(db: Connection) -> list[Organization]:
    """Those somebody can sign in to; none on a server that was not set up yet."""
    return [one for one in list_organizations(db) if _has_members(db, one.id)]


def _has_members(db: Connection, organization_id: int) -> bool:
    mine = (member.c.organization_id == organization_id) & member.c.removed_at.is_(None)
    return db.execute(select(member.c.id).where(mine).limit(1)).first() is not None


def remove_member(
    db: Connection, organization_id: int, member_id: int, now: datetime, *, may_be_last: bool = False
) -> None:
    """Let them sign in no more, and sign them out everywhere.

    Raises NotFound, and Invalid for the last owner unless it `may_be_last`.
    """
    leaving = get_member(db, organization_id, member_id)
    owners = [one for one in list_members(db, organization_id) if one.role is Role.OWNER]
    if owners == [leaving] and not may_be_last:
        raise Invalid("The last owner cannot be removed. Invite another owner first.")
    mine = (member.c.organization_id == organization_id) & (member.c.id == member_id)
    db.execute(update(member).where(mine).values(removed_at=now))
    db.execute(delete(signin).where(signin.c.organization_id == organization_id, signin.c.member_id == member_id))


def change_password(db: Connection, organization_id: int, member_id: int, password_hash: str, but_here: str) -> None:
    """Let only the new password sign them in, and sign them out everywhere but where this text is held.

    Raises NotFound for one who was removed.
    """
    get_member(db, organization_id, member_id)
    mine = (member.c.organization_id == organization_id) & (member.c.id == member_id)
    db.execute(update(member).where(mine).values(password_hash=password_hash))
    theirs = (signin.c.organization_id == organization_id) & (signin.c.member_id == member_id)
    db.execute(delete(signin).where(theirs, signin.c.hash != _hash(but_here)))


def add_signin(db: Connection, organization_id: int, member_id: int, now: datetime) -> str:
    """Sign a member in; the text is for their browser's cookie and is kept nowhere else.

    Raises NotFound for one who was removed meanwhile. What has run out goes.
    """
    get_member(db, organization_id, member_id)
    text = _new_text(organization_id)
    db.execute(delete(signin).where(signin.c.organization_id == organization_id, signin.c.expires_at <= now))
    row = {"member_id": member_id, "created_at": now, "expires_at": now + SIGNED_IN_FOR}
    db.execute(signin.insert().values(organization_id=organization_id, hash=_hash(text), **row))
    return text


def find_signed_in(db: Connection, text: str, now: datetime) -> tuple[Member, Organization] | None:
    """Who is signed in with this text, and where; None when nobody is."""
    organization_id = _organization_of(text)
    is_theirs = (signin.c.organization_id == member.c.organization_id) & (signin.c.member_id == member.c.id)
    joined = member.join(signin, is_theirs).join(organization, organization.c.id == member.c.organization_id)
    asked = (
        select(member, organization.c.name.label("of_name"), organization.c.created_at.label("of_created_at"))
        .select_from(joined)
        .where(member.c.organization_id == organization_id, member.c.removed_at.is_(None))
        .where(signin.c.hash == _hash(text), signin.c.expires_at > now)
    )
    row = db.execute(asked).mappings().one_or_none()
    if row is None:
        return None
    return _member(row), Organization(row["organization_id"], row["of_name"], row["of_created_at"])


def remove_signin(db: Connection, text: str) -> None:
    """Sign the browser out that holds this text; doing it again changes nothing."""
    mine = (signin.c.organization_id == _organization_of(text)) & (signin.c.hash == _hash(text))
    db.execute(delete(signin).where(mine))


def as_address(email: str) -> str:
    """An e-mail address as it is kept: in small letters. Raises Invalid for what cannot be one."""
    address = email.strip().lower()
    name, at, host = address.partition("@")
    if not (name and at and host) or len(address) > 254 or not address.isprintable() or " " in address:
        raise Invalid(f"{email!r} is not an e-mail address.")
    return address


def _open_invitations(now: datetime) -> Any:
    return (
        select(invitation, organization.c.name.label("of_name"), organization.c.created_at.label("of_created_at"))
        .join(organization, organization.c.id == invitation.c.organization_id)
        .where(invitation.c.used_at.is_(None), invitation.c.expires_at > now)
    )


def _invited(row: RowMapping) -> Invitation:
    invited_to = Organization(row["organization_id"], row["of_name"], row["of_created_at"])
    return Invitation(row["hash"].hex(), invited_to, Role(row["role"]), row["created_at"], row["expires_at"])


def _member(row: Mapping[Any, Any]) -> Member:
    return Member(row["organization_id"], row["id"], row["email"], row["name"], Role(row["role"]), row["created_at"])


def _new_text(organization_id: int) -> str:
    """A text that says whose it is, and 256 random bits."""
    return f"{organization_id}.{secrets.token_urlsafe(32)}"


def _organization_of(text: str) -> int:
    """Whose a text claims to be; nobody's is 0."""
    return find_id(text.partition(".")[0]) or 0


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()

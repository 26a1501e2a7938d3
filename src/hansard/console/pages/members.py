"""`/settings/members`: who can sign in, and links for those who are to."""

from functools import partial

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from hansard.console.access import AnyViewer, FromHere, Owner, Viewer, address_of
from hansard.console.forms import Fields, Number
from hansard.console.render import page, see
from hansard.db.access import Now, Reading, Storage
from hansard.kit.errors import Invalid
from hansard.resources.accounts import members as store
from hansard.resources.accounts.schemas import Role

router = APIRouter(include_in_schema=False)
ROLES = {
    Role.VIEWER: "looks at sessions",
    Role.MEMBER: "looks at sessions and labels them",
    Role.OWNER: "everything, keys and members too",
}


@router.get("/settings/members")
def members(request: Request, db: Reading, viewer: AnyViewer, now: Now) -> Response:
    """The members there are and, for owners, the links that are still open."""
    return _members(request, db, viewer, now)


@router.post("/settings/members/invite", dependencies=[FromHere])
def invite(request: Request, database: Storage, viewer: Owner, now: Now, sent: Fields) -> Response:
    """Make a link that makes one member, and show it, this once. Raises Invalid for a role there is not."""
    mine = viewer.organization_id
    role = next((role for role in Role if role == sent["role"]), None)
    if role is None:
        raise Invalid("There is no such role.")
    text = database.write(mine, partial(store.add_invitation, organization_id=mine, role=role, now=now))
    with database.reading() as db:
        return _members(request, db, viewer, now, f"{address_of(request)}/set-up?token={text}", role)


@router.post("/settings/members/invitations/{invitation_id}/withdraw", dependencies=[FromHere])
def withdraw(database: Storage, viewer: Owner, invitation_id: str) -> Response:
    """Let a link open nothing; doing it again changes nothing."""
    mine = viewer.organization_id
    database.write(mine, partial(store.remove_invitation, organization_id=mine, invitation_id=invitation_id))
    return see("/settings/members")


@router.get("/settings/members/{member_id}/remove")
def remove_form(request: Request, db: Reading, viewer: Owner, member_id: Number) -> Response:
    """Ask once more. Raises NotFound."""
    return page(request, "settings/remove.html", viewer, member=store.get_member(db, viewer.organization_id, member_id))


@router.post("/settings/members/{member_id}/remove", dependencies=[FromHere])
def remove(database: Storage, viewer: Owner, now: Now, member_id: Number) -> Response:
    """Let somebody sign in no more, and sign them out. Raises NotFound, Invalid for the last owner."""
    mine = viewer.organization_id
    database.write(mine, partial(store.remove_member, organization_id=mine, member_id=member_id, now=now))
    return see("/settings/members")


def _members(
    request: Request, db: Connection, viewer: Viewer, now: Now, link: str = "", role: Role | None = None
) -> Response:
    mine = viewer.organization_id
    return page(
        request,
        "settings/members.html",
        viewer,
        members=store.list_members(db, mine),
        invitations=store.list_invitations(db, mine, now) if viewer.may(Role.OWNER) else [],
        roles=list(ROLES.items()),
        lasts_days=store.INVITED_FOR.days,
        link=link,
        role=role,
    )

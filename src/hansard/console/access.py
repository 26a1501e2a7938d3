"""Who looks at a page: `Viewer`, from the cookie of a browser that is signed in, or of the sample sessions."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request, Response

from hansard.db.access import Now, Storage
from hansard.kit.errors import HansardError, NotAllowed
from hansard.resources.accounts.members import SIGNED_IN_FOR, find_signed_in
from hansard.resources.accounts.schemas import Member, Organization, Role

COOKIE = "hansard"
_RANKS = {Role.VIEWER: 0, Role.MEMBER: 1, Role.OWNER: 2}


@dataclass(frozen=True)
class Viewer:
    """Somebody at a browser. Everything they see or change belongs to this organization."""

    organization: Organization
    role: Role
    name: str
    email: str = ""
    member_id: int | None = None  # None for whoever looks at the samples

    @classmethod
    def of(cls, member: Member, organization: Organization) -> "Viewer":
        """A member who looks at their organization."""
        return cls(organization, member.role, member.name, member.email, member.id)

    @property
    def organization_id(self) -> int:
        return self.organization.id

    @property
    def is_demo(self) -> bool:
        return self.member_id is None

    def may(self, role: Role) -> bool:
        """Whether they may do what this role may."""
        return _RANKS[self.role] >= _RANKS[role]


class SignInFirst(HansardError):
    """Nobody is signed in: the browser is sent to sign in, and comes back."""

    status = 303

    def __init__(self, path: str) -> None:
        super().__init__("Sign in first.")
        self.path = path

    @property
    def headers(self) -> dict[str, str]:
        return {"Location": f"/sign-in?next={quote(self.path, safe='')}", "Cache-Control": "no-store"}


def viewer_or_nobody(request: Request, database: Storage, now: Now) -> Viewer | None:
    """Who the cookie says; else, on a server of samples, somebody who may look at them."""
    found = _signed_in(request, database, now)
    demo: Organization | None = request.app.state.demo
    if found is None and demo:
        found = Viewer(demo, Role.VIEWER, "You")
    request.state.viewer = found  # so that an error page has the frame they know
    return found


def _signed_in(request: Request, database: Storage, now: Now) -> Viewer | None:
    text = request.cookies.get(COOKIE, "")
    if not text:
        return None
    with database.reading() as db:
        found = find_signed_in(db, text, now)
    return Viewer.of(*found) if found else None


def give_cookie(request: Request, answer: Response, text: str) -> None:
    """Let this browser be signed in: no script reads the cookie, no other site sends it along with a form."""
    age_s = int(SIGNED_IN_FOR.total_seconds())
    answer.set_cookie(
        COOKIE, text, max_age=age_s, path="/", secure=is_encrypted(request), httponly=True, samesite="lax"
    )


def take_cookie(request: Request, answer: Response) -> None:
    """Let this browser forget that it was signed in."""
    answer.delete_cookie(COOKIE, path="/", secure=is_encrypted(request), httponly=True, samesite="lax")


def is_encrypted(request: Request) -> bool:
    """Whether the browser came by https: here, or at a proxy that we believe, or because the settings say so."""
    return request.url.scheme == "https" or address_of(request).startswith("https://")


def address_of(request: Request) -> str:
    """Where people reach this server, without a slash at the end: as the settings say, else as this browser did."""
    said: str | None = request.app.state.settings.public_url
    return (said or str(request.base_url)).rstrip("/")


MaybeViewer = Annotated[Viewer | None, Depends(viewer_or_nobody)]


async def _viewer(request: Request, found: MaybeViewer) -> Viewer:
    if found is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise SignInFirst(request.url.path + query)
    return found


AnyViewer = Annotated[Viewer, Depends(_viewer)]


async def _labeller(viewer: AnyViewer) -> Viewer:
    return _with(viewer, Role.MEMBER)


async def _owner(viewer: AnyViewer) -> Viewer:
    return _with(viewer, Role.OWNER)


def _with(viewer: Viewer, role: Role) -> Viewer:
    if not viewer.may(role):
        raise NotAllowed(f"This needs the role {role.value}; yours is {viewer.role.value}.")
    return viewer


Labeller = Annotated[Viewer, Depends(_labeller)]
Owner = Annotated[Viewer, Depends(_owner)]


async def from_here(request: Request) -> None:
    """Refuse a form that another site sent. Browsers say where it comes from; one that says nothing is refused."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "")
    if site == "same-origin" or (site is None and origin.partition("://")[2] == request.headers.get("host")):
        return
    raise NotAllowed("This form was not sent from this console, so nothing was changed.")


FromHere = Depends(from_here)

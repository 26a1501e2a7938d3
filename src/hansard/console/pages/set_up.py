"""`/set-up` makes a member of whoever has a link; `/welcome` helps the first of them to a first session."""

from datetime import datetime
from functools import partial

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from hansard.console.access import COOKIE, FromHere, Owner, Viewer, give_cookie
from hansard.console.forms import Fields, Sent
from hansard.console.render import HEADERS, page, see
from hansard.db.access import Now, Reading, Storage
from hansard.db.engine import Database
from hansard.kit.errors import Conflict, HansardError, Invalid
from hansard.resources.accounts import members, passwords
from hansard.resources.accounts.schemas import Invitation, Member, Role, Scope
from hansard.resources.accounts.store import add_key
from hansard.resources.sessions.store import find_newest_session

router = APIRouter(include_in_schema=False)


@router.get("/set-up")
def set_up_form(request: Request, db: Reading, now: Now, token: str = "") -> Response:
    """The form of a link. Raises NotFound for one that opens nothing."""
    return _form(request, members.get_invitation(db, token, now), token)


@router.post("/set-up", dependencies=[FromHere])
async def set_up(request: Request, database: Storage, now: Now, sent: Fields) -> Response:
    """Make the member, sign them in, and use the link up. An owner of nothing yet is welcomed with a key."""
    invited = await run_in_threadpool(_invitation, database, sent["token"], now)
    try:
        members.as_address(sent["email"])
        kept = await passwords.in_turn(partial(passwords.hashed, sent["password"]))
        make = partial(_make, invited=invited, sent=sent, kept=kept, old=request.cookies.get(COOKIE, ""), now=now)
        made, text, key = await run_in_threadpool(database.write, invited.organization.id, make)
    except (Invalid, Conflict) as error:
        return _form(request, invited, sent["token"], error, sent)
    answer = _welcome(request, Viewer.of(made, invited.organization), key) if key else see("/sessions")
    give_cookie(request, answer, text)
    return answer


@router.get("/welcome")
def welcome(request: Request, viewer: Owner) -> Response:
    """How to record a first session, for whoever comes back: the key was shown once."""
    return _welcome(request, viewer, "")


@router.get("/welcome/first")
def first_session(db: Reading, viewer: Owner) -> Response:
    """The page of a session there is, for the welcome page that waits for it; 204 while there is none."""
    found = find_newest_session(db, viewer.organization_id)
    if found is None:
        return Response(status_code=204, headers=HEADERS)
    return Response(f"/s/{found}", media_type="text/plain", headers=HEADERS)


def _invitation(database: Database, token: str, now: datetime) -> Invitation:
    with database.reading() as db:
        return members.get_invitation(db, token, now)


def _make(
    db: Connection, invited: Invitation, sent: Sent, kept: str, old: str, now: datetime
) -> tuple[Member, str, str]:
    """The member, the text of their cookie, and a first key where there is nothing yet to look at."""
    mine = invited.organization.id
    made = members.add_member_by_invitation(db, mine, sent["token"], sent["email"], sent["name"], kept, now)
    members.remove_signin(db, old)
    text = members.add_signin(db, mine, made.id, now)
    if made.role is not Role.OWNER or find_newest_session(db, mine) is not None:
        return made, text, ""
    _, key = add_key(db, mine, "first key", (Scope.INGEST, Scope.READ), now)
    return made, text, key


def _welcome(request: Request, viewer: Viewer, key: str) -> Response:
    return page(request, "welcome.html", viewer, key=key)


def _form(
    request: Request, invited: Invitation, token: str, problem: HansardError | None = None, sent: Sent | None = None
) -> Response:
    return page(
        request,
        "set_up.html",
        None,
        status=problem.status if problem else 200,
        problem=problem.sentence if problem else "",
        invited=invited,
        token=token,
        email=sent["email"] if sent else "",
        name=sent["name"] if sent else "",
        least=passwords.LEAST,
    )

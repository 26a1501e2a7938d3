"""`/sign-in` and `/sign-out`."""

from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from hansard.console.access import COOKIE, FromHere, MaybeViewer, give_cookie, take_cookie
from hansard.console.forms import Fields
from hansard.console.render import page, see
from hansard.console.throttle import ADDRESS, CLIENT, Throttle, client_of
from hansard.db.access import Now, Reading, Storage
from hansard.db.engine import Database
from hansard.kit.errors import HansardError, NotSignedIn
from hansard.resources.accounts import members, passwords
from hansard.resources.accounts.schemas import Member, Organization
from hansard.resources.accounts.store import EVERYBODY

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
def sign_in_form(
    request: Request, db: Reading, viewer: MaybeViewer, to: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """The form; who is signed in already is sent on."""
    if viewer and not viewer.is_demo:
        return see(local(to))
    return _form(request, members.list_organizations_with_members(db), to)


@router.post("/sign-in", dependencies=[FromHere])
async def sign_in(request: Request, database: Storage, now: Now, sent: Fields) -> Response:
    """Sign in, and go where the person was going. What was wrong is not told apart."""
    places = await run_in_threadpool(_places, database)
    try:
        chosen = _chosen(places, sent["organization"])
        found = await recognized(request, database, chosen, sent["email"], sent["password"])
    except HansardError as error:
        return _form(request, places, sent["next"], error, sent["email"], sent["organization"])
    begin = partial(_begin, found=found, instead_of=request.cookies.get(COOKIE, ""), now=now)
    text = await run_in_threadpool(database.write, found.organization_id, begin)
    answer = see(local(sent["next"]))
    give_cookie(request, answer, text)
    return answer


@router.post("/sign-out", dependencies=[FromHere])
def sign_out(request: Request, database: Storage) -> Response:
    """Sign this browser out; doing it again changes nothing."""
    text = request.cookies.get(COOKIE, "")
    database.write(EVERYBODY, lambda db: members.remove_signin(db, text))
    answer = see("/sign-in")
    take_cookie(request, answer)
    return answer


def local(path: str) -> str:
    """The path, when it is one of ours; else where a person begins. Never another site's."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_ours else "/"


def _places(database: Database) -> list[Organization]:
    with database.reading() as db:
        return members.list_organizations_with_members(db)


def _chosen(places: list[Organization], name: str) -> int:
    """Where they want to sign in; nobody's is 0. A server of one organization does not ask."""
    if len(places) == 1:
        return places[0].id
    return next((one.id for one in places if one.name == name.strip()), EVERYBODY)


async def recognized(request: Request, database: Database, organization_id: int, email: str, password: str) -> Member:
    """The member with this address and password; counted by the throttle.

    Raises TooOften, Busy, and NotSignedIn after the same time whatever was wrong.
    """
    throttle: Throttle = request.app.state.throttle
    address, client = f"{organization_id} {email.strip().lower()[:254]}", client_of(request)
    throttle.begin([(address, ADDRESS), (client, CLIENT)], request.app.state.clock())
    found = await passwords.in_turn(partial(_with_password, database, organization_id, email, password))
    if found is None:
        raise NotSignedIn("That is not the e-mail address and password of a member.")
    throttle.forget(address, client)
    return found


def _with_password(database: Database, organization_id: int, email: str, password: str) -> Member | None:
    with database.reading() as db:
        known = members.find_member(db, organization_id, email)
    is_theirs = passwords.is_right(password, known.password_hash if known else None)
    return known.member if known and is_theirs else None


def _begin(db: Connection, found: Member, instead_of: str, now: datetime) -> str:
    """A new sign-in in the place of the one this browser had."""
    members.remove_signin(db, instead_of)
    return members.add_signin(db, found.organization_id, found.id, now)


def _form(
    request: Request,
    places: list[Organization],
    to: str,
    problem: HansardError | None = None,
    email: str = "",
    organization: str = "",
) -> Response:
    made = page(
        request,
        "sign_in.html",
        None,
        status=problem.status if problem else 200,
        problem=problem.sentence if problem else "",
        to=local(to),
        email=email,
        organization=organization,
        asks_organization=len(places) > 1,
        is_set_up=bool(places),
        has_samples=request.app.state.demo is not None,
    )
    made.headers.update(problem.headers if problem else {})
    return made

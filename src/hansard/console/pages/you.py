"""`/settings/you`: whoever is signed in, and their password."""

from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from hansard.console.access import COOKIE, AnyViewer, FromHere, Viewer
from hansard.console.forms import Fields
from hansard.console.pages.sign_in import recognized
from hansard.console.render import page
from hansard.db.access import Storage
from hansard.kit.errors import HansardError, NotAllowed, NotSignedIn
from hansard.resources.accounts import members, passwords

router = APIRouter(include_in_schema=False)


@router.get("/settings/you")
def you(request: Request, viewer: AnyViewer) -> Response:
    """Who is signed in, and a form for another password."""
    return _page(request, viewer)


@router.post("/settings/you/password", dependencies=[FromHere])
async def change_password(request: Request, database: Storage, viewer: AnyViewer, sent: Fields) -> Response:
    """Another password, for who knows the current one; every other browser of theirs is signed out."""
    if viewer.member_id is None:
        raise NotAllowed("Sign in first: the samples are nobody's, and have no password.")
    try:
        await recognized(request, database, viewer.organization_id, viewer.email, sent["current"])
        kept = await passwords.in_turn(partial(passwords.hashed, sent["password"]))
    except NotSignedIn as error:
        error.sentence = "That is not your current password."
        return _page(request, viewer, error)
    except HansardError as error:
        return _page(request, viewer, error)
    change = partial(
        members.change_password,
        organization_id=viewer.organization_id,
        member_id=viewer.member_id,
        password_hash=kept,
        but_here=request.cookies.get(COOKIE, ""),
    )
    await run_in_threadpool(database.write, viewer.organization_id, change)
    return _page(request, viewer, is_done=True)


def _page(request: Request, viewer: Viewer, problem: HansardError | None = None, *, is_done: bool = False) -> Response:
    made = page(
        request,
        "settings/you.html",
        viewer,
        status=problem.status if problem else 200,
        problem=problem.sentence if problem else "",
        is_done=is_done,
        least=passwords.LEAST,
    )
    made.headers.update(problem.headers if problem else {})
    return made

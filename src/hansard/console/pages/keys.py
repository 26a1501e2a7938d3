"""`/settings/keys`: the API keys of an organization."""

from functools import partial

from fastapi import APIRouter, Request, Response

from hansard.console.access import AnyViewer, FromHere, Owner, Viewer
from hansard.console.forms import Fields, Number, Sent
from hansard.console.render import page, see
from hansard.db.access import Now, Reading, Storage
from hansard.kit.errors import HansardError, Invalid
from hansard.resources.accounts import store
from hansard.resources.accounts.schemas import ApiKey, Scope

router = APIRouter(include_in_schema=False)
LONGEST_NAME = 200
SCOPES = {
    Scope.INGEST: "send sessions, and label them",
    Scope.READ: "read sessions",
    Scope.ADMIN: "everything the API has",
}


@router.get("/settings/keys")
def keys(request: Request, db: Reading, viewer: AnyViewer) -> Response:
    """The keys there are, without their secrets."""
    return _keys(request, viewer, store.list_keys(db, viewer.organization_id))


@router.post("/settings/keys", dependencies=[FromHere])
def make_key(request: Request, database: Storage, viewer: Owner, now: Now, sent: Fields) -> Response:
    """Make a key and show it, this once."""
    mine = viewer.organization_id
    try:
        name, scopes = _wanted(sent)
        add = partial(store.add_key, organization_id=mine, name=name, scopes=scopes, now=now)
        made, text = database.write(mine, add)
        problem = None
    except Invalid as error:
        made, text, problem = None, "", error
    with database.reading() as db:
        return _keys(request, viewer, store.list_keys(db, mine), made=made, text=text, problem=problem, sent=sent)


@router.get("/settings/keys/{key_id}/revoke")
def revoke_form(request: Request, db: Reading, viewer: Owner, key_id: Number) -> Response:
    """Ask once more. Raises NotFound."""
    return page(request, "settings/revoke.html", viewer, key=store.get_key(db, viewer.organization_id, key_id))


@router.post("/settings/keys/{key_id}/revoke", dependencies=[FromHere])
def revoke(database: Storage, viewer: Owner, now: Now, key_id: Number) -> Response:
    """Let the key open nothing from now on. Raises NotFound."""
    mine = viewer.organization_id
    database.write(mine, partial(store.change_key_to_revoked, organization_id=mine, key_id=key_id, now=now))
    return see("/settings/keys")


def _wanted(sent: Sent) -> tuple[str, list[Scope]]:
    """What a key is to be called and to open. Raises Invalid."""
    name = sent["name"].strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(f"Give the key a name of at most {LONGEST_NAME} printable characters.")
    scopes = [scope for scope in Scope if scope in sent.all("scope")]
    if not scopes:
        raise Invalid("Choose what the key opens: at least one scope.")
    return name, scopes


def _keys(
    request: Request,
    viewer: Viewer,
    found: list[ApiKey],
    *,
    made: ApiKey | None = None,
    text: str = "",
    problem: HansardError | None = None,
    sent: Sent | None = None,
) -> Response:
    chosen = sent.all("scope") if problem and sent else [Scope.INGEST, Scope.READ]
    return page(
        request,
        "settings/keys.html",
        viewer,
        status=problem.status if problem else 200,
        keys=sorted(found, key=lambda key: (key.revoked_at is not None, -key.id)),
        made=made,
        text=text,
        problem=problem.sentence if problem else "",
        name=sent["name"] if problem and sent else "",
        scopes=[(scope, about, scope in chosen) for scope, about in SCOPES.items()],
    )

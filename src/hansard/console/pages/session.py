"""`/s/…`: one session, everything of it on one clock."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse

from hansard.console import live
from hansard.console.access import AnyViewer, FromHere, Labeller, Viewer
from hansard.console.forms import Fields
from hansard.console.render import HEADERS, page, see
from hansard.console.session import text, words
from hansard.console.session.bars import drawing
from hansard.console.session.entries import PER_PART, begin_at, marks, part_of
from hansard.console.session.find import hits
from hansard.console.session.look import Look, get_look
from hansard.db.access import Now, Reading, Storage
from hansard.kit.errors import Invalid
from hansard.resources.accounts.schemas import Role
from hansard.resources.labels.schemas import label_by_person
from hansard.resources.labels.store import add_label, list_issue_categories
from hansard.resources.sessions import search
from hansard.resources.sessions.access import Idle
from hansard.resources.sessions.query import Query as Filter
from hansard.resources.sessions.query import read_query
from hansard.resources.sessions.routes import SessionId
from hansard.resources.sessions.schemas import SessionRecord
from hansard.resources.sessions.store import get_metadata, get_session
from hansard.resources.sessions.waterfall import percentile, timings

router = APIRouter(include_in_schema=False, prefix="/s/{session_id}")

CODES = ("GOOD", "OK", "BAD", "N/A")
MOST_RAW = 500_000
_FROM = Query(alias="from", ge=0, lt=2**53, description="The first item, or exchange, counted from 0.")
Begin = Annotated[int, _FROM]
InList = Annotated[str, Query(alias="in", description="The query of the list this session was opened from.")]


@router.get("")
def session(
    request: Request,
    db: Reading,
    viewer: AnyViewer,
    now: Now,
    session_id: SessionId,
    in_list: InList = "",
    t: str = "",
    begin: Annotated[int | None, _FROM] = None,
    view: str = "",
    exchange: Annotated[int, Query(ge=0, lt=2**53)] = 0,
) -> Response:
    """The session, from the part of its story in which the second `t` lies, or which begins with item `from`.

    With `view=waterfall` the waterfall is shown instead, from `exchange` on, counted from 0.
    """
    look = get_look(db, viewer.organization_id, session_id)
    at_s = _seconds(t)
    if begin is None:
        begin = begin_at(look, at_s) if at_s else 0
    newer, older = _neighbours(db, viewer, in_list, now, session_id)
    context = _frame(look, viewer, in_list) | _labelling(db, look, viewer)
    return page(
        request,
        "session/page.html",
        viewer,
        **context,
        part=part_of(look, begin),
        per_part=PER_PART,
        marks=marks(look),
        moments=words.moments(look),
        at_s=at_s,
        newer=newer,
        older=older,
        responses=_responses(look),
        metadata=get_metadata(db, viewer.organization_id, session_id),
        drawing=drawing(look, exchange) if view == "waterfall" else None,
        timings=timings(look.waterfall) if view == "waterfall" else [],
        percentile=percentile,
    )


@router.get("/items")
def items(
    request: Request, db: Reading, viewer: AnyViewer, session_id: SessionId, begin: Begin = 0, in_list: InList = ""
) -> Response:
    """A part of the story, to be put into a page that is open."""
    look = get_look(db, viewer.organization_id, session_id)
    return page(request, "session/items.html", viewer, **_frame(look, viewer, in_list), part=part_of(look, begin))


@router.get("/waterfall")
def waterfall(
    request: Request, db: Reading, viewer: AnyViewer, session_id: SessionId, begin: Begin = 0, in_list: InList = ""
) -> Response:
    """Exchange by exchange, where the time went, to be put into a page that is open."""
    look = get_look(db, viewer.organization_id, session_id)
    return page(
        request,
        "session/waterfall.html",
        viewer,
        **_frame(look, viewer, in_list),
        drawing=drawing(look, begin),
        timings=timings(look.waterfall),
        percentile=percentile,
    )


@router.get("/find")
def find(db: Reading, viewer: AnyViewer, session_id: SessionId, q: str = "") -> Response:
    """The places of the items that hold a text."""
    look = get_look(db, viewer.organization_id, session_id)
    return JSONResponse({"hits": hits(look.story, q)}, headers=HEADERS)


@router.get("/raw")
def raw(request: Request, db: Reading, viewer: AnyViewer, session_id: SessionId, in_list: InList = "") -> Response:
    """The record as it is stored, to be read; a long one only as far as a browser likes."""
    look = get_look(db, viewer.organization_id, session_id)
    whole = _record(db, viewer.organization_id, look).decode()
    frame = _frame(look, viewer, in_list)
    return page(
        request, "session/raw.html", viewer, **frame, raw=whole[:MOST_RAW], left_out=max(0, len(whole) - MOST_RAW)
    )


@router.get("/record.json")
def record(db: Reading, viewer: AnyViewer, session_id: SessionId) -> Response:
    """The record as it is stored, to be kept."""
    look = get_look(db, viewer.organization_id, session_id)
    whole = _record(db, viewer.organization_id, look)
    return Response(whole, media_type="application/json", headers=_file(f"session-{session_id}.json"))


@router.get("/transcript.txt")
def transcript(db: Reading, viewer: AnyViewer, session_id: SessionId) -> Response:
    """Who said what, as plain text."""
    look = get_look(db, viewer.organization_id, session_id)
    return PlainTextResponse(text.transcript(look), headers=_file(f"session-{session_id}.txt"))


@router.get("/labels")
def labels(request: Request, db: Reading, viewer: AnyViewer, session_id: SessionId, in_list: InList = "") -> Response:
    """The labels of the session, and the form to give one."""
    look = get_look(db, viewer.organization_id, session_id)
    context = _frame(look, viewer, in_list) | _labelling(db, look, viewer)
    return page(request, "session/labelling.html", viewer, **context)


@router.post("/labels", dependencies=[FromHere])
def label_session(
    storage: Storage, viewer: Labeller, now: Now, idle: Idle, session_id: SessionId, sent: Fields
) -> Response:
    """Judge the session."""
    if sent["code"] not in CODES:
        raise Invalid(f"Choose one of {', '.join(CODES)}.")
    categories = [one.strip() for one in (*sent.all("issue_categories"), *sent["other_categories"].split(","))]
    made = label_by_person(session_id, sent["code"], viewer.email, sent["comments"], list(dict.fromkeys(categories)))
    mine = viewer.organization_id
    storage.write(mine, lambda db: add_label(db, mine, made, now, idle))
    return see(f"/s/{session_id}/labels{_kept(sent['in'])}")


@router.get("/live")
async def changes(request: Request, storage: Storage, viewer: AnyViewer, session_id: SessionId) -> Response:
    """The changes of the session as they come, until it ends."""
    await run_in_threadpool(_get, storage, viewer.organization_id, session_id)
    return live.changes(request, storage, viewer.organization_id, session_id)


def _get(storage: Storage, organization_id: int, session_id: int) -> None:
    with storage.reading() as db:
        get_session(db, organization_id, session_id)


def _frame(look: Look, viewer: Viewer, in_list: str) -> dict[str, Any]:
    """What every template of a session needs."""
    return {
        "look": look,
        "one": look.session,
        "words": words,
        "shown": text.shown,
        "kept": _kept(in_list),
        "in_list": in_list,
        "can_label": viewer.may(Role.MEMBER),
        "role": viewer.role.value,
    }


def _labelling(db: Connection, look: Look, viewer: Viewer) -> dict[str, Any]:
    """What the form of a label offers; nothing to those who cannot send it."""
    categories = list_issue_categories(db, viewer.organization_id) if viewer.may(Role.MEMBER) else []
    return {"codes": CODES, "categories": categories, "outcome": words.outcome(look.session)}


def _responses(look: Look) -> Mapping[str, Any]:
    known = look.waterfall.responses_ms
    if not known:
        return {"count": 0, "p50_ms": None, "p95_ms": None}
    return {"count": len(known), "p50_ms": percentile(known, 0.5), "p95_ms": percentile(known, 0.95)}


def _neighbours(
    db: Connection, viewer: Viewer, in_list: str, now: datetime, session_id: int
) -> tuple[int | None, int | None]:
    """The sessions before and after this one in the list it was opened from; of a list nobody can read, in all."""
    try:
        query = read_query(parse_qs(in_list).get("q", [""])[0])
        return search.find_neighbours(db, viewer.organization_id, query, now, session_id)
    except Invalid:
        return search.find_neighbours(db, viewer.organization_id, Filter(), now, session_id)


def _kept(in_list: str) -> str:
    """The list's query for the end of an address."""
    return "?" + urlencode({"in": in_list}) if in_list else ""


def _record(db: Connection, organization_id: int, look: Look) -> bytes:
    whole = SessionRecord(
        session=get_session(db, organization_id, look.id),
        metadata=get_metadata(db, organization_id, look.id),
        events=[dict(child) for child in look.children],
    )
    return whole.model_dump_json(by_alias=False, indent=2).encode()


def _file(name: str) -> dict[str, str]:
    return HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}


def _seconds(written: str) -> float | None:
    """The second an address names; None when it names none."""
    try:
        at_s = float(written)
    except ValueError:
        return None
    return at_s if math.isfinite(at_s) else None

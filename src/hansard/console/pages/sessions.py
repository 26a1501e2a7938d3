"""`/sessions`: the list, its one-line filter, and what can be done with many sessions at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from hansard.console.access import AnyViewer, FromHere, Labeller
from hansard.console.forms import Fields
from hansard.console.render import AsAPage, page, see
from hansard.db.access import Now, Reading, Storage
from hansard.kit.errors import Invalid
from hansard.kit.ids import find_id
from hansard.kit.listing import Page
from hansard.resources.accounts.schemas import Role
from hansard.resources.labels.schemas import label_by_person
from hansard.resources.labels.store import add_label
from hansard.resources.sessions import query as filters
from hansard.resources.sessions.access import Idle
from hansard.resources.sessions.hits import Hit
from hansard.resources.sessions.order import read_sort
from hansard.resources.sessions.query import Query as Filter
from hansard.resources.sessions.query import Term, read_query
from hansard.resources.sessions.schemas import FoundSession
from hansard.resources.sessions.search import (
    Paging,
    count_sessions_after,
    find_sessions,
    list_hits,
    list_values,
)
from hansard.resources.sessions.store import count_sessions

router = APIRouter(include_in_schema=False)

Hits = dict[str, tuple[int, Hit]]
PER_PAGE = 50
MOST_LABELLED = 500
LAST_PAGE = 10**6
COLUMNS_COOKIE = "hansard_columns"
RANGES = (("Last hour", "1h"), ("24 hours", "24h"), ("7 days", "7d"), ("30 days", "30d"), ("All time", ""))
CODES = ("GOOD", "OK", "BAD", "N/A")


@dataclass(frozen=True)
class Column:
    """A column of the list: its heading, and by what its heading sorts, where it does."""

    name: str
    title: str
    sort: str | None = None
    is_number: bool = False


COLUMNS = (
    Column("started", "Started", "started"),
    Column("duration", "Duration", "duration", is_number=True),
    Column("agent", "Agent", "agent"),
    Column("prompt", "Prompt"),
    Column("channel", "Channel"),
    Column("direction", "Direction"),
    Column("source", "From", "source"),
    Column("target", "To", "target"),
    Column("turns", "Turns", "turns", is_number=True),
    Column("interruptions", "Interruptions", is_number=True),
    Column("response", "Response (p95)", is_number=True),
    Column("model", "Model"),
    Column("signs", "Signs"),
    Column("label", "Label"),
    Column("ended", "Ended by"),
    Column("sid", "Carrier's id"),
)
SHOWN = ("started", "duration", "agent", "prompt", "channel", "source", "turns", "signs", "label")


@dataclass(frozen=True)
class State:
    """What the address says of the list. The filter, the order and the page are nowhere else."""

    q: str = ""
    sort: str = ""
    page: int = 1
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As a query string; what is as usual is left out."""
        said = {"q": self.q, "sort": self.sort, "page": self.page if self.page > 1 else ""}
        return urlencode({name: value for name, value in said.items() if value})

    def address(self, **changes: Any) -> str:
        """Of the list with these changes; a new filter or order begins on the first page."""
        changed = replace(self, **({"page": 1} | changes))
        return f"/sessions?{changed}" if str(changed) else "/sessions"


@router.get("/sessions")
def sessions(
    request: Request,
    db: Reading,
    viewer: AnyViewer,
    now: Now,
    q: str = "",
    sort: str = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=LAST_PAGE)] = 1,
    columns: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """The sessions the filter finds. A filter that cannot be read is shown with the sentence that says why."""
    state = State(q.strip(), sort, page_number, _columns(request, columns))
    problem, query, found = None, Filter(), _nothing()
    try:
        query = read_query(state.q)
        order = read_sort(sort)
        mine = viewer.organization_id
        found = find_sessions(db, mine, query, now, Paging(order, page_number - 1, PER_PAGE))
    except Invalid as error:
        problem, order = error.sentence, read_sort("")
    made = page(
        request,
        "sessions.html",
        viewer,
        status=400 if problem else 200,
        state=state,
        query=query,
        problem=problem,
        found=found,
        hits=_first_hits(db, viewer.organization_id, query, found),
        newest_id=max((int(one.session_id or 0) for one in found.items), default=0),
        sort=order,
        all_columns=COLUMNS,
        shown=[one for one in COLUMNS if one.name in state.columns],
        ranges=RANGES,
        fields=filters.FIELDS,
        words=filters.WORDS,
        values=list_values(db, viewer.organization_id),
        instead=_instead(db, viewer.organization_id, query, now) if not (found.items or problem) else [],
        is_new=not (found.items or problem or query.terms) and count_sessions(db, viewer.organization_id) == 0,
        can_label=viewer.may(Role.MEMBER),
        codes=CODES,
        Term=Term,
    )
    if columns:
        made.set_cookie(COLUMNS_COOKIE, ".".join(state.columns), max_age=365 * 86400, samesite="lax", httponly=True)
    return made


@router.get("/sessions/filter")
def filtered(
    _viewer: AnyViewer, q: str = "", sort: str = "", field: str = "", value: str = "", is_not: bool = False
) -> Response:
    """Add a term to the filter, for those who would rather choose than type."""
    query = read_query(q)
    if value.strip() and field in filters.FIELDS:
        values = (value.strip().lower() if field in filters.WORDS else value.strip(),)
        query = query.having(Term(field, values, is_not))
    return see(State(str(query), sort).address())


@router.get("/sessions/new", dependencies=[AsAPage])
def new_sessions(
    db: Reading, viewer: AnyViewer, now: Now, after: Annotated[int, Query(ge=0, lt=2**53)], q: str = ""
) -> dict[str, int]:
    """How many sessions have come since the page with the newest id `after` was made."""
    return {"count": count_sessions_after(db, viewer.organization_id, read_query(q), now, after)}


@router.post("/sessions/labels", dependencies=[FromHere])
def label_sessions(
    storage: Storage,
    viewer: Labeller,
    now: Now,
    idle: Idle,
    sent: Fields,
) -> Response:
    """Label the chosen sessions, all of them or, where one is not there, none."""
    numbers = [number for text in sent.all("ids") if (number := find_id(text))]
    if not 0 < len(numbers) <= MOST_LABELLED:
        raise Invalid(f"Choose 1 to {MOST_LABELLED} sessions.")

    labels = [label_by_person(number, sent["code"], viewer.email, sent["comments"]) for number in numbers]

    def add(db: Connection) -> None:
        for made in labels:
            add_label(db, viewer.organization_id, made, now, idle)

    storage.write(viewer.organization_id, add)
    return see(f"/sessions?{sent['state']}" if sent["state"] else "/sessions")


def _columns(request: Request, asked: Sequence[str] | None) -> tuple[str, ...]:
    """Those asked for now, else those of last time, else the usual ones; in the order of the list."""
    wanted = asked or request.cookies.get(COLUMNS_COOKIE, "").split(".")
    known = tuple(one.name for one in COLUMNS if one.name in wanted)
    return known or SHOWN


def _instead(db: Connection, organization_id: int, query: Filter, now: datetime) -> list[tuple[Term, int]]:
    """Of a filter that finds nothing: for each term, how many there were without it."""
    found = []
    for term in query.terms[:8]:
        count = find_sessions(db, organization_id, query.without(term), now, Paging(limit=1)).total_count
        found.append((term, count or 0))
    return [one for one in found if one[1]]


def _first_hits(db: Connection, organization_id: int, query: Filter, found: Page[FoundSession]) -> Hits:
    """Of each session the number of hits and the first of them; nothing for a filter that searches no words."""
    known = list_hits(db, organization_id, query, found.items)
    return {
        one.session_id or "": (count, first[0]) for one, (count, first) in zip(found.items, known, strict=True) if first
    }


def _nothing() -> Page[FoundSession]:
    return Page(items=[], page=0, page_size=PER_PAGE, total_pages=0, total_count=0)

"""The doors to sessions: the API the published SDKs speak, and the whole record (wire contract 2.2 to 2.8, 2.12)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import PlainValidator
from sqlalchemy import Connection

from hansard.db.access import Now
from hansard.kit.answers import Json, written
from hansard.kit.errors import Invalid, NotFound
from hansard.kit.listing import LAST_PAGE, MOST_PER_PAGE, Asked, Page, asked
from hansard.resources.accounts.access import KeyedRoute, foreseeing, listing, looking_up, reading
from hansard.resources.accounts.schemas import Caller
from hansard.resources.sessions import search, store
from hansard.resources.sessions.dialog import dialog
from hansard.resources.sessions.latency import latency
from hansard.resources.sessions.order import read_cursor, read_sort
from hansard.resources.sessions.query import read_query
from hansard.resources.sessions.schemas import (
    FoundPage,
    InspectLatencyResponse,
    SearchedSession,
    Session,
    SessionData,
    SessionRecord,
    SessionSummaryResponse,
    SessionTimelineResponse,
    SessionTranscriptionResponse,
    ToolResultData,
)
from hansard.resources.sessions.timeline import timeline
from hansard.resources.sessions.transcript import transcript
from hansard.resources.sessions.turns import tool_calls

router = APIRouter(route_class=KeyedRoute)

MOST_SEARCHED = 100  # sessions whose records one answer reads

Listed = Annotated[Asked, Depends(asked(store.NAMES))]


# Not a dependency, which takes FastAPI as long as to look a key up. What it raises is no ValueError, so it gets out.
SessionId = Annotated[int, PlainValidator(store.get_session_id, json_schema_input_type=str)]


@router.get("/api/v1/sessions", include_in_schema=False)
@router.get("/api/v1/sessions/", tags=["sessions"], response_model=Page[Session], response_model_by_alias=False)
@listing
def sessions_list(db: Connection, caller: Caller, asked: Listed) -> Json:
    """Sessions, newest first. Test sessions are left out unless `is_test=true` is searched for."""
    return written(store.list_page(db, caller.organization_id, asked))


@router.get("/api/v1/sessions/transcript/{session_id}", tags=["sessions"])
@reading
@foreseeing(store.foresee_children)
def session_transcript_get_by_id(db: Connection, caller: Caller, session_id: SessionId) -> SessionTranscriptionResponse:
    """What was said, and what the tools were asked."""
    return transcript(session_id, store.list_children(db, caller.organization_id, session_id))


@router.get("/api/v1/sessions/full-summary/{session_id}", tags=["sessions"])
@looking_up
def session_full_summary_get_by_id(db: Connection, caller: Caller, session_id: SessionId) -> SessionSummaryResponse:
    """Summary and rating, null until something wrote them."""
    return SessionSummaryResponse(**store.get_summary(db, caller.organization_id, session_id))


@router.get("/api/v1/sessions/summary/{session_id}", include_in_schema=False)
@looking_up
def session_summary_get_by_id(db: Connection, caller: Caller, session_id: SessionId) -> str:
    """The summary alone, where clients of before April 2025 look for it; empty until something wrote one."""
    return store.get_summary(db, caller.organization_id, session_id)["summary"] or ""


@router.get("/api/v1/sessions/latency/{session_id}", tags=["sessions"])
@reading
@foreseeing(store.foresee_children)
def session_latency_get_by_id(db: Connection, caller: Caller, session_id: SessionId) -> InspectLatencyResponse:
    """Where the time went, measurement by measurement and summed up."""
    return latency(session_id, store.list_children(db, caller.organization_id, session_id))


@router.get("/api/v1/sessions/timeline/{session_id}", tags=["sessions"])
@reading
def session_timeline_get_by_id(db: Connection, caller: Caller, session_id: SessionId) -> SessionTimelineResponse:
    """Words, tool calls and latencies in one order of time."""
    found = store.get_session(db, caller.organization_id, session_id)
    children = store.list_children(db, caller.organization_id, session_id)
    return timeline(session_id, found.timestamp, children)


@router.get("/api/v1/sessions/{session_id}", tags=["sessions"], response_model_by_alias=False)
@looking_up
@foreseeing(store.foresee_session)
def session_get_by_id(db: Connection, caller: Caller, session_id: SessionId) -> Session:
    """One session, test or not."""
    return store.get_session(db, caller.organization_id, session_id)


@router.get("/api/v1/session_debug/sid/{channel_manager_service}/{channel_manager_sid:path}", tags=["session_debug"])
@reading
def get_session_data_by_sid(
    db: Connection, caller: Caller, channel_manager_service: str, channel_manager_sid: str
) -> SessionData:
    """The dialog of the session with this id on the carrier's side."""
    session_id = store.get_session_id_by_sid(db, caller.organization_id, channel_manager_service, channel_manager_sid)
    return _session_data(db, caller, session_id)


@router.get("/api/v1/session_debug/session_id/{session_id}", tags=["session_debug"])
@reading
def get_session_data_by_session_id(db: Connection, caller: Caller, session_id: Annotated[int, Path()]) -> SessionData:
    """The dialog of a session, each tool call with the message that made it."""
    return _session_data(db, caller, store.get_session_id(str(session_id)))


def _session_data(db: Connection, caller: Caller, session_id: int) -> SessionData:
    found = store.get_session(db, caller.organization_id, session_id)
    children = store.list_children(db, caller.organization_id, session_id)
    return SessionData(
        session_id=session_id,
        source=found.source or "",
        target=found.target or "",
        is_test=bool(found.is_test),
        messages=dialog(children),
    )


@router.get("/api/v1/session_debug/tool_result/{session_id}/{tool_call_id:path}", tags=["session_debug"])
@reading
def get_session_tool_call_result_by_id(
    db: Connection, caller: Caller, session_id: Annotated[int, Path()], tool_call_id: str
) -> ToolResultData:
    """What one tool call gave back."""
    number = store.get_session_id(str(session_id))
    for call in tool_calls(store.list_children(db, caller.organization_id, number)):
        if call.call_id == tool_call_id:
            return ToolResultData(tool_name=call.name, tool_result=call.answer)
    raise NotFound(f"Session {session_id} has no tool call {tool_call_id!r}.")


@router.get("/hansard/v1/sessions", tags=["hansard"], response_model=FoundPage, response_model_by_alias=False)
@listing
def find_sessions(
    db: Connection,
    caller: Caller,
    now: Now,
    q: Annotated[str, Query(description='A filter, such as `agent:"Front desk" label:BAD duration:>60`.')] = "",
    sort: Annotated[str, Query(description="started, duration, turns, agent, source, target; - downwards.")] = "",
    page: Annotated[int, Query(ge=0, le=LAST_PAGE, description="The page, from 0.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 50,
    after: Annotated[
        str,
        Query(
            description="What the page before gave as `next`, with the same `q` and `sort`. Unlike `page`, it costs "
            "the same however far back, and what comes in meanwhile neither repeats nor hides a session."
        ),
    ] = "",
    total: Annotated[
        bool | None,
        Query(description="Whether to count all that is found. Left out, it is counted unless `after` is given."),
    ] = None,
) -> Json:
    """The sessions a filter finds, test sessions among them, newest first, and their exact number."""
    order = read_sort(sort)
    if after and page:
        raise Invalid("A list is asked for by `page` or by `after`, not by both.")
    place = read_cursor(after, order) if after else None
    with_total = not after if total is None else total
    wished = search.Paging(order, page, limit, place, with_total)
    return written(search.find_page(db, caller.organization_id, read_query(q), now, wished))


@router.get(
    "/hansard/v1/sessions/search",
    tags=["hansard"],
    response_model=Page[SearchedSession],
    response_model_by_alias=False,
)
@listing
def search_sessions(
    db: Connection,
    caller: Caller,
    now: Now,
    q: Annotated[str, Query(description='Words, phrases and any other terms: `refund "cancel my order" label:BAD`.')],
    page: Annotated[int, Query(ge=0, le=LAST_PAGE, description="The page, from 0.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_SEARCHED)] = 25,
) -> Json:
    """The sessions a filter finds, newest first, their exact number, and where in each the words are."""
    return written(search.search_page(db, caller.organization_id, read_query(q), now, page=page, limit=limit))


@router.get(
    "/hansard/v1/sessions/{session_id}/record",
    tags=["hansard"],
    response_model=SessionRecord,
    response_model_by_alias=False,
)
@looking_up
@foreseeing(store.foresee_record)
def get_session_record(db: Connection, caller: Caller, session_id: SessionId) -> Json:
    """The session whole: its fields, the keys nobody knows, and every event as it was sent."""
    return store.get_record(db, caller.organization_id, session_id)

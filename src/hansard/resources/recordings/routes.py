"""The doors to recordings (wire contract 2.8). Uploads come with a later release, so no token opens one yet."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from hansard.db.access import Reading
from hansard.kit.errors import NotFound
from hansard.resources.accounts.access import Reader, anybody_or_nobody
from hansard.resources.recordings.schemas import SessionRecordingResponse
from hansard.resources.sessions import store as sessions
from hansard.resources.sessions.routes import SessionId

router = APIRouter(tags=["sessions"])


@router.post("/api/v1/sessions/recording/{session_id}")
def generate_session_recording_urls(db: Reading, caller: Reader, session_id: SessionId) -> SessionRecordingResponse:
    """Where the recordings of a session can be read; an empty list when there is none."""
    sessions.get_session(db, caller.organization_id, session_id)
    return SessionRecordingResponse(session_id=str(session_id), recordings=[])


@router.get(
    "/api/v1/sessions/recording/stream",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
    dependencies=[Depends(anybody_or_nobody)],
)
def session_recording_stream(token: Annotated[str, Query()]) -> Response:
    """The bytes of a recording. The token is enough; a key that is sent beside it must be good."""
    raise NotFound(f"No recording belongs to a token of {len(token)} characters.")

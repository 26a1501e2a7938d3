"""`/s/…/recordings/…`: the sound of a session for the player on its page, and what its waveform is drawn from."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from hansard.console.access import AnyViewer
from hansard.db.access import Reading
from hansard.kit.errors import NotFound
from hansard.kit.ids import LARGEST_ID
from hansard.resources.recordings.streaming import BYTES, stream_of
from hansard.resources.sessions.recordings import Recording, get_recording
from hansard.resources.sessions.routes import SessionId

router = APIRouter(include_in_schema=False, prefix="/s/{session_id}/recordings/{recording_id}")
RecordingId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
_OURS_ALONE = {"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store"}


@router.get("")
def sound(
    request: Request, db: Reading, viewer: AnyViewer, session_id: SessionId, recording_id: RecordingId
) -> Response:
    """The recording as sound, or the range of it that a player asks for."""
    found = _recording(db, viewer, session_id, recording_id)
    answer = stream_of(request, request.app.state.blobs, found, is_sound=True)
    answer.headers.update(_OURS_ALONE)
    return answer


@router.get("/peaks")
def peaks(db: Reading, viewer: AnyViewer, session_id: SessionId, recording_id: RecordingId) -> Response:
    """Twenty bytes a second for each channel, in turn: how loud it is, 0 to 255; none where that is not known."""
    found = _recording(db, viewer, session_id, recording_id)
    return Response(found.peaks or b"", media_type=BYTES, headers={"X-Content-Type-Options": "nosniff", **_OURS_ALONE})


def _recording(db: Reading, viewer: AnyViewer, session_id: int, recording_id: int) -> Recording:
    found = get_recording(db, viewer.organization_id, recording_id)
    if found.session_id != session_id:
        raise NotFound(f"Session {session_id} has no recording {recording_id}.")
    return found

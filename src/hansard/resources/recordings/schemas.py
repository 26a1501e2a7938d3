"""Shapes of the recording operations (wire contract 2.8)."""

from pydantic import BaseModel


class SessionRecordingResponse(BaseModel):
    session_id: str | None
    recordings: list[str] | None

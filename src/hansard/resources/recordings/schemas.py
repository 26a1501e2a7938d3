"""Shapes of the recording operations (wire contract 2.8) and of the upload, which is ours."""

from typing import Any

from pydantic import BaseModel


class SessionRecordingResponse(BaseModel):
    session_id: str | None
    recordings: list[str] | None


class StoredRecording(BaseModel):
    """What was stored, and for which session."""

    service: str
    sid: str
    session_id: str
    name: str
    sha256: str
    size_bytes: int
    media_type: str


# What FastAPI cannot read off the function: the parts of the address are taken as they were sent, the body as it comes.
UPLOAD: dict[str, Any] = {
    "parameters": [
        *(
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": about}
            for name, about in (
                ("service", "What carried the session."),
                ("sid", "Its id there; a slash is %2F."),
                ("name", "What the recording is called; a slash is %2F."),
            )
        ),
        *(
            {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": about}
            for name, about in (
                ("Hansard-Channels", "How many there are; of two, the user on the left, the agent on the right."),
                ("Hansard-At", "The instant at which it begins."),
                ("Content-Digest", "sha-256=:…: of the bytes."),
            )
        ),
    ],
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}

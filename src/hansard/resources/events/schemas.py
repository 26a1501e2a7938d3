"""Shapes of the event operations (wire contract 2.11)."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class Event(BaseModel):
    timestamp: datetime
    session_id: str | None
    conversation_id: str | None
    source: str | None
    source_id: str | None
    category: str | None
    type: str | None
    user_id: str | None
    description: str | None
    attributes: dict[str, Any] | None

"""Shapes of the conversation operations (wire contract 2.10)."""

from datetime import datetime

from pydantic import BaseModel


class Conversation(BaseModel):
    timestamp: datetime
    conversation_id: str
    agent_id: str | None
    agent_name: str | None
    agent_type: str | None
    prompt_id: str | None
    prompt_name: str | None
    prompt_version: str | None
    llm_provider: str | None
    llm_model: str | None
    llm_version: str | None
    llm_temperature: float | None
    llm_seed: int | None
    is_legacy: bool | None

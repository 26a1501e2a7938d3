"""Shapes of the label operations (wire contract 2.9)."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from hansard.wire import Name, Note


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Code = Annotated[Literal["GOOD", "OK", "BAD", "N/A"], BeforeValidator(_upper)]


class SessionLabelCreate(BaseModel):
    session_id: Annotated[int, Field(ge=1, description="The session judged; a number here.")]
    type: Literal["auto-rating", "human-rating"]
    code: Code
    user_email: Annotated[Name, Field(pattern=r"^[^@\s]+@[^@\s]+$", description="Who judged.")]
    comments: Note | None = None
    issue_categories: list[Name] | None = []


class SessionLabel(BaseModel):
    id: int
    session_id: int
    timestamp: str
    type: str
    code: str
    user_email: str
    comments: str | None
    issue_categories: list[str]

"""Shapes of the label operations (wire contract 2.9)."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from hansard.kit.errors import Invalid
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


def label_by_person(
    session_id: int, code: str, user_email: str, comments: str = "", issue_categories: Sequence[str] = ()
) -> SessionLabelCreate:
    """What somebody at a page judges. Raises Invalid, with a sentence, for what no label can hold."""
    try:
        return SessionLabelCreate(
            session_id=session_id,
            type="human-rating",
            code=code,
            user_email=user_email,
            comments=comments.strip() or None,
            issue_categories=[one.strip() for one in issue_categories if one.strip()],
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise Invalid(f"This cannot be a label: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None


class SessionLabel(BaseModel):
    id: int
    session_id: int
    timestamp: str
    type: str
    code: str
    user_email: str
    comments: str | None
    issue_categories: list[str]

"""What a form of ours sends: a few short fields, and the number of what it is about in its address."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Path, Request

from hansard.kit.body import media_type_of, received
from hansard.kit.errors import Invalid, UnknownEncoding
from hansard.kit.ids import LARGEST_ID

MOST_BYTES = 64 * 1024
MOST_FIELDS = 2000
Number = Annotated[int, Path(ge=1, le=LARGEST_ID)]
FORM = "application/x-www-form-urlencoded"


class Sent:
    """The fields of a form by name; one that was not sent is empty."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        return next((value for one, value in self._pairs if one == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a field that may be sent several times, as ticked boxes are."""
        return [value for one, value in self._pairs if one == name]


async def _sent(request: Request) -> Sent:
    """Raises UnknownEncoding for what is no form, TooLarge, TooSlow, Invalid for what cannot be text."""
    if media_type_of(request) != FORM:
        raise UnknownEncoding(f"Send the form as {FORM}.")
    body = await received(request, request.app.state.settings.body_timeout_s, MOST_BYTES)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Invalid("The form cannot be read.") from None
    if any("\0" in value for _, value in pairs):
        raise Invalid("A field of the form holds a NUL character.")
    return Sent(pairs)


Fields = Annotated[Sent, Depends(_sent)]

"""Times as people and clients write them, read into aware UTC datetimes."""

import re
from datetime import UTC, datetime

from hansard.kit.errors import Invalid

_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$")


def read_moment(text: str) -> datetime:
    """Read a query's date and time: `Z`, an offset, a lost `+`, a naive time (taken as UTC) or a bare date.

    Some clients leave the `+` of an offset unescaped, which arrives as a blank (wire contract 1.9, T7).
    Raises Invalid.
    """
    try:
        moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text.strip()))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{text!r} is not a date and time; write it like 2026-11-22T10:00:00Z.") from None

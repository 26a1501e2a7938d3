"""Ids: positive decimal integers below 2^53, so that every client keeps them exactly (wire contract 1.6)."""

LARGEST_ID = 2**53 - 1


def find_id(text: str) -> int | None:
    """Read an id as the API writes it: digits without sign, blank or leading zero; None for any other text."""
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or text.startswith("0"):
        return None
    number = int(text)
    return number if number <= LARGEST_ID else None

"""How text is compared when case must not matter: folded the same way in every database."""

import unicodedata


def fold(text: str | None, most: int = 256) -> str | None:
    """Fold case and compatibility forms; at most `most` characters, so that an index row stays small."""
    if text is None:
        return None
    return unicodedata.normalize("NFKC", text).casefold()[:most]

"""Words searched for in one session."""

from hansard.console.session.text import payload
from hansard.resources.sessions.story import Called, Happened, Item, Said, Story

MOST_CHARACTERS = 200


def hits(told: Story, wanted: str) -> list[int]:
    """The places, among the items, of those that hold the text in any case; none for a text that is none."""
    folded = wanted.strip()[:MOST_CHARACTERS].casefold()
    if not folded:
        return []
    return [place for place, item in enumerate(told.items) if folded in _text_of(item).casefold()]


def _text_of(item: Item) -> str:
    match item:
        case Said():
            return item.text
        case Called():
            payloads = (one for one in (item.arguments, item.result, item.error) if one is not None)
            return "\n".join((item.name, *map(payload, payloads)))
        case Happened():
            parts = (item.category, item.type, item.description, item.user_id, payload(item.attributes))
            return "\n".join(part for part in parts if part)
    return ""

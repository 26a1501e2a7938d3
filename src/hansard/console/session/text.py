"""A session as plain text: the transcript to take along, and how payloads are shown."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json

from hansard.console.render import clock, day_and_time, ms
from hansard.console.session.look import Look
from hansard.console.session.words import ROLES, offset, outcome
from hansard.resources.sessions.story import Called, Happened, Item, Said, Silence

MOST_SHOWN = 20_000


def payload(value: Any) -> str:
    """Arguments, a result or an error as text: JSON with indents, or the text itself where it is one."""
    return value if isinstance(value, str) else to_json(value, indent=2).decode()


def shown(value: Any) -> str:
    """A payload as a page shows it, not endless; the record has all of it."""
    text = payload(value)
    if len(text) <= MOST_SHOWN:
        return text
    return f"{text[:MOST_SHOWN]}\n… {len(text) - MOST_SHOWN} more characters; the raw record has them."


def transcript(look: Look) -> str:
    """Who said what and when, with tool calls, events and silences, a line or some for each."""
    return "\n".join([*_head(look), "", *(_line(item) for item in look.story.items), ""])


def _head(look: Look) -> Iterator[str]:
    one = look.session
    agent = one.agent_name or one.agent_id or "an agent"
    yield f"Session {look.id} with {agent}"
    yield f"Started  {day_and_time(one.timestamp)}"
    yield f"Lasted   {'still running' if look.is_running else clock(one.duration)}"
    yield f"Between  {one.source or 'somebody'} and {one.target or 'the agent'}"
    ending = outcome(one)
    yield f"Ended    {ending.words}. {ending.more}"
    if summary := look.said.get("summary"):
        yield f"Summary  {_indented(summary)}"


def _line(item: Item) -> str:
    return f"[{offset(item.begin_ms)}] {_indented(_words(item))}"


def _words(item: Item) -> str:
    match item:
        case Said():
            return f"{ROLES[item.role]}{' (interrupted)' if item.is_interrupted else ''}: {item.text}"
        case Called():
            answer = f"error {payload(item.error)}" if item.error is not None else payload(item.result)
            return f"Tool {item.name} ({ms(item.duration_ms)}): {payload(item.arguments)} gave {answer}"
        case Happened():
            said = (item.category, item.type, item.description)
            return f"Event: {', '.join(part for part in said if part)}"
        case Silence():
            return f"Silence of {ms(item.duration_ms)}"


def _indented(text: str) -> str:
    """No line of what somebody said can pass for a line of ours."""
    return "\n         ".join(text.splitlines())

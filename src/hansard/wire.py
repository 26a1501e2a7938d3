"""The events that cross the network: one schema for ingest, spool, export and import.

Only shapes and limits live here, so that a recorder can import it in no time; the server checks what it
receives against these same shapes (`hansard.resources.ingest.validation`).
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

PATH = "/ingest/v1/events"
RECORDINGS_PATH = "/ingest/v1/recordings"  # /{service}/{sid}/{name}
MAX_EVENTS = 1000
MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 64

Role = Literal["user", "agent"]
LatencyCategory = Literal["stt", "llm", "tts", "tool", "http", "turn"]
UsageCategory = Literal["stt", "llm", "tts"]


def instant(text: str) -> str:
    """Give a date and time with an offset as UTC text of fixed width, which sorts in time order.

    Raises ValueError with a sentence for anything else.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a date and time; write it like 2026-11-22T10:00:00.000Z") from None
    if moment.tzinfo is None:
        raise ValueError("has no offset; end it with Z or an offset such as +02:00")
    try:
        return instant_of(moment)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999") from None


def instant_of(moment: datetime) -> str:
    """Write an aware datetime as UTC text: `2026-11-22T10:00:00.000000Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment_of(text: str) -> datetime:
    """Read back what `instant` wrote, as an aware UTC datetime."""
    return datetime.fromisoformat(text)


class InstantRule:
    """Tells pydantic, where it is in use, to pass a text through `instant`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(instant, handler(source))


class TextRule:
    """Tells pydantic how long a name may be, and that it holds no NUL, which no database can compare."""

    def __init__(self, most: int, least: int = 0) -> None:
        self.most = most
        self.least = least

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        text = core_schema.str_schema(strict=True, min_length=self.least, max_length=self.most, pattern=r"^[^\x00]*$")
        length = f"{self.least} to {self.most}" if self.least else f"at most {self.most}"
        sentence = f"must be a text of {length} characters without NUL"
        return core_schema.custom_error_schema(text, custom_error_type="text", custom_error_message=sentence)


class WholeRule:
    """Tells pydantic that a whole number must fit 53 bits, which JavaScript and every database keep exactly."""

    least = -(2**53) + 1
    most = 2**53 - 1

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.int_schema(strict=True, ge=self.least, le=self.most)


class DurationRule:
    """Tells pydantic that a duration is a number no calendar is too short for: thirty years in milliseconds."""

    least = -1e12
    most = 1e12

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.float_schema(strict=True, ge=self.least, le=self.most)


Instant = Annotated[str, InstantRule()]
Key = Annotated[str, TextRule(256, least=1)]
Name = Annotated[str, TextRule(512)]
Party = Annotated[str, TextRule(256)]
Note = Annotated[str, TextRule(100_000)]
Whole = Annotated[int, WholeRule()]
Duration = Annotated[float, DurationRule()]


class SessionKey(TypedDict):
    """What makes a session one: the service that carried it and the id it has there."""

    service: Key
    sid: Key


class Child(TypedDict):
    """One thing that happened in a session. The id is the writer's, unique within the session."""

    id: Key
    kind: str
    at: Instant
    data: dict[str, Any]


class Event(Child):
    """A child on its way: it names the session it belongs to."""

    session: SessionKey


class SessionData(TypedDict, total=False):
    """`session.start`, `session.update`, `session.end`: the Session's fields, said now or corrected later."""

    timestamp: Instant | None
    conversation_id: Party | None
    channel_manager_type: Name | None
    agent_id: Name | None
    agent_name: Name | None
    agent_type: Name | None
    agent_timezone: Name | None
    prompt_id: Name | None
    prompt_name: Name | None
    prompt_version: Name | None
    prompt_version_number: Whole | None
    duration: Duration | None
    source: Party | None
    target: Party | None
    is_legacy: bool | None
    is_test: bool | None
    is_outbound: bool | None
    user_terminated: bool | None
    transfer_voicemail_detected: bool | None
    override_timestamp: Name | None
    experiment_id: Name | None
    experiment_variant_id: Name | None
    experiment_variant: Name | None
    experiment_variant_is_control: bool | None
    llm_provider: Name | None
    llm_model: Name | None
    llm_version: Name | None
    llm_temperature: float | None
    llm_seed: Whole | None
    summary: Note | None
    rating: Name | None
    reason: Name | None
    counts: dict[str, Whole] | None


class MessageData(TypedDict):
    """`message`: what somebody said."""

    role: Role
    text: str
    lang: NotRequired[str | None]
    started_at: NotRequired[Instant | None]
    ended_at: NotRequired[Instant | None]
    interrupted: NotRequired[bool | None]
    confidence: NotRequired[float | None]


class ToolCallData(TypedDict):
    """`tool_call`: what the agent asked a tool and what it answered. `at` is when the call was made."""

    name: str
    call_id: NotRequired[Name | None]
    arguments: NotRequired[Any]
    result: NotRequired[Any]
    error: NotRequired[Any]
    duration_ms: NotRequired[Duration | None]


class LatencyData(TypedDict):
    """`latency`: how long a part of the answer took."""

    category: LatencyCategory
    duration_ms: Duration
    label: NotRequired[str | None]
    started_at: NotRequired[Instant | None]
    metadata: NotRequired[list[str] | None]


class EventData(TypedDict, total=False):
    """`event`: something that happened beside the talk, such as a transfer.

    One of a category in `UNLISTED` is found in its session's record and not in the list of events.
    """

    source: Name | None
    source_id: Name | None
    category: Name | None
    type: Name | None
    user_id: Name | None
    description: Note | None
    attributes: dict[str, Any] | None


class LabelData(TypedDict):
    """`label`: somebody's, or some program's, judgement of the session."""

    type: Literal["auto-rating", "human-rating"]
    code: Annotated[str, TextRule(32, least=1)]
    comments: NotRequired[Note | None]
    issue_categories: NotRequired[list[Name] | None]
    user_email: NotRequired[Name | None]


class UsageData(TypedDict):
    """`usage`: what a model was given and gave; what was not said is null."""

    category: UsageCategory
    model: NotRequired[str | None]
    provider: NotRequired[str | None]
    input_tokens: NotRequired[Whole | None]
    cached_input_tokens: NotRequired[Whole | None]
    output_tokens: NotRequired[Whole | None]
    characters: NotRequired[Whole | None]
    audio_seconds: NotRequired[float | None]
    cost: NotRequired[float | None]
    currency: NotRequired[str | None]


# What there is so much of in one session that no list of all sessions' events could be read for it.
UNLISTED = ("state", "trace")
SESSION_KINDS = ("session.start", "session.update", "session.end")

# The shape of `data` for every kind there is; other keys are kept in the record as metadata.
SHAPES: dict[str, Any] = {
    "session.start": SessionData,
    "session.update": SessionData,
    "session.end": SessionData,
    "message": MessageData,
    "tool_call": ToolCallData,
    "latency": LatencyData,
    "event": EventData,
    "label": LabelData,
    "usage": UsageData,
}


class Rejection(TypedDict):
    """An event that was not stored: its place in the request, its id where it has one, and why."""

    index: int
    id: str | None
    error: str


class SessionRef(SessionKey):
    """A session of the request, with the id it has on this server."""

    session_id: str


class Receipt(TypedDict):
    """The answer to a request of events, given once the accepted ones are on disk."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]
    sessions: list[SessionRef]

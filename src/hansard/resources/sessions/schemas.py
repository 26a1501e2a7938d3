"""Shapes of the session operations, in the names of the published SDKs (wire contract 2)."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel

from hansard.kit.listing import Page
from hansard.session import Session as Session


class Sender(StrEnum):
    """Who spoke. The SDKs know no other role."""

    USER = "user"
    AGENT = "agent"


class TranscriptConfidence(BaseModel):
    """How sure the speech recognizer was of one utterance."""

    provider: str
    model: str | None = None
    utterance: float | None = None
    utterance_source: Literal["provider", "derived_min"] | None = None
    words: list[dict[str, Any]] | None = None
    words_truncated: bool | None = None


class FoundSession(Session):
    """A session as a list shows it: the Session's fields, and what can be said of it without reading it."""

    ended_at: datetime | None = None
    end_reason: str | None = None
    is_abandoned: bool = False
    received_at: datetime | None = None
    turn_count: int = 0
    interruption_count: int = 0
    has_tool_error: bool = False
    has_recording: bool = False
    response_p95_ms: int | None = None
    label_code: str | None = None
    llm_model: str | None = None


class FoundPage(Page[FoundSession]):
    """A page of sessions found, and the place behind it: null where nothing follows."""

    next: str | None = None


class Hit(BaseModel):
    """Where a word that was searched for was said, or stands in a tool call.

    `field` is `text` of a message; `name`, `arguments`, `result` or `error` of a tool call. `at` and `offset_s`,
    seconds on the clock of the session, are when it began to be said. `turn_index` counts messages from 0; a tool call
    has that of the message before it. `ranges` are where the words stand in `snippet`: the first character of each, and
    the one after its last.
    """

    kind: Literal["message", "tool_call"]
    role: Sender | None
    tool_name: str | None
    field: str
    event_id: str
    at: datetime
    offset_s: float
    turn_index: int | None
    snippet: str
    ranges: list[tuple[int, int]]


class SearchedSession(FoundSession):
    """A session that a search found: how many messages and tool calls hold the words, and the first of them."""

    hit_count: int = 0
    hits: list[Hit] = []


class SessionText(BaseModel):
    timestamp: datetime
    lang: str | None
    source: str | None
    text: str | None
    stt_confidence: TranscriptConfidence | None


class SessionAction(BaseModel):
    """A tool call. Request, result and error are JSON written as text (trap T13)."""

    timestamp: datetime
    tool_name: str | None
    tool_request: str | None
    tool_result: str | None
    tool_error: str | None
    duration_ms: float | None


class SessionTranscriptionResponse(BaseModel):
    session_id: str
    transcription: list[SessionText]
    actions: list[SessionAction]
    transcript_complete: bool


class SessionSummaryResponse(BaseModel):
    summary: str | None
    rating: str | None


class Category(StrEnum):
    """What the SDKs can read as the category of a latency; another breaks the whole answer (T20)."""

    TTS = "tts"
    STT = "stt"
    LLM = "llm"
    TOOL = "tool"
    HTTP = "http"


class LatencyEntry(BaseModel):
    timestamp: datetime
    measurement_start: datetime
    category: Category
    label: str
    unit_type: Literal["milliseconds"]
    value: float
    value_str: str
    time_delta: str
    metadata: list[str] | None


class SummaryEntry(BaseModel):
    category: Category
    sub_category: str | None
    event_count: int
    sum_ms: float
    average_ms: float
    sum_str: str
    average_str: str


class InspectLatencyResponse(BaseModel):
    session_id: str
    timeline: list[LatencyEntry]
    summary: list[SummaryEntry]


class TimelineEvent(BaseModel):
    kind: Literal["transcript", "tool", "latency"]
    timestamp: datetime
    offset: str
    turn_index: int | None
    source: str | None = None
    text: str | None = None
    lang: str | None = None
    category: str | None = None
    label: str | None = None
    metadata: list[str] | None = None
    duration_ms: float | None = None
    tool_request: str | None = None
    tool_result: str | None = None
    tool_error: str | None = None


class SessionTimelineResponse(BaseModel):
    session_id: str
    session_start: datetime | None
    events: list[TimelineEvent]


class DialogToolCall(BaseModel):
    """A tool call as the agent made it; arguments and result are JSON values here (T13)."""

    tool_call_id: str
    tool_name: str
    tool_arguments: Any
    tool_result: Any
    timestamp: datetime


class Dialog(BaseModel):
    text: str


class SessionMessage(BaseModel):
    role: Sender
    dialog: Dialog
    tool_calls: list[DialogToolCall]
    timestamp: datetime


class SessionData(BaseModel):
    session_id: int
    source: str
    target: str
    is_test: bool
    messages: list[SessionMessage]


class ToolResultData(BaseModel):
    tool_name: str
    tool_result: Any


class SessionRecord(BaseModel):
    """A session whole: its fields, the keys we do not know, and every event as it came."""

    session: Session
    metadata: dict[str, Any]
    events: list[dict[str, Any]]

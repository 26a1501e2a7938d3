"""Children in, transcript out (wire contract 2.4)."""

from collections import Counter
from collections.abc import Sequence

from hansard.resources.sessions.header import declared_counts, is_ended
from hansard.resources.sessions.schemas import (
    SessionAction,
    SessionText,
    SessionTranscriptionResponse,
    TranscriptConfidence,
)
from hansard.resources.sessions.turns import ToolCall, Turn, json_text, tool_calls, turns
from hansard.wire import Child


def transcript(session_id: int, children: Sequence[Child]) -> SessionTranscriptionResponse:
    """What was said and what the tools were asked, each in time order."""
    return SessionTranscriptionResponse(
        session_id=str(session_id),
        transcription=[_text(turn) for turn in turns(children)],
        actions=[_action(call) for call in tool_calls(children)],
        transcript_complete=is_complete(children),
    )


def is_complete(children: Sequence[Child]) -> bool:
    """Whether the writer said the session is over and all it says it wrote is here (T18).

    A writer that declares no counts is believed at the end event. Spans are counted by nobody, so they stand in for
    no event that is missing.
    """
    stored = Counter(child["kind"] for child in children if child["data"].get("category") != "trace")
    declared = declared_counts(children)
    return is_ended(children) and all(stored[kind] >= count for kind, count in declared.items())


def _text(turn: Turn) -> SessionText:
    return SessionText(
        timestamp=turn.at, lang=turn.lang, source=turn.role, text=turn.text, stt_confidence=_confidence(turn)
    )


def _confidence(turn: Turn) -> TranscriptConfidence | None:
    if turn.role != "user" or turn.confidence is None:
        return None
    provider = turn.data.get("stt_provider")
    model = turn.data.get("stt_model")
    return TranscriptConfidence(
        provider=provider if isinstance(provider, str) else "unknown",
        model=model if isinstance(model, str) else None,
        utterance=turn.confidence,
        utterance_source="provider",
    )


def _action(call: ToolCall) -> SessionAction:
    return SessionAction(
        timestamp=call.at,
        tool_name=call.name,
        tool_request=json_text(call.arguments),
        tool_result=json_text(call.result),
        tool_error=json_text(call.error),
        duration_ms=call.duration_ms,
    )

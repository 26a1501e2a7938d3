"""An upload in, the events of its session out.

What has an id at LiveKit keeps it, so that an upload that comes again, or a session that `attach` records too, adds
nothing twice. Instants are Unix seconds there and durations seconds, as in `hansard.recorder.integrations.livekit`.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from hansard.kit.errors import Invalid
from hansard.resources.livekit.events import SERVICE, event_of, moment, moved, number, parsed, written
from hansard.resources.livekit.upload import Upload
from hansard.wire import Event, moment_of

ROLES = {"user": "user", "assistant": "agent"}
USAGE_CATEGORIES = {"llm_usage": "llm", "stt_usage": "stt", "tts_usage": "tts"}
USAGE_NAMES = {
    "input_cached_tokens": "cached_input_tokens",
    "characters_count": "characters",
    "audio_duration": "audio_seconds",
}
COUNTED = ("message", "tool_call", "latency", "event")

Child = tuple[str, str, datetime | None, dict[str, Any]]  # its id, kind, instant and data


def events_of(upload: Upload) -> list[Event]:
    """The start, every item of the chat history, usage, and the end.

    Nothing of the history is left out: an item that is not understood is an event that carries it as text.
    Raises Invalid where the session itself has no id or time that can be kept.
    """
    began_at = _began_at(upload)
    told = _Told()
    try:
        start = event_of(upload.room_id, f"{upload.job_id}.start", "session.start", began_at, _start(upload))
        children = [one for item in upload.items for one in _item(told, item, upload.room_id, began_at)]
        usage = [event_of(upload.room_id, *one) for one in _usage(upload, began_at)]
        counts = Counter(one["kind"] for one in children)
        last_at = max([began_at, *(moment_of(one["at"]) for one in children)])
        ended_at = moment(upload.summary.get("timestamp")) or last_at
        end = event_of(upload.room_id, f"{upload.job_id}.end", "session.end", ended_at, _end(upload, counts))
    except ValueError as error:
        raise Invalid(f"The session cannot be recorded: {error}.") from None
    return [start, *children, *usage, end]


def _began_at(upload: Upload) -> datetime:
    """The first instant LiveKit speaks of; its own start of the session comes with the log records."""
    said = [one.get("created_at") for one in upload.items if isinstance(one, dict)]
    known = [at for at in map(moment, [*said, upload.audio_started_at_s]) if at]
    if not (began_at := min(known, default=moment(upload.summary.get("timestamp")))):
        raise Invalid("The upload says of no instant when it was.")
    return began_at


def _start(upload: Upload) -> dict[str, Any]:
    items = [one for one in upload.items if isinstance(one, dict)]
    metrics = [one["metrics"] for one in items if isinstance(one.get("metrics"), dict)]
    is_voice = bool(upload.audio_started_at_s) or any("started_speaking_at" in one for one in metrics)
    return {
        "channel_manager_type": "voice_livekit_v1" if is_voice else None,
        "agent_name": upload.summary.get("agent_name") or None,
        "is_test": upload.is_simulated or None,
        "livekit_job_id": upload.job_id,
    }


def _end(upload: Upload, counts: Counter[str]) -> dict[str, Any]:
    reason = upload.summary.get("close_reason")
    named = reason.removeprefix("CR_").lower() if isinstance(reason, str) else None
    return {
        "reason": "task_completed" if named == "completed" else named,
        "counts": {kind: counts[kind] for kind in COUNTED},
        "livekit_summary": upload.summary,
    }


def _usage(upload: Upload, began_at: datetime) -> Iterator[tuple[str, str, datetime, dict[str, Any]]]:
    given = upload.summary.get("usage")
    at = moment(upload.summary.get("timestamp")) or began_at
    for one in given if isinstance(given, list) else []:
        category = USAGE_CATEGORIES.get(str(one.get("type"))) if isinstance(one, dict) else None
        if category is not None:  # what it does not know stays in the summary of the end
            said = {USAGE_NAMES.get(name, name): value for name, value in one.items() if name != "type"}
            yield usage_id(upload.job_id, one), "usage", at, {"category": category, **said}


def usage_id(job_id: str, usage: dict[str, Any]) -> str:
    return f"{job_id}.{usage.get('type')}.{usage.get('provider', '')}.{usage.get('model', '')}"


class _Told:
    """What the items before an item have told: the calls that began, some under an id that is used again."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.outputs: Counter[str] = Counter()
        self.began: dict[str, tuple[str, datetime]] = {}

    def number(self, counter: Counter[str], call_id: str) -> str:
        counter[call_id] += 1
        return call_id if counter[call_id] == 1 else f"{call_id}.{counter[call_id]}"


def _item(told: _Told, item: Any, room_id: str, began_at: datetime) -> list[Event]:
    try:
        make = _MAKERS[item["type"]]
        return [event_of(room_id, one, kind, at or began_at, data) for one, kind, at, data in make(told, item)]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        return [_kept(item, room_id, began_at, f"{type(error).__name__}: {error}")]


def _kept(item: Any, room_id: str, began_at: datetime, why: str) -> Event:
    text = to_json(item, inf_nan_mode="strings").decode()
    data = {
        "type": "livekit-item",
        "source": SERVICE,
        "description": why.replace("\0", "")[:1000],
        "attributes": {"item": text},
    }
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return event_of(room_id, f"item.{digest}", "event", began_at, data)


def _message(_told: _Told, item: dict[str, Any]) -> Iterator[Child]:
    metrics, at = item.get("metrics") or {}, moment(item["created_at"])
    text = "\n".join(part for part in item["content"] if isinstance(part, str))
    if (role := ROLES.get(item["role"])) is None:
        said = {"type": f"{item['role']}-message", "source": SERVICE, "source_id": item["id"]}
        yield item["id"], "event", at, {**said, "attributes": {"text": text}}
        return
    stt = (metrics.get("stt_metadata") or {}) if role == "user" else {}
    spoken = {
        "role": role,
        "text": text,
        "started_at": written(moment(metrics.get("started_speaking_at"))),
        "ended_at": written(moment(metrics.get("stopped_speaking_at"))),
        "interrupted": item.get("interrupted", False),
        "confidence": number(item.get("transcript_confidence")) or None,
        "stt_provider": stt.get("model_provider"),
        "stt_model": stt.get("model_name"),
    }
    yield item["id"], "message", at, spoken
    others = [part for part in item["content"] if not isinstance(part, str)]
    if others:
        shown = {"type": "livekit-content", "source": SERVICE, "source_id": item["id"]}
        yield f"{item['id']}.content", "event", at, {**shown, "attributes": {"content": others}}
    yield from _heard(item["id"], metrics, at) if role == "user" else _spoke(item["id"], metrics, at)


def _heard(item_id: str, metrics: dict[str, Any], at: datetime | None) -> Iterator[Child]:
    stopped_at = moment(metrics.get("stopped_speaking_at")) or at
    waited_s, stt = metrics.get("end_of_turn_delay"), metrics.get("stt_metadata")
    decided_at = moved(stopped_at, waited_s)
    yield from _latency(item_id, "stt", "transcription", metrics.get("transcription_delay"), stopped_at, stt)
    yield from _latency(item_id, "turn", "end_of_turn", waited_s, stopped_at)
    completed_s = metrics.get("on_user_turn_completed_delay")
    yield from _latency(item_id, "turn", "user_turn_completed", completed_s, decided_at)


def _spoke(item_id: str, metrics: dict[str, Any], at: datetime | None) -> Iterator[Child]:
    """LiveKit says how long each step took, not when it began; each is laid before the step that followed it."""
    spoke_at = moment(metrics.get("started_speaking_at")) or at
    played_at = moved(spoke_at, metrics.get("playback_latency"), -1)
    voiced_at = moved(played_at, metrics.get("tts_node_ttfb"), -1)
    asked_at = moved(voiced_at, metrics.get("llm_node_ttft"), -1)
    silent_at = moved(spoke_at, metrics.get("e2e_latency"), -1)
    models = metrics.get("llm_metadata"), metrics.get("tts_metadata")
    yield from _latency(item_id, "llm", "first_token", metrics.get("llm_node_ttft"), asked_at, models[0])
    yield from _latency(item_id, "tts", "first_byte", metrics.get("tts_node_ttfb"), voiced_at, models[1])
    yield from _latency(item_id, "turn", "playback", metrics.get("playback_latency"), played_at)
    yield from _latency(item_id, "turn", "end_to_end", metrics.get("e2e_latency"), silent_at)


def _latency(
    item_id: str, category: str, label: str, duration_s: Any, began_at: datetime | None, model: Any = None
) -> Iterator[Child]:
    if (seconds := number(duration_s)) is None:
        return
    names = [model.get("model_name"), model.get("model_provider")] if isinstance(model, dict) else []
    data = {
        "category": category,
        "label": label,
        "duration_ms": round(seconds * 1000, 3),
        "started_at": written(began_at),
        "metadata": [name for name in names if name and name != "unknown"] or None,
    }
    yield f"{item_id}.{label}", "latency", moved(began_at, seconds), data


def _function_call(told: _Told, item: dict[str, Any]) -> Iterator[Child]:
    call_id, at = told.number(told.calls, item["call_id"]), moment(item["created_at"])
    if at is None:
        raise ValueError("The call says no instant.")
    told.began[call_id] = item["name"], at
    data = {"call_id": call_id, "name": item["name"], "arguments": parsed(item["arguments"])}
    yield item["id"], "tool_call", at, data


def _function_output(told: _Told, item: dict[str, Any]) -> Iterator[Child]:
    """LiveKit makes the two items as the call begins and ends, so that their instants tell how long it took."""
    call_id, ended_at = told.number(told.outputs, item["call_id"]), moment(item["created_at"])
    name, began_at = told.began.get(call_id, (item.get("name", ""), ended_at))
    took_ms = round((ended_at - began_at).total_seconds() * 1000, 3) if ended_at and began_at else None
    answer = "error" if item["is_error"] else "result"
    data = {"call_id": call_id, "name": name, "duration_ms": took_ms, answer: parsed(item["output"])}
    yield item["id"], "tool_call", began_at, data
    if took_ms is not None and call_id in told.began:
        measured = {"category": "tool", "label": name, "duration_ms": took_ms, "started_at": written(began_at)}
        yield f"{call_id}.duration", "latency", ended_at, measured


def _hand_off(_told: _Told, item: dict[str, Any]) -> Iterator[Child]:
    if item.get("old_agent_id") is None:  # the first agent takes the session over from nobody
        return
    names = {"old_agent_id": item["old_agent_id"], "new_agent_id": item["new_agent_id"]}
    data = {"type": "agent-handoff", "source": SERVICE, "source_id": item["id"], "attributes": names}
    yield item["id"], "event", moment(item["created_at"]), data


def _configured(_told: _Told, item: dict[str, Any]) -> Iterator[Child]:
    named = ("instructions", "tools_added", "tools_removed")
    changed = {name: item[name] for name in named if item.get(name) is not None}
    data = {"type": "agent-config", "source": SERVICE, "source_id": item["id"], "attributes": changed}
    yield item["id"], "event", moment(item["created_at"]), data


_MAKERS = {
    "message": _message,
    "function_call": _function_call,
    "function_call_output": _function_output,
    "agent_handoff": _hand_off,
    "agent_config_update": _configured,
}

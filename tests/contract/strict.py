"""The rules of the strict TypeScript client (wire contract 1.5, 6.2), as shapes that a response must have.

A shape is a function that takes a value and the place where it stands and raises AssertionError. Stricter than the
Python SDKs: no text for a number, no naive time, no null where the schema has none, every key there.
"""

import re
from collections.abc import Callable
from typing import Any

Shape = Callable[[Any, str], None]

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)")


def text(value: Any, where: str) -> None:
    assert type(value) is str, f"{where}: {value!r} is not a text"


def number(value: Any, where: str) -> None:
    assert type(value) in (int, float), f"{where}: {value!r} is not a number"


def whole(value: Any, where: str) -> None:
    assert type(value) is int, f"{where}: {value!r} is not a whole number"
    assert abs(value) < 2**53, f"{where}: {value!r} is not exact in JavaScript"


def flag(value: Any, where: str) -> None:
    assert type(value) is bool, f"{where}: {value!r} is not a boolean"


def moment(value: Any, where: str) -> None:
    text(value, where)
    assert _MOMENT.fullmatch(value), f"{where}: {value!r} is not a time with an offset"


def anything(value: Any, where: str) -> None:
    del value, where


def id_text(value: Any, where: str) -> None:
    text(value, where)
    assert re.fullmatch(r"[1-9]\d{0,15}", value), f"{where}: {value!r} is not a decimal id"


def one_of(*words: str) -> Shape:
    def check(value: Any, where: str) -> None:
        assert value in words, f"{where}: {value!r} is not one of {words}"

    return check


def maybe(shape: Shape) -> Shape:
    def check(value: Any, where: str) -> None:
        if value is not None:
            shape(value, where)

    return check


def many(shape: Shape) -> Shape:
    def check(value: Any, where: str) -> None:
        assert type(value) is list, f"{where}: {value!r} is not a list"
        for index, one in enumerate(value):
            shape(one, f"{where}[{index}]")

    return check


def thing(**shapes: Shape) -> Shape:
    """An object with these keys, all of them there; others may stand beside them."""

    def check(value: Any, where: str) -> None:
        assert type(value) is dict, f"{where}: {value!r} is not an object"
        for name, shape in shapes.items():
            assert name in value, f"{where}.{name} is missing"
            shape(value[name], f"{where}.{name}")

    return check


def page(shape: Shape) -> Shape:
    return thing(items=many(shape), page=whole, page_size=whole, total_pages=maybe(whole), total_count=maybe(whole))


CATEGORY = one_of("tts", "stt", "llm", "tool", "http")

SESSION = thing(
    timestamp=moment,
    session_id=maybe(id_text),
    conversation_id=maybe(text),
    channel_manager_service=maybe(text),
    channel_manager_type=maybe(text),
    channel_manager_sid=maybe(text),
    agent_id=maybe(text),
    agent_name=maybe(text),
    agent_type=maybe(text),
    agent_timezone=maybe(text),
    prompt_id=maybe(text),
    prompt_name=maybe(text),
    prompt_version=maybe(text),
    prompt_version_number=maybe(whole),
    duration=maybe(number),
    session_label_id=maybe(id_text),
    source=maybe(text),
    target=maybe(text),
    is_legacy=maybe(flag),
    is_test=maybe(flag),
    is_outbound=maybe(flag),
    user_terminated=maybe(flag),
    transfer_voicemail_detected=maybe(flag),
    override_timestamp=maybe(text),
    experiment_id=maybe(text),
    experiment_variant_id=maybe(text),
    experiment_variant=maybe(text),
    experiment_variant_is_control=maybe(flag),
)
CONFIDENCE = thing(
    provider=text,
    model=maybe(text),
    utterance=maybe(number),
    utterance_source=maybe(one_of("provider", "derived_min")),
    words=maybe(many(anything)),
    words_truncated=maybe(flag),
)
TRANSCRIPT = thing(
    session_id=id_text,
    transcription=many(
        thing(
            timestamp=moment,
            lang=maybe(text),
            source=maybe(one_of("user", "agent")),
            text=maybe(text),
            stt_confidence=maybe(CONFIDENCE),
        )
    ),
    actions=many(
        thing(
            timestamp=moment,
            tool_name=maybe(text),
            tool_request=maybe(text),
            tool_result=maybe(text),
            tool_error=maybe(text),
            duration_ms=maybe(number),
        )
    ),
    transcript_complete=flag,
)
LATENCY = thing(
    session_id=id_text,
    timeline=many(
        thing(
            timestamp=moment,
            measurement_start=moment,
            category=CATEGORY,
            label=text,
            unit_type=one_of("minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"),
            value=number,
            value_str=text,
            time_delta=text,
            metadata=maybe(many(text)),
        )
    ),
    summary=many(
        thing(
            category=CATEGORY,
            sub_category=maybe(text),
            event_count=whole,
            sum_ms=number,
            average_ms=number,
            sum_str=text,
            average_str=text,
        )
    ),
)
TIMELINE = thing(
    session_id=id_text,
    session_start=maybe(moment),
    events=many(
        thing(
            kind=one_of("transcript", "tool", "latency"),
            timestamp=moment,
            offset=text,
            turn_index=maybe(whole),
            source=maybe(text),
            text=maybe(text),
            lang=maybe(text),
            category=maybe(text),
            label=maybe(text),
            metadata=maybe(many(text)),
            duration_ms=maybe(number),
            tool_request=maybe(text),
            tool_result=maybe(text),
            tool_error=maybe(text),
        )
    ),
)
LABEL = thing(
    id=whole,
    session_id=whole,
    timestamp=moment,
    type=text,
    code=text,
    user_email=text,
    comments=maybe(text),
    issue_categories=many(text),
)
CONVERSATION = thing(
    timestamp=moment,
    conversation_id=text,
    agent_id=maybe(text),
    agent_name=maybe(text),
    agent_type=maybe(text),
    prompt_id=maybe(text),
    prompt_name=maybe(text),
    prompt_version=maybe(text),
    llm_provider=maybe(text),
    llm_model=maybe(text),
    llm_version=maybe(text),
    llm_temperature=maybe(number),
    llm_seed=maybe(whole),
    is_legacy=maybe(flag),
)
EVENT = thing(
    timestamp=moment,
    session_id=maybe(text),
    conversation_id=maybe(text),
    source=maybe(text),
    source_id=maybe(text),
    category=maybe(text),
    type=maybe(text),
    user_id=maybe(text),
    description=maybe(text),
    attributes=maybe(thing()),
)
DEBUG = thing(
    session_id=whole,
    source=text,
    target=text,
    is_test=flag,
    messages=many(
        thing(
            role=one_of("agent", "user"),
            dialog=thing(text=text),
            tool_calls=many(
                thing(
                    tool_call_id=text, tool_name=text, tool_arguments=anything, tool_result=anything, timestamp=moment
                )
            ),
            timestamp=moment,
        )
    ),
)
TOOL_RESULT = thing(tool_name=text, tool_result=anything)
SUMMARY = thing(summary=maybe(text), rating=maybe(text))
RECORDING = thing(session_id=maybe(text), recordings=maybe(many(text)))
ERROR = thing(detail=text)
VALIDATION_ERROR = thing(detail=many(thing(loc=many(anything), msg=text, type=text)))

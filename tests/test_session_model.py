"""The Session model: nineteen fields of exactly these types, then today's; both spellings."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from hansard import Session

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

# Python and JSON name, TypeScript name, a good value, a value of the wrong type.
ROWS: list[tuple[str, str, Any, Any]] = [
    ("timestamp", "timestamp", NOW, 1764000000),
    ("session_id", "sessionId", "824", 824),
    ("conversation_id", "conversationId", "7", 7),
    ("channel_manager_service", "channelManagerService", "twilio", 1),
    ("channel_manager_type", "channelManagerType", "voice_twilio_v1", True),
    ("channel_manager_sid", "channelManagerSid", "CA1", b"CA1"),
    ("agent_id", "agentId", "12", 12),
    ("agent_name", "agentName", "Front desk", ["Front desk"]),
    ("agent_type", "agentType", "ca_v1", 1.0),
    ("agent_timezone", "agentTimezone", "America/New_York", -5),
    ("prompt_id", "promptId", "5", 5),
    ("prompt_name", "promptName", "Reception", {}),
    ("prompt_version", "promptVersion", "2026-01-01T00:00:00Z", NOW),
    ("duration", "duration", 183.2, "183.2"),
    ("session_label_id", "sessionLabelId", "9", 9),
    ("source", "source", "+18042221111", 18042221111),
    ("target", "target", "+18002832940", False),
    ("is_legacy", "isLegacy", False, "false"),
    ("is_test", "isTest", True, 1),
]
TODAYS: list[tuple[str, str, Any, Any]] = [
    ("prompt_version_number", "promptVersionNumber", 3, 3.5),
    ("is_outbound", "isOutbound", False, "no"),
    ("user_terminated", "userTerminated", True, 0),
    ("transfer_voicemail_detected", "transferVoicemailDetected", False, ""),
    ("override_timestamp", "overrideTimestamp", "2026-11-22T10:00:00", NOW),
    ("experiment_id", "experimentId", "4", 4),
    ("experiment_variant_id", "experimentVariantId", "8", 8),
    ("experiment_variant", "experimentVariant", "B", 2),
    ("experiment_variant_is_control", "experimentVariantIsControl", False, "B"),
]


@pytest.mark.parametrize(("name", "camel", "good", "wrong"), ROWS + TODAYS)
def test_each_field_takes_its_type_in_both_spellings_and_nothing_else(
    name: str, camel: str, good: Any, wrong: Any
) -> None:
    base = {} if name == "timestamp" else {"timestamp": NOW}
    for spelling in (name, camel):
        session = Session(**{**base, spelling: good})
        assert getattr(session, name) == good
        assert type(getattr(session, name)) is type(good)
        with pytest.raises(ValidationError, match=re.escape(spelling)):
            Session(**{**base, spelling: wrong})
    assert Session(**{**base, name: good}).model_dump()[name] == good
    assert Session(**{**base, name: good}).model_dump(by_alias=True)[camel] == good
    if name != "timestamp":
        assert getattr(Session(timestamp=NOW), name) is None
        assert getattr(Session(**{**base, name: None}), name) is None


def test_the_fields_are_these_in_this_order() -> None:
    assert list(Session.model_fields) == [name for name, *_ in ROWS + TODAYS]


def test_a_timestamp_alone_makes_a_session() -> None:
    assert Session(timestamp=NOW).timestamp == NOW


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "timestamp\n  Field required"),
        ({"timestamp": datetime(2026, 11, 22)}, "timestamp\n  Value error, has no time zone"),
        ({"timestamp": "2026-11-22T10:00:00"}, "timestamp\n  Value error, has no time zone"),
        ({"timestamp": None}, "timestamp\n  Value error, must be a datetime"),
        ({"timestamp": "yesterday"}, "timestamp\n  Value error, Invalid isoformat"),
    ],
)
def test_a_timestamp_that_is_none_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Session(**given)


def test_whole_seconds_are_a_duration_and_json_goes_round() -> None:
    session = Session(timestamp=NOW, duration=183, agentName="Front desk")
    assert session.duration == 183
    assert Session.model_validate_json(session.model_dump_json()) == session
    assert Session.model_validate_json(session.model_dump_json(by_alias=True)) == session
    assert '"timestamp":"2026-11-22T10:00:00Z"' in session.model_dump_json()


def test_unknown_fields_are_ignored() -> None:
    assert Session(timestamp=NOW, something_new=1) == Session(timestamp=NOW)

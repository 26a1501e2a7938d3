"""The Session model: one call, chat or thread, in the field names of the published SDKs."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel


def _moment(value: Any) -> Any:
    """Take a datetime or ISO 8601 text; a number would be read as an epoch, so it is refused."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise ValueError("must be a datetime, or a date and time written in ISO 8601")
    if value.tzinfo is None:
        raise ValueError("has no time zone; give an aware datetime such as datetime(..., tzinfo=UTC)")
    return value.astimezone(UTC)


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
Text = Annotated[str, Strict()]
Number = Annotated[float, Strict()]
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]


class Session(BaseModel):
    """One session as it happened: the agent, prompt and channel are those of that moment.

    Only `timestamp` is required. Reads both spellings (`agent_id`, `agentId`); writes snake_case by default and
    camelCase with `model_dump(by_alias=True)`. Unknown fields are ignored, as the published SDKs do.
    Raises `pydantic.ValidationError`, naming the field, for a naive timestamp or a wrong type.
    """

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="ignore")

    timestamp: Moment = Field(description="When the session started.")
    session_id: Text | None = Field(None, description="The id of the session: a decimal integer as text.")
    conversation_id: Text | None = Field(None, description="The conversation this session is part of.")
    channel_manager_service: Text | None = Field(None, description="The service that carried it.")
    channel_manager_type: Text | None = Field(None, description="The kind of channel, e.g. `voice_sip_v1`.")
    channel_manager_sid: Text | None = Field(None, description="The id on the carrier's side.")
    agent_id: Text | None = None
    agent_name: Text | None = None
    agent_type: Text | None = None
    agent_timezone: Text | None = None
    prompt_id: Text | None = None
    prompt_name: Text | None = None
    prompt_version: Text | None = Field(None, description="When this version of the prompt was saved.")
    duration: Number | None = Field(None, description="Seconds; null while the session runs.")
    session_label_id: Text | None = Field(None, description="The label shown for this session.")
    source: Text | None = Field(None, description="The person: caller, or recipient of an outbound session.")
    target: Text | None = Field(None, description="What they reached: our number or channel target.")
    is_legacy: Flag | None = None
    is_test: Flag | None = None

    prompt_version_number: Whole | None = None
    is_outbound: Flag | None = None
    user_terminated: Flag | None = Field(None, description="Whether the person ended it; null when unknown.")
    transfer_voicemail_detected: Flag | None = None
    override_timestamp: Text | None = None
    experiment_id: Text | None = None
    experiment_variant_id: Text | None = None
    experiment_variant: Text | None = None
    experiment_variant_is_control: Flag | None = None

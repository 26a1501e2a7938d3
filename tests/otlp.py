"""OpenTelemetry traces of every dialect, as their instrumentations write them, and requests made of them."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.door import Answer, Door
from tests.make import START

TRACE = "0af7651916cd43dd8448eb211c80319c"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Made:
    """A span to send; times in seconds after the start of every made session."""

    name: str
    number: int
    parent: int | None
    start: float
    end: float
    attributes: dict[str, Any] = field(default_factory=dict)
    scope: str = "test"
    trace: str = TRACE
    error: str | None = None
    kind: int = 1
    service: str = "bot"

    def protobuf(self) -> Span:
        made = Span(
            trace_id=bytes.fromhex(self.trace),
            span_id=self.number.to_bytes(8),
            parent_span_id=self.parent.to_bytes(8) if self.parent else b"",
            name=self.name,
            kind=self.kind,  # type: ignore[arg-type]
            start_time_unix_nano=_ns(self.start),
            end_time_unix_nano=_ns(self.end),
            attributes=pairs(self.attributes),
        )
        if self.error is not None:
            made.status.code = 2  # type: ignore[assignment]
            made.status.message = self.error
        return made


def _ns(seconds: float) -> int:
    return int(START.timestamp()) * 1_000_000_000 + round(seconds * 1_000_000_000)


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: Any) -> AnyValue:
    made = AnyValue()
    if isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int_value = value
    elif isinstance(value, float):
        made.double_value = value
    elif isinstance(value, bytes):
        made.bytes_value = value
    elif isinstance(value, list):
        made.array_value.values.extend(_value(one) for one in value)
    elif isinstance(value, dict):
        made.kvlist_value.values.extend(pairs(value))
    elif value is not None:
        made.string_value = value
    return made


def request_of(spans: Sequence[Made]) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    for one in spans:
        resource = made.resource_spans.add()
        resource.resource.attributes.extend(pairs({"service.name": one.service} if one.service else {}))
        scope = resource.scope_spans.add()
        scope.scope.name = one.scope
        scope.spans.append(one.protobuf())
    return made


def as_json(request: ExportTraceServiceRequest) -> bytes:
    """The request in OTLP's JSON: hexadecimal ids, numbers for enums, texts for large integers."""
    made = json_format.MessageToDict(request, use_integers_for_enums=True)
    for resource, plain in zip(request.resource_spans, made.get("resourceSpans", []), strict=True):
        for scope, plain_scope in zip(resource.scope_spans, plain.get("scopeSpans", []), strict=True):
            for span, plain_span in zip(scope.spans, plain_scope.get("spans", []), strict=True):
                plain_span |= {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
                if span.parent_span_id:
                    plain_span["parentSpanId"] = span.parent_span_id.hex()
    return json.dumps(made).encode()


def post(door: Door, spans: Sequence[Made], *, gzipped: bool = False) -> Answer:
    body = request_of(spans).SerializeToString()
    more = {"Content-Encoding": "gzip"} if gzipped else {}
    return door.post("/v1/traces", gzip.compress(body) if gzipped else body, PROTOBUF | more)


def said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


_ASKED = {
    "role": "assistant",
    "parts": [{"type": "tool_call", "id": "c1", "name": "find_slot", "arguments": {"day": "Monday"}}],
}
_ANSWERED = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"slots": ["9:15"]}}]}
_FIRST = [said("system", "Be kind."), said("user", "I need an appointment.")]
_SECOND = [*_FIRST, _ASKED, _ANSWERED]
_THIRD = [*_SECOND, said("assistant", "Monday at 9:15?"), said("user", "Perfect.")]


def _chat(number: int, parent: int, start: float, given: list[Any], gave: list[Any]) -> Made:
    return Made(
        "chat gpt-4.1",
        number,
        parent,
        start,
        start + 1,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4.1",
            "gen_ai.response.model": "gpt-4.1-2025-04-14",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.time_to_first_chunk": 0.38,
            "gen_ai.usage.input_tokens": 100 + number,
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 64,
            "gen_ai.input.messages": json.dumps(given),
            "gen_ai.output.messages": json.dumps(gave),
            "gen_ai.response.finish_reasons": ["stop"],
        },
        scope="opentelemetry.instrumentation.openai_v2",
    )


def genai() -> list[Made]:
    """Two turns in one trace, and a tool call; of the first question there is a retry, of the second a check."""
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "Front desk", "gen_ai.agent.id": "12"}
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "find_slot",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.tool.call.arguments": '{"day": "Monday"}',
        "gen_ai.tool.call.result": '{"slots": ["9:15"]}',
    }
    return [
        Made("conversation", 1, None, 0, 20, {"app.tier": "gold"}),
        Made("invoke_agent Front desk", 2, 1, 1, 8, agent | {"gen_ai.conversation.id": "chat-7"}),
        _chat(4, 2, 1.5, _FIRST, []),
        _chat(3, 2, 2.5, _FIRST, [_ASKED]),
        Made("execute_tool find_slot", 5, 2, 4, 4.412, tool),
        _chat(6, 2, 5, _SECOND, [said("assistant", "Monday at 9:15?")]),
        Made("invoke_agent Front desk", 7, 1, 10, 15, agent),
        _chat(8, 7, 11, _THIRD, [said("assistant", "See you then.")]),
        _chat(10, 1, 11.5, _THIRD, []),
        Made("GET", 9, 7, 12, 12.2, {"http.request.method": "GET", "server.address": "crm.example"}, kind=3),
    ]


def openinference() -> list[Made]:
    session = {"session.id": "phoenix-7", "user.id": "u-1"}
    scope = "openinference.instrumentation.openai"

    def llm(number: int, start: float, given: list[tuple[str, str]], gave: list[tuple[str, str]]) -> Made:
        flat = {
            f"llm.{side}_messages.{place}.message.{name}": value
            for side, told in (("input", given), ("output", gave))
            for place, (role, text) in enumerate(told)
            for name, value in (("role", role), ("content", text))
        }
        counts = {"llm.token_count.prompt": 90, "llm.token_count.completion": 9, "llm.cost.total": 0.002}
        return Made(
            "ChatCompletion",
            number,
            1,
            start,
            start + 1,
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": "gpt-4.1",
                "llm.provider": "openai",
                "input.value": json.dumps([text for _, text in given]),
                "llm.invocation_parameters": '{"temperature": 0.5}',
                **flat,
                **counts,
                **session,
            },
            scope=scope,
        )

    hello = [("system", "Be kind."), ("user", "Hello?")]
    tool = {"openinference.span.kind": "TOOL", "tool.name": "find_slot", "input.value": '{"day": "Monday"}'}
    return [
        Made("agent", 1, None, 0, 9, {"openinference.span.kind": "AGENT", "agent.name": "Front desk"}, scope=scope),
        llm(2, 1, hello, [("assistant", "Hello! How can I help?")]),
        Made("find_slot", 3, 1, 3, 3.5, tool | {"output.value": "9:15"} | session, scope=scope),
        Made("lookup", 4, 1, 4, 4.1, tool | session, scope=scope, error="no such table"),
        llm(5, 5, [*hello, ("assistant", "Hello! How can I help?"), ("user", "Monday.")], [("assistant", "9:15?")]),
    ]


def livekit() -> list[Made]:
    room = {"gen_ai.conversation.id": "RM_7"}

    def made(name: str, number: int, parent: int | None, start: float, end: float, **more: Any) -> Made:
        attributes = {key.replace("__", "."): value for key, value in more.items()}
        return Made(name, number, parent, start, end, attributes | room, scope="livekit-agents")

    metrics = json.dumps({"ttfb": 0.12, "duration": 0.6, "audio_duration": 1.5, "characters_count": 16})
    return [
        made("job_entrypoint", 1, None, 0, 12, lk__job_id="AJ_1"),
        made(
            "agent_session",
            2,
            1,
            0.5,
            11,
            gen_ai__operation__name="invoke_workflow",
            lk__agent_name="front-desk",
            lk__pii__sip__phoneNumber="+18042221111",
            lk__sip__trunkPhoneNumber="+18002832940",
        ),
        made(
            "user_turn",
            3,
            2,
            1,
            3,
            lk__pii__user_transcript="I need an appointment.",
            lk__transcript_confidence=0.94,
            lk__transcription_delay=0.2,
            lk__end_of_turn_delay=0.62,
        ),
        made("eou_wait", 4, 3, 2.4, 3, lk__eou__outcome="committed", lk__eou__wait_duration=0.6),
        made(
            "agent_turn",
            5,
            2,
            3,
            7,
            gen_ai__operation__name="invoke_agent",
            lk__pii__user_input="I need an appointment.",
            lk__end_of_turn_delay=0.62,
            lk__pii__response__text="Monday at 9:15?",
            lk__interrupted=False,
            lk__e2e_latency=1.2,
        ),
        made("llm_node", 6, 5, 3, 4, lk__response__ttft=0.38, lk__pii__chat_ctx="{}"),
        made(
            "llm_request",
            7,
            6,
            3,
            4,
            gen_ai__operation__name="chat",
            gen_ai__request__model="gpt-4.1",
            gen_ai__provider__name="openai",
            gen_ai__usage__input_tokens=50,
            gen_ai__usage__output_tokens=5,
            gen_ai__response__time_to_first_chunk=0.38,
            gen_ai__input__messages=json.dumps([said("user", "I need an appointment.")]),
            gen_ai__output__messages=json.dumps([said("assistant", "Monday at 9:15?")]),
        ),
        made(
            "function_tool",
            8,
            5,
            4,
            4.4,
            gen_ai__operation__name="execute_tool",
            gen_ai__tool__name="find_slot",
            lk__function_tool__id="c1",
            lk__pii__function_tool__arguments='{"day": "Monday"}',
            lk__function_tool__is_error=True,
            lk__pii__function_tool__output="no calendar",
        ),
        made("tts_request", 9, 5, 4.5, 5.1, lk__tts_metrics=metrics, gen_ai__request__model="sonic"),
        made(
            "agent_turn", 10, 2, 8, 9, lk__pii__user_input="typed", lk__pii__response__text="Yes.", lk__interrupted=True
        ),
        made("session_close", 11, 2, 10, 11, lk__close_reason="participant_disconnected"),
    ]


def pipecat() -> list[Made]:
    def made(name: str, number: int, parent: int | None, start: float, end: float, **more: Any) -> Made:
        attributes = {key.replace("__", "."): value for key, value in more.items()}
        return Made(name, number, parent, start, end, attributes, scope="pipecat")

    call = {"conversation__id": "call-7"}
    model = {"gen_ai__provider__name": "openai", "gen_ai__request__model": "gpt-4.1"}
    return [
        made("conversation", 1, None, 0, 12, conversation__type="voice", **call),
        made(
            "turn", 2, 1, 1, 6, turn__number=1, turn__user_bot_latency_seconds=0.9, turn__was_interrupted=False, **call
        ),
        made(
            "stt",
            3,
            2,
            1,
            3,
            gen_ai__operation__name="stt",
            transcript="I need an appointment.",
            language="en-US",
            is_final=True,
            metrics__ttfb=0.3,
            metrics__audio_seconds=2.5,
        ),
        made(
            "llm",
            4,
            2,
            3,
            4,
            gen_ai__operation__name="chat",
            input=json.dumps([{"role": "user", "content": "I need an appointment."}]),
            output="Monday at 9:15? And more that was cut off.",
            metrics__ttfb=0.38,
            gen_ai__usage__input_tokens=50,
            gen_ai__usage__output_tokens=5,
            **model,
        ),
        made(
            "tts",
            5,
            2,
            4,
            5,
            text="Monday at 9:15?",
            metrics__ttfb=0.12,
            metrics__character_count=15,
            tts__interrupted=True,
        ),
        made("turn", 6, 1, 7, 11, turn__number=2, **call),
        made("stt", 7, 6, 7, 8, transcript="Perfect.", metrics__ttfb=0.0),
    ]


DIALECTS = {"gen_ai": genai, "openinference": openinference, "livekit": livekit, "pipecat": pipecat}

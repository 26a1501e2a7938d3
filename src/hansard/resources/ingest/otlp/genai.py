"""The table of OpenTelemetry's GenAI conventions (whose names still move: old and new side by side)."""

from typing import Any

from pydantic_core import from_json

from hansard.kit.otlp import Span
from hansard.resources.ingest.otlp.recipe import Dialect, Latency, Line, Recipe, Tool, Usage
from hansard.resources.ingest.otlp.spans import Reader

ROLES = {"user": "user", "human": "user", "assistant": "agent", "model": "agent", "ai": "agent", "agent": "agent"}

MODEL = ("gen_ai.response.model", "gen_ai.request.model")
PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
FIRST_CHUNK = ("gen_ai.response.time_to_first_chunk",)
SYSTEM = "gen_ai.system_instructions"

FIELDS = {
    "agent_id": ("gen_ai.agent.id",),
    "agent_name": ("gen_ai.agent.name",),
    "prompt_name": ("gen_ai.prompt.name", "langfuse.observation.prompt.name"),
    "prompt_version": ("gen_ai.prompt.version", "gen_ai.agent.version"),
    "source": ("user.id", "enduser.id", "langfuse.user.id"),
}
MODEL_FIELDS = {
    **FIELDS,
    "llm_provider": PROVIDER,
    "llm_model": ("gen_ai.request.model", "gen_ai.response.model"),
    "llm_temperature": ("gen_ai.request.temperature",),
    "llm_seed": ("gen_ai.request.seed",),
}
TOKENS = Usage(
    "llm",
    wholes={
        "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "cached_input_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.input_cached_tokens"),
    },
)
TOOL = Tool(
    name=("gen_ai.tool.name",),
    call_id=("gen_ai.tool.call.id",),
    arguments=("gen_ai.tool.call.arguments",),
    result=("gen_ai.tool.call.result",),
)


def history(read: Reader) -> tuple[list[Line], list[Line]]:
    """What a model was given and what it gave: as JSON in one attribute, or flat as instrumentations did before."""
    given = _packed_lines(read, "gen_ai.input.messages") or flat_lines(read, "gen_ai.prompt.")
    return given, _packed_lines(read, "gen_ai.output.messages") or flat_lines(read, "gen_ai.completion.")


def _packed_lines(read: Reader, name: str) -> list[Line]:
    found = lines(read.span.attributes.get(name))
    if found:
        read.take(name)
    return found


def lines(value: Any) -> list[Line]:
    """A history from a list of messages, or the JSON text of one; nothing from anything else."""
    messages = parsed(value)
    return [_line(one) for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []


def parsed(value: Any) -> Any:
    """The value of a JSON text; a text that is none stays what it is."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError:
        return value


def _line(message: dict[str, Any]) -> Line:
    content = message.get("parts", message.get("content"))
    parts = [content] if isinstance(content, str) else content if isinstance(content, list) else []
    known = [one for one in parts if isinstance(one, dict)]
    role = message.get("role")
    return Line(
        role=ROLES.get(role) if isinstance(role, str) else None,
        text="\n".join(text for text in map(_text, parts) if text),
        asked=[one for one in known if one.get("type") == "tool_call"],
        answered=[one for one in known if one.get("type") == "tool_call_response"],
    )


def _text(part: Any) -> str:
    if isinstance(part, dict):
        part = part.get("content", part.get("text")) if part.get("type", "text") == "text" else None
    return part if isinstance(part, str) else ""


def flat_lines(read: Reader, prefix: str) -> list[Line]:
    """A history that is spread over attributes `<prefix><number>.role` and `<prefix><number>.content`."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in read.span.attributes.items():
        number, _, rest = name.removeprefix(prefix).partition(".")
        if name.startswith(prefix) and number.isdecimal() and rest:
            found.setdefault(int(number), {})[rest] = value
            read.take(name)
    told = (said for _, said in sorted(found.items()))
    return [_line({"role": said.get("role"), "content": parsed(said.get("content"))}) for said in told]


def _is_own(span: Span) -> bool:
    return any(name.startswith("gen_ai.") for name in span.attributes)


def _sort_of(span: Span) -> str:
    operation = span.attributes.get("gen_ai.operation.name")
    if isinstance(operation, str):
        return operation
    return "chat" if "gen_ai.request.model" in span.attributes else ""


INFERENCE = Recipe(
    fields=MODEL_FIELDS,
    model=MODEL,
    provider=PROVIDER,
    latencies=(Latency("llm", "request"), Latency("llm", "first_token", FIRST_CHUNK)),
    usage=TOKENS,
    history=history,
    repeated=("gen_ai.tool.definitions",),
)
EXECUTE_TOOL = Recipe(fields=FIELDS, tool=TOOL)
# An agent's span repeats the history of the model's spans inside it, which tell the turns.
AGENT = Recipe(fields=FIELDS, is_event=True)

DIALECT = Dialect(
    name="gen_ai",
    is_own=_is_own,
    sort_of=_sort_of,
    recipes={
        "chat": INFERENCE,
        "generate_content": INFERENCE,
        "text_completion": INFERENCE,
        "execute_tool": EXECUTE_TOOL,
        "invoke_agent": AGENT,
        "create_agent": AGENT,
        "invoke_workflow": AGENT,
    },
)

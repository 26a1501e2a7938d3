"""The table of OpenInference, which Phoenix, Arize and their instrumentations write: flat attributes, kinds of span."""

from hansard.kit.otlp import Span
from hansard.resources.ingest.otlp.recipe import Dialect, Latency, Line, Recipe, Tool, Usage
from hansard.resources.ingest.otlp.spans import Reader

KIND = "openinference.span.kind"

FIELDS = {
    "agent_name": ("agent.name",),
    "prompt_id": ("prompt.id",),
    "prompt_version": ("llm.prompt_template.version",),
    "source": ("user.id",),
}


def _history(read: Reader) -> tuple[list[Line], list[Line]]:
    return _lines(read, "llm.input_messages."), _lines(read, "llm.output_messages.")


def _lines(read: Reader, prefix: str) -> list[Line]:
    """`<prefix>0.message.role`, `….message.content` or `….message.contents.0.message_content.text`."""
    found: dict[int, dict[str, str]] = {}
    for name, value in read.span.attributes.items():
        number, _, rest = name.removeprefix(prefix).partition(".message.")
        is_told = rest in ("role", "content") or (
            rest.startswith("contents.") and rest.endswith("message_content.text")
        )
        if name.startswith(prefix) and number.isdecimal() and is_told and isinstance(value, str):
            found.setdefault(int(number), {})[rest] = value
            read.take(name)
    return [_line(said) for _, said in sorted(found.items())]


def _line(said: dict[str, str]) -> Line:
    roles = {"user": "user", "human": "user", "assistant": "agent", "model": "agent", "ai": "agent"}
    parts = [said[name] for name in sorted(said, key=_part_number) if name != "role"]
    return Line(role=roles.get(said.get("role", "")), text="\n".join(part for part in parts if part))


def _part_number(name: str) -> int:
    number = name.split(".")[1] if name.startswith("contents.") else ""
    return int(number) if number.isdecimal() else -1


def _sort_of(span: Span) -> str:
    return str(span.attributes[KIND]).upper()


_OTHER = Recipe(fields=FIELDS, is_event=True)

DIALECT = Dialect(
    name="openinference",
    is_own=lambda span: KIND in span.attributes,
    sort_of=_sort_of,
    recipes={
        "LLM": Recipe(
            fields=FIELDS | {"llm_provider": ("llm.provider", "llm.system"), "llm_model": ("llm.model_name",)},
            model=("llm.model_name",),
            provider=("llm.provider", "llm.system"),
            latencies=(Latency("llm", "request"),),
            usage=Usage(
                "llm",
                wholes={
                    "input_tokens": ("llm.token_count.prompt",),
                    "output_tokens": ("llm.token_count.completion",),
                    "cached_input_tokens": ("llm.token_count.prompt_details.cache_read",),
                },
                numbers={"cost": ("llm.cost.total",)},
                currency="USD",
            ),
            history=_history,
            # The request and the answer as the provider's own JSON, and the roles and contents told above.
            repeated=("input.value", "input.mime_type", "output.value", "output.mime_type", "llm.tools."),
        ),
        "TOOL": Recipe(
            fields=FIELDS,
            tool=Tool(
                name=("tool.name", "tool_call.function.name"),
                call_id=("tool_call.id", "tool.id"),
                arguments=("input.value", "tool.parameters", "tool_call.function.arguments"),
                result=("output.value",),
            ),
        ),
        "AGENT": _OTHER,
        "CHAIN": _OTHER,
    },
)

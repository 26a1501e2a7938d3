"""The table of LiveKit's own spans (`livekit-agents` 1.8): what was said comes from the turns, not from the models."""

from hansard.resources.ingest.otlp import genai
from hansard.resources.ingest.otlp.recipe import Dialect, Latency, Recipe, Speech, Tool, Usage

_HISTORY = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.definitions", "lk.pii.chat_ctx")
_VOICE_DELAYS = ("lk.end_of_turn_delay", "lk.transcription_delay")

DIALECT = Dialect(
    name="livekit",
    is_own=lambda span: span.scope == "livekit-agents",
    sort_of=lambda span: span.name,
    packed=("lk.tts_metrics",),
    recipes={
        "agent_session": Recipe(
            fields={
                "agent_name": ("lk.agent_name", "gen_ai.agent.name"),
                "source": ("lk.pii.sip.phoneNumber",),
                "target": ("lk.sip.trunkPhoneNumber",),
            },
            starts=True,
            ends=True,
        ),
        "session_close": Recipe(fields={"reason": ("lk.close_reason",)}, is_event=True),
        "user_turn": Recipe(
            speech=(Speech("user", ("lk.pii.user_transcript",), confidence=("lk.transcript_confidence",)),),
            model=("gen_ai.request.model",),
            latencies=(
                Latency("stt", "transcription", ("lk.transcription_delay",), from_start=False),
                Latency("turn", "end_of_turn", ("lk.end_of_turn_delay",), from_start=False),
            ),
        ),
        "agent_turn": Recipe(
            speech=(
                # Only typed input: what was spoken has its own user_turn, and leaves these delays here.
                Speech("user", ("lk.pii.user_input",), unless=_VOICE_DELAYS, timed=False),
                Speech("agent", ("lk.pii.response.text",), interrupted=("lk.interrupted",), timed=False),
            ),
            fields={"agent_name": ("gen_ai.agent.name",)},
            latencies=(
                Latency("turn", "user_turn_completed", ("lk.on_user_turn_completed_delay",), from_start=False),
                Latency("turn", "end_to_end", ("lk.e2e_latency",), from_start=False),
            ),
        ),
        "llm_request": Recipe(
            fields=genai.MODEL_FIELDS,
            model=genai.MODEL,
            provider=genai.PROVIDER,
            latencies=(Latency("llm", "request"), Latency("llm", "first_token", genai.FIRST_CHUNK)),
            usage=genai.TOKENS,
            repeated=_HISTORY,
        ),
        "llm_node": Recipe(is_event=True, repeated=_HISTORY),
        "eou_detection": Recipe(is_event=True, repeated=_HISTORY),
        "function_tool": Recipe(
            tool=Tool(
                name=("gen_ai.tool.name", "lk.function_tool.name"),
                call_id=("gen_ai.tool.call.id", "lk.function_tool.id"),
                arguments=("gen_ai.tool.call.arguments", "lk.pii.function_tool.arguments"),
                result=("gen_ai.tool.call.result", "lk.pii.function_tool.output"),
                failed=("lk.function_tool.is_error",),
            ),
        ),
        "tts_request": Recipe(
            model=("gen_ai.request.model",),
            provider=genai.PROVIDER,
            latencies=(Latency("tts", "first_byte", ("lk.tts_metrics.ttfb",)),),
            usage=Usage(
                "tts",
                wholes={"characters": ("lk.tts_metrics.characters_count",)},
                numbers={"audio_seconds": ("lk.tts_metrics.audio_duration",)},
            ),
        ),
    },
)

"""The table of Pipecat's spans (`pipecat-ai` 1.14): conversation, turn, and in each turn stt, llm and tts."""

from hansard.resources.ingest.otlp import genai
from hansard.resources.ingest.otlp.recipe import Dialect, Latency, Recipe, Speech, Usage

_TTFB = ("metrics.ttfb",)
_MODEL = ("gen_ai.request.model",)

DIALECT = Dialect(
    name="pipecat",
    is_own=lambda span: span.scope == "pipecat" or span.scope.startswith("pipecat."),
    sort_of=lambda span: span.name,
    recipes={
        "conversation": Recipe(starts=True, ends=True),
        "turn": Recipe(
            latencies=(Latency("turn", "end_to_end", ("turn.user_bot_latency_seconds",), from_start=False),),
            is_event=True,
        ),
        "stt": Recipe(
            speech=(Speech("user", ("transcript",), lang=("language",)),),
            model=_MODEL,
            provider=genai.PROVIDER,
            latencies=(Latency("stt", "transcription", _TTFB, from_start=False),),
            usage=Usage("stt", numbers={"audio_seconds": ("metrics.audio_seconds",)}),
        ),
        "llm": Recipe(
            # What the model wrote is not yet what was said: that stands in the tts span.
            fields=genai.MODEL_FIELDS,
            model=_MODEL,
            provider=genai.PROVIDER,
            latencies=(Latency("llm", "request"), Latency("llm", "first_token", _TTFB)),
            usage=genai.TOKENS,
            repeated=("input", "tools"),
        ),
        "tts": Recipe(
            speech=(Speech("agent", ("text",), interrupted=("tts.interrupted",), timed=False),),
            model=_MODEL,
            provider=genai.PROVIDER,
            latencies=(Latency("tts", "first_byte", _TTFB),),
            usage=Usage("tts", wholes={"characters": ("metrics.character_count",)}),
        ),
    },
)

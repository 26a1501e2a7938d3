"""The children of an ended session as one compressed body, and back.

The body is their JSON, packed with zstd and a dictionary of what every session repeats. A dictionary, once
used, is never changed: its number stands beside the body, and a new one gets a new number.
"""

import sys
from collections.abc import Sequence
from functools import cache
from typing import cast

from pydantic_core import from_json, to_json

from hansard.resources.sessions.turns import in_order
from hansard.wire import Child

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKING = 1
_LEVEL = 3

_DICTIONARIES = {
    1: b"""{"agent_id":"1","agent_timezone":"America/New_York","agent_type":"ca_v1","prompt_id":"1","prompt_name":"
"prompt_version":"2026-01-01T00:00:00.000000Z","prompt_version_number":1,"is_outbound":false,"is_legacy":false
"experiment_id":"","experiment_variant":"","override_timestamp":"","transfer_voicemail_detected":false
"llm_provider":"openai","llm_model":"gpt-4.1","llm_temperature":0.7,"channel_manager_type":"web_chat_v1"
{"channel_manager_type":"voice_sip_v1"{"channel_manager_type":"voice_twilio_v1"
"kind":"label","at":"2026-12-31T23:59:59.000000Z","data":{"type":"human-rating","code":"GOOD","comments":""
"issue_categories":[""],"user_email":"@example.com"}},{"type":"auto-rating","code":"BAD"
"kind":"usage","data":{"category":"llm","model":"","provider":"","input_tokens":100,"cached_input_tokens":0
"output_tokens":10,"characters":100,"audio_seconds":1.0,"cost":0.001,"currency":"USD"}}
"kind":"event","data":{"source":"tool-call","source_id":"","category":"automation","type":"phone-transfer"
"user_id":"+1","description":"","attributes":{}}}
"kind":"tool_call","data":{"call_id":"call_","name":"","arguments":{"id":"","date":"2026-","name":"","phone":"+1"}
"result":{"status":"ok","ok":true,"error":null,"items":[]},"error":null,"duration_ms":100.0}}
"kind":"latency","data":{"category":"stt","label":"transcription","started_at":"2026-","metadata":["
{"category":"turn","label":"end_of_turn","started_at":"2026-","duration_ms":500.0,"metadata":null
{"category":"tts","label":"first_byte","started_at":"2026-","duration_ms":200.0,"metadata":["
{"category":"llm","label":"first_token","started_at":"2026-","duration_ms":400.0,"metadata":["gpt-4.1"]}}
{"role":"agent","text":"Thank you for calling. How can I help you today? I would be happy to help you with that.
{"role":"user","text":"Yes, I would like to make an appointment. No, thank you.","lang":"en-US","started_at":"2026-
","ended_at":"2026-","interrupted":false,"confidence":0.95}}
"kind":"session.end","data":{"duration":100.0,"user_terminated":true,"reason":"hangup","counts":{"message":10
"tool_call":1,"latency":20,"event":1}}}]
"kind":"session.start","at":"2026-","data":{"agent_id":"","agent_name":"","source":"+1","target":"+1","is_test":false
},{"id":"","kind":"message","at":"2026-01-01T00:00:00.000000Z","data":{"role":"agent","text":""",
}


def packed(children: Sequence[Child]) -> bytes:
    """Pack children, whatever order they come in; the same children always give the same bytes."""
    return zstd.compress(to_json(in_order(children)), level=_LEVEL, zstd_dict=_dictionary(PACKING))


def unpacked(packing: int, body: bytes) -> list[Child]:
    """The children of a body, in the order of the record. `packing` is the number it was stored with."""
    return cast("list[Child]", from_json(inflated(packing, body)))


def inflated(packing: int, body: bytes) -> bytes:
    """The same as the JSON that was packed: a list, in the order of the record."""
    return zstd.decompress(body, zstd_dict=_dictionary(packing))


@cache
def _dictionary(packing: int) -> zstd.ZstdDict:
    return zstd.ZstdDict(_DICTIONARIES[packing], is_raw=True)

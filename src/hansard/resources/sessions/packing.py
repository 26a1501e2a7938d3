"""The children of an ended session as one compressed body, and back.

The body is their JSON in columns: all ids, all kinds, all instants, and the data of each kind, which takes a sixth
less than child after child. It is packed with zstd and a dictionary of what every session repeats. A dictionary, once
used, is never changed: its number stands beside the body, and a new one gets a new number. One is built in; the others
are trained on an organization's own sessions (`training.py`) and kept in the database (`dictionaries.py`). A body ends
with a checksum of its text: of the bits that a disk may turn round in it, most would otherwise only say something else.
"""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from os.path import commonprefix

import msgspec
from msgspec import Raw, Struct

from hansard.resources.sessions.kept import PLACE, Kept, kept, read_json
from hansard.wire import Child

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
    zstd.CompressionParameter.dict_id_flag: 0,  # which dictionary it is stands beside the body
}
_TRAINED = 1 << 30  # and above: numbers of trained dictionaries; those of built-in ones are small

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


class Unreadable(Exception):
    """A body whose bytes are not those that were packed."""


class Dictionary:
    """What bodies are packed with, and its number. Made once and used by any number of threads.

    Digested, and with a compressor kept for the next body: with a large dictionary that is five times faster than
    beginning anew.
    """

    def __init__(self, packing: int, content: bytes) -> None:
        self.packing = packing
        self._dictionary = zstd.ZstdDict(content, is_raw=packing < _TRAINED)

    @cached_property
    def _compressor(self) -> zstd.ZstdCompressor:
        return zstd.ZstdCompressor(options=_OPTIONS, zstd_dict=self._dictionary.as_digested_dict)

    def compressed(self, text: bytes) -> bytes:
        """A frame that only this dictionary opens; the same text always gives the same bytes."""
        return self._compressor.compress(text, zstd.ZstdCompressor.FLUSH_FRAME)

    def decompressed(self, frame: bytes) -> bytes:
        """The text of a frame. Raises Unreadable."""
        try:
            return zstd.decompress(frame, zstd_dict=self._dictionary)
        except zstd.ZstdError as error:
            raise Unreadable(str(error)) from None


def unpacked_bytes(frame: bytes) -> int | None:
    """How long the text of a frame is; None where that is not said."""
    try:
        return zstd.get_frame_info(frame).decompressed_size
    except zstd.ZstdError:
        return None


BUILT_IN = Dictionary(1, _DICTIONARIES[1])


def packing_of(content: bytes) -> int:
    """The number of a trained dictionary. It follows from its bytes, so that it never stands for any others: not
    after a write that was taken back, nor after a database that was set back to what it was yesterday.
    """
    return _TRAINED | int.from_bytes(hashlib.sha256(content).digest()[:4], "big") >> 2


def trained(texts: Sequence[bytes], size_bytes: int) -> bytes | None:
    """The content of a dictionary for texts like these; None where there is too little in them to learn from."""
    try:
        return zstd.train_dict(texts, size_bytes).dict_content
    except (zstd.ZstdError, ValueError):
        return None


class _Columns(Struct, gc=False):
    """Children in the order of the record: the data of each kind, and of all the kind, the id and the instant, without
    what all instants begin with. Of the orders in which these could stand this one is packed smallest.
    """

    data: dict[str, list[Raw]]
    kind: list[str]
    id: list[str]
    begin: str
    at: list[str]


_COLUMNS = msgspec.json.Decoder(_Columns)


def packed(children: Iterable[Kept], dictionary: Dictionary = BUILT_IN) -> bytes:
    """Pack children, whatever order they come in; the same children always give the same bytes."""
    return dictionary.compressed(_in_columns(children))


def _in_columns(children: Iterable[Kept]) -> bytes:
    ordered = sorted(children, key=PLACE)
    data: dict[str, list[Raw]] = defaultdict(list)
    for one in ordered:
        data[one.kind].append(one.data)
    begin = commonprefix([ordered[0].at, ordered[-1].at]) if ordered else ""  # noqa: RUF071 - no paths
    rest = [one.at[len(begin) :] for one in ordered]
    names, kinds = [one.id for one in ordered], [one.kind for one in ordered]
    return msgspec.json.encode(_Columns(data, kinds, names, begin, rest))


def text_of(frame: bytes, dictionary: Dictionary) -> bytes:
    """The text of a body, in columns. Raises Unreadable."""
    text = dictionary.decompressed(frame)
    if not text.startswith(b"["):
        return text
    return _in_columns(map(kept, read_json(text)))  # an earlier build wrote child after child


def kept_in(text: bytes) -> list[Kept]:
    """The children of a text in columns, in the order of the record; their data has not been read."""
    whole = _COLUMNS.decode(text)
    begin, left = whole.begin, {kind: iter(some) for kind, some in whole.data.items()}
    rows = zip(whole.id, whole.kind, whole.at, strict=True)
    return [Kept(name, kind, begin + rest, next(left[kind])) for name, kind, rest in rows]


def children_in(text: bytes) -> list[Child]:
    """The same as the folds of a whole record take them."""
    whole = read_json(text)
    begin, left = whole["begin"], {kind: iter(some) for kind, some in whole["data"].items()}
    rows = zip(whole["id"], whole["kind"], whole["at"], strict=True)
    return [{"id": name, "kind": kind, "at": begin + rest, "data": next(left[kind])} for name, kind, rest in rows]


def unpacked(frame: bytes, dictionary: Dictionary = BUILT_IN) -> list[Child]:
    """The children of a body, in the order of the record. `dictionary` is the one it was packed with."""
    return children_in(text_of(frame, dictionary))

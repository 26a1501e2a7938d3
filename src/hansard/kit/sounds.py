"""What kind of sound some bytes are: told by the bytes themselves, whatever a name or a header says of them."""

import re
from collections.abc import Callable

# For each kind the ending that a file of it gets, the others it may have, and what FFmpeg calls it.
KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "audio/wav": ((".wav", ".wave"), "wav"),
    "audio/flac": ((".flac",), "flac"),
    "audio/ogg": ((".ogg", ".oga", ".opus"), "ogg"),
    "audio/mpeg": ((".mp3",), "mp3"),
    "audio/aac": ((".aac",), "aac"),
    "audio/mp4": ((".m4a", ".mp4", ".m4b"), "mp4"),
    "audio/webm": ((".webm", ".weba"), "webm"),
    "audio/matroska": ((".mka", ".mkv"), "matroska"),
}
NAMES = "WAV, FLAC, Ogg (Opus or Vorbis), MP3, AAC, MP4 and WebM"

_OGG_CODECS = (b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex   ")
_MP4_BRANDS = re.compile(rb"M4A |M4B |mp4[12]|iso[m2-9]|avc1|dash|M4V |3gp[4-9]|qt  |MSNV")
_MP3_KBPS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2
    0: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2.5
}
_MP3_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def find_media_type(head: bytes) -> str | None:
    """The media type of a sound by its first 4,096 bytes (all, where it is shorter); None for anything else."""
    return next((name for name, fits in _SIGNS if fits(head)), None)


def _is_wav(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE"


def _is_flac(head: bytes) -> bool:
    return head.startswith(b"fLaC")


def _is_ogg(head: bytes) -> bool:
    """An Ogg file may hold anything; its first page says what (RFC 3533, RFC 7845)."""
    if not head.startswith(b"OggS") or len(head) < 27:
        return False
    return head[27 + head[26] :].startswith(_OGG_CODECS)


def _is_mp4(head: bytes) -> bool:
    """A picture may come in this wrapping too; the brand tells (ISO/IEC 14496-12)."""
    return head[4:8] == b"ftyp" and _MP4_BRANDS.match(head[8:12]) is not None


def _is_webm(head: bytes) -> bool:
    return _doc_type(head) == b"webm"


def _is_matroska(head: bytes) -> bool:
    return _doc_type(head) == b"matroska"


def _doc_type(head: bytes) -> bytes | None:
    """What an EBML header says it is the header of (RFC 8794)."""
    found = re.match(rb"\x1aE\xdf\xa3.{0,60}?\x42\x82[\x80-\xff](webm|matroska)", head, re.DOTALL)
    return found.group(1) if found else None


def _is_mp3(head: bytes) -> bool:
    """A tag, or two frames of which the first says where the second begins (ISO/IEC 11172-3)."""
    if head.startswith(b"ID3"):
        return True
    size_bytes = _mp3_frame_bytes(head)
    return size_bytes > 0 and (len(head) <= size_bytes or _mp3_frame_bytes(head[size_bytes:]) > 0)


def _mp3_frame_bytes(at: bytes) -> int:
    """How long the frame is that begins here; zero where none does."""
    if len(at) < 4 or at[0] != 0xFF or at[1] & 0xE6 != 0xE2:
        return 0
    version, kbps, hz = at[1] >> 3 & 3, at[2] >> 4, at[2] >> 2 & 3
    if version == 1 or kbps in (0, 15) or hz == 3:
        return 0
    samples = 144 if version == 3 else 72
    return samples * 1000 * _MP3_KBPS[version][kbps] // _MP3_HZ[version][hz] + (at[2] >> 1 & 1)


def _is_aac(head: bytes) -> bool:
    """Two frames of which the first says where the second begins (ISO/IEC 14496-3, ADTS)."""
    size_bytes = _aac_frame_bytes(head)
    return size_bytes > 0 and (len(head) <= size_bytes or _aac_frame_bytes(head[size_bytes:]) > 0)


def _aac_frame_bytes(at: bytes) -> int:
    if len(at) < 7 or at[0] != 0xFF or at[1] & 0xF6 != 0xF0 or at[2] >> 2 & 15 > 12:
        return 0
    return (at[3] & 3) << 11 | at[4] << 3 | at[5] >> 5


_SIGNS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("audio/wav", _is_wav),
    ("audio/flac", _is_flac),
    ("audio/ogg", _is_ogg),
    ("audio/mp4", _is_mp4),
    ("audio/webm", _is_webm),
    ("audio/matroska", _is_matroska),
    ("audio/mpeg", _is_mp3),
    ("audio/aac", _is_aac),
)

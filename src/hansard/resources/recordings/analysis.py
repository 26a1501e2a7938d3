"""A sound in, its length, channels and peaks out: a program of its own, for a broken file may take it down with it.

Reads the file on standard input, which must be a file, and writes a line of JSON and the peaks behind it:
`python -m hansard.resources.recordings.analysis audio/ogg < call.ogg`. It needs nothing of the server, and takes
from it no more memory, time and disk than it must.
"""

import contextlib
import json
import os
import resource
import struct
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from hansard.kit.sounds import KINDS

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

PEAKS_PER_S = 20
MOST_CHANNELS = 8
MOST_S = 24 * 3600
MOST_RESULT_BYTES = MOST_S * PEAKS_PER_S * MOST_CHANNELS + 4096
MOST_MEMORY_BYTES = 2 * 1024**3
MOST_WORK_S = 480.0
_MOST_BROKEN = 1000

# |amplitude| of an unsigned sample, 0 to 127, and the same levels from the loudest on.
_LEVELS = bytes(min(127, abs(sample - 128)) for sample in range(256))
_DOWNWARDS = range(127, 0, -1)


@dataclass
class Found:
    """What a sound is; `problem` is a sentence where not all of it could be read, `unreadable` where nothing could."""

    duration_ms: float = 0.0
    channels: int = 0
    problem: str | None = None
    unreadable: str | None = None


def main() -> None:
    _limit()
    try:
        found, peaks = analyse(sys.stdin.buffer, sys.argv[1], time.monotonic() + MOST_WORK_S)
    except ValueError as error:
        found, peaks = Found(unreadable=str(error)), b""
    sys.stdout.buffer.write(json.dumps(asdict(found)).encode() + b"\n" + peaks)


def _limit() -> None:
    """Let a hostile file cost only so much, and the server's own work come first."""
    os.nice(10)
    limits = {
        resource.RLIMIT_AS: MOST_MEMORY_BYTES,
        resource.RLIMIT_FSIZE: MOST_RESULT_BYTES,
        resource.RLIMIT_CPU: int(MOST_WORK_S) + 60,
        resource.RLIMIT_CORE: 0,
    }
    for which, most in limits.items():
        with contextlib.suppress(ValueError, OSError):  # some systems know a limit and cannot keep it
            resource.setrlimit(which, (most, most))


def analyse(file: BinaryIO, media_type: str, until: float) -> tuple[Found, bytes]:
    """Decode the first sound in a file. Stops at `until` (monotonic seconds) with what it has.

    Raises ValueError with a sentence where there is nothing to decode.
    """
    import av

    try:
        # The format is given, and nothing beside the file may be opened: some formats are lists of addresses.
        container = av.open(file, "r", format=KINDS[media_type][1], options={"protocol_whitelist": ""})
    except av.error.FFmpegError:
        raise ValueError("It cannot be read: it is damaged, or ends before its end.") from None
    with container:
        if not container.streams.audio:
            raise ValueError("There is no sound in it.")
        meter = _Meter(container, until)
        meter.run()
        declared_s = (container.duration or 0) / 1e6
    if not meter.samples:
        raise ValueError("No sound of it could be decoded: it is damaged, or ends before its end.")
    problem = meter.left or _cut_off(file, media_type, declared_s, meter.duration_s) or meter.problem
    return Found(round(meter.duration_s * 1000, 3), meter.channels, problem), bytes(meter.peaks)


class _Meter:
    """Decodes the first sound of a file and notes its loudest sample twenty times a second."""

    def __init__(self, container: "InputContainer", until: float) -> None:
        import av

        self._container = container
        self._stream = container.streams.audio[0]
        self._until = until
        self._broken = 0
        self.left: str | None = None  # why the rest was not read
        self.channels = self._stream.codec_context.channels
        self.peaks = bytearray()
        self.samples = 0
        hz = self._stream.codec_context.sample_rate
        if not (1 <= self.channels <= MOST_CHANNELS and hz > 0):
            raise ValueError(f"It has {self.channels} channels at {hz} Hz; at most {MOST_CHANNELS} channels are read.")
        self._hz = -(-hz // PEAKS_PER_S) * PEAKS_PER_S  # so that a peak is a whole number of samples
        self._resampler = av.AudioResampler(
            format="u8p", layout=self._stream.codec_context.layout, rate=self._hz, frame_size=self._hz // PEAKS_PER_S
        )

    @property
    def duration_s(self) -> float:
        return self.samples / self._hz

    @property
    def problem(self) -> str | None:
        return "Some of it is damaged and was left out." if self._broken else None

    def run(self) -> None:
        for frame in self._frames():
            for part in self._resampler.resample(frame):
                self._add(part)
        for part in self._resampler.resample(None):
            self._add(part)

    def _frames(self) -> Any:
        import av

        packets = iter(self._container.demux(self._stream))
        while self._may_go_on():
            try:
                yield from next(packets).decode()
            except StopIteration:
                return
            except av.error.FFmpegError:
                self._broken += 1

    def _may_go_on(self) -> bool:
        read = f"Only the first {self.duration_s:.0f} seconds were read"
        if self.duration_s >= MOST_S:
            self.left = f"{read}; it is too long."
        elif time.monotonic() > self._until:
            self.left = f"{read}; it took too long."
        elif self._broken >= _MOST_BROKEN:
            self.left = f"{read}; the rest is damaged."
        return self.left is None

    def _add(self, part: "av.AudioFrame") -> None:
        self.samples += part.samples
        for plane in part.planes:
            self.peaks.append(2 * _loudest(bytes(plane)[: part.samples].translate(_LEVELS)))


def _loudest(levels: bytes) -> int:
    """The largest of these bytes. To look for each value in turn is some ten times faster here than `max`."""
    for level in _DOWNWARDS:
        if level in levels:
            return level
    return 0


def _cut_off(file: BinaryIO, media_type: str, declared_s: float, decoded_s: float) -> str | None:
    """A sentence where the file itself says that there was more of it than there is."""
    is_short = decoded_s < declared_s * 0.95 - 0.25
    if is_short and (media_type in _TELL_THEIR_LENGTH or (media_type == "audio/mpeg" and _has_mp3_length(file))):
        return f"It ends before its end: it says {declared_s:.1f} seconds and has {decoded_s:.1f}."
    if (media_type == "audio/wav" and _is_short_wav(file)) or (media_type == "audio/ogg" and not _has_ogg_end(file)):
        return f"It ends before its end, after {decoded_s:.1f} seconds."
    return None


_TELL_THEIR_LENGTH = ("audio/flac", "audio/mp4", "audio/webm", "audio/matroska")


def _has_mp3_length(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(8192)
    return b"Xing" in head or b"Info" in head


def _is_short_wav(file: BinaryIO) -> bool:
    """A writer that did not know the length says nothing, or the largest number there is."""
    file.seek(0)
    kind, said = struct.unpack("<4sI", file.read(8))
    return bool(kind == b"RIFF" and 0 < said < 2**32 - 65536 and said + 8 > file.seek(0, os.SEEK_END))


def _has_ogg_end(file: BinaryIO) -> bool:
    """The last page of a whole stream is marked as the last (RFC 3533)."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - 131072))
    tail = file.read()
    last = tail.rfind(b"OggS")
    return last >= 0 and len(tail) > last + 5 and bool(tail[last + 5] & 4)


if __name__ == "__main__":
    main()

"""What recording costs the agent: one call, with the server up, hanging and gone.

    python bench/recorder.py [calls]

The agent speaks a hundred events and rests a moment, over and over, as agents do; the time of every call is taken on
its own thread. The first call after a rest finds the processor's caches cold, whatever it does, and is told apart.
Beside it, what writing the same event as JSON takes: the least any recorder could do.
"""

import gzip
import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hansard import Recorder
from hansard.recorder import MemorySink

BURST = 100
TEXT = "I would like to make an appointment for Monday morning, if you have one, with Doctor Patel."


class Taking(BaseHTTPRequestHandler):
    """Takes everything."""

    size_bytes = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).size_bytes += len(body)
        answer = json.dumps({"accepted": gzip.decompress(body).count(b"\n") + 1, "rejected": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        pass


@contextmanager
def up() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@contextmanager
def hanging() -> Iterator[str]:
    """Takes the connection and never answers."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(50)
        yield f"http://127.0.0.1:{one.getsockname()[1]}"


@contextmanager
def gone() -> Iterator[str]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


def times_us(count: int, work: Callable[[int], Any]) -> list[float]:
    took = []
    for number in range(count):
        if number % BURST == 0:
            time.sleep(0.02)
        began = time.perf_counter_ns()
        work(number)
        took.append((time.perf_counter_ns() - began) / 1000)
    return took


def say(name: str, took: list[float]) -> None:
    first = statistics.median(took[::BURST])
    cuts = statistics.quantiles((one for at, one in enumerate(took) if at % BURST), n=1000)
    figures = f"p50 {cuts[499]:6.1f} µs   p99 {cuts[989]:6.1f} µs   p99.9 {cuts[998]:7.1f} µs"
    print(f"{name:22} {figures}   first after a rest, median {first:6.1f} µs")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    sink = MemorySink()
    Recorder(sink=sink).session(service="bench", sid="1").user(TEXT, lang="en-US", confidence=0.94)
    event = sink.events[-1]
    say("JSON alone", times_us(count, lambda _: json.dumps(event)))
    for name, server in (("server up", up), ("server hanging", hanging), ("server gone", gone)):
        with server() as url, tempfile.TemporaryDirectory() as folder:
            recorder = Recorder(url, "hsd_1_1_bench", spool=folder)
            session = recorder.session(service="bench", sid=name)
            say(name, times_us(count, lambda _, session=session: session.user(TEXT, lang="en-US", confidence=0.94)))  # type: ignore[misc]
            recorder.close(5)
            stats = recorder.stats()
            print(f"{'':22} sent {stats.sent}, spooled {stats.spooled}, dropped {sum(stats.dropped.values())}")
    print(f"{len(json.dumps(event))} bytes an event as JSON, {Taking.size_bytes / (count + 1):.0f} on the wire")


main()

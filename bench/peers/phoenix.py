"""Arize Phoenix from PyPI in an environment of its own, by OTLP over HTTP as its documentation says."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.client import Connection, get, post
from bench.data import Recorded
from bench.peers.peer import Form, protobuf
from bench.peers.traces import SPANS, exported, trace_id
from bench.serving import ROOT, Served, free_port, running

HOME = ROOT / ".envs" / "bench-phoenix" / "bin"


class Phoenix:
    """`phoenix serve` on SQLite. One trace a session; every span is read back by its REST API."""

    name = "Arize Phoenix"
    durability = "SQLite, WAL, synchronous=OFF; it answers when the spans are queued in memory"
    forms: Sequence[Form] = (Form(14, 4), Form(50, 1), Form(1, 4))

    def version(self) -> str:
        return version_of(HOME, "arize-phoenix")

    @contextmanager
    def serve(self, folder: Path) -> Iterator[Served]:
        port = free_port()
        variables = {
            "PHOENIX_WORKING_DIR": str(folder),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PYTHONPATH": "",
        }
        command = [str(HOME / "phoenix"), "serve"]
        with running(command, port, "/healthz", folder / "server.log", **variables) as served:
            yield served

    def request(self, sessions: Sequence[Recorded]) -> bytes:
        return protobuf("/v1/traces", exported(sessions))

    def seen(self, client: Connection) -> int:
        """Its count of the project's spans, as its own pages ask for it."""
        query = json.dumps({"query": "{ projects { edges { node { recordCount } } } }"}).encode()
        edges = client.expect(post("/graphql", query)).json["data"]["projects"]["edges"]
        return sum([int(edge["node"]["recordCount"]) for edge in edges])

    def parts(self) -> int:
        return SPANS

    def open(self, client: Connection, session: Recorded) -> int:
        trace = trace_id(session).hex()
        spans = client.expect(get("/v1/projects/default/spans", trace_id=trace, limit=1000)).json["data"]
        contents = [name for span in spans for name in span["attributes"] if name.endswith("message.content")]
        tools = [span for span in spans if span["span_kind"] == "TOOL" and "output.value" in span["attributes"]]
        return len(contents) + len(tools) + sum(len(span["events"]) for span in spans)


def version_of(home: Path, package: str) -> str:
    """As the environment's own Python says it."""
    asked = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([home / "python", "-c", asked], capture_output=True, text=True, check=True)
    return done.stdout.strip()

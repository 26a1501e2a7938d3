"""MLflow from PyPI in an environment of its own, by OTLP over HTTP as its documentation says."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.client import Connection, get, post
from bench.data import Recorded
from bench.peers.peer import Form, protobuf
from bench.peers.phoenix import version_of
from bench.peers.traces import exported, trace_id
from bench.serving import ROOT, Served, free_port, running

HOME = ROOT / ".envs" / "bench-mlflow" / "bin"
PER_PAGE = 500


class MLflow:
    """`mlflow server` on SQLite with the workers it starts by itself. One trace a session."""

    name = "MLflow"
    durability = "SQLite as the driver comes (rollback journal, synchronous=FULL): it commits before it answers"
    forms: Sequence[Form] = (Form(14, 4), Form(14, 1), Form(50, 1), Form(1, 4))

    def version(self) -> str:
        return version_of(HOME, "mlflow")

    @contextmanager
    def serve(self, folder: Path) -> Iterator[Served]:
        port = free_port()
        command = [str(HOME / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        command += ["--default-artifact-root", str(folder / "artifacts")]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PYTHONPATH": ""}
        path = f"{HOME}:/usr/local/bin:/usr/bin:/bin"  # it starts `uvicorn` by name
        with running(command, port, "/health", folder / "server.log", **quiet, PATH=path) as served:
            yield served

    def request(self, sessions: Sequence[Recorded]) -> bytes:
        return protobuf("/v1/traces", exported(sessions), x_mlflow_experiment_id="0")

    def seen(self, client: Connection) -> int:
        """It keeps no count that can be asked for: the traces are listed, 500 a page, without their spans."""
        asked: dict[str, Any] = {
            "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}],
            "max_results": PER_PAGE,
        }
        count = 0
        while True:
            page = client.expect(post("/api/3.0/mlflow/traces/search", json.dumps(asked).encode())).json
            count += len(page.get("traces", []))
            if not page.get("next_page_token"):
                return count
            asked["page_token"] = page["next_page_token"]

    def parts(self) -> int:
        return 1

    def open(self, client: Connection, session: Recorded) -> int:
        trace = f"tr-{trace_id(session).hex()}"
        spans = client.expect(get("/api/3.0/mlflow/traces/get", trace_id=trace)).json["trace"]["spans"]
        names: list[str] = [attribute["key"] for span in spans for attribute in span["attributes"]]
        contents = [name for name in names if name.endswith("message.content")]
        return len(contents) + names.count("output.value") + sum(len(span.get("events", [])) for span in spans)

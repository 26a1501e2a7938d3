"""The client the tests use: plain HTTP, so that exact bytes and statuses can be seen; and programs with its key."""

import gzip
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import urllib3

ROOT = Path(__file__).parents[1]

_pool = urllib3.PoolManager(maxsize=16, retries=False)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    bytes: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.bytes)

    @property
    def detail(self) -> Any:
        return self.json["detail"]


@dataclass(frozen=True)
class Door:
    """Knocks at a server with one organization's key."""

    url: str
    key: str
    organization_id: int = 0

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: list[tuple[str, Any]] | None = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = {"Syllable-API-Key": self.key} if self.key else {}
        query = "?" + urlencode(params) if params else ""
        answer = _pool.request(method, self.url + path + query, body=body, headers=sent | (headers or {}), timeout=30)
        return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.data)

    def get(self, path: str, **params: Any) -> Answer:
        pairs = [
            (name, one) for name, value in params.items() for one in (value if isinstance(value, list) else [value])
        ]
        return self.ask("GET", path, params=pairs)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        sent = {"Content-Type": "application/json"} | (headers or {})
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, body=data, headers=sent)

    def send(self, events: list[Any], *, gzipped: bool = False) -> dict[str, Any]:
        """Send events that are expected to be taken; gives the receipt."""
        body = json.dumps({"events": events}).encode()
        headers = {"Content-Encoding": "gzip"} if gzipped else {}
        answer = self.post("/ingest/v1/events", gzip.compress(body) if gzipped else body, headers)
        assert answer.status == 200, answer.bytes
        receipt: dict[str, Any] = answer.json
        return receipt

    def search(self, path: str = "/api/v1/sessions/", **wanted: Any) -> list[dict[str, Any]]:
        """The items of a list searched by these fields."""
        answer = self.get(
            path, search_fields=list(wanted), search_field_values=[str(v) for v in wanted.values()], limit=1000
        )
        assert answer.status == 200, answer.bytes
        items: list[dict[str, Any]] = answer.json["items"]
        return items


def run(
    program: str | Path, door: Door, *arguments: str | Path, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a Python program to its end with the door's address and key in its environment, as its reader would."""
    with TemporaryDirectory() as spool:
        mine = {"HANSARD_URL": door.url, "HANSARD_API_KEY": door.key, "HANSARD_SPOOL": spool, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, program, *arguments],
            env=os.environ | mine | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done

"""Recorder and SessionRecorder: what an agent says of its sessions, turned into events.

Every method returns at once and never raises; what cannot be recorded is counted and said once in the log.
"""

import functools
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self

from hansard.recorder.outbox import MOST_BYTES, BeforeSend, MemorySink, Outbox, Sink, Stats
from hansard.recorder.recordings import RecordingLane
from hansard.recorder.spoken import Spoken
from hansard.recorder.spool import Backlog, Spool, Store, default_folder
from hansard.wire import LatencyCategory, Role, UsageCategory, instant_of

_log = logging.getLogger("hansard.recorder")
P = ParamSpec("P")


def quietly(method: Callable[P, None]) -> Callable[P, None]:
    """Let nothing a recorder does reach the agent: an error is logged, with its cause, and that is all."""

    @functools.wraps(method)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception:
            _log.warning("Hansard could not record this.", exc_info=True)

    return run


class Recorder:
    """Sends what agents record to a Hansard server.

    `url` and `api_key` default to HANSARD_URL and HANSARD_API_KEY. One recorder serves a whole process, from any
    thread and any event loop. `HANSARD_DISABLED=1` makes it record nothing.

    What the server cannot take now waits in `spool`, a folder (HANSARD_SPOOL, else the user's state folder), and is
    sent later by this or another process; at most 256 MiB and for seven days. `spool=False` keeps it in memory only.
    With `durable=True` an event is on disk before the call returns, which then takes as long as the disk does.

    `before_send` may change an event, or drop it by giving None, before it reaches the disk or the network; one that
    it fails on is dropped and counted. `sink` takes the events instead of a server: `MemorySink()` in tests.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        spool: Path | str | bool = True,
        durable: bool = False,
        before_send: BeforeSend | None = None,
        sink: Sink | None = None,
    ) -> None:
        url = url or os.environ.get("HANSARD_URL", "http://127.0.0.1:8700")
        api_key = api_key or os.environ.get("HANSARD_API_KEY", "")
        self._is_disabled = os.environ.get("HANSARD_DISABLED") == "1"
        if sink is None and self._is_disabled:
            sink = MemorySink()
        if sink is None:
            store = _store(spool, url, api_key, is_durable=durable)
            lane = None
            if isinstance(store, Spool):
                lane = RecordingLane(store.folder, url, api_key, account_of(api_key))
            sink = Outbox(url, api_key, store, lane=lane, is_durable=durable, before_send=before_send)
        self._sink = sink

    def session(self, *, service: str, sid: str, at: datetime | None = None, **fields: Any) -> "SessionRecorder":
        """Begin recording a session: `fields` are those of `hansard.Session`, as known now.

        The service and the id it gave the session (a call sid, a room id) make it one: recorded again, or by
        somebody else too, it stays one session.
        """
        return SessionRecorder(self._put, self._put_recording, service, sid, at, fields)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until the server has everything recorded so far, recordings too; False when that took too long."""
        return self._sink.flush(timeout_s)

    async def aflush(self, timeout_s: float = 10.0) -> bool:
        """`flush`, while the event loop goes on."""
        import asyncio  # a quarter of what importing the recorder would take, and most agents have it anyway

        return await asyncio.to_thread(self.flush, timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Deliver what can be delivered in time. Called by itself, with less time, when the program ends."""
        self._sink.close(timeout_s)

    async def aclose(self, timeout_s: float = 5.0) -> None:
        """`close`, while the event loop goes on."""
        import asyncio

        await asyncio.to_thread(self.close, timeout_s)

    def stats(self) -> Stats:
        """How many events are queued, spooled, sent, and, by reason, dropped."""
        return self._sink.stats()

    def _put_recording(self, path: Path, about: Mapping[str, Any]) -> None:
        if not self._is_disabled:
            self._sink.recording(path, about)

    def _put(self, spoken: Spoken) -> None:
        if not self._is_disabled:
            self._sink.put(spoken)


def _store(spool: Path | str | bool, url: str, api_key: str, *, is_durable: bool) -> Store:
    """The spool, or memory where none is wanted or can be had."""
    if spool is False:
        return Backlog(MOST_BYTES)
    folder = default_folder() if spool is True else Path(spool)
    try:
        return Spool(folder, url.rstrip("/"), account_of(api_key), is_durable=is_durable)
    except OSError as error:
        _log.warning("Hansard cannot spool to %s (%s); what the server cannot take waits in memory.", folder, error)
        return Backlog(MOST_BYTES)


def account_of(api_key: str) -> str:
    """Whose events a key's are: its organization, so that another key of the same one may send them later.

    Nothing of the secret is in it. A text that is no key names nobody.
    """
    parts = api_key.split("_")
    return "_".join(parts[:2]) if len(parts) == 4 and parts[0] == "hsd" else ""


class SessionRecorder:
    """One session being recorded. As a context manager it ends the session when the block does.

    Everywhere `at` is when it happened, now if left out, and `id` makes an event one: recorded again with the same
    id and content, it is still one. Left out, every call is an event of its own.
    """

    def __init__(
        self,
        put: Callable[[Spoken], None],
        put_recording: Callable[[Path, Mapping[str, Any]], None],
        service: str,
        sid: str,
        at: datetime | None,
        fields: Mapping[str, Any],
    ) -> None:
        self._put = put
        self._put_recording = put_recording
        self._key = {"service": service, "sid": sid}
        self._counts: Counter[str] = Counter()
        self._is_ended = False
        self._start(at, fields)

    @quietly
    def _start(self, at: datetime | None, fields: Mapping[str, Any]) -> None:
        self._record("session.start", at, fields)

    @quietly
    def user(self, text: str, *, at: datetime | None = None, id: str | None = None, **more: Any) -> None:
        """The user said this. `more`: lang, started_at, ended_at, confidence, interrupted."""
        self._say("user", text, at, id, more)

    @quietly
    def agent(self, text: str, *, at: datetime | None = None, id: str | None = None, **more: Any) -> None:
        """The agent said this. `more`: lang, started_at, ended_at, interrupted."""
        self._say("agent", text, at, id, more)

    @quietly
    def tool_call(
        self,
        name: str,
        arguments: Any = None,
        *,
        result: Any = None,
        error: Any = None,
        call_id: str | None = None,
        duration_ms: float | None = None,
        at: datetime | None = None,
        id: str | None = None,
        **more: Any,
    ) -> None:
        """The agent called a tool. `at` is when; left out, it is `duration_ms` ago.

        Recorded twice with the same `call_id`, first without and then with a result, it is one call.
        """
        made_at = at or datetime.now(UTC) - timedelta(milliseconds=duration_ms or 0)
        said = {"call_id": call_id, "name": name, "arguments": arguments, "result": result, "error": error}
        self._record("tool_call", made_at, {**said, "duration_ms": duration_ms, **more}, id)

    @quietly
    def latency(
        self,
        category: LatencyCategory,
        label: str,
        duration_ms: float,
        *,
        started_at: datetime | None = None,
        metadata: list[str] | None = None,
        at: datetime | None = None,
        id: str | None = None,
        **more: Any,
    ) -> None:
        """A part of an answer took this long; without `started_at` it ended just now."""
        said = {"category": category, "label": label, "duration_ms": duration_ms, "started_at": started_at}
        self._record("latency", at, {**said, "metadata": metadata, **more}, id)

    @quietly
    def event(self, type: str, *, at: datetime | None = None, id: str | None = None, **more: Any) -> None:
        """Something happened beside the talk. `more`: category, source, source_id, user_id, description, attributes."""
        self._record("event", at, {"type": type, **more}, id)

    @quietly
    def usage(self, category: UsageCategory, *, at: datetime | None = None, id: str | None = None, **more: Any) -> None:
        """What a model was given and gave. `more`: model, provider, input_tokens, output_tokens, cost, currency, …"""
        self._record("usage", at, {"category": category, **more}, id)

    @quietly
    def label(
        self,
        code: str,
        *,
        type: Literal["auto-rating", "human-rating"] = "auto-rating",
        at: datetime | None = None,
        id: str | None = None,
        **more: Any,
    ) -> None:
        """A judgement: GOOD, OK, BAD or N/A. `more`: comments, issue_categories, user_email."""
        self._record("label", at, {"type": type, "code": code, **more}, id)

    @quietly
    def recording(
        self, path: Path | str, *, channels: int | None = None, name: str | None = None, at: datetime | None = None
    ) -> None:
        """The sound of the session, a finished file: `path` may be deleted afterwards.

        `channels`: 2 when the user is on the left and the agent on the right. `at` is when it begins. It is uploaded
        in a lane of its own; recorded again under the same name, it is the same recording.
        """
        about = {**self._key, "name": name or Path(path).name, "channels": channels, "at": at and instant_of(at)}
        self._put_recording(Path(path), about)

    @quietly
    def update(self, **fields: Any) -> None:
        """Say or correct fields of the session; `summary` and `rating` among them."""
        self._record("session.update", None, fields)

    @quietly
    def end(self, reason: str | None = None, *, at: datetime | None = None, **fields: Any) -> None:
        """The session is over. Says how much was recorded, so that the server can tell what is missing.

        Doing it again changes nothing.
        """
        if self._is_ended:
            return
        self._is_ended = True
        counts = {kind: self._counts[kind] for kind in ("message", "tool_call", "latency", "event")}
        self._record("session.end", at, {"reason": reason, "counts": counts, **fields})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end("completed" if error is None else "error")

    def _say(self, role: Role, text: str, at: datetime | None, id: str | None, more: Mapping[str, Any]) -> None:
        self._record("message", at, {"role": role, "text": text, **more}, id)

    def _record(self, kind: str, at: datetime | None, data: Mapping[str, Any], id: str | None = None) -> None:
        self._counts[kind] += 1
        self._put(Spoken(self._key, kind, at, data, id))

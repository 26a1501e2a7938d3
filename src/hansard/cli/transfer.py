"""`hansard import` and `hansard export`: JSON Lines of the ingest contract, in and out, resumable."""

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import click
from pydantic_core import from_json, to_json

from hansard.cli.accounts import of_organization
from hansard.cli.opening import opened, organization_named, walked, with_settings
from hansard.db.engine import Database
from hansard.kit.settings import Sourced
from hansard.resources.ingest.receipt import take
from hansard.resources.ingest.validation import Checked, checked
from hansard.resources.sessions.store import count_sessions, list_records
from hansard.wire import MAX_BYTES, MAX_EVENTS, Event, Receipt


@dataclass
class _Tally:
    """How an import is getting on."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    sessions: set[str] = field(default_factory=set)

    def add(self, receipt: Receipt, lines: list[int]) -> None:
        self.accepted += receipt["accepted"]
        self.duplicates += receipt["duplicates"]
        self.rejected += len(receipt["rejected"])
        self.sessions |= {one["session_id"] for one in receipt["sessions"]}
        for one in receipt["rejected"]:
            click.echo(f"line {lines[one['index']]}: {one['error']}", err=True)


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False))
@of_organization
@with_settings()
def import_(sourced: Sourced, file: str, organization: str) -> None:
    """Record the events of FILE, one JSON object a line; `-` reads standard input.

    Started again after an interruption it goes on where it was, and what is there already is left as it is.
    Ends with 1 when a line was rejected; each is named.
    """
    tally = _Tally()
    with opened(sourced.settings) as database, _source(file) as (stream, place):
        mine = organization_named(database, organization).id
        idle = timedelta(seconds=sourced.settings.conversation_idle_s)
        with _progress("importing", _size(file), place.offset) as advance:
            _import(database, partial(take, organization_id=mine, idle=idle), mine, stream, place, tally, advance)
        place.forget()
    click.echo(
        f"{tally.accepted} events of {len(tally.sessions)} sessions recorded, {tally.duplicates} were there already, "
        f"{tally.rejected} rejected.",
        err=True,
    )
    if tally.rejected:
        raise SystemExit(1)


def _import(
    database: Database, work: Any, mine: int, stream: BinaryIO, place: "_Place", tally: _Tally, advance: Any
) -> None:
    """Read one chunk while the one before it is being written; remember the place once it is on disk."""
    waiting: tuple[Future[Receipt], list[int], int] | None = None
    for given, lines, offset in _chunks(stream, place):
        answer = database.writer.submit(mine, partial(work, given=given, now=datetime.now(UTC)))
        if waiting:
            _finish(waiting, place, tally, advance)
        waiting = (answer, lines, offset)
    if waiting:
        _finish(waiting, place, tally, advance)


def _finish(waiting: tuple[Future[Receipt], list[int], int], place: "_Place", tally: _Tally, advance: Any) -> None:
    answer, lines, offset = waiting
    tally.add(answer.result(), lines)
    advance(offset - place.offset)
    place.remember(offset=offset, line=lines[-1])


def _chunks(stream: BinaryIO, place: "_Place") -> Iterator[tuple[Checked, list[int], int]]:
    """Events in portions as large as a request may be, with their line numbers and where the portion ends."""
    events: list[Any] = []
    lines: list[int] = []
    size_bytes, offset = 0, place.offset
    for number, line in enumerate(stream, start=place.line + 1):
        offset += len(line)
        if not line.strip():
            continue
        events.append(_parsed(line))
        lines.append(number)
        size_bytes += len(line)
        if len(events) == MAX_EVENTS or size_bytes > MAX_BYTES:
            yield checked(events), lines, offset
            events, lines, size_bytes = [], [], 0
    if events:
        yield checked(events), lines, offset


def _parsed(line: bytes) -> Any:
    """The line's value; a line that is not JSON becomes something the check rejects."""
    try:
        return from_json(line, allow_inf_nan=False)
    except ValueError:
        return None


@click.command()
@click.option("--output", default="-", type=click.Path(dir_okay=False), help="A file; standard output if left out.")
@click.option("--format", "format_", type=click.Choice(["jsonl"]), default="jsonl", show_default=True)
@of_organization
@with_settings()
def export(sourced: Sourced, output: str, format_: str, organization: str) -> None:  # noqa: ARG001 - one format so far
    """Write every event of an organization, one JSON object a line, session after session.

    `hansard import` takes it back whole. Started again with the same file after an interruption, it goes on. Sessions
    whose records are damaged are left out and named at the end; it then ends with 1.
    """
    with opened(sourced.settings) as database, _target(output) as (stream, place):
        mine = organization_named(database, organization).id
        count, damaged = _export(database, mine, stream, place)
        place.forget()
    click.echo(f"{count} sessions written.", err=True)
    if damaged:
        numbers = ", ".join(map(str, damaged))
        raise click.ClickException(f"The records of these sessions are damaged and were left out: {numbers}.")


def _export(database: Database, mine: int, stream: BinaryIO, place: "_Place") -> tuple[int, list[int]]:
    """Give how many sessions were written, and the ids of those that could not be read."""
    with database.reading() as db:
        total = count_sessions(db, mine, after=place.line)
    count, damaged = 0, list[int]()
    with _progress("exporting", total, 0) as advance:
        for db, keys in walked(database, mine, place.line):
            for key, children in list_records(db, mine, keys):
                if children is None:
                    damaged.append(key.id)
                    continue
                count += 1
                for child in children:
                    stream.write(to_json(Event(**child, session={"service": key.service, "sid": key.sid})) + b"\n")
            stream.flush()
            advance(len(keys))
            place.remember(offset=stream.tell() if place.file else 0, line=keys[-1].id)
    return count, damaged


@dataclass
class _Place:
    """How far a file was read or written, remembered beside it until the work is done."""

    file: Path | None
    offset: int = 0
    line: int = 0  # of an import the last line read, of an export the last session written

    @property
    def _note(self) -> Path | None:
        return self.file and self.file.with_name(self.file.name + ".hansard-progress")

    @classmethod
    def of(cls, file: Path) -> "_Place":
        place = cls(file)
        try:
            assert place._note  # noqa: S101 - for the type checker; the file was just given
            noted = json.loads(place._note.read_text())
            if noted["offset"] <= file.stat().st_size:
                place.offset, place.line = noted["offset"], noted["line"]
        except (OSError, ValueError, KeyError):
            pass
        return place

    def remember(self, *, offset: int, line: int) -> None:
        self.offset, self.line = offset, line
        if self._note:
            half = self._note.with_suffix(".half")
            half.write_text(json.dumps({"offset": offset, "line": line}))
            half.replace(self._note)

    def forget(self) -> None:
        if self._note:
            self._note.unlink(missing_ok=True)


@contextmanager
def _source(file: str) -> Iterator[tuple[BinaryIO, _Place]]:
    if file == "-":
        yield sys.stdin.buffer, _Place(None)
        return
    if not Path(file).is_file():
        raise click.ClickException(f"There is no file {file}.")
    place = _Place.of(Path(file))
    with Path(file).open("rb") as stream:
        stream.seek(place.offset)
        yield stream, place


@contextmanager
def _target(output: str) -> Iterator[tuple[BinaryIO, _Place]]:
    if output == "-":
        yield sys.stdout.buffer, _Place(None)
        return
    place = _Place.of(Path(output))
    with Path(output).open("r+b" if place.offset else "wb") as stream:
        stream.seek(place.offset)
        stream.truncate()
        yield stream, place
        stream.flush()
        os.fsync(stream.fileno())


def _size(file: str) -> int:
    return 0 if file == "-" else Path(file).stat().st_size


@contextmanager
def _progress(what: str, length: int, done: int) -> Iterator[Any]:
    """A bar on a terminal; nothing elsewhere."""
    if not (sys.stderr.isatty() and length):
        with nullcontext():
            yield lambda _steps: None
        return
    with click.progressbar(length=length, label=what, file=sys.stderr) as bar:
        bar.update(done)
        yield bar.update

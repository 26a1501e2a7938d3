"""Searching what was said over HTTP, beside the bare full-text statement on an index of the same texts.

Skipped, and it says so, where the server has no search.
"""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import psycopg
from pydantic_core import to_json
from sqlalchemy import select

from bench.client import Connection, get, post
from bench.data import EVENTS, recorded
from bench.figures import Bar, Figure, Pairs, spread, timed_ms, until
from bench.fill import Filled
from bench.sending import MOST_PER_REQUEST, sending
from bench.serving import Served, folder
from hansard.db.engine import open_database
from hansard.db.tables import body
from hansard.resources.sessions.dictionaries import get_dictionary
from hansard.resources.sessions.packing import unpacked
from hansard.wire import PATH

ROUTE = "/hansard/v1/sessions/search"
DRAWS = 40
SECONDS = 20.0
FOUND_WITHIN_S = 120.0
LAG_SECONDS = 30.0
MOST_PROBES = 200
MOST_LAG_MS = 2000
MINE = "zqmine"  # the organization as a word of its own, as a bare index has to have it


@dataclass
class Bare:
    """A full-text index by itself: FTS5 without content, or a tsvector with GIN; newest first, and the total."""

    newest: Callable[[str], Sequence[Any]]
    total: Callable[[str], int]
    close: Callable[[], None]
    words: Counter[str]  # in how many sessions of the measured organization


def measure(filled: Filled, served: Served, draws: int = DRAWS) -> Iterator[Figure]:
    """A common word, a rare one, two at once and a phrase; then how far the index lags behind ingest."""
    client = served.connect()
    first = client.ask(get(ROUTE, filled.key, q="nothing"))
    if first.status == 404:
        yield Figure("search", "all of it", "ms", note="SKIPPED: this server answers 404, it has no search")
        return
    with folder() as place:
        bare = _postgres(filled) if filled.settings.database_url else _sqlite(filled, str(place / "words.db"))
        for name, words in _queries(bare.words, draws):
            yield from _take(name, words, filled, client, bare, draws)
        bare.close()
    yield from _lag(filled, served, client, min(draws, LAG_SECONDS))


def _queries(words: Counter[str], draws: int) -> list[tuple[str, list[str]]]:
    """A word of about a third of the sessions, one of so few that they fit on a page, and other such words, of which
    each is asked once: the server keeps what it read of the sessions that it showed last.
    """
    most = max(words.values())
    common = min(words, key=lambda word: abs(words[word] - most // 3))
    rare, *others = [word for word, count in sorted(words.items()) if 1 <= count <= 25]
    return [("a common word", [common]), ("a rare word", [rare]), ("a rare word, each another", others[:draws])]


def _take(
    name: str, words: Sequence[str], filled: Filled, client: Connection, bare: Bare, draws: int
) -> Iterator[Figure]:
    """Beside the newest 25 alone, and beside the newest 25 with the exact total, which the server always gives."""
    alone, with_total = Pairs(), Pairs()
    for draw in until(SECONDS, draws):
        word = words[draw % len(words)]
        request = get(ROUTE, filled.key, q=word, limit=25)
        newest_ms, _rows = timed_ms(partial(bare.newest, word))
        total_ms, total = timed_ms(partial(bare.total, word))
        took_ms, answer = timed_ms(partial(client.expect, request))
        if answer.json["total_count"] != total:
            raise RuntimeError(f"{word!r}: the server finds {answer.json['total_count']}, the bare index {total}")
        alone.add(newest_ms, took_ms)
        with_total.add(newest_ms + total_ms, took_ms)
    found = f"{name}, in {median(bare.words[word] for word in words):,.0f}"
    yield with_total.figure("search", f"{found}; control: newest 25 + total", "ms", Bar("ratio", 3))
    yield alone.figure("search", f"{found}; control: newest 25 alone", "ms", Bar("ratio", 3))


def _lag(filled: Filled, served: Served, client: Connection, seconds: float) -> Iterator[Figure]:
    """While others record at full speed: from the answer to a session until a word of it alone is found."""
    dice, lags_ms = random.Random(6), []
    with sending(served.port, filled.key, 5, MOST_PER_REQUEST) as sender:
        deadline = time.monotonic() + seconds
        sender.start(10**9, seconds)
        for number, one in enumerate(recorded(9, MOST_PROBES)):
            if number and time.monotonic() > deadline:
                break
            word = f"zq{dice.getrandbits(60):x}"
            events = one.events()
            for event in events:
                event["session"] = {**event["session"], "sid": f"probe-{number}-{word}"}
            events[1]["data"]["text"] = word
            assert len(events) == EVENTS
            client.expect(post(PATH, to_json({"events": events}), filled.key))
            lags_ms.append(_until_found(client, get(ROUTE, filled.key, q=word)))
        sender.finish()
    bar = Bar("p95", MOST_LAG_MS)
    yield Figure("search", "index lag under full ingest", "ms", spread(lags_ms), bars=[bar])
    yield Figure("search", "index lag under full ingest, longest", "ms", spread([max(lags_ms)]))


def _until_found(client: Connection, request: bytes) -> float:
    began = time.monotonic()
    while not client.expect(request).json["total_count"]:
        if time.monotonic() - began > FOUND_WITHIN_S:
            raise RuntimeError("What was just said is not found.")
        time.sleep(0.05)  # asked more often, the searches would be what the index waits for
    return (time.monotonic() - began) * 1000


def _texts(filled: Filled) -> Iterator[tuple[int, str]]:
    """Organization and words of every body."""
    database = open_database(filled.settings)
    asked = select(body.c.organization_id, body.c.packing, body.c.packed)
    with database.reading() as db:
        for row in db.execution_options(yield_per=500).execute(asked):
            children = unpacked(row.packed, get_dictionary(db, row.organization_id, row.packing))
            said = [one["data"]["text"] for one in children if one["kind"] == "message"]
            yield row.organization_id, " ".join(said)
    database.close()


def _counted(filled: Filled, texts: Iterator[tuple[int, str]], words: Counter[str]) -> Iterator[tuple[str, str]]:
    for organization_id, text in texts:
        if organization_id == filled.organization_id:
            words.update(set(text.split()))
        yield f"zqorg{organization_id} " if organization_id != filled.organization_id else f"{MINE} ", text


def _sqlite(filled: Filled, file: str) -> Bare:
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("CREATE VIRTUAL TABLE words USING fts5(text, content='', tokenize='unicode61')")
    seen: Counter[str] = Counter()
    db.execute("BEGIN")
    rows = ((owner + text,) for owner, text in _counted(filled, _texts(filled), seen))
    db.executemany("INSERT INTO words (text) VALUES (?)", rows)
    db.execute("COMMIT")
    newest = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT 25"
    total = "SELECT count(*) FROM words WHERE words MATCH ?"
    return Bare(
        lambda word: db.execute(newest, [f"{MINE} AND {word}"]).fetchall(),
        lambda word: int(db.execute(total, [f"{MINE} AND {word}"]).fetchone()[0]),
        db.close,
        seen,
    )


def _postgres(filled: Filled) -> Bare:
    db = psycopg.connect(filled.settings.database_url or "", autocommit=True)
    db.execute("CREATE TABLE bench_words (id bigserial PRIMARY KEY, organization_id bigint, words tsvector)")
    seen: Counter[str] = Counter()
    with db.cursor().copy("COPY bench_words (organization_id, words) FROM STDIN") as into:
        for owner, text in _counted(filled, _texts(filled), seen):
            number = filled.organization_id if owner.startswith(MINE) else -1
            into.write_row([number, " ".join(sorted({f"'{word}'" for word in text.split()}))])
    db.execute("CREATE INDEX bench_words_gin ON bench_words USING gin (words)")
    db.execute("VACUUM ANALYZE bench_words")
    where = "FROM bench_words WHERE organization_id = %s AND words @@ to_tsquery('simple', %s)"
    mine = filled.organization_id

    def close() -> None:
        db.execute("DROP TABLE bench_words")
        db.close()

    return Bare(
        lambda word: db.execute(f"SELECT id {where} ORDER BY id DESC LIMIT 25".encode(), [mine, word]).fetchall(),
        lambda word: int((db.execute(f"SELECT count(*) {where}".encode(), [mine, word]).fetchone() or [0])[0]),
        close,
        seen,
    )

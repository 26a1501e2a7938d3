"""A page of 25 with its exact total over HTTP, for sixteen filters, beside the bare driver's page and count.

Every take draws the filter's values from a row that is there, and counts only where the server and the driver
agree on the ids of the page and on the total.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.client import Connection, get
from bench.controls import Raw
from bench.data import END_US, Talk, Use, uses
from bench.figures import Bar, Figure, Pairs, timed_ms, until
from bench.fill import Filled, moment_of_us
from bench.serving import Served

DRAWS = 60
FEW = 20_000  # sessions are sorted sooner than a page of them may be found among all
SECONDS = 20.0
DAY_US = 86_400_000_000
NEWEST = "started_at DESC, id DESC"
LONGEST = "duration_s DESC NULLS LAST, id DESC"

# What each word of a shape asks for: in the filter language, by hand, and its values from a row.
Term = Callable[[Talk, Raw], tuple[str, str, Mapping[str, Any]]]


def _since(days: int) -> Term:
    def term(_one: Talk, raw: Raw) -> tuple[str, str, Mapping[str, Any]]:
        start_us = END_US - days * DAY_US
        text = moment_of_us(start_us).isoformat().replace("+00:00", "Z")
        return f"after:{text}", "started_at >= :since", {"since": raw.moment(start_us)}

    return term


def _use(one: Talk) -> Use:
    return uses()[one.use]


def _tool(one: Talk) -> str:
    return _use(one).tools[-1]


def _with_trait(column: str, kind: str, name: str) -> str:
    """That a session's set holds a word; the index of the sets has no session without one, and must be told so."""
    is_it = f"SELECT id FROM trait WHERE organization_id = :org AND kind = '{kind}' AND word = :{name}"
    sets = f"SELECT set_id FROM trait_of_set WHERE organization_id = :org AND trait_id = ({is_it})"
    return f"{column} IS NOT NULL AND {column} IN ({sets})"


TERMS: Mapping[str, Term] = {
    "agent": lambda one, _: (f'agent:"{one.seen.agent_name}"', "@agent_id = :agent", {"agent": str(one.seen.agent)}),
    "prompt": lambda one, _: (
        f'prompt:"{one.seen.prompt_name}"',
        "@prompt_id = :prompt",
        {"prompt": one.seen.prompt_id},
    ),
    "version": lambda one, _: (
        f"version:{one.seen.version}",
        "@prompt_version_number = :version",
        {"version": one.seen.version},
    ),
    "channel": lambda one, _: (
        f"channel:{one.seen.channel_type}",
        "@channel_manager_type = :channel",
        {"channel": one.seen.channel_type},
    ),
    "live": lambda _one, _: ("-is:test", "is_test = FALSE", {}),
    "source": lambda one, raw: (f"from:{one.source}", raw.is_with("source_folded", "source"), {"source": one.source}),
    "label": lambda one, _: (
        f'label:"{one.label or "GOOD"}"',
        "label_code = :code",
        {"code": one.label or "GOOD"},
    ),
    "tool": lambda one, _: (f"tool:{_tool(one)}", _with_trait("trait_set_id", "tool", "tool"), {"tool": _tool(one)}),
    "language": lambda one, _: (
        f"language:{_use(one).language}",
        _with_trait("trait_set_id", "language", "language"),
        {"language": _use(one).language},
    ),
    "tier": lambda one, _: (
        f"metadata:tier={one.tier}",
        _with_trait("metadata_set_id", "value", "tier"),
        {"tier": f"tier={one.tier}"},
    ),
    "order": lambda one, _: (
        f"metadata:order={one.order}",
        "id IN (SELECT session_id FROM metadata_value WHERE organization_id = :org AND word = :order)",
        {"order": f"order={one.order}"},
    ),
    "duration": lambda _one, _: ("duration:>120", "duration_s > :least_s", {"least_s": 120.0}),
    "30 days": _since(30),
    "90 days": _since(90),
}


@dataclass(frozen=True)
class Shape:
    """What is asked for, in which order, and how far back.

    `counted` and `listed` are the indexes that a careful person tells SQLite to count and to list by, which without
    statistics takes worse ones; where few are found, the list too is read by the first.
    """

    name: str
    terms: tuple[str, ...] = ()
    by_duration: bool = False
    is_deep: bool = False
    counted: str = "session_wide"
    listed: str = "session_wide"


SHAPES = (
    Shape("no filter"),
    Shape("agent", ("agent",), counted="session_snapshot"),
    Shape("prompt + version", ("prompt", "version"), counted="session_snapshot"),
    Shape("channel + is_test", ("channel", "live"), counted="session_snapshot"),
    Shape("source", ("source",), counted="session_source"),
    Shape("label", ("label",), counted="session_label"),
    Shape("duration + 30 days", ("duration", "30 days")),
    Shape("4 filters + 90 days", ("agent", "channel", "label", "live", "90 days"), counted="session_snapshot"),
    Shape("5 filters, rare", ("agent", "prompt", "version", "label", "duration"), counted="session_snapshot"),
    Shape("by duration", by_duration=True, listed="session_duration"),
    Shape("by duration + agent", ("agent",), by_duration=True, counted="session_snapshot", listed="session_duration"),
    Shape("offset", is_deep=True),
)
# Beside the twelve: by what lies in tables of its own.
OF_TRAITS = (
    Shape("tool", ("tool",), counted="session_traits"),
    Shape("tool + language + is_test", ("tool", "language", "live"), counted="session_traits"),
    Shape("metadata that a third has", ("tier",), counted="session_metadata"),
    Shape("metadata that one has", ("order",), counted="sqlite_autoindex_session_1"),
)


@dataclass(frozen=True)
class Asked:
    """A shape with values in it, once for the server and once for the driver."""

    request: bytes
    shape: Shape
    where: str
    order: str
    given: Mapping[str, Any]
    offset: int


def asked(shape: Shape, one: Talk, raw: Raw, filled: Filled) -> Asked:
    """The shape, with the values of one row."""
    said = [TERMS[name](one, raw) for name in shape.terms]
    seen = " AND ".join(where[1:] for _, where, _ in said if where.startswith("@"))
    parts = [where for _, where, _ in said if not where.startswith("@")]
    if seen:
        parts.append(f"snapshot_id IN (SELECT id FROM snapshot WHERE organization_id = :org AND {seen})")
    page = deep_page(filled) if shape.is_deep else 0
    text = " ".join(text for text, _, _ in said)
    sort = "-duration" if shape.by_duration else ""
    request = get("/hansard/v1/sessions", filled.key, q=text, sort=sort, page=page, limit=25)
    given = {name: value for _, _, values in said for name, value in values.items()}
    return Asked(
        request, shape, " AND ".join(parts) or "TRUE", LONGEST if shape.by_duration else NEWEST, given, page * 25
    )


def deep_page(filled: Filled) -> int:
    """The page at offset 100,000, or half way where there are not so many."""
    return min(100_000, len(filled.talks) // 2) // 25


def bars(shape: Shape, raw: Raw) -> list[Bar]:
    """What is promised of a list; the milliseconds on SQLite alone, which no network stands before."""
    promised = [Bar("ratio", 2.5)]
    if not raw.is_postgres:
        promised.append(Bar("p95", 40))
        if shape.name == "no filter":
            promised.append(Bar("p50", 5))
    return promised


def measure(filled: Filled, served: Served, draws: int = DRAWS) -> Iterator[Figure]:
    """A figure for each of the twelve and of the others, then pages without their total."""
    raw, client = Raw(filled), served.connect()
    for shape in (*SHAPES, *OF_TRAITS):
        pairs = take(shape, filled, raw, client, draws)
        name = f"offset {deep_page(filled) * 25:,}" if shape.is_deep else shape.name
        yield pairs.figure("list + total", name, "ms", *bars(shape, raw))
    yield from _pages_alone(filled, raw, client, draws)
    raw.close()


def take(shape: Shape, filled: Filled, raw: Raw, client: Connection, draws: int) -> Pairs:
    """Driver, server, driver, server, each time with the values of another row."""
    dice, pairs = random.Random(11), Pairs()
    for number in until(SECONDS, draws + 2):
        one = asked(shape, dice.choice(filled.talks), raw, filled)
        control_ms, (ids, total) = timed_ms(lambda one=one: _by_driver(raw, one))  # type: ignore[misc]
        took_ms, answer = timed_ms(lambda one=one: client.expect(one.request))  # type: ignore[misc]
        page = answer.json
        theirs = [int(item["session_id"]) for item in page["items"]]
        if theirs != ids or page["total_count"] != total:
            raise RuntimeError(f"{one.request!r}: {page['total_count']} {theirs}, but the driver {total} {ids}")
        if number >= 2:  # the first two fill the caches
            pairs.add(control_ms, took_ms)
    return pairs


def _by_driver(raw: Raw, one: Asked) -> tuple[list[int], int]:
    """The count first: it says which index is the better one for the page."""
    total = raw.count(one.where, one.given, one.shape.counted)
    path = one.shape.counted if total <= FEW else one.shape.listed
    return raw.page(one.where, one.order, one.given, one.offset, path=path), total


def _pages_alone(filled: Filled, raw: Raw, client: Connection, draws: int) -> Iterator[Figure]:
    """A page alone, where the server can leave the total out: what may not grow with the number of sessions.

    The newest, and one as far back as the offset above, by the cursor that the page before it gave.
    """
    newest = get("/hansard/v1/sessions", filled.key, q="", limit=25, total="false")
    if client.expect(newest).json["total_count"] is not None:
        yield Figure("page alone", "no filter", "ms", note="SKIPPED: this server knows no total=false")
        return
    yield _alone(newest, "TRUE", {}, raw, client, draws).figure("page alone", "no filter", "ms")
    offset = deep_page(filled) * 25
    before = client.expect(get("/hansard/v1/sessions", filled.key, limit=25, page=deep_page(filled) - 1)).json
    last = int(before["items"][-1]["session_id"])
    deep = get("/hansard/v1/sessions", filled.key, limit=25, after=before["next"], total="false")
    given = {"at": raw.moment(filled.talks[last - 1].started_us), "last": last}
    pairs = _alone(deep, "(started_at, id) < (:at, :last)", given, raw, client, draws)
    yield pairs.figure("page alone", f"after {offset:,} by cursor", "ms")


def _alone(request: bytes, where: str, given: Mapping[str, Any], raw: Raw, client: Connection, draws: int) -> Pairs:
    pairs = Pairs()
    for _ in until(SECONDS, draws):
        control_ms, ids = timed_ms(lambda: raw.page(where, NEWEST, given, 0))
        took_ms, answer = timed_ms(lambda: client.expect(request))
        if [int(item["session_id"]) for item in answer.json["items"]] != ids:
            raise RuntimeError(f"{request!r} gave another page than the driver")
        pairs.add(control_ms, took_ms)
    return pairs


def growth(filled: Filled, served: Served, smaller: Filled, other: Served, draws: int) -> Iterator[Figure]:
    """How much slower the newest page is where there are more sessions; both servers run, and are asked in turns.

    The bar is on the page alone. Where this server cannot leave the total out, the page with its total carries none.
    """
    pages = [(served.connect(), filled.key), (other.connect(), smaller.key)]
    for name, total, bars in (("page alone", "false", [Bar("ratio", 1.3)]), ("page + total", "true", [])):
        asking = [(client, get("/hansard/v1/sessions", key, limit=25, total=total)) for client, key in pages]
        if total == "false" and asking[0][0].expect(asking[0][1]).json["total_count"] is not None:
            yield Figure("growth", name, "ms", note="SKIPPED: this server knows no total=false")
            continue
        pairs = Pairs()
        for _ in until(SECONDS, draws * 2):
            took_ms, small_ms = (timed_ms(lambda c=c, r=r: c.expect(r))[0] for c, r in asking)  # type: ignore[misc]
            pairs.add(small_ms, took_ms)
        what = f"{name}, {smaller.sessions:,} to {filled.sessions:,} sessions"
        yield pairs.figure("growth", what, "ms", *bars)

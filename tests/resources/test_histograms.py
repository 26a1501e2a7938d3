"""The counts of latencies: whatever the order of arrival, every latency is counted once, where its session belongs."""

import random
from collections import Counter

from sqlalchemy import select

from hansard.db.tables import latency_histogram, session, snapshot
from hansard.resources.sessions.histograms import bucket_of, duration_ms_of, percentile_ms, unpacked_counts
from tests.conftest import House
from tests.door import Door
from tests.make import at, end, make_event, start

DAY_S = 86_400


def counts_of(house: House, door: Door) -> Counter[tuple[int, str | None, str, str, int]]:
    """What is counted, by day, agent, category, label and bucket."""
    joined = latency_histogram.join(
        snapshot,
        (snapshot.c.organization_id == latency_histogram.c.organization_id)
        & (snapshot.c.id == latency_histogram.c.snapshot_id),
    )
    asked = select(latency_histogram, snapshot.c.agent_name).select_from(joined)
    with house.database.reading() as db:
        rows = db.execute(asked.where(latency_histogram.c.organization_id == door.organization_id)).mappings().all()
        first = db.execute(
            select(session.c.started_at).where(session.c.organization_id == door.organization_id)
        ).scalar_one()
    assert first
    return Counter(
        {
            (row["day"], row["agent_name"], row["category"], row["label"], bucket): count
            for row in rows
            for bucket, count in unpacked_counts(row["counts"]).items()
        }
    )


def test_latencies_are_counted_once_in_any_order_even_where_day_and_agent_are_told_late(house: House) -> None:
    dice = random.Random(17)
    latencies = [
        make_event(
            "latency",
            {"category": "llm", "label": "first_token", "duration_ms": dice.uniform(100, 900)},
            sid="A",
            seconds=n,
        )
        for n in range(12)
    ]
    told = [
        start("A", agent_name="Front desk"),
        make_event("session.update", {"agent_name": "Back desk", "timestamp": at(-DAY_S)}, sid="A", seconds=20),
        end("A", 30),
    ]
    expected = None
    for _ in range(12):
        door = house.door()
        events = [*latencies, *told, *dice.choices(latencies, k=3)]
        dice.shuffle(events)
        cut = dice.randint(1, len(events) - 1)
        for part in (events[:cut], events[cut:]):
            door.send(part)
        found = counts_of(house, door)
        expected = expected or found
        assert found == expected
        assert sum(found.values()) == 12
        assert {agent for _, agent, *_ in found} == {"Back desk"}


def test_a_percentile_is_right_to_two_percent() -> None:
    dice = random.Random(4)
    values = sorted(dice.lognormvariate(6, 1) + 1 for _ in range(5000))
    counts = Counter(bucket_of(value) for value in values)
    for share in (0.5, 0.9, 0.95, 0.99):
        exact = values[max(0, -(-int(share * 1000) * 5000 // 1000) - 1)]
        found = percentile_ms(counts, share)
        assert found is not None
        assert abs(found - exact) / exact <= 0.0201
    assert percentile_ms({}, 0.5) is None
    assert percentile_ms({bucket_of(0.2): 3}, 0.5) == duration_ms_of(0) == 1.0

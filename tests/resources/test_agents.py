"""The figures of agents: sessions, labels and percentiles by version, tests left out, right to 2 %."""

import random
from datetime import timedelta

from hansard.wire import instant_of
from tests.conftest import House
from tests.make import end, make_event, said, start


def test_each_version_has_its_sessions_labels_and_percentiles(house: House) -> None:
    dice = random.Random(3)
    door = house.door()
    values: dict[int, list[float]] = {1: [], 2: []}
    for number in range(30):
        sid, version = f"S{number}", 1 + number % 2
        begun_s = -number * 3600.0
        events = [start(sid, begun_s, prompt_version_number=version), end(sid, begun_s + 60, duration=60)]
        for turn in range(10):
            values[version].append(dice.lognormvariate(6, 0.6))
            said_ms = {"category": "llm", "label": "first_token", "duration_ms": values[version][-1]}
            events.append(make_event("latency", said_ms, sid=sid, seconds=begun_s + turn))
        code = "GOOD" if number % 3 else "BAD"
        events.append(make_event("label", {"type": "human-rating", "code": code}, sid=sid, seconds=begun_s + 70))
        events.append(said(sid, "agent", "Well.", begun_s + 1, interrupted=number == 0))
        door.send(events)
    door.send([start("T", is_test=True), make_event("latency", {"category": "llm", "duration_ms": 1e6}, sid="T")])
    (agent,) = door.get("/hansard/v1/agents", days=3600).json["agents"]
    assert (agent["agent_name"], agent["sessions"]) == ("Front desk", 30)
    assert {one["prompt_version_number"]: one["labels"] for one in agent["versions"]} == {
        1: {"GOOD": 10, "BAD": 5},
        2: {"GOOD": 10, "BAD": 5},
    }
    assert sum(one["interruptions"] for one in agent["versions"]) == 1
    for one in agent["versions"]:
        (figures,) = one["latencies"]
        ordered = sorted(values[one["prompt_version_number"]])
        assert figures["count"] == 150
        for share, name in ((0.5, "p50_ms"), (0.95, "p95_ms"), (0.99, "p99_ms")):
            truth = ordered[-(-int(share * 100) * 150 // 100) - 1]
            assert abs(figures[name] - truth) <= 0.0201 * truth, name
        assert (one["mean_duration_s"], one["running"], one["with_tool_error"]) == (60, 0, 0)


def test_only_the_days_asked_for_count(house: House) -> None:
    door = house.door()
    now = house.clock()
    for number, days_ago in enumerate((0, 1, 6, 7, 40)):
        sid = f"S{number}"
        said_at = instant_of(now.replace(hour=0, minute=0, second=1) - timedelta(days=days_ago))
        events = [start(sid), make_event("latency", {"category": "tts", "duration_ms": 100}, sid=sid)]
        door.send([one | {"at": said_at} for one in events])
    counts = {days: door.get("/hansard/v1/agents", days=days).json["agents"] for days in (1, 2, 7, 8, 60)}
    assert [agents[0]["sessions"] for agents in counts.values()] == [1, 2, 3, 4, 5]
    assert [agents[0]["versions"][0]["latencies"][0]["count"] for agents in counts.values()] == [1, 2, 3, 4, 5]

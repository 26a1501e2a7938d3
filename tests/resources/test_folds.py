"""The folds, where a whole call does not show their edges."""

from datetime import timedelta
from typing import Any

import pytest

from hansard.resources.sessions.dialog import dialog
from hansard.resources.sessions.header import header
from hansard.resources.sessions.kept import kept
from hansard.resources.sessions.latency import duration_text, latency
from hansard.resources.sessions.packing import packed, unpacked
from hansard.resources.sessions.timeline import offset, timeline
from hansard.resources.sessions.transcript import transcript
from hansard.resources.sessions.turns import tool_calls
from hansard.wire import Child
from tests.make import START, at, called, end, make_call, make_event, measured, said, start


def children(*events: dict[str, Any]) -> list[Child]:
    return [Child(id=one["id"], kind=one["kind"], at=one["at"], data=one["data"]) for one in events]


@pytest.mark.parametrize(
    ("events", "complete"),
    [
        ([said("S", "user", "x", 1)], False),
        ([said("S", "user", "x", 1), end("S", 2)], True),
        ([said("S", "user", "x", 1), end("S", 2, counts={"message": 1, "tool_call": 0})], True),
        ([said("S", "user", "x", 1), end("S", 2, counts={"message": 2})], False),
        ([said("S", "user", "x", 1), end("S", 2, counts={"message": 1, "tool_call": 1})], False),
        ([said("S", "user", "x", 1), end("S", 2, counts={"message": 1}), said("S", "user", "y", 1.5)], True),
    ],
)
def test_a_transcript_is_complete_when_all_its_writer_declared_is_there(
    events: list[dict[str, Any]], complete: bool
) -> None:
    assert transcript(1, children(*events)).transcript_complete is complete


def test_events_of_one_call_id_are_one_call_told_bit_by_bit() -> None:
    told = children(
        called("S", "find", 1, call_id="c", arguments={"a": 1}),
        called("S", "find", 2, call_id="c", result={"b": 2}, duration_ms=900),
        called("S", "find", 3, call_id="d", error="no"),
        called("S", "find", 4),
    )
    calls = tool_calls(told)
    assert [(one.call_id, one.arguments, one.answer, one.duration_ms) for one in calls] == [
        ("c", {"a": 1}, {"b": 2}, 900),
        ("d", None, "no", None),
        (told[3]["id"], None, None, None),
    ]
    assert calls[0].at == START + timedelta(seconds=1)


def test_a_turn_stands_where_it_began_to_be_spoken() -> None:
    made = transcript(
        1,
        children(
            said("S", "user", "second", 5),
            said("S", "agent", "first", 9, started_at=at(3)),
        ),
    )
    assert [(turn.text, turn.timestamp) for turn in made.transcription] == [
        ("first", START + timedelta(seconds=3)),
        ("second", START + timedelta(seconds=5)),
    ]


def test_the_timeline_breaks_ties_and_binds_to_the_turn_before() -> None:
    made = timeline(
        1,
        START,
        children(
            measured("S", "llm", 5, 2, started_at=at(2)),
            called("S", "t", 2),
            said("S", "user", "hi", 2),
            measured("S", "tool", 5, 3, label="t"),
            measured("S", "stt", 5, 1, started_at=at(0.5)),
            measured("S", "turn", 5, 4000, started_at=at(3999)),
        ),
    )
    assert [(one.kind, one.category, one.turn_index, one.offset) for one in made.events] == [
        ("latency", "stt", None, "00:00"),
        ("transcript", None, 0, "00:02"),
        ("tool", "tool", 0, "00:02"),
        ("latency", "llm", 0, "00:02"),
        ("latency", "turn", 0, "01:06:39"),
    ]


def test_offsets_are_floored_and_never_negative() -> None:
    seconds = (-5, 0, 59.999, 60, 3599, 3600, 90061)
    shown = ["00:00", "00:00", "00:59", "01:00", "59:59", "01:00:00", "25:01:01"]
    assert [offset(timedelta(seconds=one)) for one in seconds] == shown


def test_durations_are_written_in_the_unit_that_suits() -> None:
    assert [duration_text(ms) for ms in (0, 412.4, 999.4, 999.6, 1400, -20)] == [
        "0 ms",
        "412 ms",
        "999 ms",
        "1.0 s",
        "1.4 s",
        "-20 ms",
    ]


def test_a_latency_without_a_start_ended_when_it_was_told() -> None:
    made = latency(1, children(measured("S", "llm", 500, 2), measured("S", "llm", 100, 3, label="b")))
    assert made.timeline[0].measurement_start == START + timedelta(seconds=1.5)
    assert made.timeline[0].timestamp == START + timedelta(seconds=2)
    assert [(one.sub_category, one.event_count, one.sum_ms) for one in made.summary] == [("b", 1, 100), ("llm", 1, 500)]


def test_a_tool_call_hangs_on_the_message_that_made_it() -> None:
    made = dialog(
        children(
            said("S", "agent", "Let me look.", 1),
            called("S", "a", 2),
            called("S", "b", 3),
            said("S", "user", "Well?", 4),
            called("S", "c", 5),
            said("S", "agent", "Here.", 6),
        )
    )
    assert [(one.role, one.dialog.text, [call.tool_name for call in one.tool_calls]) for one in made] == [
        ("agent", "Let me look.", ["a", "b"]),
        ("user", "Well?", []),
        ("agent", "", ["c"]),
        ("agent", "Here.", []),
    ]


def test_the_later_word_counts_and_null_says_nothing() -> None:
    made = header(
        children(
            make_event("session.update", {"agent_name": "B", "prompt_id": None, "x": 2}, sid="S", seconds=5),
            start("S", agent_name="A", x=1, y=None),
            make_event("session.update", {"agent_name": "too early"}, sid="S", seconds=-5),
        )
    )
    assert (made.fields["agent_name"], made.fields["prompt_id"], made.metadata) == ("B", "5", {"x": 2})
    assert (made.started_at, made.ended_at) == (START, None)


def test_a_body_gives_back_what_was_packed_and_is_the_same_for_any_order() -> None:
    whole = children(*make_call("S"))
    body = packed(map(kept, whole[::-1]))
    assert body == packed(map(kept, whole))
    assert sorted(one["id"] for one in unpacked(body)) == sorted(one["id"] for one in whole)
    assert {one["id"]: one for one in unpacked(body)} == {one["id"]: one for one in whole}
    assert len(body) < 1000


def test_the_first_dictionary_is_never_changed() -> None:
    """Bodies on people's disks were packed with it."""
    import hashlib

    from hansard.resources.sessions.packing import _DICTIONARIES

    assert (
        hashlib.sha256(_DICTIONARIES[1]).hexdigest()
        == "8facae8e39e1448ed8dfb545aa4648cc4042526a3ee2c085cfb5a1f3faf8de51"
    )

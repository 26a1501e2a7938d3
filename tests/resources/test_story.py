"""The story of a session and its waterfall as pure folds, odd inputs among them."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hansard.resources.sessions.story import Called, Happened, Said, Silence, story
from hansard.resources.sessions.waterfall import Exchange, Part, Waterfall, percentile, timings, waterfall
from hansard.wire import Child
from tests.make import START, at, called, end, make_call, make_event, measured, said, start


def children(*events: dict[str, Any]) -> list[Child]:
    return [Child(id=one["id"], kind=one["kind"], at=one["at"], data=one["data"]) for one in events]


def spoken(role: str, text: str, begin_s: float, end_s: float, **more: Any) -> dict[str, Any]:
    return said("S", role, text, end_s, started_at=at(begin_s), ended_at=at(end_s), **more)


def only(made: Waterfall) -> Exchange:
    (exchange,) = made.exchanges
    return exchange


def test_a_story_tells_everything_on_one_clock() -> None:
    made = story(START, 10.0, children(*make_call("S")))
    assert [(one.kind, one.begin_ms, one.end_ms) for one in made.items] == [
        ("turn", 1000, 2500),
        ("turn", 4000, None),
        ("tool", 5300, 5712),
        ("turn", 6200, None),
        ("turn", 8000, None),
        ("event", 9000, None),
    ]
    assert [one.number for one in made.turns] == [1, 2, 3, 4]
    assert (made.begin_ms, made.end_ms) == (0, 10_000)
    assert (made.interruption_count, made.tool_error_count) == (1, 0)


def test_a_turn_and_a_tool_call_say_all_that_was_recorded_of_them() -> None:
    _, user, tool, cut, _, event = story(START, 10.0, children(*make_call("S"))).items
    assert isinstance(user, Said)
    assert (user.role, user.text, user.lang, user.confidence) == ("user", "I need an appointment.", "en-US", 0.94)
    assert isinstance(cut, Said)
    assert cut.is_interrupted
    assert isinstance(tool, Called)
    assert (tool.id, tool.name, tool.result, tool.error) == ("c1", "find_slot", {"slots": ["9:15"]}, None)
    assert isinstance(event, Happened)
    assert (event.type, event.attributes) == ("phone-transfer", {"to": "+18005550100"})


def test_the_order_of_arrival_does_not_change_the_story() -> None:
    whole = children(*make_call("S"))
    made, fell = story(START, 10.0, whole), waterfall(START, whole)
    for seed in range(20):
        shuffled = random.Random(seed).sample(whole, len(whole))
        assert story(START, 10.0, shuffled) == made
        assert waterfall(START, shuffled) == fell


def test_states_and_traces_are_not_in_the_story() -> None:
    kept = make_event("event", {"category": "dtmf"}, sid="S", seconds=2)
    told = children(*(make_event("event", {"category": one}, sid="S") for one in ("state", "trace")), kept)
    assert [one.id for one in story(START, 1, told).items] == [kept["id"]]


def test_a_silence_lies_between_two_turns_whose_times_are_known() -> None:
    made = story(
        START,
        30,
        children(
            spoken("agent", "Hello?", 0, 1),
            spoken("user", "Hi.", 3, 4),  # exactly two seconds are not yet a silence
            called("S", "find", 5),
            spoken("agent", "Yes?", 6.5, 12),
            spoken("user", "While you talk", 7, 8),  # inside the agent's turn: no silence is counted from its end
            spoken("user", "later", 15, 16),
        ),
    )
    silences = [one for one in made.items if isinstance(one, Silence)]
    assert [(one.begin_ms, one.end_ms, one.duration_ms, one.before) for one in silences] == [
        (4000, 6500, 2500, "agent"),
        (12_000, 15_000, 3000, "user"),
    ]
    assert [one.kind for one in made.items][2:5] == ["silence", "tool", "turn"]


def test_after_a_turn_without_an_end_nobody_knows_of_a_silence() -> None:
    told = children(said("S", "agent", "x", 1), said("S", "user", "y", 60), spoken("agent", "z", 61, 62))
    assert [one.kind for one in story(START, 70, told).items] == ["turn", "turn", "turn"]


def test_times_that_run_backwards_make_no_negative_length() -> None:
    made = story(
        START,
        -5,
        children(spoken("user", "back", 5, 3), called("S", "t", 4, duration_ms=-100), end("S", 1, reason="x")),
    )
    assert [(one.begin_ms, one.end_ms) for one in made.items] == [(4000, 4000), (5000, 5000)]
    assert (made.begin_ms, made.end_ms) == (0, 5000)


def test_the_clock_reaches_a_little_before_and_after_the_session() -> None:
    made = story(START, 10, children(said("S", "user", "early", -3), spoken("agent", "late", 9, 14)))
    assert (made.begin_ms, made.end_ms) == (-3000, 14_000)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"])
def test_a_turn_by_a_clock_that_is_wrong_does_not_stretch_the_session(moment: str) -> None:
    stray = said("S", "user", "when?", 0, started_at=moment, ended_at=moment) | {"at": moment}
    told = children(stray, measured("S", "llm", 1e12, 3), spoken("agent", "x", 1, 2)) + children(
        measured("S", "tts", 5, 0, started_at=moment) | {"at": moment}
    )
    made = story(START, 10, told)
    assert (made.begin_ms, made.end_ms, len(made.turns)) == (0, 10_000, 2)
    assert len(waterfall(START, told).exchanges) == 1


def test_the_first_and_last_day_of_the_calendar_can_be_a_sessions_start() -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    told = [one | {"at": "0001-01-01T00:00:00.000000Z"} for one in make_call("S")]
    made = story(first, None, children(*told))
    assert made.turns
    assert waterfall(first, children(*told)).exchanges


def test_nothing_makes_an_empty_story() -> None:
    assert story(START, None, children(start("S"))).items == ()
    assert (story(START, None, []).begin_ms, story(START, None, []).end_ms) == (0, 0)
    assert waterfall(START, []) == Waterfall((), ())


def test_an_exchange_goes_from_the_users_end_to_the_answer() -> None:
    made = waterfall(
        START,
        children(
            spoken("agent", "Hello", 0, 2),
            measured("S", "tts", 100, 0, label="first_byte", started_at=at(-0.2)),  # the greeting's
            spoken("user", "Hi", 3, 5),
            measured("S", "stt", 2300, 0, label="transcription", started_at=at(2.9)),  # it listens already
            measured("S", "turn", 400, 0, label="end_of_turn", started_at=at(5)),
            measured("S", "llm", 300, 0, label="first_token", started_at=at(5.4), metadata=["gpt-4.1"]),
            called("S", "find", 5.7, duration_ms=200, error="no"),
            measured("S", "tool", 200, 0, label="find", started_at=at(5.7)),  # the same call, measured as well
            measured("S", "tts", 150, 0, label="first_byte", started_at=at(6.1)),
            spoken("agent", "What?", 6.3, 8),
            measured("S", "tts", 90, 0, label="first_byte", started_at=at(7)),  # the answer's second sentence
            measured("S", "llm", 5000, 0, label="summary", started_at=at(9)),  # after all was said
        ),
    )
    exchange = only(made)
    assert (exchange.zero_ms, round(exchange.response_ms or 0), exchange.is_measured) == (5000, 1300, False)
    assert [(one.part, one.label, one.begin_ms, one.duration_ms) for one in exchange.stages] == [
        (Part.STT, "transcription", 2900, 2300),
        (Part.WAIT, "end_of_turn", 5000, 400),
        (Part.LLM, "first_token", 5400, 300),
        (Part.TOOL, "find", 5700, 200),
        (Part.TTS, "first_byte", 6100, 150),
        (Part.TTS, "first_byte", 7000, 90),
    ]
    assert exchange.stages[3].is_error
    assert exchange.stages[2].names == ("gpt-4.1",)
    assert [(one.part, one.label) for one in made.apart] == [(Part.TTS, "first_byte"), (Part.LLM, "summary")]
    assert made.parts == [Part.WAIT, Part.STT, Part.LLM, Part.TOOL, Part.TTS]


def test_what_nothing_was_measured_of_is_a_gap() -> None:
    made = waterfall(
        START,
        children(
            spoken("user", "Hi", 0, 1),
            measured("S", "llm", 300, 0, started_at=at(1.2)),
            measured("S", "llm", 200, 0, label="first_token", started_at=at(1.3)),  # inside the other
            measured("S", "tts", 100, 0, started_at=at(1.6)),
            spoken("agent", "Ho", 2, 3),
        ),
    )
    gaps = only(made).gaps_ms()
    assert [(round(begin), round(end)) for begin, end in gaps] == [(1000, 1200), (1500, 1600), (1700, 2000)]
    assert Part.WAIT not in made.parts
    assert Part.STT not in made.parts


@pytest.mark.parametrize("label", ["end_to_end", "user_bot"])
def test_a_response_that_was_measured_counts_before_one_that_is_computed(label: str) -> None:
    made = waterfall(
        START,
        children(
            spoken("user", "Hi", 0, 1),
            measured("S", "turn", 800, 0, label=label, started_at=at(1.1)),
            spoken("agent", "Ho", 3, 4),
        ),
    )
    exchange = only(made)
    assert (exchange.zero_ms, exchange.response_ms, exchange.is_measured) == (1100, 800, True)
    assert exchange.stages == ()
    assert exchange.gaps_ms() == [(1100, 1900)]


def test_an_answer_before_the_user_had_finished_has_no_response_time() -> None:
    made = waterfall(START, children(spoken("user", "Hi there, I", 0, 5), spoken("agent", "Yes?", 4, 6)))
    assert (only(made).response_ms, only(made).overlap_ms, only(made).gaps_ms()) == (None, 1000, [])


def test_a_user_whose_end_is_unknown_gets_no_computed_response() -> None:
    told = [said("S", "user", "Hi", 3, started_at=at(1)), said("S", "agent", "Ho", 5)]
    assert only(waterfall(START, children(*told))).response_ms is None
    waited = measured("S", "turn", 200, 0, label="end_of_turn", started_at=at(3))
    assert only(waterfall(START, children(*told, waited))).zero_ms == 3000


def test_lines_of_a_chat_are_answered_from_one_instant_to_the_other() -> None:
    made = waterfall(
        START, children(said("S", "user", "Hi", 0), said("S", "user", "There?", 2), said("S", "agent", "Yes", 3.5))
    )
    assert (only(made).response_ms, only(made).user.text) == (1500, "There?")


def test_several_turns_of_the_agent_are_one_answer() -> None:
    made = waterfall(
        START,
        children(
            spoken("user", "Find it", 0, 1),
            spoken("agent", "Let me look", 2, 3),
            called("S", "find", 3.2, duration_ms=500),
            spoken("agent", "Here", 4, 5),
            spoken("user", "Thanks", 6, 7),
        ),
    )
    answered, unanswered = made.exchanges
    assert (answered.response_ms, [one.label for one in answered.stages]) == (1000, ["find"])
    assert (unanswered.agent, unanswered.response_ms) == (None, None)


def test_an_agent_that_only_speaks_first_has_no_exchange() -> None:
    made = waterfall(START, children(spoken("agent", "Hello", 0, 2), measured("S", "llm", 5, 1)))
    assert (made.exchanges, len(made.apart)) == ((), 1)


def test_a_measured_tool_stands_for_a_call_without_a_duration() -> None:
    made = waterfall(
        START,
        children(
            said("S", "user", "go", 0),
            called("S", "find", 1),
            called("S", "lost", 3),
            measured("S", "tool", 250, 0, label="handler", started_at=at(0.9)),
        ),
    )
    assert [(one.label, one.duration_ms) for one in only(made).stages] == [("handler", 250), ("lost", None)]


def test_negative_and_endless_durations_do_no_harm() -> None:
    made = waterfall(
        START,
        children(
            spoken("user", "Hi", 0, 1),
            measured("S", "llm", -300, 0, started_at=at(1.5)),
            measured("S", "tts", 1e12, 0, started_at=at(1.6)),
            measured("S", "turn", -5, 0, label="end_to_end", started_at=at(1)),
            spoken("agent", "Ho", 2, 3),
        ),
    )
    exchange = only(made)
    assert (exchange.response_ms, exchange.is_measured) == (1000, False)
    assert [(round(begin), round(end)) for begin, end in exchange.gaps_ms()] == [(1000, 1500), (1500, 1600)]


def test_timings_are_by_nearest_rank() -> None:
    told = []
    for number in range(20):
        told += [
            spoken("user", "Hi", number * 10, number * 10 + 1),
            measured("S", "llm", 100 * (number + 1), 0, label="first_token", started_at=at(number * 10 + 1)),
            spoken("agent", "Ho", number * 10 + 4, number * 10 + 5),
        ]
    made = waterfall(START, children(*told))
    (llm,) = timings(made)
    assert (llm.part, llm.label, llm.count, llm.p50_ms, llm.p95_ms) == (Part.LLM, "first_token", 20, 1000, 1900)
    assert {round(one) for one in made.responses_ms} == {3000}
    assert percentile([7], 0.95) == 7


def test_a_long_session_is_folded_in_good_time() -> None:
    told = []
    for number in range(5000):
        told += [
            spoken("user", "Hi", number * 10, number * 10 + 1),
            measured("S", "llm", 100, 0, started_at=at(number * 10 + 1)),
            called("S", "find", number * 10 + 1.5, duration_ms=10),
            spoken("agent", "Ho", number * 10 + 4, number * 10 + 5),
        ]
    whole = children(*told)
    began_at = datetime.now(UTC)
    assert len(story(START, None, whole).turns) == 10_000
    assert len(waterfall(START, whole).exchanges) == 5000
    assert datetime.now(UTC) - began_at < timedelta(seconds=10)

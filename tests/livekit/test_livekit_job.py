"""What `attach` reads from the job: the line, and at the end the judges. LiveKit's own Tagger, a room of our own."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("livekit.agents", reason="livekit-agents is not installed here; run `make test-livekit`")

from livekit.agents.observability import Tagger

from hansard import Recorder
from hansard.recorder import MemorySink
from hansard.recorder.integrations.livekit import attach

pytestmark = pytest.mark.livekit


class Emitter:
    def on(self, _name: str, _handler: Any) -> None:
        pass


class Job:
    """As much of a JobContext as `attach` looks at."""

    def __init__(self, *participants: dict[str, str]) -> None:
        people = {
            f"p{number}": SimpleNamespace(identity=f"p{number}", attributes=attributes)
            for number, attributes in enumerate(participants)
        }
        self.room = SimpleNamespace(remote_participants=people)
        self.job = SimpleNamespace(id="AJ_1", room=SimpleNamespace(sid="RM_1"))
        self.tagger = Tagger()
        self.at_shutdown: list[Any] = []

    def add_shutdown_callback(self, callback: Any) -> None:
        self.at_shutdown.append(callback)


def attached(job: Any, **given: Any) -> MemorySink:
    sink = MemorySink()
    session: Any = Emitter()
    attach(session, recorder=Recorder(sink=sink), ctx=job, **given)
    return sink


SIP = {"sip.callID": "SCL_1", "sip.callIDFull": "abc@host", "sip.phoneNumber": "+1804", "sip.trunkPhoneNumber": "+1800"}


@pytest.mark.parametrize(
    ("participants", "service", "sid", "source"),
    [
        ([SIP | {"sip.twilio.callSid": "CA1"}], "twilio", "CA1", "+1804"),
        ([{}, SIP], "sip", "abc@host", "+1804"),
        ([{"sip.callID": "SCL_1"}], "sip", "SCL_1", None),
        ([{}], "livekit", "RM_1", "p0"),
        ([], "livekit", "RM_1", None),
    ],
)
def test_the_line_gives_key_source_and_target(
    participants: list[dict[str, str]], service: str, sid: str, source: str | None
) -> None:
    begun = attached(Job(*participants), agent_name="Desk").events[0]
    assert begun["session"] == {"service": service, "sid": sid}
    assert begun["data"].get("source") == source
    assert begun["data"]["agent_name"] == "Desk"
    if sid in ("CA1", "abc@host"):
        assert begun["data"]["target"] == "+1800"


def test_what_is_given_wins_over_the_line() -> None:
    begun = attached(Job(SIP), source="Ann").events[0]
    assert (begun["session"]["sid"], begun["data"]["source"]) == ("abc@host", "Ann")
    assert attached(Job(SIP), sid="mine").events[0]["session"] == {"service": "livekit", "sid": "mine"}


def test_a_session_that_nothing_names_is_recorded_all_the_same() -> None:
    broken = SimpleNamespace(job=SimpleNamespace(id="AJ_1"), add_shutdown_callback=lambda _callback: None)
    assert attached(broken).events[0]["session"]["sid"].startswith("unnamed-")


def test_verdicts_outcome_and_tags_are_recorded_when_the_job_shuts_down() -> None:
    job = Job()
    sink = attached(job)
    judged = {"polite": SimpleNamespace(verdict="maybe", reasoning="Curt.", instructions="")}
    job.tagger._evaluation(SimpleNamespace(judgments=judged))  # type: ignore[arg-type]
    job.tagger.fail("No slot was found.")
    job.tagger.add("callback")
    assert len(sink.events) == 1
    asyncio.run(job.at_shutdown[0]())
    labels = [one["data"] for one in sink.events if one["kind"] == "label"]
    assert [(one["code"], one["comments"]) for one in labels] == [
        ("OK", "polite: maybe. Curt."),
        ("BAD", "outcome: fail. No slot was found."),
    ]
    assert sink.events[-1]["data"] == {"tags": ["callback"]}

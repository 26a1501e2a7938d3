"""The table of what each framework can give says what the tests of the one call say."""

import pytest

from tests.door import ROOT
from tests.one_call import CANNOT

OF_THE_CALL = {
    "turns in order, with role and text",
    "interruptions",
    "tool calls with arguments and results",
    "errors, hand-offs",
    "the end of the session",
}


@pytest.mark.parametrize(
    ("framework", "column"),
    [
        ("LiveKit", "[LiveKit](livekit.md) `attach`"),
        ("Pipecat", "[Pipecat](pipecat.md)"),
        ("OpenAI Agents", "[OpenAI Agents](openai-agents.md)"),
    ],
)
def test_what_a_framework_does_not_tell_of_the_one_call_is_a_no_in_the_table(framework: str, column: str) -> None:
    page = (ROOT / "docs" / "how-to" / "frameworks.md").read_text(encoding="utf-8")
    lines = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line] for line in lines)
    told = {row[0]: row[head.index(column)] for row in rows}
    assert {name for name in OF_THE_CALL if told[name].startswith("no")} == CANNOT.get(framework, set())

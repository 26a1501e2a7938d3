"""The docs say what the program has: every setting, command, kind and field; links lead somewhere."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from hansard.cli.commands import COMMANDS
from hansard.db.tables import REFERENCE_TABLES, metadata
from hansard.kit.settings import Settings
from hansard.resources.ingest.validation import check
from hansard.resources.sessions.query import FIELDS
from hansard.wire import SHAPES
from tests.contract.sdks import ROOT
from tests.door import Door

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_every_setting_is_documented_with_its_default_and_its_line() -> None:
    text = page("reference/settings.md")
    for one in fields(Settings):
        default = "" if one.default is None else f"`{one.default}` "
        row = f"| `{one.name}` | `HANSARD_{one.name.upper()}` | {default}| {one.metadata['about']} |"
        assert row in text


def test_the_page_on_scale_distributes_every_table() -> None:
    text = page("how-to/scale.md")
    said = re.findall(
        r"^SELECT create_distributed_table\('(\w+)', 'organization_id'(?:, (.*))?\);$", text, re.MULTILINE
    )
    in_postgres = {"search_words"}  # what SQLite has as a virtual table
    assert {name for name, _ in said} == set(metadata.tables) - REFERENCE_TABLES | in_postgres
    assert said[0] == ("session", "")
    assert {more for _, more in said[1:]} == {"colocate_with => 'session'"}
    assert set(re.findall(r"create_reference_table\('(\w+)'\)", text)) == REFERENCE_TABLES


def test_every_field_of_the_filter_is_documented_with_its_line() -> None:
    rows = [f"| `{name}:` | {about} |" for name, about in FIELDS.items()]
    assert [line for line in page("reference/filter.md").splitlines() if line.startswith("| `")] == rows


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"`hansard {command}" in page("reference/settings.md")


@pytest.mark.parametrize("kind", SHAPES)
def test_every_kind_and_field_is_documented(kind: str) -> None:
    text = page("reference/ingest.md")
    assert f"`{kind}`" in text
    for name in SHAPES[kind].__annotations__:
        assert f"`{name}`" in text, name


def test_the_example_of_the_ingest_contract_is_taken(door: Door) -> None:
    example = re.findall(r"```json\n(.*?)```", page("reference/ingest.md"), re.DOTALL)[0]
    events = json.loads(example)["events"]
    assert [check(one)["id"] for one in events] == ["01J1", "01J2", "01J3"]
    assert door.send(events)["accepted"] == 3
    assert door.get("/api/v1/sessions/1").json["duration"] == 183.0


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target

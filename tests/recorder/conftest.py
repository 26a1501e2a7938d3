"""Every test of the recorder spools into a folder of its own, never into the user's."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "spool"
    monkeypatch.setenv("HANSARD_SPOOL", str(folder))
    return folder

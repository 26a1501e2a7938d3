"""Settings: flags, then environment, then file; where each came from; nothing unknown, nothing of a wrong type."""

from pathlib import Path

import pytest

from hansard.kit.settings import SettingError, Settings, read_settings


def test_flags_win_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "hansard.toml"
    file.write_text('port = 1\nhost = "file"\nabandoned_after_s = 5\n')
    environ = {"HANSARD_PORT": "2", "HANSARD_HOST": "environment", "PATH": "/bin"}
    found = read_settings({"port": "3", "data": None}, environ, file)
    assert found.settings == Settings(port=3, host="environment", abandoned_after_s=5.0)
    assert found.sources == dict.fromkeys(found.sources, "default") | {
        "port": "flag",
        "host": "environment",
        "abandoned_after_s": str(file),
    }


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("port = 9")
    assert read_settings({}, {"HANSARD_CONFIG": str(file)}).settings.port == 9


@pytest.mark.parametrize(
    ("environ", "content", "sentence"),
    [
        ({"HANSARD_PROT": "1"}, "", "HANSARD_PROT in the environment is not a setting"),
        ({}, "prot = 1", "'prot' in .* is not a setting"),
        ({"HANSARD_PORT": "many"}, "", "port from environment cannot be 'many'"),
        ({}, 'port = "many"', "port from .* cannot be 'many'"),
        ({}, "port =", "is not TOML"),
    ],
)
def test_what_cannot_be_a_setting_is_an_error(
    tmp_path: Path, environ: dict[str, str], content: str, sentence: str
) -> None:
    file = tmp_path / "hansard.toml"
    file.write_text(content)
    with pytest.raises(SettingError, match=sentence):
        read_settings({}, environ, file)


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="There is no settings file"):
        read_settings({}, {}, tmp_path / "none.toml")


def test_the_variables_of_the_recorder_and_the_tests_are_left_alone() -> None:
    environ = {"HANSARD_URL": "x", "HANSARD_API_KEY": "y", "HANSARD_DISABLED": "1", "HANSARD_TEST_POSTGRES_URL": "z"}
    assert read_settings({}, environ).settings == Settings()

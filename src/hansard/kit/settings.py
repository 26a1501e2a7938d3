"""Every setting, its default and one line about it; read from flags, then environment, then a TOML file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

PREFIX = "HANSARD_"
# Variables of the recorder and of the tests, which are not the server's to refuse.
OTHERS_VARIABLES = ("HANSARD_URL", "HANSARD_API_KEY", "HANSARD_DISABLED", "HANSARD_SPOOL", "HANSARD_CONFIG")
OTHERS_PREFIX = "HANSARD_TEST_"
DEFAULT_FILE = Path("hansard.toml")


class SettingError(Exception):
    """A setting that is unknown or has a value that cannot be; the message names it and where it stands."""


def _setting(default: Any, about: str, *, is_secret: bool = False) -> Any:
    return field(default=default, metadata={"about": about, "is_secret": is_secret})


@dataclass(frozen=True)
class Settings:
    """What can be set. The field's name is the TOML key; in capitals after HANSARD_ it is the variable."""

    data: Path = _setting(Path("hansard-data"), "The folder that holds the SQLite database and the recordings.")
    database_url: str | None = _setting(None, "postgresql://… to use PostgreSQL instead of SQLite.")
    database_pool: Annotated[int, Field(ge=2)] = _setting(
        10, "PostgreSQL connections each process may read with; it looks up and writes with one more each."
    )
    workers: Annotated[int, Field(ge=1, le=64)] = _setting(
        1, "Processes that serve side by side; more than one needs PostgreSQL."
    )
    host: str = _setting("127.0.0.1", "The address to listen on.")
    port: int = _setting(8700, "The port to listen on.")
    public_url: str | None = _setting(
        None, "Where people and programs reach this server, when a proxy is in front: https://…."
    )
    trusted_proxies: str = _setting(
        "127.0.0.1,::1", "Addresses of the proxies whose X-Forwarded-For and -Proto are believed."
    )
    abandoned_after_s: float = _setting(3600.0, "Seconds of silence after which a session is closed.")
    conversation_idle_s: float = _setting(
        86400.0, "Seconds within which a messaging session continues the last conversation."
    )
    body_timeout_s: float = _setting(30.0, "Seconds a request of events may take to arrive.")
    waiting_writes: int = _setting(2000, "Requests that may wait for the writer before new ones get 503.")
    recordings_url: str | None = _setting(
        None, "s3://bucket/prefix to keep recordings in an S3-compatible store instead of the data folder."
    )
    recordings_endpoint: str | None = _setting(None, "https://… of that store, where it is not Amazon's.")
    recordings_region: str | None = _setting(None, "The region of that store.")
    recordings_access_key: str | None = _setting(None, "The access key id for that store.")
    recordings_secret_key: str | None = _setting(None, "The secret access key for that store.", is_secret=True)
    most_recording_bytes: int = _setting(536870912, "Bytes one recording may have.")
    livekit_api_key: str | None = _setting(None, "The LiveKit API key that agents sign their uploads with.")
    livekit_api_secret: str | None = _setting(None, "The LiveKit API secret of that key.", is_secret=True)
    livekit_organization: str = _setting("default", "The organization that LiveKit's uploads are recorded for.")


@dataclass(frozen=True)
class Sourced:
    """The settings and, for each, where its value came from."""

    settings: Settings
    sources: Mapping[str, str]


def read_settings(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None = None) -> Sourced:
    """Read the settings: flags win over the environment, which wins over the TOML file.

    `file` defaults to HANSARD_CONFIG, then to `hansard.toml` where there is one.
    Raises SettingError for an unknown setting or a value of the wrong type.
    """
    known = {f.name: f for f in fields(Settings)}
    values: dict[str, Any] = {}
    sources = dict.fromkeys(known, "default")
    for source, given in (
        *_from_file(file, environ),
        ("environment", _from_environ(environ, known)),
        ("flag", {k: v for k, v in flags.items() if v is not None}),
    ):
        for name, value in given.items():
            values[name] = _converted(name, value, known, source)
            sources[name] = source
    return Sourced(Settings(**values), sources)


def _from_file(file: Path | None, environ: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    named = file or (Path(environ["HANSARD_CONFIG"]) if environ.get("HANSARD_CONFIG") else None)
    path = named or DEFAULT_FILE
    if not path.is_file():
        if named:
            raise SettingError(f"There is no settings file {path}.")
        return []
    try:
        return [(str(path), tomllib.loads(path.read_text(encoding="utf-8")))]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is not TOML: {error}.") from None


def _from_environ(environ: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in OTHERS_VARIABLES:
            continue
        if variable.startswith(OTHERS_PREFIX) or value == "":
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in known:
            raise SettingError(f"{variable} in the environment is not a setting of Hansard's.")
        found[name] = value
    return found


def _converted(name: str, value: Any, known: Mapping[str, Any], source: str) -> Any:
    if name not in known:
        raise SettingError(f"{name!r} in {source} is not a setting of Hansard's.")
    try:
        return TypeAdapter[Any](known[name].type).validate_python(value)
    except ValidationError as error:
        shown = "what it is" if known[name].metadata["is_secret"] else repr(value)
        raise SettingError(f"{name} from {source} cannot be {shown}: {error.errors()[0]['msg']}.") from None

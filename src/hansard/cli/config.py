"""`hansard config show`: the settings and where each came from."""

from dataclasses import fields

import click

from hansard.cli.opening import with_settings
from hansard.kit.settings import Settings, Sourced


@click.group()
def config() -> None:
    """Settings: from flags, then HANSARD_* variables, then a TOML file, then defaults."""


@config.command()
@with_settings("host", "port")
def show(sourced: Sourced) -> None:
    """Show every setting, its value and where the value came from."""
    for one in fields(Settings):
        value = getattr(sourced.settings, one.name)
        shown = "" if value is None else "…" if one.metadata["is_secret"] else _without_password(str(value))
        click.echo(f"{one.name} = {shown}\t({sourced.sources[one.name]})\t{one.metadata['about']}")


def _without_password(value: str) -> str:
    scheme, mark, rest = value.partition("://")
    if not mark or "@" not in rest:
        return value
    user = rest.rpartition("@")[0].partition(":")[0]
    return f"{scheme}://{user}:…@{rest.rpartition('@')[2]}"

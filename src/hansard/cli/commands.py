"""The list of commands, each loaded when it is called: making a key need not wait for the server's packages."""

from importlib import import_module

import click

from hansard import __version__

COMMANDS = {
    "serve": "serve:serve",
    "keys": "accounts:keys",
    "members": "members:members",
    "organizations": "accounts:organizations",
    "sessions": "search:sessions",
    "search": "search:search",
    "import": "transfer:import_",
    "export": "transfer:export",
    "doctor": "doctor:doctor",
    "config": "config:config",
}


class _Listed(click.Group):
    """A group that knows its commands' names before it loads any."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        found = getattr(import_module(f"hansard.cli.{module}"), name)
        assert isinstance(found, click.Command)  # noqa: S101 - for the type checker; the table names commands
        return found


@click.group(cls=_Listed, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hansard")
def hansard() -> None:
    """Hansard: the verbatim record of what AI agents and people said to each other."""

"""The list of commands."""

import click

from hansard import __version__
from hansard.cli.accounts import keys, organizations
from hansard.cli.config import config
from hansard.cli.doctor import doctor
from hansard.cli.serve import serve
from hansard.cli.transfer import export, import_


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hansard")
def hansard() -> None:
    """Hansard: the verbatim record of what AI agents and people said to each other."""


for command in (serve, keys, organizations, import_, export, doctor, config):
    hansard.add_command(command)

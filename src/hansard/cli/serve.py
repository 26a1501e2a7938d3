"""`hansard serve`: the server, and with `--demo` something to look at."""

import sys
from datetime import UTC, datetime

import click

from hansard.cli.demo import load_demo
from hansard.cli.members import find_set_up_link
from hansard.cli.opening import address_of, opened, organization_named, with_settings
from hansard.cli.server import make_app, run_server
from hansard.cli.workers import check_workers, run_workers
from hansard.db.engine import AlreadyServed, Database, served
from hansard.kit.settings import SettingError, Settings, Sourced
from hansard.resources.accounts.schemas import Organization


@click.command()
@click.option("--demo", is_flag=True, help="Load sample sessions and print how to read them.")
@with_settings("host", "port", "workers")
def serve(sourced: Sourced, demo: bool) -> None:
    """Serve the API until interrupted."""
    settings = sourced.settings
    folder = None if settings.database_url else settings.data
    try:
        check_workers(settings)
        with served(folder), opened(settings) as database:
            samples = _demo(settings, database) if demo else None
            click.echo(f"Hansard listens on http://{settings.host}:{settings.port}", err=True)
            _say_set_up(settings, database)
            if settings.workers == 1:
                run_server(settings, make_app(settings, database, samples, adds_sounds=True))
    except (AlreadyServed, SettingError) as error:
        raise click.ClickException(str(error)) from None
    if settings.workers > 1:
        sys.exit(run_workers(settings, samples))


def _say_set_up(settings: Settings, database: Database) -> None:
    """Say, until somebody can sign in, how to become the first."""
    link = find_set_up_link(settings, database)
    if link:
        click.echo(f"Set up your console: {link}", err=True)


def _demo(settings: Settings, database: Database) -> Organization:
    """Load the samples and say how to look at them; give whose they are."""
    demo = load_demo(database, settings, datetime.now(UTC))
    address = address_of(settings)
    click.echo(f"{demo.sessions} sample sessions are in the organization {demo.organization!r}.")
    click.echo(f"console  {address}")
    click.echo(f"API key  {demo.key}")
    click.echo(f"""
Read them with the published SDK (pip install syllable-sdk):

    from syllable_sdk import SyllableSDK
    sdk = SyllableSDK(api_key_header="{demo.key}", server_url="{address}")
    for s in sdk.sessions.list(limit=5).items:
        print(s.timestamp, s.agent_name, s.source, s.duration)
    print(sdk.sessions.transcript.get_by_id(session_id=s.session_id).transcription[0].text)
""")
    return organization_named(database, demo.organization)

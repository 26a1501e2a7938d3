"""`hansard serve`: the server, and with `--demo` something to look at."""

import signal
import sys
from datetime import UTC, datetime

import click
import uvicorn

from hansard.app import create_app
from hansard.cli.demo import load_demo
from hansard.cli.opening import opened, with_settings
from hansard.db.engine import AlreadyServed, Database, served
from hansard.kit.settings import Settings, Sourced


@click.command()
@click.option("--demo", is_flag=True, help="Load sample sessions and print how to read them.")
@with_settings("host", "port")
def serve(sourced: Sourced, demo: bool) -> None:
    """Serve the API until interrupted."""
    settings = sourced.settings
    folder = None if settings.database_url else settings.data
    try:
        with served(folder), opened(settings) as database:
            if demo:
                _say_demo(settings, database)
            click.echo(f"Hansard listens on http://{settings.host}:{settings.port}", err=True)
            _run(settings, database)
    except AlreadyServed as error:
        raise click.ClickException(str(error)) from None


def _run(settings: Settings, database: Database) -> None:
    """Serve until SIGINT or SIGTERM, which uvicorn passes on when it is done: then leave by the door."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: sys.exit(0))
    uvicorn.run(
        create_app(settings, database),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
    )


def _say_demo(settings: Settings, database: Database) -> None:
    demo = load_demo(database, settings, datetime.now(UTC))
    address = f"http://{settings.host}:{settings.port}"
    click.echo(f"{demo.sessions} sample sessions are in the organization {demo.organization!r}.")
    click.echo(f"address  {address}")
    click.echo(f"API key  {demo.key}")
    click.echo(f"""
Read them with the published SDK (pip install syllable-sdk):

    from syllable_sdk import SyllableSDK
    sdk = SyllableSDK(api_key_header="{demo.key}", server_url="{address}")
    for s in sdk.sessions.list(limit=5).items:
        print(s.timestamp, s.agent_name, s.source, s.duration)
    print(sdk.sessions.transcript.get_by_id(session_id=s.session_id).transcription[0].text)
""")

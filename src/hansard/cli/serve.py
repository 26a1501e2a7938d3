"""`hansard serve`: the server, and with `--demo` something to look at."""

import gc
import signal
import sys
from datetime import UTC, datetime

import click
import uvicorn

from hansard.app import create_app
from hansard.cli.demo import load_demo
from hansard.cli.demo_sound import add_sounds_meanwhile
from hansard.cli.members import find_set_up_link
from hansard.cli.opening import address_of, opened, organization_named, with_settings
from hansard.cli.server import Server
from hansard.db.engine import AlreadyServed, Database, served
from hansard.kit.settings import SettingError, Settings, Sourced
from hansard.resources.accounts.schemas import Organization


@click.command()
@click.option("--demo", is_flag=True, help="Load sample sessions and print how to read them.")
@with_settings("host", "port")
def serve(sourced: Sourced, demo: bool) -> None:
    """Serve the API until interrupted."""
    settings = sourced.settings
    folder = None if settings.database_url else settings.data
    try:
        with served(folder), opened(settings) as database:
            samples = _demo(settings, database) if demo else None
            click.echo(f"Hansard listens on http://{settings.host}:{settings.port}", err=True)
            _say_set_up(settings, database)
            _run(settings, database, samples)
    except (AlreadyServed, SettingError) as error:
        raise click.ClickException(str(error)) from None


def _say_set_up(settings: Settings, database: Database) -> None:
    """Say, until somebody can sign in, how to become the first."""
    link = find_set_up_link(settings, database)
    if link:
        click.echo(f"Set up your console: {link}", err=True)


def _run(settings: Settings, database: Database, demo: Organization | None) -> None:
    """Serve until SIGINT or SIGTERM, which uvicorn passes on when it is done: then leave by the door."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: sys.exit(0))
    app = create_app(settings, database, demo=demo)
    if demo:
        add_sounds_meanwhile(app, demo)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
    )
    server = Server(config)
    _collect_seldom()
    server.run()
    if not server.started:
        sys.exit(3)  # as uvicorn itself leaves when it cannot start


def _collect_seldom() -> None:
    """A request of a thousand events makes fifty thousand objects that are gone when it is answered: to look for
    cycles among them every 700 objects, and among all that the program is made of, costs a quarter of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


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

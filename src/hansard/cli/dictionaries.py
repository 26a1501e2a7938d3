"""`hansard sessions retrain` and `repack`. They work whether or not the server runs."""

from datetime import UTC, datetime

import click

from hansard.cli.accounts import of_organization
from hansard.cli.opening import opened, organization_named, with_settings
from hansard.kit.settings import Sourced
from hansard.resources.sessions.dictionaries import Measured
from hansard.resources.sessions.repacking import Repacked
from hansard.resources.sessions.repacking import repack as repack_all
from hansard.resources.sessions.training import FEWEST_SAMPLES, Training
from hansard.resources.sessions.training import retrain as train_now


@click.command()
@of_organization
@with_settings()
def retrain(sourced: Sourced, organization: str) -> None:
    """Train the dictionary that sessions are packed with on the newest ones, and use it where it saves room.

    A server does that by itself; this does it now.
    """
    with opened(sourced.settings) as database:
        mine = organization_named(database, organization).id
        click.echo(_trained(train_now(database, mine, datetime.now(UTC))))


def _trained(done: Training) -> str:
    if done.made is None:
        return f"{done.samples} ended sessions are too little to learn from; it takes {FEWEST_SAMPLES} at least."
    if done.is_used:
        return f"{measured(done.made)} It is used from now on."
    return f"{measured(done.made)} That is not worth it; everything stays as it was."


def measured(made: Measured) -> str:
    """What a dictionary was trained on and what it gains, in a sentence."""
    before, after = (round(size / made.measured_sessions) for size in (made.before_bytes, made.after_bytes))
    return f"Trained on {made.sessions} sessions; others take {after} bytes each where they took {before}."


@click.command()
@of_organization
@with_settings()
def repack(sourced: Sourced, organization: str) -> None:
    """Pack all ended sessions with the newest dictionary, and remove dictionaries that nothing needs any more.

    Interrupted, the same command goes on with what is left. The file of SQLite keeps the room for what comes next.
    """
    with opened(sourced.settings) as database:
        mine = organization_named(database, organization).id
        click.echo(_repacked(repack_all(database, mine)))


def _repacked(done: Repacked) -> str:
    sizes = f", {done.after_bytes:,} bytes where they took {done.before_bytes:,}" if done.bodies else ""
    removed = (
        f" Dictionaries that nothing needs any more, and that are removed: {done.removed}." if done.removed else ""
    )
    return f"{done.bodies} sessions are packed anew{sizes}.{removed}"

"""`hansard keys` and `hansard organizations`. They work whether or not the server runs."""

from datetime import UTC, datetime

import click

from hansard.cli.opening import DEFAULT_ORGANIZATION, opened, organization_named, with_settings
from hansard.kit.settings import Sourced
from hansard.resources.accounts import store
from hansard.resources.accounts.schemas import Scope

of_organization = click.option("--organization", default=DEFAULT_ORGANIZATION, show_default=True, help="Whose.")


@click.group()
def keys() -> None:
    """API keys: create, list, revoke."""


@keys.command()
@click.option("--name", required=True, help="What the key is for; shown in the list.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it opens, as often as you like; ingest and read when left out.",
)
@of_organization
@with_settings()
def create(sourced: Sourced, name: str, scopes: tuple[str, ...], organization: str) -> None:
    """Make a key and print it, alone, this once."""
    wanted = [Scope(scope) for scope in scopes] or [Scope.INGEST, Scope.READ]
    with opened(sourced.settings) as database:
        mine = organization_named(database, organization).id
        _, key = database.write(mine, lambda db: store.add_key(db, mine, name, wanted, datetime.now(UTC)))
    click.echo(key)


@keys.command("list")
@of_organization
@with_settings()
def list_(sourced: Sourced, organization: str) -> None:
    """Show the keys there are, without their secrets."""
    with opened(sourced.settings) as database:
        mine = organization_named(database, organization).id
        with database.reading() as db:
            found = store.list_keys(db, mine)
    for key in found:
        state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M} UTC" if key.revoked_at else "good"
        scopes = ",".join(sorted(key.scopes))
        click.echo(f"{key.id}\t{key.name}\t{scopes}\tmade {key.created_at:%Y-%m-%d %H:%M} UTC\t{state}")


@keys.command()
@click.argument("key_id", type=int)
@of_organization
@with_settings()
def revoke(sourced: Sourced, key_id: int, organization: str) -> None:
    """Make a key open nothing from now on, in a running server too."""
    with opened(sourced.settings) as database:
        mine = organization_named(database, organization).id
        now = datetime.now(UTC)
        database.write(mine, lambda db: store.change_key_to_revoked(db, mine, key_id, now))
    click.echo(f"Key {key_id} is revoked.")


@click.group()
def organizations() -> None:
    """Organizations: each has its own sessions and keys, and sees nothing of the others."""


@organizations.command()
@click.argument("name")
@with_settings()
def add(sourced: Sourced, name: str) -> None:
    """Found an organization."""
    with opened(sourced.settings) as database:
        made = database.write(store.EVERYBODY, lambda db: store.add_organization(db, name, datetime.now(UTC)))
    click.echo(f"Organization {made.name!r} is founded.")


@organizations.command("list")
@with_settings()
def list_organizations(sourced: Sourced) -> None:
    """Show the organizations there are."""
    with opened(sourced.settings) as database, database.reading() as db:
        for one in store.list_organizations(db):
            click.echo(f"{one.id}\t{one.name}\tfounded {one.created_at:%Y-%m-%d %H:%M} UTC")

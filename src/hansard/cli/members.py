"""`hansard members`, and the link that `serve` prints while there is none. They work whether or not the server runs."""

from datetime import UTC, datetime, timedelta
from functools import partial

import click
from sqlalchemy import Connection

from hansard.cli.accounts import of_organization
from hansard.cli.opening import address_of, opened, organization_named, with_settings
from hansard.db.engine import Database
from hansard.kit.errors import NotFound
from hansard.kit.settings import Settings, Sourced
from hansard.resources.accounts import members as store
from hansard.resources.accounts.schemas import Role
from hansard.resources.accounts.store import list_organizations


@click.group()
def members() -> None:
    """Members: the people who sign in to the console."""


@members.command()
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.MEMBER.value, show_default=True)
@of_organization
@with_settings("host", "port")
def invite(sourced: Sourced, role: str, organization: str) -> None:
    """Make a link that makes one member, once, within three days, and print it alone."""
    with opened(sourced.settings) as database:
        mine = organization_named(database, organization).id
        click.echo(_link(sourced.settings, database, mine, Role(role), store.INVITED_FOR))


@members.command("list")
@of_organization
@with_settings()
def list_(sourced: Sourced, organization: str) -> None:
    """Show who can sign in."""
    with opened(sourced.settings) as database:
        mine = organization_named(database, organization).id
        with database.reading() as db:
            found = store.list_members(db, mine)
    for one in found:
        click.echo(f"{one.email}\t{one.role.value}\t{one.name}\tsince {one.created_at:%Y-%m-%d %H:%M} UTC")


@members.command()
@click.argument("email")
@of_organization
@with_settings()
def remove(sourced: Sourced, email: str, organization: str) -> None:
    """Let somebody sign in no more, and sign them out, in a running server too.

    The last owner may be removed here, and only here: invite another one then.
    """
    with opened(sourced.settings) as database:
        mine = organization_named(database, organization).id
        database.write(mine, partial(_remove, organization_id=mine, email=email))
    click.echo(f"{email} is removed.")


def _remove(db: Connection, organization_id: int, email: str) -> None:
    known = store.find_member(db, organization_id, email)
    if known is None:
        raise NotFound(f"There is no member {email}.")
    store.remove_member(db, organization_id, known.member.id, datetime.now(UTC), may_be_last=True)


def find_set_up_link(settings: Settings, database: Database) -> str | None:
    """A fresh link for the first owner of the oldest organization, in the place of all earlier ones.

    None when somebody can sign in, or nobody's sessions are kept here.
    """
    with database.reading() as db:
        if store.list_organizations_with_members(db):
            return None
        oldest = next(iter(list_organizations(db)), None)
    if oldest is None:
        return None
    mine = oldest.id
    database.write(mine, lambda db: store.remove_invitations(db, mine))
    return _link(settings, database, mine, Role.OWNER, store.SET_UP_FOR)


def _link(settings: Settings, database: Database, mine: int, role: Role, lasts: timedelta) -> str:
    now = datetime.now(UTC)
    text = database.write(mine, lambda db: store.add_invitation(db, mine, role, now, lasts))
    return f"{address_of(settings)}/set-up?token={text}"

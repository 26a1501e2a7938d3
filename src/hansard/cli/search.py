"""`hansard sessions search` and `hansard search rebuild`. They work whether or not the server runs."""

import sys
from datetime import UTC, datetime
from functools import partial

import click

from hansard.cli.accounts import of_organization
from hansard.cli.dictionaries import repack, retrain
from hansard.cli.opening import opened, organization_named, with_settings
from hansard.db.engine import Database
from hansard.kit.settings import Sourced
from hansard.resources.accounts.store import EVERYBODY, list_organizations
from hansard.resources.sessions.backlog import find_backlog, start_anew, start_walk
from hansard.resources.sessions.indexing import Outcome, index_all, index_batch
from hansard.resources.sessions.query import read_query
from hansard.resources.sessions.schemas import Hit, SearchedSession
from hansard.resources.sessions.search import search_sessions

_MOST = 100


@click.group()
def sessions() -> None:
    """Sessions: find them, and have them take less room."""


sessions.add_command(retrain)
sessions.add_command(repack)


@sessions.command("search")
@click.argument("query", metavar="FILTER")
@click.option("--limit", type=click.IntRange(1, _MOST), default=25, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One session a line, as the API gives it.")
@of_organization
@with_settings()
def search_(sourced: Sourced, query: str, limit: int, as_json: bool, organization: str) -> None:
    """Find sessions by FILTER, newest first, and show where the words are: 'refund agent:desk since:7d'.

    What the server has not yet made searchable is made so first.
    """
    with opened(sourced.settings) as database:
        mine = organization_named(database, organization).id
        index_all(database, mine)
        with database.reading() as db:
            found = search_sessions(db, mine, read_query(query), datetime.now(UTC), page=0, limit=limit)
    for one in found.items:
        click.echo(one.model_dump_json(by_alias=False) if as_json else _shown(one))
    click.echo(f"{len(found.items)} of {found.total_count} sessions.", err=True)


def _shown(one: SearchedSession) -> str:
    began = f"{one.timestamp:%Y-%m-%d %H:%M:%S} UTC"
    line = "\t".join((one.session_id or "", began, one.agent_name or one.agent_id or "", one.channel_manager_sid or ""))
    return "\n".join((line, *(f"    {_told(hit)}" for hit in one.hits)))


def _told(hit: Hit) -> str:
    """Who, when, and the words, which a terminal shows in bold."""
    shown, end = "", 0
    for start, stop in hit.ranges:
        shown += hit.snippet[end:start] + click.style(hit.snippet[start:stop], bold=True)
        end = stop
    seconds = max(0, int(hit.offset_s))
    text = " ".join((shown + hit.snippet[end:]).split())
    return f"{seconds // 60}:{seconds % 60:02} {hit.role.value if hit.role else hit.tool_name}: {text}"


@click.group()
def search() -> None:
    """The index of what was said and done."""


@search.command()
@click.option(
    "--empty", "is_emptied", is_flag=True, help="Throw away what is there first; searches find less meanwhile."
)
@with_settings()
def rebuild(sourced: Sourced, is_emptied: bool) -> None:
    """Read every session of every organization again, while searches go on.

    Interrupted, the server goes on with it, or the same command without --empty begins again.
    """
    with opened(sourced.settings) as database:
        with database.reading() as db:
            mine = [one.id for one in list_organizations(db)]
        if is_emptied:
            database.write(EVERYBODY, partial(start_anew, organizations=mine))
        for organization_id in () if is_emptied else mine:
            database.write(organization_id, partial(start_walk, organization_id=organization_id))
        for organization_id in mine:
            _index(database, organization_id)
    click.echo("The search index is made anew.", err=True)


def _index(database: Database, organization_id: int) -> None:
    """Bring an organization's index up to date, with a bar on a terminal."""
    if not sys.stderr.isatty():
        index_all(database, organization_id)
        return
    count = left = _left(database, organization_id)
    with click.progressbar(length=count, label="reading sessions", file=sys.stderr) as bar:
        while index_batch(database, organization_id) is not Outcome.NOTHING:
            done, left = left, _left(database, organization_id)
            bar.update(max(0, done - left))


def _left(database: Database, organization_id: int) -> int:
    with database.reading() as db:
        return find_backlog(db, organization_id).count

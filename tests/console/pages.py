"""PAGES: every route of the console, and who may open it. A route that is not here fails `test_tenancy.py`."""

from typing import Any, NamedTuple

from hansard.resources.accounts.schemas import Role

CANARY = "canary-of-another-organization"


class Entry(NamedTuple):
    """How another organization's thing is asked for, the least role it needs (None: nobody need be signed in), and
    what an owner of another organization gets. `fields` are those of a form; a stream is looked at for a moment only.

    In `path`, {session}, {recording}, {key}, {member} and {invitation} become the ids of things the stranger has
    none of.
    """

    path: str
    role: Role | None
    stranger: int
    fields: dict[str, Any] = {}
    is_stream: bool = False


PAGES: dict[tuple[str, str], Entry] = {
    ("GET", "/"): Entry("/", Role.VIEWER, 303),
    ("GET", "/static/{of_version}/{name:path}"): Entry("/static/none/icon.svg", None, 200),
    # Coming and going.
    ("GET", "/sign-in"): Entry("/sign-in", None, 303),  # whoever is signed in is sent on
    ("POST", "/sign-in"): Entry("/sign-in", None, 401, {"email": f"{CANARY}@example.com", "password": "wrong"}),
    ("POST", "/sign-out"): Entry("/sign-out", None, 303),
    ("GET", "/set-up"): Entry("/set-up?token=1.wrong", None, 404),
    ("POST", "/set-up"): Entry("/set-up", None, 404, {"token": "1.wrong"}),
    ("GET", "/welcome"): Entry("/welcome", Role.OWNER, 200),
    ("GET", "/welcome/first"): Entry("/welcome/first", Role.OWNER, 204),
    # Settings.
    ("GET", "/settings"): Entry("/settings", Role.VIEWER, 303),
    ("GET", "/settings/keys"): Entry("/settings/keys", Role.VIEWER, 200),
    ("POST", "/settings/keys"): Entry("/settings/keys", Role.OWNER, 200, {"name": "mine", "scope": "read"}),
    ("GET", "/settings/keys/{key_id}/revoke"): Entry("/settings/keys/{key}/revoke", Role.OWNER, 404),
    ("POST", "/settings/keys/{key_id}/revoke"): Entry("/settings/keys/{key}/revoke", Role.OWNER, 404),
    ("GET", "/settings/members"): Entry("/settings/members", Role.VIEWER, 200),
    ("POST", "/settings/members/invite"): Entry("/settings/members/invite", Role.OWNER, 200, {"role": "viewer"}),
    ("POST", "/settings/members/invitations/{invitation_id}/withdraw"): Entry(
        "/settings/members/invitations/{invitation}/withdraw", Role.OWNER, 303
    ),
    ("GET", "/settings/members/{member_id}/remove"): Entry("/settings/members/{member}/remove", Role.OWNER, 404),
    ("POST", "/settings/members/{member_id}/remove"): Entry("/settings/members/{member}/remove", Role.OWNER, 404),
    ("GET", "/settings/retention"): Entry("/settings/retention", Role.VIEWER, 200),
    ("GET", "/settings/storage"): Entry("/settings/storage", Role.VIEWER, 200),
    ("GET", "/settings/you"): Entry("/settings/you", Role.VIEWER, 200),
    ("POST", "/settings/you/password"): Entry(
        "/settings/you/password", Role.VIEWER, 401, {"current": "wrong", "password": "x" * 12}
    ),
    # Sessions.
    ("GET", "/sessions"): Entry("/sessions", Role.VIEWER, 200),
    ("GET", "/sessions/filter"): Entry("/sessions/filter?field=agent&value=x", Role.VIEWER, 303),
    ("GET", "/sessions/new"): Entry("/sessions/new?after=0", Role.VIEWER, 200),
    ("POST", "/sessions/labels"): Entry("/sessions/labels", Role.MEMBER, 404, {"ids": "{session}", "code": "GOOD"}),
    # One session.
    ("GET", "/s/{session_id}"): Entry("/s/{session}", Role.VIEWER, 404),
    ("GET", "/s/{session_id}/items"): Entry("/s/{session}/items", Role.VIEWER, 404),
    ("GET", "/s/{session_id}/waterfall"): Entry("/s/{session}/waterfall", Role.VIEWER, 404),
    ("GET", "/s/{session_id}/find"): Entry("/s/{session}/find?q=e", Role.VIEWER, 404),
    ("GET", "/s/{session_id}/raw"): Entry("/s/{session}/raw", Role.VIEWER, 404),
    ("GET", "/s/{session_id}/record.json"): Entry("/s/{session}/record.json", Role.VIEWER, 404),
    ("GET", "/s/{session_id}/transcript.txt"): Entry("/s/{session}/transcript.txt", Role.VIEWER, 404),
    ("GET", "/s/{session_id}/live"): Entry("/s/{session}/live", Role.VIEWER, 404, is_stream=True),
    ("GET", "/s/{session_id}/labels"): Entry("/s/{session}/labels", Role.VIEWER, 404),
    ("POST", "/s/{session_id}/labels"): Entry("/s/{session}/labels", Role.MEMBER, 404, {"code": "GOOD"}),
    ("GET", "/s/{session_id}/recordings/{recording_id}"): Entry(
        "/s/{session}/recordings/{recording}", Role.VIEWER, 404
    ),
    ("GET", "/s/{session_id}/recordings/{recording_id}/peaks"): Entry(
        "/s/{session}/recordings/{recording}/peaks", Role.VIEWER, 404
    ),
    ("GET", "/live"): Entry("/live", Role.VIEWER, 200),
    ("GET", "/live/changes"): Entry("/live/changes", Role.VIEWER, 200, is_stream=True),
    ("GET", "/agents"): Entry("/agents", Role.VIEWER, 200),
    ("GET", "/agents/days"): Entry("/agents/days?category=llm&label=first_token", Role.VIEWER, 404),
    ("GET", "/agents/days.svg"): Entry("/agents/days.svg?category=llm&label=first_token", Role.VIEWER, 404),
}

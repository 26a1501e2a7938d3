"""People who look at the console: members of an organization, and how they knock without a browser."""

import json
import re
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any
from urllib.parse import urlencode

import urllib3

from hansard.console.access import COOKIE
from hansard.resources.accounts import members, passwords
from hansard.resources.accounts.schemas import Member, Role
from tests.conftest import House
from tests.door import Answer, Door

PASSWORD = "correct horse battery staple"
FROM_HERE = {"Sec-Fetch-Site": "same-origin"}


@cache
def _hash_of_password() -> str:
    """Once, for it is slow."""
    return passwords.hashed(PASSWORD)


def add_member(house: House, organization_id: int, role: Role, email: str = "", kept: str = "") -> Member:
    """A member whose password is PASSWORD, `kept` as it says; Ann the owner, Mel the member, Vic the viewer."""
    name = {Role.OWNER: "Ann Owner", Role.MEMBER: "Mel Member", Role.VIEWER: "Vic Viewer"}[role]
    address = email or f"{name.split()[0].lower()}@example.com"
    add = partial(
        members.add_member,
        organization_id=organization_id,
        email=address,
        name=name,
        password_hash=kept or _hash_of_password(),
        role=role,
        now=house.clock(),
    )
    return house.database.write(organization_id, add)


def cookie_of(house: House, member: Member) -> str:
    """What a browser in which this member is signed in holds."""
    mine = member.organization_id
    return house.database.write(mine, lambda db: members.add_signin(db, mine, member.id, house.clock()))


@dataclass
class Visitor:
    """A browser without a screen: keeps the cookie, sends forms, follows nothing. A header without text is left out."""

    url: str
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    member: Member | None = None

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, fields: dict[str, Any] | None = None, **headers: str) -> Answer:
        """Send a form, as this console's own page would unless the headers say otherwise."""
        body = urlencode(fields or {}, doseq=True).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, body, form | FROM_HERE | headers)

    def glimpse(self, path: str, **headers: str) -> Answer:
        """The head of an answer that may never end, and what came of it in the first moment."""
        sent = {"Accept": "text/html", "Cookie": f"{COOKIE}={self.cookie}"} | headers
        with urllib3.PoolManager(retries=False) as pool:
            answer = pool.request("GET", self.url + path, headers=sent, preload_content=False, timeout=2)
            begun = answer.read1(65536)
            answer.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, begun)

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        sent = {"Accept": "text/html", "Cookie": f"{COOKIE}={self.cookie}" if self.cookie else ""}
        sent = {name: value for name, value in (sent | self.headers | headers).items() if value}
        answer = Door(self.url, "").ask(method, path, body=body, headers=sent)
        if given := re.match(rf"{COOKIE}=([^;]*)", answer.headers.get("set-cookie", "")):
            self.cookie = given[1].strip('"')
        return answer


def visitor(house: House, role: Role | None = None, organization_id: int | None = None) -> Visitor:
    """Somebody signed in with this role, in this organization or a new one; None is nobody."""
    if role is None:
        return Visitor(house.url)
    mine = house.organization() if organization_id is None else organization_id
    made = add_member(house, mine, role)
    return Visitor(house.url, cookie_of(house, made), member=made)


def text_of(answer: Answer) -> str:
    """What a page says, without its tags."""
    whole = re.sub(r"<[^>]+>", " ", answer.bytes.decode())
    return re.sub(r"\s+", " ", whole)


def as_json(answer: Answer) -> Any:
    return json.loads(answer.bytes)

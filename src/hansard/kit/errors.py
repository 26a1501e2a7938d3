"""The errors a reader can meet. Each is a sentence and carries its HTTP status; `app.py` answers with them."""

import math
from typing import Any


class HansardError(Exception):
    """A sentence for the reader and the status it is answered with."""

    status = 500

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    @property
    def detail(self) -> Any:
        """The `detail` of the answer: the sentence, or a list where the contract wants one."""
        return self.sentence

    @property
    def headers(self) -> dict[str, str]:
        return {}


class Damaged(HansardError):
    """What is stored cannot be read, and no request can help it."""


class Invalid(HansardError):
    """A value whose meaning is wrong although its form is right (wire contract 1.4: 400 with a text)."""

    status = 400


class NotSignedIn(HansardError):
    """No key, or one that does not open anything."""

    status = 401


class NotAllowed(HansardError):
    """A good key without the scope this needs."""

    status = 403


class Expired(HansardError):
    """A link that was good until a moment ago."""

    status = 403


class NotFound(HansardError):
    """There is no such thing, or it is another organization's."""

    status = 404


class TooSlow(HansardError):
    """The body did not arrive in time."""

    status = 408


class Conflict(HansardError):
    """The name is taken."""

    status = 409


class TooLarge(HansardError):
    """More than one request may carry."""

    status = 413


class UnknownEncoding(HansardError):
    """A body in an encoding or media type that is not understood."""

    status = 415


class Malformed(HansardError):
    """A parameter that breaks the schema (wire contract 1.4: 422, `detail` is a list)."""

    status = 422

    def __init__(self, loc: tuple[str, ...], sentence: str) -> None:
        super().__init__(sentence)
        self.loc = loc

    @property
    def detail(self) -> Any:
        return [{"loc": list(self.loc), "msg": self.sentence, "type": "value_error"}]


class TooOften(HansardError):
    """Tried too many times; the same request may be tried again after `wait_s` seconds."""

    status = 429

    def __init__(self, sentence: str, wait_s: float) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(math.ceil(self.wait_s))}


class Busy(HansardError):
    """The server cannot take this now; the same request will do later."""

    status = 503

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "1"}


class DiskFull(HansardError):
    """There is no room to write; reading goes on."""

    status = 507

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "30"}

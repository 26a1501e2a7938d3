"""Templates in, pages out, each with the rules that let a browser run nothing but our own modules."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from shlex import quote
from typing import Any

from fastapi import Depends, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

from hansard.console.access import Viewer, address_of
from hansard.console.statics import address

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types hansard",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",  # what people said is in no cache
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def page(request: Request, template: str, viewer: Viewer | None, status: int = 200, **context: Any) -> Response:
    """A page of the console. `viewer` is None before somebody has signed in; `origin` is where people reach us."""
    made = environment().get_template(template)
    known = {"path": request.url.path, "viewer": viewer, "origin": address_of(request)}
    return HTMLResponse(made.render(**known, **context), status_code=status, headers=HEADERS)


async def _as_a_page(response: Response) -> None:
    response.headers.update(HEADERS)


AsAPage = Depends(_as_a_page)  # for a route of the console that answers with data: its headers are those of a page


def see(path: str) -> Response:
    """Send the browser on to a page of ours, with GET."""
    return RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER, headers=HEADERS)


def error_page(request: Request, status: int, sentence: str, headers: dict[str, str]) -> Response:
    """What a person sees of an error: what happened, in the frame they know."""
    viewer: Viewer | None = getattr(request.state, "viewer", None)
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    made = page(request, "error.html", viewer, status=status, code=status, title=title, sentence=sentence)
    made.headers.update(headers)
    return made


_TITLES = {
    400: "That cannot be",
    401: "You are not signed in",
    403: "You may not do this",
    404: "There is nothing here",
    405: "This page cannot be asked for like this",
    422: "That cannot be",
    429: "Too many attempts",
    500: "Something went wrong",
    503: "The server is busy",
    507: "The disk is full",
}


@cache
def environment() -> Environment:
    """The templates, which escape everything and refuse a name nobody gave them."""
    made = Environment(
        loader=PackageLoader("hansard.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"clock": clock, "instant": instant, "day_and_time": day_and_time, "seconds": clock, "ms": ms}
    made.filters |= {"whole": whole, "size": size, "quoted": quote}
    made.filters |= {"said": said}
    made.globals |= {"static": address}
    return made


def clock(seconds: float | None) -> str:
    """A length of time as a player shows it: `1:13`, from an hour on `1:02:03`; a dash where there is none."""
    if seconds is None:
        return "—"
    whole = max(0, int(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ms(duration_ms: float | None) -> str:
    """A latency: `412 ms`, from a second on `1.4 s`; a dash where there is none."""
    if duration_ms is None:
        return "—"
    return f"{duration_ms:.0f} ms" if abs(duration_ms) < 999.5 else f"{duration_ms / 1000:.1f} s"


def whole(number: int) -> str:
    """A count with thin spaces between its thousands."""
    return f"{number:,}".replace(",", "\u2009")


def size(size_bytes: int) -> str:
    """A size on disk: `3.2 GiB`."""
    for unit, length in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size_bytes >= length:
            return f"{size_bytes / length:.1f} {unit}"
    return f"{size_bytes} bytes"


def instant(moment: datetime) -> str:
    """For machines: ISO 8601 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day_and_time(moment: datetime) -> str:
    """For people without scripts: in UTC, and saying so. `time.js` shows it in the viewer's zone."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(' ', 'seconds')} UTC"


def said(names: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in names.items() if value is not None}

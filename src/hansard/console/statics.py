"""The console's own files: styles, modules and pictures, under a path that changes with them."""

import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Response

from hansard.kit.errors import NotFound

FOLDER = Path(__file__).parent / "static"
router = APIRouter(include_in_schema=False)


@cache
def version() -> str:
    """Of all files together, so that a module's own imports, which are relative, stay within one version."""
    digest = hashlib.sha256()
    for name, content in sorted(files().items()):
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()[:12]


@cache
def files() -> dict[str, bytes]:
    """Every file by its path in the folder. Only what is in here can be asked for."""
    found = (path for path in FOLDER.rglob("*") if path.is_file())
    return {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in found}


def address(name: str) -> str:
    """Where a file is, for as long as it stays as it is. Raises KeyError for one that is not there."""
    files()[name]
    return f"/static/{version()}/{name}"


@router.get("/static/{of_version}/{name:path}")
def static_file(of_version: str, name: str) -> Response:
    """One file; kept by browsers for a year, for it never changes under its address.

    A page from before an upgrade asks for the version it knows: it gets today's file, which nothing keeps.
    """
    content = files().get(name)
    if content is None:
        raise NotFound(f"There is no file {name}.")
    kept = "public, max-age=31536000, immutable" if of_version == version() else "no-store"
    media_type = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    return Response(
        content, media_type=media_type, headers={"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    )

"""Where the bytes of recordings lie: in a folder, or in a bucket of an S3-compatible store (decision 0005).

Bytes lie under the organization they belong to and their own SHA-256. A name that somebody gave is never part of
a path, the same bytes are kept once, and putting them there again changes nothing.
"""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from hansard.kit.errors import Busy, DiskFull, NotFound
from hansard.kit.settings import SettingError, Settings

FOLDER = "recordings"
BLOCK_BYTES = 1024 * 1024
HEAD_BYTES = 4096
LEFTOVER_AFTER_S = 24 * 3600.0
_INCOMING = "incoming"


@dataclass(frozen=True)
class Blob:
    """Some bytes: whose they are, their SHA-256 in hex, and how many."""

    organization_id: int
    sha256: str
    size_bytes: int

    @property
    def key(self) -> str:
        return f"{self.organization_id}/{self.sha256}"


class Incoming:
    """Bytes on their way in: a file under a passing name, and their digest as far as they have come."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.path = Path(file.name)
        self.head = b""
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, block: bytes) -> None:
        """Add to the end. Raises DiskFull."""
        with _room():
            self._file.write(block)
        self._digest.update(block)
        self.size_bytes += len(block)
        if len(self.head) < HEAD_BYTES:
            self.head += block[: HEAD_BYTES - len(self.head)]

    def seal(self) -> None:
        """Put what was written on disk. Raises DiskFull."""
        with _room():
            self._file.flush()
            os.fsync(self._file.fileno())

    def blob(self, organization_id: int) -> Blob:
        return Blob(organization_id, self.sha256, self.size_bytes)


class Blobs(Protocol):
    """A folder or a bucket. What `keep` has returned for is there in full after a loss of power; else nothing is."""

    def incoming(self) -> AbstractContextManager[Incoming]:
        """A place to write to; what was not kept is gone when the block ends. Raises DiskFull."""

    def keep(self, organization_id: int, incoming: Incoming) -> Blob:
        """Put what came in where it stays. Raises DiskFull, and Busy where the store cannot be reached."""

    def read(self, blob: Blob, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to but not including `stop`, a block at a time, or all.

        Raises NotFound at once where they are not there in full, and Busy where the store cannot be reached.
        """

    def local(self, blob: Blob) -> AbstractContextManager[Path]:
        """A file that holds the bytes as long as the block lasts. Raises NotFound, DiskFull, Busy."""

    def check(self, blob: Blob) -> None:
        """Raises NotFound where the bytes are not there in full, and Busy where the store cannot be reached."""

    def remove_leftovers(self, now_s: float) -> int:
        """Remove what uploads left that broke off a day before `now_s` (Unix seconds) or earlier; give how many."""


class Folder:
    """Bytes in a folder of this machine. Several processes may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return str(self._root)

    def incoming(self) -> AbstractContextManager[Incoming]:
        return _incoming(self._root / _INCOMING)

    def keep(self, organization_id: int, incoming: Incoming) -> Blob:
        """The order is what makes it safe: the content on disk, then its name, then the folders that hold the name."""
        blob = incoming.blob(organization_id)
        incoming.seal()
        path = self._path(blob)
        with _room():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.replace(incoming.path, path)
            for folder in (path.parent, self._root, self._root.parent):
                _sync(folder)
        return blob

    def read(self, blob: Blob, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        self.check(blob)
        return _blocks(self._path(blob), start, blob.size_bytes if stop is None else stop)

    @contextmanager
    def local(self, blob: Blob) -> Iterator[Path]:
        self.check(blob)
        yield self._path(blob)

    def check(self, blob: Blob) -> None:
        try:
            size_bytes = self._path(blob).stat().st_size
        except FileNotFoundError:
            raise _missing(blob) from None
        if size_bytes != blob.size_bytes:
            raise _missing(blob)

    def remove_leftovers(self, now_s: float) -> int:
        return _remove_leftovers(self._root / _INCOMING, now_s)

    def _path(self, blob: Blob) -> Path:
        return self._root / str(blob.organization_id) / blob.sha256


class Bucket:
    """Bytes in a bucket. They come into a folder first, so that what reaches the bucket is whole."""

    def __init__(self, store: Any, folder: Path, name: str) -> None:
        self._store = store
        self._folder = folder
        self._name = name

    def __str__(self) -> str:
        return self._name

    def incoming(self) -> AbstractContextManager[Incoming]:
        return _incoming(self._folder / _INCOMING)

    def keep(self, organization_id: int, incoming: Incoming) -> Blob:
        """An object appears in a bucket when all of it is there, and not before."""
        import obstore

        blob = incoming.blob(organization_id)
        incoming.seal()
        with _reached():
            obstore.put(self._store, blob.key, incoming.path)
        return blob

    def read(self, blob: Blob, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        self.check(blob)
        return self._blocks(blob, start, blob.size_bytes if stop is None else stop)

    def _blocks(self, blob: Blob, start: int, stop: int) -> Iterator[bytes]:
        """A request for each block: one for all of it would be cut off while a listener pauses."""
        import obstore

        for place in range(start, stop, BLOCK_BYTES):
            with _reached(), _found(blob):
                block = obstore.get_range(self._store, blob.key, start=place, end=min(place + BLOCK_BYTES, stop))
            yield bytes(block)

    @contextmanager
    def local(self, blob: Blob) -> Iterator[Path]:
        with self.incoming() as copy:
            for block in self.read(blob):
                copy.write(block)
            copy.seal()
            yield copy.path

    def check(self, blob: Blob) -> None:
        import obstore

        with _reached(), _found(blob):
            size_bytes = obstore.head(self._store, blob.key)["size"]
        if size_bytes != blob.size_bytes:
            raise _missing(blob)

    def remove_leftovers(self, now_s: float) -> int:
        return _remove_leftovers(self._folder / _INCOMING, now_s)


def open_blobs(settings: Settings) -> Blobs:
    """Where the settings say that recordings lie. Raises SettingError for an address that cannot be."""
    folder = settings.data / FOLDER
    if not settings.recordings_url:
        return Folder(folder)
    url = urlsplit(settings.recordings_url)
    if url.scheme != "s3" or not url.netloc or url.query or url.fragment:
        raise SettingError(f"recordings_url must be like s3://bucket/prefix, not {settings.recordings_url!r}.")
    return Bucket(_store(settings, url.netloc, url.path.strip("/")), folder, settings.recordings_url)


def _store(settings: Settings, bucket: str, prefix: str) -> Any:
    """What the settings leave out, the library takes from AWS_* variables or from the machine's role."""
    from obstore.store import S3Store

    endpoint = settings.recordings_endpoint
    said: dict[str, Any] = {
        "endpoint": endpoint,
        "region": settings.recordings_region,
        "access_key_id": settings.recordings_access_key,
        "secret_access_key": settings.recordings_secret_key,
        "virtual_hosted_style_request": False if endpoint else None,
    }
    return S3Store(
        bucket,
        prefix=prefix or None,
        client_options={"allow_http": bool(endpoint and endpoint.startswith("http://")), "timeout": "60s"},
        retry_config={"max_retries": 3},
        **{name: value for name, value in said.items() if value is not None},
    )


@contextmanager
def _incoming(folder: Path) -> Iterator[Incoming]:
    with _room():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = tempfile.NamedTemporaryFile(dir=folder, prefix="part-", delete=False)  # noqa: SIM115 - closed below
    try:
        yield Incoming(file)
    finally:
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file.name)


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull("There is no room left on the disk; nothing was written.") from None
        raise


@contextmanager
def _reached() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        first = str(error).splitlines()[0]
        raise Busy(f"The store of recordings does not do this now: {first}") from None


@contextmanager
def _found(blob: Blob) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise _missing(blob) from None


def _missing(blob: Blob) -> NotFound:
    return NotFound(f"The bytes of this recording, {blob.sha256[:12]}…, are not where they were put.")


def _sync(folder: Path) -> None:
    """Put the names in a folder on disk, as fsync does the content of a file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _blocks(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = stop - start
        while left > 0 and (block := file.read(min(left, BLOCK_BYTES))):
            left -= len(block)
            yield block


def _remove_leftovers(folder: Path, now_s: float) -> int:
    """Only old ones: a file that still grows belongs to an upload of this process or another."""
    count = 0
    for path in folder.glob("part-*"):
        with contextlib.suppress(FileNotFoundError):
            if now_s - path.stat().st_mtime > LEFTOVER_AFTER_S:
                path.unlink()
                count += 1
    return count

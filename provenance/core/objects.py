"""The object store of the installation: where bytes live that are too large for rows (DESIGN decision 11).

One store under one interface: a folder of the data folder by default, or S3, Google Cloud Storage or Azure by
``PROVENANCE_OBJECTS_URL``. Features put blobs into it and keep rows that say which; a blob is addressed by workspace,
*area* (the feature's own corner, such as ``datastores``, ``skills`` or ``outputs``) and a key that the feature makes.
Neither is ever a text of a caller: keys are made of letters, digits, ``.``, ``_``, ``-`` and ``/``.

How to use it, in this order, so that no crash leaves a row without its bytes::

    objects = Objects.of(settings)                      # one a process; the server's is app.state.objects
    stored = await objects.put(workspace_id, "skills", key, stream, limit=…, sha256=…)   # outside a transaction
    async with db.write(actor) as tx: …                 # the row, with stored.size and stored.sha256
    async for part in objects.open(workspace_id, "skills", key): …

A put is all or nothing: it is there whole, and on the disk, when `put` returns, and not at all when it raises or the
process dies. A blob under a key of its own (an id, or its SHA-256) is never overwritten, so readers need no lock. What
is left by a process that died between the put and its row is the feature's to sweep: `listed` finds it.
"""

import asyncio
import os
import re
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from datetime import datetime, timedelta
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Any, NamedTuple

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store, from_url

from provenance.core.disk import DiskGuard
from provenance.core.errors import Invalid, NotFound, TooLarge, Unavailable
from provenance.core.settings import Settings

FOLDER = "objects"
READ_BYTES = 256 * 1024
"""About how much `open` hands over at once."""
LOCAL_PART, REMOTE_PART, MOST_PARTS = 512 * 1024, 5 * 1024 * 1024, 9_000
"""Bytes that are held before they are sent on: an S3 part has 5 MiB at least, and there are 10,000 at most."""
AT_ONCE = 2
LEFT_OVER_SECONDS = 24 * 3600.0
"""How old a half-written file of the folder is when no living process can be writing it."""

_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}(/[A-Za-z0-9][A-Za-z0-9._-]{0,199}){0,7}")
_HALF_WRITTEN = re.compile(r".*#[0-9]+")
_CLIENT: Any = {"connect_timeout": "5s", "timeout": "3600s", "read_timeout": "60s"}
_RETRY: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}


class ObjectStoreAway(Unavailable):
    """The object store does not answer, or does not let us in; nothing was stored."""

    code = "object_store_unavailable"


class ObjectTooLarge(TooLarge):
    """The content is larger than it may be, or than was announced; nothing was stored."""

    code = "object_too_large"


class ObjectDiffers(Invalid):
    """The content is not the one that was announced: another size or SHA-256. Nothing was stored."""

    code = "object_differs"


class ObjectGone(NotFound):
    """The object store holds nothing under the key."""

    code = "object_gone"


class Stored(NamedTuple):
    """What was put: its size in bytes and its SHA-256 (32 bytes)."""

    size: int
    sha256: bytes


class Found(NamedTuple):
    """A blob in a listing: its key within the area, its size, and when it was put."""

    key: str
    size: int
    at: datetime


class Objects:
    """The blobs of one installation."""

    def __init__(self, store: Any, *, folder: Path | None = None, guard: DiskGuard | None = None) -> None:
        """Take a store of ``obstore``; of a local one also its folder, and the guard of its disk."""
        self._store = store
        self._folder = folder
        self._guard = guard

    @classmethod
    def of(cls, settings: Settings) -> "Objects":
        """Open the store that the settings name; nothing is connected yet. Raises ValueError for a bad address."""
        url = settings.objects_url
        if url is None or url.startswith("file://"):
            folder = settings.data_dir / FOLDER if url is None else Path(url.removeprefix("file://"))
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            store = LocalStore(folder, automatic_cleanup=True)
            return cls(store, folder=folder, guard=DiskGuard(folder, settings.min_free_bytes))
        options = {name: value.get_secret_value() for name, value in settings.objects_options.items()}
        if url.startswith("s3"):
            options.setdefault("aws_disable_bulk_delete", "true")  # we delete one by one; not every store has the other
        client = _CLIENT | {"allow_http": any(value.startswith("http://") for value in options.values())}
        connect: Any = from_url  # its overloads want each provider's options by name
        try:
            return cls(connect(url, config=options, client_options=client, retry_config=_RETRY))
        except (BaseError, ValueError, TypeError) as error:
            said = str(error).partition("\n")[0]  # what follows is the library's own structure
            raise ValueError(f"PROVENANCE_OBJECTS_URL or PROVENANCE_OBJECTS_OPTIONS: {said}") from None

    @property
    def signs(self) -> bool:
        """Whether clients can be sent to the store itself."""
        return isinstance(self._store, S3Store | GCSStore | AzureStore)

    @property
    def put_headers(self) -> dict[str, str]:
        """What a client must send beside the content to an address that the store itself takes it at."""
        return {"x-ms-blob-type": "BlockBlob"} if isinstance(self._store, AzureStore) else {}

    async def put(
        self,
        workspace_id: uuid.UUID,
        area: str,
        key: str,
        content: bytes | AsyncIterable[bytes],
        *,
        limit: int | None = None,
        size: int | None = None,
        sha256: bytes | None = None,
        content_type: str | None = None,
    ) -> Stored:
        """Store a content under a key, in memory that does not grow with it, and say what it was.

        ``limit`` is the most bytes it may have; ``size`` and ``sha256`` are what it must have. ``content_type`` is what
        a store of its own says of it to those who come with a signed address. Whatever the stream raises ends the put,
        and is raised. Raises ObjectTooLarge, ObjectDiffers, ObjectStoreAway and DiskFull.
        """
        path = _path(workspace_id, area, key)
        if self._guard is not None:
            self._guard.ensure()
        counted = _Counted(content, limit if size is None else size, size, sha256)
        part = LOCAL_PART if self._folder is not None else max(REMOTE_PART, (size or 0) // MOST_PARTS)
        head, more = await _head(counted, part)
        source = _chained(head, counted) if more else head
        try:
            await obstore.put_async(
                self._store,
                path,
                source,
                attributes=None if self._folder is not None else _attributes(content_type),
                chunk_size=part,
                max_concurrency=AT_ONCE,
            )
        except BaseError as error:
            raise _away(error) from error
        if self._folder is not None:
            await asyncio.to_thread(_to_disk, self._folder / path)
        return counted.stored

    async def open(
        self, workspace_id: uuid.UUID, area: str, key: str, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of a blob from ``start`` up to ``end`` (not included), in pieces.

        The first piece is fetched when it is asked for. Raises ObjectGone and ObjectStoreAway.
        """
        if end is not None and end <= start:
            return
        options: Any = {"range": {"offset": start} if end is None else (start, end)} if start or end is not None else {}
        try:
            found = await obstore.get_async(self._store, _path(workspace_id, area, key), options=options)
            async for piece in found.stream(min_chunk_size=READ_BYTES):
                yield bytes(piece)
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectGone("The object store no longer holds this.") from error
        except BaseError as error:
            raise _away(error) from error

    async def read(self, workspace_id: uuid.UUID, area: str, key: str) -> bytes:
        """Return a blob that is small enough for memory. Raises ObjectGone and ObjectStoreAway."""
        return b"".join([piece async for piece in self.open(workspace_id, area, key)])

    async def size(self, workspace_id: uuid.UUID, area: str, key: str) -> int | None:
        """Return the size of a blob in bytes; None when there is none. Raises ObjectStoreAway."""
        try:
            return int((await obstore.head_async(self._store, _path(workspace_id, area, key)))["size"])
        except (NotFoundError, FileNotFoundError):
            return None
        except BaseError as error:
            raise _away(error) from error

    async def copy(self, workspace_id: uuid.UUID, area: str, key: str, to: str) -> None:
        """Copy a blob to another key of its area, within the store. Raises ObjectGone and ObjectStoreAway."""
        try:
            await obstore.copy_async(self._store, _path(workspace_id, area, key), _path(workspace_id, area, to))
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectGone("The object store no longer holds this.") from error
        except BaseError as error:
            raise _away(error) from error

    async def delete(self, workspace_id: uuid.UUID, area: str, keys: str | Iterable[str]) -> None:
        """Destroy blobs; one that is not there is no error. Raises ObjectStoreAway."""
        for key in [keys] if isinstance(keys, str) else keys:
            try:
                await obstore.delete_async(self._store, _path(workspace_id, area, key))
            except (NotFoundError, FileNotFoundError):
                continue
            except BaseError as error:
                raise _away(error) from error

    async def listed(self, workspace_id: uuid.UUID, area: str, prefix: str = "") -> AsyncIterator[Found]:
        """Yield the blobs of an area, or those below a prefix that ends at a ``/``. Raises ObjectStoreAway."""
        root = f"{workspace_id}/{area}/"
        try:
            async for page in obstore.list(self._store, prefix=_path(workspace_id, area, prefix) if prefix else root):
                for each in page:
                    yield Found(each["path"].removeprefix(root), each["size"], each["last_modified"])
        except BaseError as error:
            raise _away(error) from error

    async def sign(self, method: str, workspace_id: uuid.UUID, area: str, key: str, seconds: int) -> str | None:
        """Return an address of the store itself, good for some seconds; None where the store has none (a folder)."""
        if not self.signs:
            return None
        sign: Any = obstore.sign_async
        try:
            url: str = await sign(self._store, method, _path(workspace_id, area, key), timedelta(seconds=seconds))
        except BaseError as error:
            raise _away(error) from error
        return url

    async def sweep(self) -> int:
        """Remove what processes that died left half-written in the folder, a day later; return how many files.

        An S3 bucket does the same by a life-cycle rule for incomplete multipart uploads.
        """
        if self._folder is None:
            return 0
        return await asyncio.to_thread(_sweep_folder, self._folder, time.time() - LEFT_OVER_SECONDS)


class _Counted:
    """A content on its way: counted and digested while it passes, refused where it is not what it has to be."""

    def __init__(
        self, content: bytes | AsyncIterable[bytes], limit: int | None, size: int | None, sha256: bytes | None
    ) -> None:
        self._content = content
        self._limit = limit
        self._size, self._sha256 = size, sha256
        self._digest = new_sha256()
        self._passed = 0
        self._parts = self._pass()

    @property
    def stored(self) -> Stored:
        return Stored(self._passed, self._digest.digest())

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._parts

    async def _pass(self) -> AsyncIterator[bytes]:
        if isinstance(self._content, bytes):
            yield self._counted(self._content)
        else:
            async for piece in self._content:
                yield self._counted(piece)
        if self._size is not None and self._passed != self._size:
            raise ObjectDiffers(f"The content has {self._passed:,} bytes; {self._size:,} were announced.")
        if self._sha256 is not None and self._digest.digest() != self._sha256:
            raise ObjectDiffers("The content has another SHA-256 than was announced.")

    def _counted(self, piece: bytes) -> bytes:
        self._passed += len(piece)
        if self._limit is not None and self._passed > self._limit:
            raise ObjectTooLarge(f"The content has more than {self._limit:,} bytes.")
        self._digest.update(piece)
        return piece


async def _head(content: _Counted, part: int) -> tuple[bytes, bool]:
    """Return what comes first, up to about one part, and whether there may be more.

    Most contents fit: they are put in one request, without the three of a multipart upload.
    """
    pieces: list[bytes] = []
    held = 0
    async for piece in content:
        pieces.append(piece)
        held += len(piece)
        if held > part:
            return b"".join(pieces), True
    return b"".join(pieces), False


async def _chained(head: bytes, rest: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for piece in rest:
        yield piece


def _attributes(content_type: str | None) -> Any:
    """Say what a content is, and that a browser is to keep it, not to show it."""
    return None if content_type is None else {"Content-Type": content_type, "Content-Disposition": "attachment"}


def _path(workspace_id: uuid.UUID, area: str, key: str) -> str:
    """Return where a blob is. Raises ValueError for a key that is none: a mistake of the feature that made it."""
    if not _PLACE.fullmatch(area) or not _PLACE.fullmatch(key) or "/" in area:
        raise ValueError(f"no place in the object store: {area!r} {key!r}")
    return f"{workspace_id}/{area}/{key}"


def _away(error: BaseError) -> ObjectStoreAway:
    return ObjectStoreAway(f"The object store can't be used now ({type(error).__name__}). Nothing was stored.")


def _to_disk(path: Path) -> None:
    """See to it that a file, and its name in its folder, outlive a loss of power."""
    for each in (path, path.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sweep_folder(folder: Path, before: float) -> int:
    removed = 0
    for at, _, names in os.walk(folder):
        for name in filter(_HALF_WRITTEN.fullmatch, names):
            path = Path(at, name)
            try:
                if path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue  # its writer has just finished, or another worker sweeps too
    return removed

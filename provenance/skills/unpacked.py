"""Packages unpacked on this machine: fetched once, checked against their hash, then read by every call."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

from provenance.core.objects import ObjectGone, Objects
from provenance.skills import archive
from provenance.skills.schemas import PackageRow
from provenance.skills.uploading import AREA

FOLDER = "skills"
KEPT = 200


class Unpacked:
    """A folder with packages, each under its hash, so that processes share it; the least used are removed."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        """Take the object store, and the folder to unpack in."""
        self._objects = objects
        self._folder = folder
        self._in_use: OrderedDict[Path, int] = OrderedDict()
        self._fetching: dict[Path, asyncio.Lock] = {}

    @asynccontextmanager
    async def of(self, workspace_id: uuid.UUID, package: PackageRow) -> AsyncIterator[Path]:
        """Hold a package's folder while a call reads it. Raises ObjectGone and ObjectStoreAway."""
        path = self._folder / f"{workspace_id.hex}-{package.sha256.hex()}"
        self._in_use[path] = self._in_use.pop(path, 0) + 1
        try:
            async with self._fetching.setdefault(path, asyncio.Lock()):
                if not path.is_dir():
                    await self._fetch(workspace_id, package, path)
            yield path
        finally:
            self._in_use[path] -= 1

    async def _fetch(self, workspace_id: uuid.UUID, package: PackageRow, path: Path) -> None:
        content = await self._objects.read(workspace_id, AREA, package.id.hex)
        if sha256(content).digest() != package.sha256:
            raise ObjectGone("The package in the object store is not the one that was uploaded.")
        await asyncio.to_thread(_unpack, content, path)
        await asyncio.to_thread(self._thin_out)

    def _thin_out(self) -> None:
        idle = [path for path, count in self._in_use.items() if count == 0]
        for path in idle[: max(0, len(self._in_use) - KEPT)]:
            del self._in_use[path]
            shutil.rmtree(path, ignore_errors=True)


def _unpack(content: bytes, path: Path) -> None:
    """Unpack beside the place and move it there whole; another process may have been quicker."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="unpacking-", dir=path.parent))
    try:
        made.chmod(0o755)
        archive.unpack(content, made)
        with contextlib.suppress(OSError):
            os.rename(made, path)
    finally:
        shutil.rmtree(made, ignore_errors=True)

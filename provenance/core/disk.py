"""A guard over the disk: writes are refused while there is still room for the database to stay up.

PostgreSQL ends when it cannot extend its write-ahead log, and takes every reader with it. So the server says
503 a little earlier (DESIGN decision 1), and reads go on.
"""

import os
import time
from pathlib import Path

from provenance.core.errors import Unavailable

RECHECK_SECONDS = 1.0


class DiskFull(Unavailable):
    """The data folder's disk has less free space than writes need to be safe; nothing was stored."""

    code = "disk_full"


class DiskGuard:
    """Looks at the free space of one folder's disk, at most once a second."""

    def __init__(self, path: Path, min_free_bytes: int) -> None:
        """Take the folder and the free bytes under which writes are refused (0: never)."""
        self._path = path
        self._min_free_bytes = min_free_bytes
        self._looked_at = float("-inf")
        self._free = 0

    @property
    def free_bytes(self) -> int:
        """Bytes that an ordinary user may still write, as of the last second."""
        now = time.monotonic()
        if now - self._looked_at >= RECHECK_SECONDS:
            self._free = _free_bytes(self._path)
            self._looked_at = now
        return self._free

    def ensure(self) -> None:
        """Return when there is room for a write.

        Raises DiskFull (503 with Retry-After) when there is not.
        """
        if self._min_free_bytes and self.free_bytes < self._min_free_bytes:
            raise DiskFull(
                f"The server's disk is nearly full: {self._free >> 20:,} MB are free, writes need "
                f"{self._min_free_bytes >> 20:,} MB. Nothing was stored; free some space, and send it again.",
                retry_after=10,
            )


def _free_bytes(path: Path) -> int:
    """Ask the disk that holds the folder, or will hold it: one that is not there yet is asked by its parent."""
    while not path.exists() and path != path.parent:
        path = path.parent
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize

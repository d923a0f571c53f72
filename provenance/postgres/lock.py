"""Locks on a data folder that the kernel releases when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class FolderLock:
    """An exclusive lock on one file, with the number of the holding process written inside."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    @property
    def descriptor(self) -> int:
        """The open file while we hold the lock, for a child to inherit."""
        if self._file is None:
            raise RuntimeError(f"{self.path} is not locked by us")
        return self._file

    def acquire(self) -> int | None:
        """Take the lock without waiting; return its descriptor, or None when another process has it."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        os.ftruncate(file, 0)
        os.write(file, b"%d\n" % os.getpid())
        self._file = file
        return file

    def holder(self) -> int | None:
        """Return the process that last took the lock, as it wrote itself."""
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            return None

    def seen_holder(self) -> int | None:
        """Return the process that holds the lock now, or None; takes nothing."""
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self.holder()
        finally:
            os.close(file)
        return None

    def release(self) -> None:
        """Close our end. A child that inherited the descriptor keeps the lock until it ends."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

"""The folder of spool files: one per process, held under a lock for the life of the process, adopted after
its death.

Beside each `<name>.spool` lies `<name>.lock`. Its owner holds an exclusive flock on it, which the kernel
drops when the process is gone, however it went. Whoever gets the lock of another file may therefore send
what is in it. The lock is on a file of its own because SQLite's locks on a database vanish when any
descriptor of it is closed.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import secrets
import sqlite3
from pathlib import Path

from platformdirs import user_state_path

from provenance_client.errors import SpoolError
from provenance_client.recording.spool import FORMAT, Spool, SpoolSync
from provenance_client.settings import ClientSettings

log = logging.getLogger(__name__)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SUFFIXES = ("", "-wal", "-shm")


def default_folder(settings: ClientSettings) -> Path:
    """The folder for one server and key in the user's state folder.

    Two programs with different keys never share one: what a dead one left must not reach the other's
    workspace.
    """
    whose = hashlib.sha256(f"{settings.api_url}\n{settings.api_key}".encode()).hexdigest()[:16]
    return user_state_path("provenance") / "spool" / whose


class HeldSpool:
    """A spool file together with the lock that makes it ours."""

    def __init__(self, spool: Spool, lock_path: Path, lock_fd: int) -> None:
        self.spool = spool
        self._lock_path, self._lock_fd = lock_path, lock_fd

    def close(self) -> None:
        """Let go: an empty file is removed, one with waiting items stays for whoever adopts it."""
        if self.spool.close():
            for suffix in _SUFFIXES:
                self.spool.path.with_name(self.spool.path.name + suffix).unlink(missing_ok=True)
            self._lock_path.unlink(missing_ok=True)
        os.close(self._lock_fd)

    def abandon(self) -> None:
        """After a fork, in the child: close our copy of the lock's descriptor.

        The lock stays the parent's.
        """
        os.close(self._lock_fd)


class SpoolFolder:
    """The spool files of one folder. Raises SpoolError when the folder cannot be made or written."""

    def __init__(self, path: Path, *, sync: SpoolSync, max_rows: int, max_bytes: int) -> None:
        self.path = path
        self._sync: SpoolSync = sync
        self._max_rows, self._max_bytes = max_rows, max_bytes
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SpoolError(f"no spool folder at {path}: {error}") from error

    def new(self) -> HeldSpool:
        """A new, empty spool of this process."""
        while True:
            name = f"{os.getpid()}-{secrets.token_hex(4)}"
            lock_path = self.path / f"{name}.lock"
            try:
                lock_fd = _lock(lock_path, create=True)
                if lock_fd is not None:
                    return HeldSpool(self._open(self.path / f"{name}.spool"), lock_path, lock_fd)
            except (OSError, sqlite3.Error) as error:
                raise SpoolError(f"no spool file in {self.path}: {error}") from error

    def adopt(self, at_most: int) -> list[HeldSpool]:
        """Spools whose process is gone; empty ones are removed on the way."""
        found: list[HeldSpool] = []
        for lock_path in sorted(self.path.glob("*.lock")):
            if len(found) == at_most:
                break
            held = self._adopt(lock_path)
            if held is None:
                continue
            if held.spool.rows:
                found.append(held)
            else:
                held.close()
        return found

    def _adopt(self, lock_path: Path) -> HeldSpool | None:
        lock_fd = _lock(lock_path, create=False)
        if lock_fd is None:
            return None
        path = lock_path.with_suffix(".spool")
        try:
            if _is_ours_to_read(path):
                return HeldSpool(self._open(path), lock_path, lock_fd)
        except sqlite3.Error as error:
            log.warning("the spool %s cannot be read: %s", path, error)
            if error.sqlite_errorcode in _DAMAGED:
                path.replace(path.with_suffix(".unreadable"))
        os.close(lock_fd)
        return None

    def _open(self, path: Path) -> Spool:
        # Made here first, so that SQLite's side files inherit the narrow mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        return Spool(path, sync=self._sync, max_rows=self._max_rows, max_bytes=self._max_bytes)


def _lock(path: Path, *, create: bool) -> int | None:
    """A descriptor that holds the lock, or None: another process holds it, or the file is gone."""
    flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0)
    try:
        fd = os.open(path, flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between our open and our lock its owner may have removed it: then this lock guards nothing.
        if os.fstat(fd).st_nlink:
            return fd
    except BlockingIOError:
        pass
    os.close(fd)
    return None


def _is_ours_to_read(path: Path) -> bool:
    """Whether the file has the format of this version.

    A newer version's file waits for a process of that version.
    """
    connection = sqlite3.connect(path)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    finally:
        connection.close()
    return version in (0, FORMAT)

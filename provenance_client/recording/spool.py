"""One spool file: interactions that are safe on disk and not yet acknowledged by the server.

Two connections share the file. The writer's takes what callers hand over; the sender's reads batches.
Everything that writes (append, discard) holds `_lock`, so SQLite never reports "busy" and no caller ever
sleeps in a busy timeout. Automatic checkpoints are off: a checkpoint calls fsync, and the caller whose
commit happens to trigger one would wait for the disk.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from provenance_client.errors import SpoolError, SpoolFull

SpoolSync = Literal["normal", "full"]
FORMAT = 1
_PAGE = 2048
_SLICE_ROWS, _SLICE_BYTES, _PAUSE = 250, 256 * 1024, 0.0001
_CHECKPOINT_BYTES = 4 * 1024 * 1024
_WAL_LIMIT_BYTES = 64 * 1024 * 1024
_TABLE = """CREATE TABLE IF NOT EXISTS spool
    (number INTEGER PRIMARY KEY, size INTEGER NOT NULL, body TEXT NOT NULL)"""
_TOTALS = "SELECT count(*), coalesce(sum(size), 0), coalesce(max(number), 0) FROM spool"
_APPEND = "INSERT INTO spool (number, size, body) VALUES (?, ?, ?)"
# The whole batch in one step of SQLite: every step gives up the interpreter lock, and in a busy program each
# may wait milliseconds to get it back. The size stands before the body: adding up sizes reads no bodies.
_BATCH = """SELECT count(*), coalesce(sum(size), 0), group_concat(number),
        CAST('{"items":[' || group_concat(body) || ']}' AS BLOB)
    FROM spool WHERE number <= (SELECT max(number) FROM
        (SELECT number, sum(size) OVER (ORDER BY number) AS upto, row_number() OVER (ORDER BY number) AS place
         FROM (SELECT number, size FROM spool ORDER BY number LIMIT ?))
     WHERE upto <= ? OR place = 1)"""


@dataclass(frozen=True, slots=True)
class Batch:
    """The oldest waiting interactions: how many, their bytes, their numbers as text, the request's body."""

    count: int
    size: int
    listed: str
    content: bytes

    @property
    def numbers(self) -> list[int]:
        """The items' numbers, in the order of the body."""
        return [int(number) for number in self.listed.split(",")]


class Spool:
    """The waiting interactions of one process, in the order they were logged.

    `rows` and `size` (bytes of bodies) count what waits. `sync="normal"` survives a kill of the process,
    `"full"` a power loss too, for the price of an fsync per append.
    """

    def __init__(self, path: Path, *, sync: SpoolSync, max_rows: int, max_bytes: int) -> None:
        self.path = path
        self._wal = path.with_name(path.name + "-wal")
        self._max_rows, self._max_bytes = max_rows, max_bytes
        # Reentrant: a signal handler or a finaliser may log while this very thread is inside append().
        self._lock = threading.RLock()
        self._reading = threading.Lock()
        self._written = 0
        self._writer = _connect(path, sync)
        self._writer.execute(_TABLE)
        self._writer.execute(f"PRAGMA user_version={FORMAT}")
        self._reader = _connect(path, sync)
        self.rows, self.size, self.last_number = self._reader.execute(_TOTALS).fetchone()

    def append(self, body: bytes) -> None:
        """Put one item at the end; on return it survives the process.

        Raises SpoolFull at the bound or on a full disk, SpoolError when the file cannot be written.
        """
        with self._lock:
            if self.rows >= self._max_rows or self.size + len(body) > self._max_bytes:
                raise SpoolFull(f"{self.rows:,} interactions ({self.size:,} bytes) wait already")
            # The number is used up first: an interrupt in the middle leaves a gap, never a number twice.
            self.last_number += 1
            try:
                self._writer.execute(_APPEND, (self.last_number, len(body), body.decode()))
            except sqlite3.Error as error:
                raise _unwritable(error) from error
            self.rows += 1
            self.size += len(body)
            self._written += len(body) + _PAGE

    def batch(self, max_rows: int, max_bytes: int) -> Batch | None:
        """The oldest waiting items, at most so many and so large, but one if any waits; None if none does."""
        with self._reading:
            found = Batch(*self._reader.execute(_BATCH, (max_rows, max_bytes)).fetchone())
        return found if found.count else None

    def body(self, number: int) -> str:
        """The body of one waiting item."""
        with self._reading:
            (body,) = self._reader.execute("SELECT body FROM spool WHERE number = ?", (number,)).fetchone()
        return str(body)

    def oldest(self) -> int:
        """The number of the oldest waiting item; one beyond the last when none waits."""
        beyond = self.last_number + 1
        with self._reading:
            (number,) = self._reader.execute("SELECT min(number) FROM spool").fetchone()
        return beyond if number is None else int(number)

    def discard(self, batch: Batch, keep: Collection[int] = ()) -> None:
        """Forget the items of a batch except the numbers in `keep`.

        In slices, so that a caller's append waits for a fraction of a millisecond at most.
        """
        kept_bytes = sum(len(self.body(number).encode()) for number in keep)
        gone = [number for number in batch.numbers if number not in keep] if keep else batch.numbers
        step = max(1, min(_SLICE_ROWS, batch.count * _SLICE_BYTES // batch.size))
        for start in range(0, len(gone), step):
            part = gone[start : start + step]
            marks = ",".join("?" * len(part))
            with self._lock:
                self._writer.execute(f"DELETE FROM spool WHERE number IN ({marks})", part)  # noqa: S608
                self.rows -= len(part)
            # Locks are not fair: without a pause this thread takes it again before a waiting caller woke up.
            time.sleep(_PAUSE)
        with self._lock:
            self.size -= batch.size - kept_bytes
            self._written += batch.size + batch.count * _PAGE // 4

    def checkpoint(self) -> None:
        """Bring a grown write-ahead log home. For the sender's thread: this waits for the disk."""
        if self._written < _CHECKPOINT_BYTES:
            return
        self._written = 0
        with self._reading:
            self._reader.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if self._wal.stat().st_size < _WAL_LIMIT_BYTES:
            return
        # Under steady appends a passive checkpoint never reaches the end, and the log only starts over from
        # there: close the door for the few pages that are left.
        with self._lock, self._reading:
            self._reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def close(self) -> bool:
        """Close the file and answer whether it is empty, asked under the lock: no append slips by."""
        with self._lock, self._reading:
            (empty,) = self._reader.execute("SELECT NOT EXISTS (SELECT 1 FROM spool)").fetchone()
            self._reader.close()
            self._writer.close()
        return bool(empty)

    def hold(self) -> None:
        """Keep every other thread out of SQLite (before a fork)."""
        self._lock.acquire()
        self._reading.acquire()

    def release(self) -> None:
        """Undo `hold`."""
        self._reading.release()
        self._lock.release()


def _connect(path: Path, sync: SpoolSync) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    connection.execute(f"PRAGMA page_size={_PAGE}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL" if sync == "full" else "PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def _unwritable(error: sqlite3.Error) -> SpoolError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return SpoolFull("the disk is full")
    return SpoolError(f"the spool cannot be written: {error}")

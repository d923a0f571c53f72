"""The spool and its sender as one thing that opens when needed, outlives a fork and closes once."""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance_client.api.transport import SyncTransport
from provenance_client.errors import SpoolError
from provenance_client.recording.dead_letters import DeadLetters
from provenance_client.recording.folder import SpoolFolder, default_folder
from provenance_client.recording.options import Options
from provenance_client.recording.sender import Counts, Sender
from provenance_client.settings import ClientSettings


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers of this process since `create` (a forked child starts from zero).

    `logged` handed over · `pending`, `pending_bytes` waiting on disk · `sent` acknowledged, `duplicates` of
    them the server had already · `dead` refused for good · `dropped` not kept because the spool was full ·
    `retries` · `adopted` found in files of dead processes · `last_error` the latest reason for a retry or a
    refusal · `spool` this process's file.
    """

    logged: int
    pending: int
    pending_bytes: int
    sent: int
    duplicates: int
    dead: int
    dropped: int
    retries: int
    adopted: int
    last_error: str | None
    spool: Path | None


class Recorder:
    """Takes encoded interactions and sees to it that each is stored once. Safe to share between threads."""

    _sender: Sender | None

    def __init__(self, settings: ClientSettings, options: Options) -> None:
        self.settings, self.options = settings, options
        self.folder = Path(options.spool_dir) if options.spool_dir else default_folder(settings)
        self.dead_letters = DeadLetters(self.folder / "dead-letters.sqlite3")
        self._closed = False
        self._begin()
        self._sender = self._open()
        _recorders.add(self)

    def append(self, body: bytes) -> bool:
        """Keep one interaction. False when the spool is full and `on_full="drop"`.

        Otherwise raises SpoolError.
        """
        sender = self._sender or self._reopen()
        try:
            sender.own.spool.append(body)
        except SpoolError:
            if self.options.on_full == "raise":
                raise
            self._dropped += 1
            return False
        self._logged += 1
        sender.wake()
        return True

    def flush(self, timeout: float) -> bool:
        """Wait until all that was appended before is settled, `timeout` seconds at most; whether it is."""
        return self._sender is None or self._sender.flush(timeout)

    def close(self, timeout: float) -> bool:
        """Flush and let go of the files. What could not be sent stays on disk for the next process.

        Whether all went.
        """
        with self._opening:
            sender, self._sender, self._closed = self._sender, None, True
        _recorders.discard(self)
        if sender is None:
            return True
        settled = sender.flush(timeout)
        sender.stop(timeout=1.0)
        return settled

    def stats(self) -> Stats:
        """The numbers as of now."""
        sender = self._sender
        counts = sender.counts if sender else Counts()
        spool = sender.own.spool if sender else None
        return Stats(
            logged=self._logged,
            pending=spool.rows if spool else 0,
            pending_bytes=spool.size if spool else 0,
            sent=counts.sent,
            duplicates=counts.duplicates,
            dead=counts.dead,
            dropped=self._dropped,
            retries=counts.retries,
            adopted=counts.adopted,
            last_error=counts.last_error,
            spool=spool.path if spool else None,
        )

    def _begin(self) -> None:
        self._opening = threading.RLock()
        self._logged = self._dropped = 0
        self._sender = None

    def _open(self) -> Sender:
        options = self.options
        folder = SpoolFolder(
            self.folder,
            sync=options.spool_sync,
            max_rows=options.max_spool_rows,
            max_bytes=options.max_spool_bytes,
        )
        transport = SyncTransport(self.settings, timeout=options.timeout)
        return Sender(transport, folder, self.dead_letters, options)

    def _reopen(self) -> Sender:
        """The first call in a forked child: a file and a thread of its own."""
        with self._opening:
            if self._closed:
                raise SpoolError("this recorder is closed", code="closed")
            if self._sender is None:
                self._sender = self._open()
            return self._sender

    def before_fork(self) -> None:
        """Keep all threads out of SQLite while the process is copied.

        A lock held then stays held in the child.
        """
        self._opening.acquire()
        if self._sender:
            self._sender.disk.acquire()
            self._sender.own.spool.hold()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._sender:
            self._sender.own.spool.release()
            self._sender.disk.release()
        self._opening.release()

    def after_fork_in_child(self) -> None:
        """Leave the parent's files alone, unclosed; the next append opens our own."""
        if self._sender:
            _inherited.append(self._sender)
            for held in (self._sender.own, *self._sender.adopted):
                held.abandon()
        self._begin()


# Strong on purpose: a recorder that nobody holds any more still has interactions to send.
_recorders: set[Recorder] = set()
# Closing an SQLite connection that came through a fork may remove the files under the parent: never closed.
_inherited: list[Any] = []
_forking: list[Recorder] = []
_one_fork_at_a_time = threading.RLock()


def _before_fork() -> None:
    _one_fork_at_a_time.acquire()
    _forking.extend(_recorders)
    for recorder in _forking:
        recorder.before_fork()


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop().after_fork_in_parent()
    _one_fork_at_a_time.release()


def _after_fork_in_child() -> None:
    while _forking:
        _forking.pop().after_fork_in_child()
    _one_fork_at_a_time.release()


def _at_exit() -> None:
    for recorder in tuple(_recorders):
        recorder.close(recorder.options.exit_timeout)


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_at_exit)

"""The last signed heads outside the database: a file that a restored or rolled-back database can't take back.

One line of JSON per head, the last line of a log counts; synced after every batch of heads. Every process that
integrates keeps its own file in its data folder, and reads all it finds there when it starts.
"""

import contextlib
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import msgspec

from provenance.core.disk import DiskFull
from provenance.ledger.log.schemas import Head

HEADS_FILE = "heads.ndjson"
_ROOM = 1024 * 1024
_KEPT = 4


class _Line(msgspec.Struct):
    workspace: uuid.UUID
    epoch: int
    size: int
    root: str
    at: int
    note: str


_decode = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder().encode


class Heads:
    """The newest head of each log that this installation has signed, on disk and in memory."""

    def __init__(self, folder: Path) -> None:
        """Take the data folder; nothing is read before `load`."""
        self._path = folder / HEADS_FILE
        self._heads: dict[uuid.UUID, Head] = {}

    def load(self) -> None:
        """Read the file; a half-written last line, left by a crash, is passed over. Rewrites one that grew long."""
        self._heads.clear()
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            with contextlib.suppress(msgspec.DecodeError):
                self._take(_head(_decode(line)))
        if self._path.stat().st_size > _ROOM + _KEPT * sum(len(head.note) + 300 for head in self._heads.values()):
            self._rewrite()

    def of(self, workspace_id: uuid.UUID) -> Head | None:
        """Return the newest head known of a workspace's log."""
        return self._heads.get(workspace_id)

    def keep(self, heads: Iterable[Head]) -> None:
        """Write heads down, synced to the disk. Raises DiskFull when there is no room."""
        fresh = list(heads)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _write_all(descriptor, _lines(fresh))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DiskFull(f"The heads of the log can't be written down: {error.strerror}.") from error
        for head in fresh:
            self._take(head)

    def _take(self, head: Head) -> None:
        known = self._heads.get(head.workspace_id)
        if known is None or (head.epoch, head.size) >= (known.epoch, known.size):
            self._heads[head.workspace_id] = head

    def _rewrite(self) -> None:
        draft = self._path.with_name(f".{HEADS_FILE}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(descriptor, _lines(self._heads.values()))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(self._path)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(b"\n" + data)  # after a line that a crash cut off, the next one begins anew
    while view:
        view = view[os.write(descriptor, view) :]


def _lines(heads: Iterable[Head]) -> bytes:
    lines = [
        _Line(head.workspace_id, head.epoch, head.size, head.root.hex(), head.signed_at, head.note) for head in heads
    ]
    return b"".join(_encode(line) + b"\n" for line in lines)


def _head(line: _Line) -> Head:
    return Head(line.workspace, line.epoch, line.size, bytes.fromhex(line.root), line.note, line.at)

"""What was erased, outside the database: a file that a restored backup can't take back.

Every batch is written down before it commits, every certificate before its erasure is finished, each synced to the
disk. After a restore the rows named here lose their content again before anything is served. Every process that
erases keeps its own file in its data folder.
"""

import contextlib
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import msgspec

from provenance.core.disk import DiskFull
from provenance.ledger.erasure.schemas import Job, Taken

JOURNAL_FILE = "erasures.ndjson"


class Line(msgspec.Struct, omit_defaults=True):
    """One line: rows that an erasure took, with what is shown in their place; or its certificate."""

    workspace: uuid.UUID
    erasure: uuid.UUID
    kind: str = "erasure"
    selector: str = ""
    selector_hash: bytes | None = None
    reason: str = ""
    by: str = ""
    requested_at: int = 0
    upto: int = 0
    shown: str = ""
    continues: uuid.UUID | None = None
    taken: list[Taken] = []
    certificate: str | None = None
    finished_at: int | None = None


_decode = msgspec.json.Decoder(Line).decode
_encode = msgspec.json.Encoder().encode


def batch_line(job: Job, ranges: Iterable[Taken]) -> Line:
    """Return the line of one batch of an erasure."""
    return Line(
        workspace=job.workspace_id,
        erasure=job.id,
        kind=job.kind,
        selector=job.selector,
        selector_hash=job.selector_hash,
        reason=job.reason,
        by=job.requested_by,
        requested_at=job.requested_at,
        upto=job.upto,
        shown=job.shown,
        continues=job.continues,
        taken=list(ranges),
    )


def keep(folder: Path, line: Line) -> None:
    """Write a line down, synced to the disk. Raises DiskFull when there is no room."""
    data = memoryview(b"\n" + _encode(line) + b"\n")  # after a line that a crash cut off, the next one begins anew
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / JOURNAL_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DiskFull(f"What was erased can't be written down: {error.strerror}.") from error


def load(folder: Path) -> dict[tuple[uuid.UUID, uuid.UUID], list[Line]]:
    """Return every line by workspace and erasure; half-written ones, left by a crash, are passed over."""
    found: dict[tuple[uuid.UUID, uuid.UUID], list[Line]] = {}
    path = folder / JOURNAL_FILE
    if not path.exists():
        return found
    for text in path.read_bytes().splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            line = _decode(text)
            found.setdefault((line.workspace, line.erasure), []).append(line)
    return found

"""Who was erased, outside the database: a file that a restored backup can't take back. It holds ids alone."""

import contextlib
import os
import uuid
from pathlib import Path

import msgspec

from provenance.core.disk import DiskFull

JOURNAL_FILE = "erased-people.ndjson"


class Line(msgspec.Struct, frozen=True):
    """One erased person: by which erasure, how many rows read as the tombstone, when (ns) and by whom."""

    person: uuid.UUID
    erasure: uuid.UUID
    events: int
    at: int
    by: str


def keep(folder: Path, line: Line) -> None:
    """Write a line down, synced to the disk. Raises DiskFull when there is no room."""
    data = b"\n" + msgspec.json.encode(line) + b"\n"  # after a line that a crash cut off, the next one begins anew
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / JOURNAL_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DiskFull(f"Who was erased can't be written down: {error.strerror}.") from error


def load(folder: Path) -> list[Line]:
    """Return every line; half-written ones, left by a crash, are passed over."""
    path = folder / JOURNAL_FILE
    lines: list[Line] = []
    for text in path.read_bytes().splitlines() if path.exists() else ():
        with contextlib.suppress(msgspec.DecodeError):
            lines.append(msgspec.json.decode(text, type=Line))
    return lines

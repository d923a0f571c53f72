"""`import ndjson`: one interaction per line, in the fields of a batch item (spec: Interaction, batch)."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO

from provenance.cli import strict_json
from provenance.cli.importers.contract import BadSource, Record, Unreadable

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes after which a line without an end is given up on: no interaction is that large."""


class NdjsonFile:
    """Reads a file of JSON lines, or stdin (`-`). Blank lines are passed over."""

    name = "ndjson"
    help = "Import interactions from JSON lines (the fields of a batch item); - reads stdin."
    source = "FILE|-"

    def records(self, source: str) -> Iterator[Record | Unreadable]:
        """Yield a record per line; its key is the line's own or `ndjson:<digest of the line>:<occurrence>`.

        Raises BadSource when the file cannot be read.
        """
        seen: Counter[bytes] = Counter()
        with _opened(source) as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                if content := line.strip():
                    yield _record(f"line {number}", content, seen)

    def total(self, source: str) -> int | None:
        """Return the number of lines that are not blank, None for stdin."""
        if source == "-":
            return None
        with _opened(source) as file:
            return sum(1 for line in file if line.strip())

    def fingerprint(self, source: str) -> str | None:
        """Return the file's size, None for stdin."""
        if source == "-":
            return None
        with _opened(source):
            return str(Path(source).stat().st_size)


def _record(where: str, content: bytes, seen: Counter[bytes]) -> Record | Unreadable:
    if len(content) >= LONGEST_LINE - 1:
        return Unreadable(where, "the line is longer than any interaction may be")
    try:
        item = strict_json.parse(content)
    except ValueError as error:
        return Unreadable(where, f"not JSON: {error}")
    if not isinstance(item, dict):
        return Unreadable(where, "not a JSON object")
    digest = blake2b(content, digest_size=16).digest()
    seen[digest] += 1
    return Record(where, {"idempotencyKey": f"ndjson:{digest.hex()}:{seen[digest]}", **item})


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    if source == "-":
        yield sys.stdin.buffer
        return
    with _readable(Path(source)) as file:
        yield file


def _readable(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise BadSource(f"Cannot read {path}: {error.strerror}") from error

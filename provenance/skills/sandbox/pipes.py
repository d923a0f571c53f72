"""Reading what a sandboxed process writes: as it comes, and never more than a call may give."""

import asyncio
import os
import re
from collections.abc import Callable

from provenance.core.clock import now_ns
from provenance.skills.sandbox.schemas import KEPT_LINE, KEPT_LOG_LINES, OUTPUT_BYTES, LogLine

_PIECE = 64 * 1024
_LEVEL = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) ")


class Drain:
    """Reads one pipe to its end; what comes after ``limit`` bytes is not kept, and told once."""

    def __init__(self, descriptor: int, too_much: Callable[[], None], limit: int = OUTPUT_BYTES) -> None:
        """Take the reading end, which is closed at the end."""
        self._descriptor = descriptor
        self._too_much = too_much
        self._left = limit
        self.ended = asyncio.get_running_loop().create_future()
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def take(self, piece: bytes) -> None:
        """Keep a piece."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop reading."""
        if not self.ended.done():
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self.ended.set_result(None)

    def _read(self) -> None:
        try:
            piece = os.read(self._descriptor, _PIECE)
        except BlockingIOError:
            return
        if not piece:
            self.close()
            return
        if len(piece) > self._left >= 0:
            self._too_much()
        if self._left >= 0:
            self.take(piece[: self._left])
            self._left -= len(piece)


class Whole(Drain):
    """Keeps the bytes."""

    def __init__(self, descriptor: int, too_much: Callable[[], None]) -> None:
        super().__init__(descriptor, too_much)
        self.data = bytearray()

    def take(self, piece: bytes) -> None:
        """Keep a piece."""
        self.data += piece


class Lines(Drain):
    """Keeps the first lines, and hands each on as it comes."""

    def __init__(
        self, descriptor: int, too_much: Callable[[], None], on_line: Callable[[LogLine], None] | None
    ) -> None:
        super().__init__(descriptor, too_much)
        self.lines: list[LogLine] = []
        self._rest = b""
        self._on_line = on_line

    def take(self, piece: bytes) -> None:
        """Cut a piece into lines."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for each in whole:
            self._note(each)
        if len(self._rest) > KEPT_LINE:
            self._note(self._rest)
            self._rest = b""

    def close(self) -> None:
        """Note what stands behind the last line break, too."""
        if self._rest:
            self._note(self._rest)
            self._rest = b""
        super().close()

    def _note(self, raw: bytes) -> None:
        if len(self.lines) >= KEPT_LOG_LINES:
            return
        text = raw[:KEPT_LINE].decode("utf-8", "replace")
        found = _LEVEL.match(text)
        line = LogLine(now_ns(), found[1].lower() if found else "info", text[found.end() :] if found else text)
        self.lines.append(line)
        if self._on_line is not None:
            self._on_line(line)

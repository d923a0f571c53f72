"""The bytes of an export: the same for the same cursor, whenever and from wherever they are asked for.

So a stream that broke off goes on at any byte: it is made again and what arrived already is left out. What the process
remembers of the last pages of a stream, its position and hash, spares it the pages before.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from provenance.core.clock import iso_millis
from provenance.ledger.export.errors import BeyondTheStream, TooManyRecords
from provenance.ledger.export.formats import FORMATS
from provenance.ledger.export.schemas import Exported, FormatName, Frame, LogPart, Manifest
from provenance.ledger.export.walking import Page, Walk
from provenance.ledger.interactions.queries import Key

DOCUMENT_RECORDS = 10_000
DOCUMENT_BYTES = 64 * 1024 * 1024
PAUSE_SECONDS = 0.005
"""For how long records are rendered before other work is let in."""
STREAMS_REMEMBERED = 64
PAGES_REMEMBERED = 32
"""What may be on its way between server and client when a stream breaks, in pages."""


@dataclass(slots=True)
class Tally:
    """How far a stream is: rows and bytes given, their hash, and the last row looked at."""

    count: int = 0
    first: int | None = None
    last: int | None = None
    after: Key | None = None
    size: int = 0
    hash: Any = field(default_factory=sha256)

    def add(self, data: bytes) -> None:
        """Count bytes that are given."""
        self.size += len(data)
        self.hash.update(data)

    def frozen(self) -> "Tally":
        """Return a copy that stays as it is."""
        return replace(self, hash=self.hash.copy())


class Remembered:
    """Where the newest streams of this process stood after each of their last pages."""

    def __init__(self) -> None:
        """Remember nothing."""
        self._streams: OrderedDict[str, deque[Tally]] = OrderedDict()

    def note(self, stream: str, tally: Tally) -> None:
        """Remember where a stream stands."""
        self._streams.setdefault(stream, deque(maxlen=PAGES_REMEMBERED)).append(tally.frozen())
        self._streams.move_to_end(stream)
        if len(self._streams) > STREAMS_REMEMBERED:
            self._streams.popitem(last=False)

    def before(self, stream: str, offset: int) -> Tally | None:
        """Return the last known position of a stream that is not behind an offset."""
        known = [tally for tally in self._streams.get(stream, ()) if tally.size <= offset]
        return max(known, key=lambda tally: tally.size).frozen() if known else None


_remembered = Remembered()


class Stream:
    """Writes one export. ``cursor`` is the name of the stream, ``next_cursor`` writes the one behind a row."""

    def __init__(
        self, frame: Frame, cursor: str, limit: int | None, walk: Walk, next_cursor: Callable[[Key], str]
    ) -> None:
        """Take what is to be written and where the rows come from."""
        self._frame, self.cursor, self._limit = frame, cursor, limit
        self._walk, self._next_cursor = walk, next_cursor
        self._format = FORMATS[frame.format]
        self._writer = self._format.writer(frame)
        self._tally = Tally()
        self._held = 0

    async def chunks(self, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of the stream from an offset on.

        Raises BeyondTheStream, RowDiffers, and TooManyRecords for a document.
        """
        known = None if self._format.document else _remembered.before(self._name, offset)
        if known is not None:
            self._tally, self._walk.after = known, known.after
        at = self._tally.size
        async for data in self._all(opened=known is not None):
            passed, at = max(0, offset - at), at + len(data)
            if passed < len(data):
                yield data[passed:]
        refuse_beyond(offset, at)

    @property
    def _name(self) -> str:
        return f"{self.cursor} {self._limit}"

    async def _all(self, *, opened: bool) -> AsyncIterator[bytes]:
        if not opened:
            yield self._given(self._writer.opening())
        while not self._walk.ended and self._tally.count != self._limit:
            page = await self._walk.page(None if self._limit is None else self._limit - self._tally.count)
            for part in self._parts(page):
                yield self._given(part)
                await asyncio.sleep(0)
            self._tally.after = self._walk.after
            if not self._format.document:
                _remembered.note(self._name, self._tally)
        manifest = self._manifest(None if await self._is_complete() else self._tally.after)
        yield await asyncio.to_thread(self._writer.closing, manifest)

    def _given(self, data: bytes) -> bytes:
        self._tally.add(data)
        return data

    def _parts(self, page: Page) -> Iterator[bytes]:
        """Write the records of a page, and pause when other work has waited long enough."""
        parts: list[bytes] = []
        since = time.perf_counter()
        for record in page.records:
            parts.append(self._written(page.exported(record)))
            if time.perf_counter() - since > PAUSE_SECONDS:
                yield b"".join(parts)
                parts, since = [], time.perf_counter()
        yield b"".join(parts)

    def _written(self, record: Exported) -> bytes:
        tally = self._tally
        tally.count, tally.first, tally.last = tally.count + 1, tally.first or record.number, record.number
        if self._format.document:
            self._refuse_too_many(len(record.row) + len(record.proof or b""))
        return self._writer.record(record)

    def _refuse_too_many(self, held: int) -> None:
        self._held += held
        if self._tally.count > DOCUMENT_RECORDS or self._held > DOCUMENT_BYTES:
            raise too_many(self._frame.format)

    async def _is_complete(self) -> bool:
        """Tell whether the limit left nothing behind it."""
        while not self._walk.ended:
            if (await self._walk.page(1)).records:
                return False
        return True

    def _manifest(self, behind: Key | None) -> Manifest:
        frame, tally, document = self._frame, self._tally, self._format.document
        return Manifest(
            format=frame.format,
            proofs=frame.proofs,
            workspace=frame.workspace,
            log=LogPart(frame.origin, frame.head.size, str(frame.note), str(frame.signer.verifier)),
            started_at=iso_millis(frame.started_at),
            filter={name: values[0] if len(values) == 1 else values for name, values in frame.asked.items()},
            order="createdDate" if frame.by_date else "number",
            platform_rows="whole" if frame.whole_view else "masked",
            count=tally.count,
            first_number=tally.first,
            last_number=tally.last,
            complete=behind is None,
            next_cursor=None if behind is None else self._next_cursor(behind),
            bytes=None if document else tally.size,
            sha256=None if document else tally.hash.hexdigest(),
        )


def too_many(name: FormatName) -> TooManyRecords:
    """Make the error of a document that would be too large."""
    return TooManyRecords(
        f"{name} is one document, of {DOCUMENT_RECORDS:,} records and {DOCUMENT_BYTES // 2**20} MiB at most. "
        "Narrow the range, or set a limit."
    )


def refuse_beyond(offset: int, end: int) -> None:
    """Refuse an offset behind the end of a stream. Raises BeyondTheStream."""
    if offset > end:
        raise BeyondTheStream.at("offset", f"the stream ends after {end} bytes")

"""The rows of an export: those that a signed head covers, oldest first, a page in each short transaction.

No snapshot is held: rows are only ever appended, so those up to the head stay the same set, in the same order. With
a stretch of time they come in its order, where a row recorded later may stand between; it is passed over.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Row

from provenance.core.actor import Actor
from provenance.core.db import Database, ReadTx
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.entry import Columns
from provenance.ledger.export.proving import Evidence, evidence_for
from provenance.ledger.export.schemas import Exported, Frame
from provenance.ledger.interactions import queries, scanning
from provenance.ledger.interactions.filters import Criteria
from provenance.ledger.interactions.queries import Key
from provenance.ledger.interactions.rendering import render_record
from provenance.ledger.interactions.scanning import Found, Wanted
from provenance.ledger.interactions.where import WhereTest, knows

AT_ONCE = 2
"""Pages that one process makes at the same time, for all exports; the rest of its connections is for others."""
FIRST_PAGE = 100
LARGEST_PAGE = 500
PAGE_BYTES = 4 * 1024 * 1024
"""What a page is meant to hold; rows are counted by the size of those before."""

_turns: WeakKeyDictionary[Database, asyncio.Semaphore] = WeakKeyDictionary()


class Page:
    """Rows that were read, ready to be rendered one by one outside the transaction."""

    def __init__(
        self, frame: Frame, records: Sequence[Row[Any]], catalogue: Catalogue, evidence: Evidence | None
    ) -> None:
        """Take the rows, with the words and the proofs that they need."""
        self._frame, self._catalogue, self._evidence = frame, catalogue, evidence
        self.records = records

    def exported(self, record: Row[Any]) -> Exported:
        """Render one row. Raises RowDiffers when it is not stored as it was recorded."""
        number, row = record[0], Columns._make(record[1 : 1 + len(Columns._fields)])
        masked = row.platform and not self._frame.whole_view
        leaf_hash = proof = None
        if self._evidence is not None:
            leaf_hash, proof = self._evidence.of(number, row, self._catalogue, masked=masked)
        rendered = render_record(record, self._catalogue, sees_platform=self._frame.whole_view)
        hidden = (None, None) if masked else (row.risk, row.domain)
        return Exported(number, rendered, leaf_hash, proof, *hidden)


class Walk:
    """Goes through the rows of an export; ``after`` is the last row looked at, ``ended``: there are none behind."""

    def __init__(
        self, db: Database, catalogues: Catalogues, actor: Actor, frame: Frame, criteria: Criteria, after: Key | None
    ) -> None:
        """Take what is asked for and where to begin; nothing is read yet."""
        self._db, self._catalogues, self._actor = db, catalogues, actor
        self._frame, self._criteria = frame, criteria
        self._rows = FIRST_PAGE
        self.after = after
        self.ended = criteria.impossible

    async def page(self, most: int | None = None) -> Page:
        """Read the next rows, at most ``most``; there may be none in them although there are more behind."""
        rows = self._rows if most is None else min(most, self._rows)
        turn = _turns.setdefault(self._db, asyncio.Semaphore(AT_ONCE))
        async with turn, self._db.read(self._actor) as tx:
            found, records = await self._read(tx, rows)
            covered = [record for record in records if record.number <= self._frame.head.size]
            catalogue = await self._catalogues.of(tx.workspace_id)
            if not knows(catalogue, covered) or catalogue.integrated < self._frame.head.size:
                catalogue = await self._catalogues.within(tx)
            evidence = await evidence_for(tx, self._frame, [record.number for record in covered])
        self._note(found, covered)
        return Page(self._frame, covered, catalogue, evidence)

    async def _read(self, tx: ReadTx, rows: int) -> tuple[Found, Sequence[Row[Any]]]:
        where = self._criteria.where
        test = None if where is None else WhereTest(tx, self._catalogues, where)
        wanted = Wanted(newest_first=False, after=self.after, skip=0, rows=rows, counting=False)
        found = await scanning.find(tx, self._criteria, wanted, test, sees_platform=self._frame.whole_view)
        if found.records is not None:
            return found, found.records
        return found, await queries.rows(tx, [number for _, number in found.keys])

    def _note(self, found: Found, covered: Iterable[Row[Any]]) -> None:
        passed = found.last is not None and found.last[1] >= self._frame.head.size
        self.after = found.last or self.after
        self.ended = found.ended or (passed and not self._frame.by_date)
        sizes = [len(record.content or "") + 1000 for record in covered]
        if sizes:
            self._rows = max(16, min(LARGEST_PAGE, PAGE_BYTES * len(sizes) // sum(sizes)))

    def key_of(self, record: Row[Any]) -> Key:
        """Return where a row stands in the order of this walk."""
        return (record.occurred_at if self._frame.by_date else 0, record.number)


async def counted(tx: ReadTx, catalogues: Catalogues, criteria: Criteria, size: int) -> int | None:
    """Count the rows that an export will hold, as far as lists count; None when there are more, or it takes long."""
    if criteria.impossible:
        return 0
    if not criteria.narrows:
        return size
    test = None if criteria.where is None else WhereTest(tx, catalogues, criteria.where)
    wanted = Wanted(newest_first=False, after=None, skip=0, rows=1, counting=True)
    found = await scanning.find(tx, criteria, wanted, test, sees_platform=tx.actor.reads_platform_rows)
    sure = found.counted and found.matches <= scanning.COUNTED_AT_MOST
    return found.matches if sure else None

"""What a stream sends next: read in one transaction, together with the decision what will count as sent."""

from dataclasses import dataclass

from provenance.audit.rendering import render
from provenance.core.clock import NANOS
from provenance.core.db import WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.catalogue.cache import Catalogues
from provenance.ledger.entry import Columns
from provenance.streams import queries
from provenance.streams.matching import matching_of
from provenance.streams.schemas import Claim, Cursor, Stored
from provenance.streams.shapes import Shape, stored
from provenance.streams.targets.contract import Batch

ROWS = 500
"""Most events of a batch; after a rejection half as many, and so on down to the one that is not taken."""
IDLE_NANOS = NANOS // 2
"""How long a stream rests after it found nothing to send: a ledger may grow by thousands of rows that are not its."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch that is to go, and the number up to which everything counts as sent once it is acknowledged."""

    stream: Stored
    shape: Shape
    batch: Batch
    upto: int
    failures: int


async def plan(tx: WriteTx, claim: Claim, catalogues: Catalogues, keys: WorkspaceKeys) -> Plan | None:
    """Return what is to go, its end pinned so that a repeat is the same batch; None when nothing is to go now."""
    found = await queries.held(tx, claim)
    if found is None:
        return None
    stream, cursor = found
    highest = await queries.head(tx)
    catalogue = await catalogues.within(tx)  # after the highest number was read: its words are known
    upto = cursor.pinned_upto or min(highest, cursor.number + queries.WINDOW)
    limit = ROWS if cursor.pinned_upto else max(1, ROWS >> min(cursor.failures, 16))
    got = await queries.batch(tx, matching_of(stream.filter, catalogue), cursor.number, upto, limit)
    rows = [(row[0], Columns._make(row[1:])) for row in got.rows]
    if not rows:
        rested = tx.now + IDLE_NANOS
        await queries.set_held(tx, claim, number=upto, pinned_upto=None, lease=None, leased_until=0, due_at=rested)
        return None
    shape = stored(stream.target)
    waits_until = rows[0][1].recorded_at + shape.linger_seconds * NANOS
    if got.complete and tx.now < waits_until and _fresh(cursor, upto, highest):
        await queries.set_held(tx, claim, due_at=waits_until, lease=None, leased_until=0)
        return None
    end = upto if got.complete else rows[-1][0]
    await queries.set_held(tx, claim, pinned_upto=end)
    events = [render(number, row, catalogue, keys) for number, row in rows]
    batch = Batch(str(stream.id), catalogue.workspace, events)
    return Plan(stream, shape, batch, end, cursor.failures)


def _fresh(cursor: Cursor, upto: int, highest: int) -> bool:
    """Tell whether a batch has not been tried yet and more may join it."""
    return cursor.pinned_upto is None and cursor.failures == 0 and upto == highest

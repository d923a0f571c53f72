"""What happens when interactions arrive: their fields are counted."""

import uuid

from provenance.core.db import WriteTx
from provenance.ledger.feed import Body, on_batch
from provenance.ledger.fields import queries
from provenance.ledger.fields.queries import Seen
from provenance.ledger.fields.walking import Fields

PATHS_PER_PAIR = 500
"""Most paths kept for one resource type and action; what comes later is not noticed."""

GATHER_SECONDS = 0.5
"""How late the fields of a row may be known that comes soon after others."""

Pair = tuple[uuid.UUID, uuid.UUID]


@on_batch(rest=GATHER_SECONDS, of=Body)
async def discover(tx: WriteTx, rows: list[Body]) -> None:
    """Count the fields of a chunk: one update of what is known, one insert of what is new."""
    seen = seen_in(rows)
    if not seen:
        return
    fresh = await queries.add_known(tx, seen)
    if fresh:
        kept = await queries.kept_paths(tx, [each[:2] for each in fresh])
        admitted = [each for each in fresh if _admit(kept[each[:2]], each.path)]
        if admitted:
            await queries.keep(tx, admitted)


def seen_in(rows: list[Body]) -> list[Seen]:
    """Return what these rows hold, in the order of the table's key, so that nobody ever waits crosswise."""
    fields: dict[Pair, Fields] = {}
    last: dict[Pair, int] = {}
    for row in rows:
        pair = row.resource_type_id, row.action_id
        found = fields.get(pair)
        if found is None:
            found = fields[pair] = Fields()
        found.add(row.data())
        last[pair] = row.number
    return sorted(
        Seen(*pair, path, kind, times, last[pair]) for pair, found in fields.items() for path, kind, times in found
    )


def _admit(kept: set[str], path: str) -> bool:
    """Tell whether there is room for a path; a path that is kept has room for every type."""
    if path not in kept and len(kept) >= PATHS_PER_PAIR:
        return False
    kept.add(path)
    return True

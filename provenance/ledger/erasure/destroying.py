"""Destroying content, one bounded batch in one transaction, with every trace of it in other tables."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from provenance.core.db import WriteTx
from provenance.core.idempotency import forget_answers
from provenance.ledger.erasure import journal, queries
from provenance.ledger.erasure.forgetting import registered
from provenance.ledger.erasure.schemas import Job, Row, taken
from provenance.ledger.fields.queries import Seen
from provenance.ledger.fields.walking import Fields

FIELDS_HANDLER = "provenance.ledger.fields.tasks.discover"


class _Related(msgspec.Struct, rename="camel"):
    resource_id: str


class _Content(msgspec.Struct, rename="camel"):
    interaction: dict[str, object] | None = None
    related_resources: list[_Related] = []


_decode = msgspec.json.Decoder(_Content).decode


async def destroy(tx: WriteTx, job: Job, numbers: Sequence[int], *, folder: Path | None) -> int:
    """Take the content of these rows, as far as they have any; return of how many.

    What is taken is first written down in ``folder``, outside the database (None: it stands there already): a batch
    that then fails to commit is done again. Raises DiskFull.
    """
    rows = await queries.rows(tx, numbers)
    if not rows:
        return 0
    contents = {row.number: _decode(row.content) for row in rows}
    seen = await _seen(tx, rows, contents)
    ranges = taken([(row.number, row.leaf_hash) for row in rows])
    if folder is not None:
        await asyncio.to_thread(journal.keep, folder, journal.batch_line(job, ranges))
    await queries.erase(tx, [row.number for row in rows])
    named = [(each.resource_id, number) for number, content in contents.items() for each in content.related_resources]
    if named:
        await queries.forget_related(tx, named)
    if seen:
        await queries.uncount(tx, seen)
    await queries.add_ranges(tx, job.id, ranges)
    await forget_answers(tx)
    for each in registered:
        await each.forget(tx, [row.number for row in rows])
    return len(rows)


async def _seen(tx: WriteTx, rows: Sequence[Row], contents: dict[int, _Content]) -> list[Seen]:
    """Return the fields of these rows, of those that were counted, in the order of their table's key.

    Rows that were recorded before their field was noticed were not counted under it; it may go a little early.
    """
    upto = await queries.counted_upto(tx, FIELDS_HANDLER)
    fields: dict[tuple[object, object], Fields] = {}
    for row in rows:
        data = contents[row.number].interaction
        if data and row.number <= upto:
            fields.setdefault((row.resource_type_id, row.action_id), Fields()).add(data)
    return sorted(
        Seen(*pair, path, kind, times, 0)  # type: ignore[arg-type]
        for pair, found in fields.items()
        for path, kind, times in found
    )

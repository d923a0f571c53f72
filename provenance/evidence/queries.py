"""Every statement of evidence."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, any_, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.evidence.schemas import Cited
from provenance.evidence.tables import evidence_packs
from provenance.ledger.entry import Columns
from provenance.ledger.erasure.tables import erasures
from provenance.ledger.log.schemas import Head
from provenance.ledger.log.tables import log_checkpoints
from provenance.ledger.tables import interactions

_CITED = [evidence_packs.c[name] for name in Cited._fields]
_COLUMNS = [interactions.c[name] for name in Columns._fields]
_HEAD = [log_checkpoints.c[name] for name in Head._fields]


# Evidence without records cites no row, and its filter and the map's answer name an id all the same. The answer holds
# the keyed hash of the id, which an erased row keeps.
_DELETE_ABSENT = """
DELETE FROM evidence_packs AS e
 WHERE e.workspace_id = $1 AND e.records = 0
   AND decode((e.completeness::json ->> 'answer')::json ->> 'key', 'hex') IN (
       SELECT unnest(ARRAY[i.resource_key, i.user_key]) FROM interactions AS i
        WHERE i.workspace_id = $1 AND i.number = ANY($2::bigint[]))
"""


async def add(tx: WriteTx, **values: Any) -> None:
    """Keep a new piece of evidence."""
    await tx.execute(insert(evidence_packs).values(workspace_id=tx.workspace_id, **values))


async def delete_citing(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Delete the evidence that cites any of these rows, and that which says that an id of theirs was not there yet."""
    cites = evidence_packs.c.numbers.bool_op("&&")(literal(list(numbers), ARRAY(BigInteger)))
    await tx.execute(delete(evidence_packs).where(evidence_packs.c.workspace_id == tx.workspace_id, cites))
    await tx.driver_sql(_DELETE_ABSENT, (tx.workspace_id, list(numbers)))


async def with_digest(tx: ReadTx, digest: bytes) -> Cited | None:
    """Return the evidence of the same filter, rows and head, if it was asked for before."""
    mine = select(*_CITED).where(evidence_packs.c.workspace_id == tx.workspace_id, evidence_packs.c.digest == digest)
    row = (await tx.execute(mine)).first()
    return None if row is None else Cited._make(row)


async def with_id(tx: ReadTx, evidence_id: uuid.UUID) -> Cited | None:
    """Return one piece of evidence."""
    mine = select(*_CITED).where(evidence_packs.c.workspace_id == tx.workspace_id, evidence_packs.c.id == evidence_id)
    row = (await tx.execute(mine)).first()
    return None if row is None else Cited._make(row)


async def page(tx: ReadTx, limit: int, offset: int) -> tuple[list[Cited], int]:
    """Return evidence, newest first, and how much there is. Of the numbers only the first and the last are read."""
    numbers = evidence_packs.c.numbers
    ends = func.array_cat(numbers[1:1], numbers[func.cardinality(numbers) : func.cardinality(numbers)])
    columns = [ends.label("numbers") if column is numbers else column for column in _CITED]
    mine = evidence_packs.c.workspace_id == tx.workspace_id
    newest = (evidence_packs.c.created_at.desc(), evidence_packs.c.id.desc())
    rows = await tx.execute(select(*columns).where(mine).order_by(*newest).limit(limit).offset(offset))
    total = (await tx.execute(select(func.count()).select_from(evidence_packs).where(mine))).scalar_one()
    return [Cited._make(row) for row in rows], total


async def rows(tx: ReadTx, numbers: Sequence[int]) -> list[tuple[int, Columns]]:
    """Return rows by their numbers, ascending."""
    wanted = interactions.c.number == any_(literal(list(numbers), ARRAY(BigInteger)))
    mine = select(interactions.c.number, *_COLUMNS).where(interactions.c.workspace_id == tx.workspace_id, wanted)
    found = [tuple(row) for row in await tx.execute(mine.order_by(interactions.c.number))]
    return [(row[0], Columns._make(row[1:])) for row in found]


# Ranges of a workspace do not overlap: a row loses its content once.
_ERASURES_OF = """
SELECT n.number, r.erasure_id
  FROM unnest($2::bigint[]) AS n(number)
 CROSS JOIN LATERAL (
    SELECT erasure_id, last FROM erasure_ranges
     WHERE workspace_id = $1 AND first <= n.number ORDER BY first DESC LIMIT 1
 ) AS r
 WHERE r.last >= n.number
"""


async def erasures_of(tx: ReadTx, numbers: Sequence[int]) -> dict[int, uuid.UUID]:
    """Return which erasure took the content of each of these rows, as far as one did."""
    found: Iterable[Any] = await tx.driver_sql(_ERASURES_OF, (tx.workspace_id, list(numbers)))
    return {row[0]: row[1] for row in found}


async def certificate(tx: ReadTx, erasure_id: uuid.UUID) -> tuple[str, str | None] | None:
    """Return an erasure's status and its certificate, which it has when it is finished."""
    columns = (erasures.c.status, erasures.c.certificate)
    mine = select(*columns).where(erasures.c.workspace_id == tx.workspace_id, erasures.c.id == erasure_id)
    row = (await tx.execute(mine)).first()
    return None if row is None else (row.status, row.certificate)


async def cosigned_heads(
    tx: ReadTx, epoch: int, first: int, last: int, limit: int, *, newest: bool = False
) -> list[Head]:
    """Return heads of these sizes under which another than the log has signed, oldest first or ``newest`` first."""
    mine = select(*_HEAD).where(
        log_checkpoints.c.workspace_id == tx.workspace_id,
        log_checkpoints.c.epoch == epoch,
        log_checkpoints.c.size.between(first, last),
        log_checkpoints.c.note.like("%\n\n\u2014 %\n\u2014 %"),
    )
    size = log_checkpoints.c.size
    rows = await tx.execute(mine.order_by(size.desc() if newest else size).limit(limit))
    return [Head._make(row) for row in rows]

"""Every statement of evidence."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, any_, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.evidence.schemas import Cited
from provenance.evidence.tables import evidence_packs
from provenance.ledger.entry import Columns
from provenance.ledger.tables import interactions

_CITED = [evidence_packs.c[name] for name in Cited._fields]
_COLUMNS = [interactions.c[name] for name in Columns._fields]


async def add(tx: WriteTx, **values: Any) -> None:
    """Keep a new piece of evidence."""
    await tx.execute(insert(evidence_packs).values(workspace_id=tx.workspace_id, **values))


async def delete_citing(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Delete the evidence that cites any of these rows."""
    cites = evidence_packs.c.numbers.bool_op("&&")(literal(list(numbers), ARRAY(BigInteger)))
    await tx.execute(delete(evidence_packs).where(evidence_packs.c.workspace_id == tx.workspace_id, cites))


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

"""Every statement on letters."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from provenance.approvals.letters.schemas import Letter
from provenance.approvals.letters.tables import approval_letters as letters
from provenance.core.db import Database, WriteTx


async def add(
    tx: WriteTx, approval_id: uuid.UUID, number: int, occasion: str, moments: Mapping[uuid.UUID, int]
) -> None:
    """Keep letters to be sent to people, each at its moment, in the place of older ones not sent yet."""
    older = (
        letters.c.workspace_id == tx.workspace_id,
        letters.c.approval_id == approval_id,
        letters.c.person_id.in_(moments),
        letters.c.number < number,
        letters.c.leased_until <= tx.now,
    )
    await tx.execute(delete(letters).where(*older))
    about = {"workspace_id": tx.workspace_id, "approval_id": approval_id, "number": number, "occasion": occasion}
    rows = [{**about, "person_id": who, "created_at": tx.now, "due_at": at} for who, at in sorted(moments.items())]
    await tx.execute(insert(letters).values(rows).on_conflict_do_nothing())


_CLAIM = """
WITH due AS (
    SELECT workspace_id, approval_id, person_id, number FROM approval_letters
     WHERE due_at <= $1 AND leased_until <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE approval_letters AS l SET lease = $3, leased_until = $4 FROM due
 WHERE l.workspace_id = due.workspace_id AND l.approval_id = due.approval_id AND l.person_id = due.person_id
   AND l.number = due.number
RETURNING l.workspace_id, l.approval_id, l.person_id, l.number, l.occasion, l.failures, l.created_at
"""


async def claim(db: Database, now: int, lease: uuid.UUID, until: int, *, limit: int) -> list[Letter]:
    """Take letters that are due in hand, those that waited longest first; over all workspaces on purpose."""
    found = await db.single(_CLAIM, now, limit, lease, until)
    return [Letter._make((*row, lease)) for row in found]


async def done(tx: WriteTx, letter: Letter) -> bool:
    """Forget a letter in hand; False when it is lost."""
    gone = delete(letters).where(letters.c.workspace_id == tx.workspace_id, *_mine(letter))
    return bool((await tx.execute(gone)).rowcount)


async def put_off(tx: WriteTx, letter: Letter, due_at: int) -> None:
    """Let a letter in hand be tried again later."""
    values = {"due_at": due_at, "failures": letter.failures + 1, "lease": None, "leased_until": 0}
    mine = (letters.c.workspace_id == tx.workspace_id, *_mine(letter))
    await tx.execute(update(letters).where(*mine).values(**values))


def _mine(letter: Letter) -> tuple[Any, ...]:
    return (
        letters.c.approval_id == letter.approval_id,
        letters.c.person_id == letter.person_id,
        letters.c.number == letter.number,
        letters.c.lease == letter.lease,
    )

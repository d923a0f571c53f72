"""Every statement of witnessing."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import Database, ReadTx, WriteTx
from provenance.ledger.witness.schemas import UNASKED, Answer, Asked, State, Witness, Witnessed
from provenance.ledger.witness.tables import witness_answers, witness_keys, witness_rounds, witnessed_logs, witnesses
from provenance.proof.merkle import EMPTY_ROOT

# The worker looks at all logs: of those that may be asked about again, which have a witness that knows another head,
# an older one as a rule, a newer one when the database lost something.
_DUE = """
SELECT l.workspace_id
  FROM logs AS l LEFT JOIN witness_rounds AS r USING (workspace_id)
 WHERE l.size > 0 AND l.halted IS NULL AND coalesce(r.next_at, 0) <= $1
   AND EXISTS (
    SELECT FROM witnesses AS w
      LEFT JOIN witness_answers AS a ON a.workspace_id = l.workspace_id AND a.witness_id = w.id
     WHERE w.workspace_id IN (l.workspace_id, $2)
       AND (a.witness_id IS NULL OR (a.retry_at <= $1 AND (a.epoch, a.size) <> (l.epoch, l.size))))
 ORDER BY coalesce(r.next_at, 0) LIMIT $3
"""


async def instance(tx: ReadTx) -> uuid.UUID:
    """Return the workspace of the installation's own events, which the layer above makes at the first start."""
    found: uuid.UUID = (await tx.driver_sql("SELECT id FROM workspaces WHERE instance")).scalar_one()
    return found


async def any_witness(db: Database) -> bool:
    """Tell whether the installation asks anybody at all."""
    [(found,)] = await db.single("SELECT EXISTS (SELECT FROM witnesses)")
    return bool(found)


async def due(tx: ReadTx, everywhere: uuid.UUID, limit: int) -> list[uuid.UUID]:
    """Return logs whose newest head a witness has not cosigned, if it may be asked now."""
    return list((await tx.driver_sql(_DUE, (tx.now, everywhere, limit))).scalars())


async def claim(tx: WriteTx, next_at: int) -> bool:
    """Take the workspace's round, so that nobody else asks before ``next_at``; False when another has it."""
    put = insert(witness_rounds).values(workspace_id=tx.workspace_id, next_at=next_at)
    taken = put.on_conflict_do_update(
        index_elements=["workspace_id"], set_={"next_at": next_at}, where=witness_rounds.c.next_at <= tx.now
    )
    return (await tx.execute(taken)).rowcount == 1


async def asked(tx: ReadTx, everywhere: uuid.UUID) -> list[Asked]:
    """Return the witnesses of the workspace's log, its own and the installation's, with what each said last."""
    columns = [*(witnesses.c[name] for name in Witness._fields), *(witness_answers.c[name] for name in Answer._fields)]
    mine = (witness_answers.c.witness_id == witnesses.c.id) & (witness_answers.c.workspace_id == tx.workspace_id)
    listed = select(*columns).select_from(witnesses.outerjoin(witness_answers, mine))
    listed = listed.where(witnesses.c.workspace_id.in_((tx.workspace_id, everywhere)))
    rows = (await tx.execute(listed.order_by(witnesses.c.created_at, witnesses.c.id))).all()
    return [_asked(tuple(row)) for row in rows]


def _asked(row: tuple[Any, ...]) -> Asked:
    witness, answer = Witness._make(row[: len(Witness._fields)]), row[len(Witness._fields) :]
    if answer[0] is None:
        return Asked(witness, UNASKED)
    found = Answer._make(answer)
    return Asked(witness, found._replace(state=State(found.state)))


async def keep_answer(tx: WriteTx, witness_id: uuid.UUID, answer: Answer) -> None:
    """Write down what a witness said of the workspace's log."""
    values = answer._asdict()
    put = insert(witness_answers).values(workspace_id=tx.workspace_id, witness_id=witness_id, **values)
    await tx.execute(put.on_conflict_do_update(index_elements=["workspace_id", "witness_id"], set_=values))


async def note_cosigned(tx: WriteTx, epoch: int, size: int) -> None:
    """Remember the newest head of the workspace's log that a witness has signed."""
    mine = update(witness_rounds).where(witness_rounds.c.workspace_id == tx.workspace_id)
    await tx.execute(mine.values(epoch=epoch, size=size))


async def cosigned(tx: ReadTx) -> tuple[int, int] | None:
    """Return epoch and size of the newest head of the workspace's log that a witness has signed."""
    columns = select(witness_rounds.c.epoch, witness_rounds.c.size)
    row = (await tx.execute(columns.where(witness_rounds.c.workspace_id == tx.workspace_id))).first()
    return None if row is None or row.epoch is None else (row.epoch, row.size)


async def add(tx: WriteTx, witness: Witness) -> bool:
    """Ask this witness from now on; False when one at its URL is asked already."""
    put = insert(witnesses).values(workspace_id=tx.workspace_id, created_at=tx.now, **witness._asdict())
    return (await tx.execute(put.on_conflict_do_nothing())).rowcount == 1


async def listed(tx: ReadTx) -> list[Witness]:
    """Return the witnesses that stand in this very workspace."""
    columns = [witnesses.c[name] for name in Witness._fields]
    mine = select(*columns).where(witnesses.c.workspace_id == tx.workspace_id)
    return [Witness._make(row) for row in await tx.execute(mine.order_by(witnesses.c.created_at))]


async def remove(tx: WriteTx, url: str) -> str | None:
    """Ask the witness at a URL no longer; return its name, or None when none was asked there."""
    gone = delete(witnesses).where(witnesses.c.workspace_id == tx.workspace_id, witnesses.c.url == url)
    row = (await tx.execute(gone.returning(witnesses.c.id, witnesses.c.name))).first()
    if row is None:
        return None
    await tx.driver_sql("DELETE FROM witness_answers WHERE witness_id = $1", (row.id,))  # of every log it was shown
    return str(row.name)


async def witnessed(tx: ReadTx, origin: str) -> Witnessed | None:
    """Return a log that we cosign; the workspace is the instance's."""
    row = (await tx.execute(_witnessed(tx).where(witnessed_logs.c.origin == origin))).first()
    return None if row is None else Witnessed._make(row)


async def all_witnessed(tx: ReadTx, limit: int) -> Sequence[Witnessed]:
    """Return the logs that we cosign, by origin."""
    rows = await tx.execute(_witnessed(tx).order_by(witnessed_logs.c.origin).limit(limit))
    return [Witnessed._make(row) for row in rows]


def _witnessed(tx: ReadTx) -> Any:
    columns = [witnessed_logs.c[name] for name in Witnessed._fields]
    return select(*columns).where(witnessed_logs.c.workspace_id == tx.workspace_id)


def _mine(tx: ReadTx, origin: str) -> tuple[Any, ...]:
    return witnessed_logs.c.workspace_id == tx.workspace_id, witnessed_logs.c.origin == origin


async def advance(tx: WriteTx, known: Witnessed, size: int, root: bytes, note: str) -> int | None:
    """Compare and set: make a head the last one cosigned, if the last one is still the one that was looked at.

    Returns the time to sign with, in seconds since the epoch; None when another request was first.
    """
    mine = update(witnessed_logs).where(*_mine(tx, known.origin))
    still = mine.where(witnessed_logs.c.size == known.size, witnessed_logs.c.root == known.root)
    at = func.greatest(witnessed_logs.c.cosigned_at, tx.now // 10**9)
    moved = still.values(size=size, root=root, note=note, cosigned_at=at)
    found: int | None = (await tx.execute(moved.returning(witnessed_logs.c.cosigned_at))).scalar_one_or_none()
    return found


async def trust(tx: WriteTx, origin: str, verifier_key: str) -> None:
    """Cosign a log from now on, or accept a further key for one."""
    put = insert(witnessed_logs).values(
        workspace_id=tx.workspace_id,
        origin=origin,
        verifier_keys=[verifier_key],
        size=0,
        root=EMPTY_ROOT,
        cosigned_at=0,
        created_at=tx.now,
    )
    more = func.array_append(func.array_remove(witnessed_logs.c.verifier_keys, verifier_key), verifier_key)
    await tx.execute(put.on_conflict_do_update(index_elements=["workspace_id", "origin"], set_={"verifier_keys": more}))


async def distrust(tx: WriteTx, origin: str) -> bool:
    """Accept no key for a log any more; what we cosigned of it stays known. False for one we don't witness."""
    mine = update(witnessed_logs).where(*_mine(tx, origin))
    return (await tx.execute(mine.values(verifier_keys=[]))).rowcount == 1


async def key_name(tx: WriteTx, name: str) -> str:
    """Return the name of our witness's key; it is ``name`` when there was none, and stays what it was else."""
    put = insert(witness_keys).values(workspace_id=tx.workspace_id, name=name, created_at=tx.now)
    await tx.execute(put.on_conflict_do_nothing())
    mine = select(witness_keys.c.name).where(witness_keys.c.workspace_id == tx.workspace_id)
    return str((await tx.execute(mine)).scalar_one())

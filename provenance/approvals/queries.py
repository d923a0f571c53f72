"""Every statement on approvals, their revisions, decisions and comments."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Row, Select, Text, cast, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from provenance.approvals.binding import Signed
from provenance.approvals.schemas import Status
from provenance.approvals.tables import approval_comments, approval_decisions, approval_revisions, approvals
from provenance.core.db import ReadTx, WriteTx
from provenance.engine.queries import RESOLVING
from provenance.workspace.schemas import ApprovalRules

_SUMMARY = [column for column in approvals.c if column.name not in ("payload", "payload_schema", "evidence")]


def _mine(tx: ReadTx, approval_id: uuid.UUID) -> tuple[Any, ...]:
    return approvals.c.workspace_id == tx.workspace_id, approvals.c.id == approval_id


_RULES = """
SELECT self_approval, default_approvers, require_passkey_from,
       EXISTS (SELECT FROM approval_grants WHERE workspace_id = $1 AND status = 'active' AND valid_until > $2) AS grants
  FROM workspaces WHERE id = $1
"""


async def rules(tx: ReadTx) -> tuple[ApprovalRules, bool]:
    """Return what the workspace says of approvals, and whether any grant is in force. One read: each request asks."""
    row = (await tx.driver_sql(_RULES, (tx.workspace_id, tx.now))).one()
    return ApprovalRules(row.self_approval, tuple(row.default_approvers), row.require_passkey_from), row.grants


_COLUMNS = tuple(column.name for column in approvals.c)
_INSERT = f"""
WITH made AS (
    INSERT INTO approvals ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f"${place}" for place in range(1, len(_COLUMNS) + 1))}) RETURNING *),
kept AS (
    INSERT INTO approval_revisions (workspace_id, approval_id, revision, payload, made_at, made_by)
    SELECT workspace_id, id, payload_revision, payload, requested_at, ${len(_COLUMNS) + 1} FROM made)
SELECT {", ".join(_COLUMNS)} FROM made
"""  # noqa: S608 — names of ours


async def insert_approval(tx: WriteTx, approval_id: uuid.UUID, **columns: Any) -> Row[Any]:
    """Insert a request and its first revision; return its row. Columns that are not given are null."""
    stamps = {"requested_at": tx.now, "updated_at": tx.now, "status": Status.PENDING.value}
    given = {"workspace_id": tx.workspace_id, "id": approval_id, **stamps, **columns}
    assert given.keys() <= set(_COLUMNS), "a column that the table does not have"
    return (await tx.driver_sql(_INSERT, (*map(given.get, _COLUMNS), tx.acting[0]))).one()


async def insert_revision(tx: WriteTx, row: Row[Any]) -> None:
    """Keep the payload of an approval as it stands now."""
    kept = {"revision": row.payload_revision, "payload": row.payload, "made_at": tx.now, "made_by": tx.acting[0]}
    await tx.execute(insert(approval_revisions).values(workspace_id=tx.workspace_id, approval_id=row.id, **kept))


async def change(tx: WriteTx, approval_id: uuid.UUID, **columns: Any) -> Row[Any]:
    """Change an approval; return its row."""
    changed = update(approvals).where(*_mine(tx, approval_id)).values(updated_at=tx.now, **columns)
    return (await tx.execute(changed.returning(approvals))).one()


_ONE = f"SELECT {', '.join(_COLUMNS)} FROM approvals WHERE workspace_id = $1 AND id = $2"  # noqa: S608 — names of ours


async def one(tx: ReadTx, approval_id: uuid.UUID) -> Row[Any] | None:
    """Return an approval with everything."""
    return (await tx.driver_sql(_ONE, (tx.workspace_id, approval_id))).first()


async def lock(tx: WriteTx, approval_id: uuid.UUID) -> Row[Any]:
    """Return an approval that is there, and hold its lock until the transaction ends."""
    return (await tx.execute(select(approvals).where(*_mine(tx, approval_id)).with_for_update())).one()


# The run is locked first, for the lock of the approval is taken where the rows of both are joined. Of what another
# decision changed meanwhile the newest is read; other rows read here would be as they were before the wait for a lock.
_LOCK_BEHIND_RUN = f"""
WITH place AS MATERIALIZED (SELECT run_id FROM approvals WHERE workspace_id = $1 AND id = $2),
held AS MATERIALIZED (
    SELECT true AS goes_on FROM runs
     WHERE workspace_id = $1 AND id = (SELECT run_id FROM place) AND state <> 'ended' FOR NO KEY UPDATE)
SELECT {", ".join(f"a.{name}" for name in _COLUMNS)}, held.goes_on
  FROM approvals AS a LEFT JOIN held ON true WHERE a.workspace_id = $1 AND a.id = $2 FOR UPDATE OF a
"""  # noqa: S608 — names of ours


async def lock_behind_run(tx: WriteTx, approval_id: uuid.UUID) -> Row[Any] | None:
    """Return an approval, with the locks of its run and then of itself held; ``goes_on``: the run has not ended."""
    return (await tx.driver_sql(_LOCK_BEHIND_RUN, (tx.workspace_id, approval_id))).first()


async def page(
    tx: ReadTx,
    before: uuid.UUID | None,
    limit: int,
    *,
    assigned_as: Sequence[str] | None = None,
    **filters: Any,
) -> list[Row[Any]]:
    """Return approvals without their payloads, newest first, below an id."""
    query = select(*_SUMMARY).where(approvals.c.workspace_id == tx.workspace_id)
    if before is not None:
        query = query.where(approvals.c.id < before)
    if assigned_as is not None:
        query = query.where(approvals.c.assignees.op("&&")(_texts(assigned_as)))
    for name, value in filters.items():
        if value is not None:
            query = query.where(approvals.c[name] == value)
    return list((await tx.execute(query.order_by(approvals.c.id.desc()).limit(limit))).all())


def _texts(values: Sequence[str]) -> Any:
    return cast(list(values), ARRAY(Text))


async def revision(tx: ReadTx, approval_id: uuid.UUID, number: int) -> str | None:
    """Return the payload of an approval as it was in one revision; None when there was none."""
    query = select(approval_revisions.c.payload).where(
        approval_revisions.c.workspace_id == tx.workspace_id,
        approval_revisions.c.approval_id == approval_id,
        approval_revisions.c.revision == number,
    )
    found: str | None = (await tx.execute(query)).scalar_one_or_none()
    return found


def _put(first: int) -> str:
    """Return the statement that adds a decision; its parameters but for the workspace are those from ``first`` on."""
    values = ", ".join(f"${place}" for place in range(first, first + len(_DECISION)))
    changed = ", ".join(f"{name} = excluded.{name}" for name in _DECISION[3:])
    return f"""
INSERT INTO approval_decisions (workspace_id, {", ".join(_DECISION)}) VALUES ($1, {values})
    ON CONFLICT (workspace_id, approval_id, revision, decided_by) DO UPDATE SET {changed} RETURNING 1
"""  # noqa: S608 — names of ours


_DECISION = ("approval_id", "revision", "decided_by", "decision", "comment", "rule", "at", "signature")
_PUT = _put(2)
_SETTLE = f"""
WITH {RESOLVING},
voted AS ({_put(6)})
UPDATE approvals SET status = $14, via_grant_id = $15, decided_by = $8, decided_at = $12, updated_at = $12
 WHERE workspace_id = $1 AND id = $6 AND EXISTS (SELECT FROM resolved)
"""  # noqa: S608 — names of ours


def _decision(tx: ReadTx, row: Row[Any], signed: Signed) -> tuple[Any, ...]:
    said = (signed.by, signed.decision, signed.comment, signed.rule, tx.now, signed.signature)
    return (row.id, row.payload_revision, *said)


async def put_decision(tx: WriteTx, row: Row[Any], signed: Signed) -> None:
    """Add a decision on an approval as it stands; who decides anew on the same state takes back what they said."""
    await tx.driver_sql(_PUT, (tx.workspace_id, *_decision(tx, row, signed)))


async def settle(
    tx: WriteTx, row: Row[Any], signed: Signed, status: Status, resolving: tuple[Any, ...], via: uuid.UUID | None
) -> bool:
    """Add a decision that ends an approval, and end its wait; False where the wait is not open: roll back then.

    ``resolving`` comes from `provenance.engine.service.resolving`.
    """
    parameters = (*resolving, *_decision(tx, row, signed), status.value, via)
    return (await tx.driver_sql(_SETTLE, parameters)).rowcount == 1


async def decisions(tx: ReadTx, approval_id: uuid.UUID, revision: int | None = None) -> list[Row[Any]]:
    """Return the decisions on an approval in their order, all of them or those on one revision."""
    query = select(approval_decisions).where(
        approval_decisions.c.workspace_id == tx.workspace_id, approval_decisions.c.approval_id == approval_id
    )
    if revision is not None:
        query = query.where(approval_decisions.c.revision == revision)
    order = (approval_decisions.c.at, approval_decisions.c.decided_by)
    return list((await tx.execute(query.order_by(*order))).all())


async def insert_comment(tx: WriteTx, approval_id: uuid.UUID, comment_id: uuid.UUID, text: str) -> None:
    """Add a remark to an approval."""
    said = {"author": tx.acting[0], "text": text, "created_at": tx.now}
    put = insert(approval_comments).values(workspace_id=tx.workspace_id, approval_id=approval_id, id=comment_id, **said)
    await tx.execute(put)


async def comments(tx: ReadTx, approval_id: uuid.UUID, limit: int) -> list[Row[Any]]:
    """Return the newest remarks on an approval, in the order in which they were made."""
    query = select(approval_comments).where(
        approval_comments.c.workspace_id == tx.workspace_id, approval_comments.c.approval_id == approval_id
    )
    rows = (await tx.execute(query.order_by(approval_comments.c.id.desc()).limit(limit))).all()
    return list(reversed(rows))


def _pending(tx: ReadTx) -> Select[Any]:
    return select(approvals).where(
        approvals.c.workspace_id == tx.workspace_id, approvals.c.status == Status.PENDING.value
    )


async def lock_pending_of_run(tx: WriteTx, run_id: uuid.UUID) -> list[Row[Any]]:
    """Return what a run still asks, and hold the locks; the run's own must be held."""
    mine = _pending(tx).where(approvals.c.run_id == run_id).order_by(approvals.c.id)
    return list((await tx.execute(mine.with_for_update())).all())


async def lock_of_wait(tx: WriteTx, token: str, run_id: uuid.UUID) -> Row[Any] | None:
    """Return the newest request of a wait, and hold its lock; the run's own must be held."""
    query = select(approvals).where(
        approvals.c.workspace_id == tx.workspace_id, approvals.c.run_id == run_id, approvals.c.token == token
    )
    return (await tx.execute(query.order_by(approvals.c.id.desc()).limit(1).with_for_update())).first()


async def ids_of_run(tx: ReadTx, run_id: uuid.UUID) -> dict[tuple[str, int], uuid.UUID]:
    """Return the newest approval of each step and item of a run."""
    columns = (approvals.c.step_key, approvals.c.iteration, approvals.c.id)
    query = select(*columns).where(approvals.c.workspace_id == tx.workspace_id, approvals.c.run_id == run_id)
    return {(row.step_key, row.iteration): row.id for row in (await tx.execute(query.order_by(approvals.c.id))).all()}


async def pending_of_runs(tx: ReadTx, run_ids: Sequence[uuid.UUID]) -> dict[tuple[uuid.UUID, str, int], uuid.UUID]:
    """Return what runs wait for, by run, step and item."""
    query = select(approvals.c.run_id, approvals.c.step_key, approvals.c.iteration, approvals.c.id).where(
        approvals.c.workspace_id == tx.workspace_id,
        approvals.c.run_id.in_(run_ids),
        approvals.c.status == Status.PENDING.value,
    )
    return {(row.run_id, row.step_key, row.iteration): row.id for row in (await tx.execute(query)).all()}


async def remove_of_run(tx: WriteTx, run_id: uuid.UUID) -> None:
    """Remove the approvals of a run with all that hangs on them."""
    await tx.execute(delete(approvals).where(approvals.c.workspace_id == tx.workspace_id, approvals.c.run_id == run_id))


async def overdue(tx: ReadTx, limit: int) -> list[Row[Any]]:
    """Return approvals of every workspace whose decision is overdue and was not told so yet, the oldest first."""
    query = select(approvals.c.workspace_id, approvals.c.id).where(
        approvals.c.status == Status.PENDING.value, approvals.c.breached_at.is_(None), approvals.c.due_at <= tx.now
    )
    return list((await tx.execute(query.order_by(approvals.c.due_at).limit(limit))).all())


async def pending_assigned_to(
    tx: ReadTx, assignee: str, after: tuple[uuid.UUID, uuid.UUID] | None, limit: int
) -> list[Row[Any]]:
    """Return id, run_id and token of what waits for somebody (``kind:id``), by run, which is the order of locks."""
    key = (approvals.c.run_id, approvals.c.id)
    mine: Select[Any] = select(approvals.c.id, approvals.c.run_id, approvals.c.token).where(
        approvals.c.workspace_id == tx.workspace_id,
        approvals.c.status == Status.PENDING.value,
        approvals.c.assignees.op("&&")(_texts([assignee])),
    )
    if after is not None:
        mine = mine.where(tuple_(*key) > after)
    return list((await tx.execute(mine.order_by(*key).limit(limit))).all())

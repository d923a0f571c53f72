"""Every statement of the audit digest."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.audit.queries import SELECTED
from provenance.core.db import ReadTx, WriteTx
from provenance.ledger.tables import interactions
from provenance.notifications.digest.schemas import Claim, Stored
from provenance.notifications.digest.tables import audit_digests

_row = interactions.c
_digest = audit_digests.c
_STORED = [_digest[name] for name in Stored.__dataclass_fields__]


async def digest(tx: ReadTx) -> Stored | None:
    """Return the workspace's digest; None when it never had one."""
    row: Any = (await tx.execute(select(*_STORED).where(_digest.workspace_id == tx.workspace_id))).first()
    return None if row is None else Stored(*row)


async def lock(tx: WriteTx) -> Stored | None:
    """Return the workspace's digest, locked until the transaction ends."""
    mine = select(_digest.workspace_id).where(_digest.workspace_id == tx.workspace_id).with_for_update()
    await tx.execute(mine)
    return await digest(tx)


async def put(tx: WriteTx, values: dict[str, Any]) -> None:
    """Make or change the workspace's digest; where it stands in its work is left alone."""
    fresh = {"number": 0, "phase": "waiting", "leased_until": 0, "failures": 0}
    made = insert(audit_digests).values(workspace_id=tx.workspace_id, **{**fresh, **values})
    await tx.execute(made.on_conflict_do_update(index_elements=["workspace_id"], set_=values))


async def head(tx: ReadTx) -> int:
    """Return the workspace's highest number; 0 when it has no row."""
    highest = select(func.max(_row.number)).where(_row.workspace_id == tx.workspace_id)
    return int((await tx.execute(highest)).scalar() or 0)


_CLAIM = """
WITH due AS (
    SELECT workspace_id FROM audit_digests WHERE due_at <= $1 AND leased_until <= $1
     ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE audit_digests AS d SET lease = $3, leased_until = $4 FROM due WHERE d.workspace_id = due.workspace_id
RETURNING d.workspace_id
"""


async def claim(tx: WriteTx, lease: uuid.UUID, until: int, *, limit: int) -> list[Claim]:
    """Take digests that are due in hand; over all workspaces on purpose."""
    found: Sequence[Any] = (await tx.driver_sql(_CLAIM, (tx.now, limit, lease, until))).all()
    return [Claim(row[0], lease) for row in found]


async def held(tx: WriteTx, claim: Claim) -> Stored | None:
    """Return the digest of a claim, locked until the transaction ends; None when the claim is lost."""
    found = await lock(tx)
    return found if found is not None and found.lease == claim.lease else None


async def set_held(tx: WriteTx, claim: Claim, **values: Any) -> bool:
    """Change the digest of a claim; False, and nothing changed, when it is lost."""
    mine = (_digest.workspace_id == tx.workspace_id, _digest.lease == claim.lease)
    return bool((await tx.execute(update(audit_digests).where(*mine).values(**values))).rowcount)


async def counts(tx: ReadTx, risks: Sequence[str], after: int, upto: int) -> list[tuple[str, str, int]]:
    """Return how many events there are of each risk and domain in a range."""
    query: Select[Any] = (
        select(_row.risk, func.coalesce(_row.domain, ""), func.count())
        .where(
            _row.workspace_id == tx.workspace_id,
            _row.platform,
            _row.number > after,
            _row.number <= upto,
            _row.risk.in_(risks),
        )
        .group_by(_row.risk, _row.domain)
    )
    found: list[Any] = list((await tx.execute(query)).all())
    return [(row[0], row[1], row[2]) for row in found]


async def rows(tx: ReadTx, risks: Sequence[str], after: int, upto: int, limit: int) -> list[Any]:
    """Return the first events of these risks in a range, in order."""
    query = (
        select(*SELECTED)
        .where(
            _row.workspace_id == tx.workspace_id,
            _row.platform,
            _row.number > after,
            _row.number <= upto,
            _row.risk.in_(risks),
        )
        .order_by(_row.number)
        .limit(limit)
    )
    return list((await tx.execute(query)).all())

"""Every statement of the self-audit."""

import uuid
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.ledger.erasure.tables import erasure_ranges, erasures
from provenance.ledger.log.tables import logs
from provenance.ledger.self_audit.schemas import Finding, Progress
from provenance.ledger.self_audit.tables import ledger_incidents, self_audits


async def progress(tx: ReadTx) -> Progress | None:
    """Return how far the workspace's ledger was re-read; None before the first pass."""
    columns = [self_audits.c[name] for name in Progress._fields]
    row = (await tx.execute(select(*columns).where(self_audits.c.workspace_id == tx.workspace_id))).first()
    return None if row is None else Progress._make(row)


async def keep(tx: WriteTx, now: Progress) -> None:
    """Write down how far the pass is."""
    values = now._asdict()
    put = insert(self_audits).values(workspace_id=tx.workspace_id, **values)
    await tx.execute(put.on_conflict_do_update(index_elements=["workspace_id"], set_=values))


async def add_incident(tx: WriteTx, found: Finding) -> bool:
    """Note a finding; False when it is known already."""
    put = insert(ledger_incidents).values(
        workspace_id=tx.workspace_id,
        kind=found.kind.value,
        first_number=found.first,
        last_number=found.last,
        sentence=found.sentence,
        found_at=tx.now,
    )
    return (await tx.execute(put.on_conflict_do_nothing())).rowcount == 1


async def erasures_over(tx: ReadTx, first: int, last: int) -> list[Any]:
    """Return what was erased between two numbers: first, last, the erasure's status and its certificate."""
    columns = (erasure_ranges.c.first, erasure_ranges.c.last, erasures.c.status, erasures.c.certificate)
    here = (erasures.c.workspace_id == erasure_ranges.c.workspace_id) & (erasures.c.id == erasure_ranges.c.erasure_id)
    found = (
        select(*columns)
        .join(erasures, here)
        .where(
            erasure_ranges.c.workspace_id == tx.workspace_id,
            erasure_ranges.c.first <= last,
            erasure_ranges.c.last >= first,
        )
    )
    return list((await tx.execute(found)).all())


_ORDER = [ledger_incidents.c.found_at, ledger_incidents.c.first_number, ledger_incidents.c.kind]


async def incidents(tx: ReadTx, limit: int, after: tuple[int, int, str] | None = None) -> list[Any]:
    """Return the newest findings of the workspace, or those older than one (found at, first number, kind)."""
    mine = select(ledger_incidents).where(ledger_incidents.c.workspace_id == tx.workspace_id)
    if after is not None:
        mine = mine.where(tuple_(*_ORDER) < tuple_(*after))
    newest = mine.order_by(*[column.desc() for column in _ORDER]).limit(limit)
    return list((await tx.execute(newest)).all())


async def count_incidents(tx: ReadTx) -> int:
    """Return how many findings the installation has, over all workspaces: a figure for the metrics."""
    return int((await tx.execute(select(func.count()).select_from(ledger_incidents))).scalar_one())


async def signed_logs(tx: ReadTx, after: uuid.UUID, limit: int) -> list[uuid.UUID]:
    """Return the next workspaces whose logs have a signed head, in the order of their ids."""
    found = select(logs.c.workspace_id).where(logs.c.workspace_id > after, logs.c.size > 0)
    return list((await tx.execute(found.order_by(logs.c.workspace_id).limit(limit))).scalars())

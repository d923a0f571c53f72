"""Every statement of the webhooks."""

import uuid
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx
from provenance.runs.webhooks.tables import webhook_deliveries

LASTS_NS = 24 * 3600 * NANOS
_GONE = 1_000


async def claim(tx: WriteTx, workflow_id: uuid.UUID, delivery: bytes, run_id: uuid.UUID, status: str) -> Any:
    """Take a delivery for a run; return the row of the run that took it within 24 hours, or None.

    Waits for a twin that is under way in another transaction.
    """
    values = {"run_id": run_id, "status": status, "at": tx.now}
    mine = {"workspace_id": tx.workspace_id, "workflow_id": workflow_id, "delivery": delivery}
    taken = (
        insert(webhook_deliveries)
        .values(**mine, **values)
        .on_conflict_do_update(
            index_elements=list(mine), set_=values, where=webhook_deliveries.c.at <= tx.now - LASTS_NS
        )
    )
    if (await tx.execute(taken)).rowcount:
        return None
    first = select(webhook_deliveries).where(
        webhook_deliveries.c.workspace_id == tx.workspace_id,
        webhook_deliveries.c.workflow_id == workflow_id,
        webhook_deliveries.c.delivery == delivery,
    )
    return (await tx.execute(first)).one()


async def forget_old(tx: ReadTx) -> bool:
    """Throw away a thousand deliveries of any workspace whose day is over; tell whether there may be more."""
    gone = await tx.driver_sql(
        "DELETE FROM webhook_deliveries WHERE (workspace_id, workflow_id, delivery) IN "
        "(SELECT workspace_id, workflow_id, delivery FROM webhook_deliveries WHERE at <= $1 ORDER BY at LIMIT $2)",
        (tx.now - LASTS_NS, _GONE),
    )
    return gone.rowcount == _GONE

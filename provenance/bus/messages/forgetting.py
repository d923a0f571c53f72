"""The statements that forget messages of erased rows (`tasks`).

A message is found by its own entry in the ledger: that has the unit of work, by an index, and the message's id as span.
"""

from collections.abc import Sequence
from typing import Final

from provenance.core.db import WriteTx

_OF_THEM: Final = """
WITH gone AS MATERIALIZED (
    SELECT DISTINCT m.id FROM (
        SELECT DISTINCT i.uow_id FROM interactions AS i WHERE i.workspace_id = $1 AND i.number = ANY($2::bigint[])
      ) AS units
      JOIN interactions AS entry ON entry.workspace_id = $1 AND entry.uow_id = units.uow_id AND entry.platform
      JOIN bus_messages AS m ON m.workspace_id = $1 AND m.id = entry.span_id)
"""
_LOCK_TARGETS = """
SELECT 1 FROM bus_targets WHERE workspace_id = $1 ORDER BY workspace_id, subscription_id FOR UPDATE
"""
_DELETE_DELIVERIES = f"""
{_OF_THEM} DELETE FROM bus_deliveries AS d USING gone WHERE d.workspace_id = $1 AND d.message_id = gone.id
"""  # noqa: S608 — names of ours
_DELETE_PAYLOADS = f"""
{_OF_THEM} DELETE FROM bus_payloads AS p USING gone WHERE p.workspace_id = $1 AND p.message_id = gone.id
"""  # noqa: S608 — names of ours
_DELETE_MESSAGES = f"""
{_OF_THEM} DELETE FROM bus_messages AS m USING gone WHERE m.workspace_id = $1 AND m.id = gone.id
"""  # noqa: S608 — names of ours


async def lock_targets(tx: WriteTx) -> None:
    """Lock the workspace's targets, as whoever changes deliveries does first: nobody deadlocks."""
    await tx.driver_sql(_LOCK_TARGETS, (tx.workspace_id,))


async def delete_deliveries(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Delete the deliveries of messages in the units of work of these rows."""
    await tx.driver_sql(_DELETE_DELIVERIES, (tx.workspace_id, list(numbers)))


async def delete_payloads(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Delete the payloads that lie apart of those messages."""
    await tx.driver_sql(_DELETE_PAYLOADS, (tx.workspace_id, list(numbers)))


async def delete_messages(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Delete those messages."""
    await tx.driver_sql(_DELETE_MESSAGES, (tx.workspace_id, list(numbers)))

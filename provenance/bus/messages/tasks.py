"""What the bus forgets when content is erased: the messages of the same unit of work, wherever they have got to.

A message says in its own words what a row says, and nothing tells whose words they are; so all messages of an erased
row's unit of work go as a whole, with their keys, their payloads, what targets said of them, and dead letters. What was
on its way to somebody is not delivered any more. The ledger keeps that they were published: ids and sizes.
"""

from collections.abc import Sequence

from provenance.bus.messages import forgetting
from provenance.core.db import WriteTx
from provenance.ledger.erasure.forgetting import forgets


@forgets("bus_deliveries")
async def forget_deliveries(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Delete what is on its way, or was delivered, of messages in the units of work of these rows."""
    await forgetting.lock_targets(tx)
    await forgetting.delete_deliveries(tx, numbers)


@forgets("bus_payloads")
async def forget_payloads(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Delete the large payloads of these messages."""
    await forgetting.delete_payloads(tx, numbers)


@forgets("bus_messages")
async def forget_messages(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Delete the messages, last: the others are found by them."""
    await forgetting.delete_messages(tx, numbers)

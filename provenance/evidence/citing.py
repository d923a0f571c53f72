"""Which signed head evidence cites: the oldest that covers its rows, one that witnesses have signed where there is one.

It is chosen when evidence is asked for first and stays, so that a pack is the same each time.
"""

from provenance.core.db import ReadTx
from provenance.evidence import queries
from provenance.evidence.completing import Complete
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log.errors import NotIntegrated
from provenance.ledger.log.schemas import Head
from provenance.ledger.witness import queries as witness_queries
from provenance.proof.checkpoints import Checkpoint
from provenance.proof.notes import Note

COSIGNED_LOOKED_AT = 100
"""Cosigned heads of which the one with most witnesses is cited: they are a minute apart."""


async def head_over(tx: ReadTx, epoch: int, numbers: list[int], complete: Complete | None) -> Head:
    """The head to cite: not beyond the one that the map's answer is about, for the map moves on.

    Of those that cover the rows the oldest that a witness has signed, or else the oldest at all; without rows the
    newest that a witness has signed. Raises NotIntegrated.
    """
    most = 2**62 if complete is None else complete.size
    head = await _cosigned_head(tx, epoch, numbers, most)
    if head is None and numbers:
        head = await log_queries.head_covering(tx, epoch, numbers[-1])
    if complete is not None and (head is None or head.size > most):
        root = Checkpoint.parse(Note.parse(complete.checkpoint).text).root
        return Head(tx.workspace_id, epoch, complete.size, root, complete.checkpoint, tx.now)
    if head is None:
        raise NotIntegrated()
    return head


async def _cosigned_head(tx: ReadTx, epoch: int, numbers: list[int], most: int) -> Head | None:
    """Of the first cosigned heads over these rows the one with most witnesses: a quorum may ask for several."""
    newest = await witness_queries.cosigned(tx)
    if newest is None or newest[0] != epoch or newest[1] < (numbers[-1] if numbers else 1):
        return None
    if numbers:
        heads = await queries.cosigned_heads(tx, epoch, numbers[-1], most, COSIGNED_LOOKED_AT)
    else:
        heads = await queries.cosigned_heads(tx, epoch, 1, most, 1, newest=True)
    return max(heads, key=_witnesses, default=None)


def _witnesses(head: Head) -> int:
    note = Note.parse(head.note)
    return len({each.name for each in note.signatures} - {Checkpoint.parse(note.text).origin})

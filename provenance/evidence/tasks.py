"""What evidence forgets when content is erased: packs that cite it, for their filter may name who was erased.

A pack that was downloaded stays what it is. The same evidence can be asked for again, and says then what was erased.
"""

from collections.abc import Sequence

from provenance.core.db import WriteTx
from provenance.evidence import queries
from provenance.ledger.erasure.forgetting import forgets


@forgets("evidence_packs")
async def forget_packs(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Delete the evidence that cites any of these rows."""
    await queries.delete_citing(tx, numbers)

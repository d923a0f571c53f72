"""What the ledger's routes are handed besides the actor and the transaction."""

from typing import Annotated

from fastapi import Depends, Request

from provenance.ledger.service import Ledger


async def ledger_of(request: Request) -> Ledger:
    """Return the running application's ledger."""
    found: Ledger = request.app.state.ledger
    return found


RunningLedger = Annotated[Ledger, Depends(ledger_of)]

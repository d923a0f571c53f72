"""What the routes of approvals are handed besides the actor and the transaction."""

from typing import Annotated

from fastapi import Depends, Request

from provenance.engine.service import Hints


async def hints_of(request: Request) -> Hints:
    """Return what tells the workers that a run may go on."""
    found: Hints = request.app.state.engine
    return found


RunningEngine = Annotated[Hints, Depends(hints_of)]

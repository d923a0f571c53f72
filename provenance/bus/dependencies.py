"""What the routes of the bus are handed."""

from typing import Annotated

from fastapi import Depends, Request

from provenance.bus.running import Bus


async def bus_of(request: Request) -> Bus:
    """Return the bus of the running application."""
    found: Bus = request.app.state.bus
    return found


RunningBus = Annotated[Bus, Depends(bus_of)]

"""What the routes of connections are handed besides the actor and the transaction."""

from typing import Annotated

from fastapi import Depends, Request

from provenance.connections.running import Connections


async def connections_of(request: Request) -> Connections:
    """Return the running application's connections."""
    found: Connections = request.app.state.connections
    return found


RunningConnections = Annotated[Connections, Depends(connections_of)]

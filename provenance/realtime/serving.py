"""The HTTP server of a process that has live connections: they are told before it stops, for they end by no other way.

A response that goes on for ever would hold up the stop until its grace is over.
"""

import asyncio
import socket

import uvicorn

from provenance.core.door import Door


class Serving(uvicorn.Server):
    """uvicorn's server, which says good-bye to live connections first."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: refuse new connections, let every live one end, then wait for the rest as usual."""
        app = self.config.app
        if isinstance(app, Door):
            app.framework.state.realtime.leave()
            await asyncio.sleep(0)  # each one's ending has begun when the server looks at its connections
        await super().shutdown(sockets)

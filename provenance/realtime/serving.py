"""The HTTP server of a process that has live connections: they are told before it stops, for they end by no other way.

A response that goes on for ever would hold up the stop until its grace is over.
"""

import asyncio
import socket

import uvicorn

from provenance.core.door import Door
from provenance.core.shared_figures import SharedFigures


def shared_sockets(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on every address of ``host``, beside those of other processes of ours.

    The kernel hands each new connection to one of the processes. Raises OSError when an address can't be had.
    """
    made = []
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(address)
        made.append(sock)
    return made


class Serving(uvicorn.Server):
    """uvicorn's server, which says good-bye to live connections first, and shares its figures with its like."""

    def __init__(self, config: uvicorn.Config, figures: SharedFigures | None = None) -> None:
        """Take what to serve, and what exchanges the figures when several share the address."""
        super().__init__(config)
        self._figures = figures

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as usual, then to exchange figures."""
        await super().startup(sockets)
        if self._figures is not None:
            self._figures.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: refuse new connections, let every live one end, then wait for the rest as usual."""
        app = self.config.app
        if isinstance(app, Door):
            app.framework.state.realtime.leave()
            await asyncio.sleep(0)  # each one's ending has begun when the server looks at its connections
        await super().shutdown(sockets)
        if self._figures is not None:
            await self._figures.stop()

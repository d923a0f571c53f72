"""A connection to NATS servers that goes through the guard of what leaves here.

The library would resolve names and call what the servers announce by itself. So the connection is opened by
`core.egress`, which judges every address and calls those very ones, and handed over; the library never reconnects.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import ParseResult, urlsplit

from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.errors import Error
from nats.js.client import JetStreamContext

from provenance.bus.bridges.credentials import SignIn
from provenance.bus.bridges.errors import BridgeFailed
from provenance.bus.bridges.schemas import Server
from provenance.core.addresses import EgressError
from provenance.core.egress import Egress

Asking = Callable[[], Awaitable[SignIn]]
"""Asks what to sign in with; only once a server answers, because each use of a secret is recorded."""

SECONDS = 5.0
PING_SECONDS = 10
_PORT = 4222


class Link:
    """A connection in use: the client, its JetStream, and an event that is set when the connection is over."""

    def __init__(self, client: Client) -> None:
        """Take a client that is not connected yet."""
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream(timeout=SECONDS)
        self.over = asyncio.Event()

    async def ended(self) -> None:
        """Note that the connection is over; the library calls this."""
        self.over.set()


class _Open(TcpTransport):
    """A connection that is open already. Nothing is written in the clear when it is to be encrypted."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], *, encrypt: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._bare_io_reader = self._io_reader = streams[0]
        self._bare_io_writer = self._io_writer = streams[1]
        self._must = encrypt

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Do nothing: it is open."""

    async def connect_tls(self, *arguments: Any, **options: Any) -> None:
        await super().connect_tls(*arguments, **options)
        self._must = False

    def write(self, payload: bytes) -> None:
        self._ensure()
        super().write(payload)  # type: ignore[no-untyped-call]

    def writelines(self, payload: list[bytes]) -> None:
        self._ensure()
        super().writelines(payload)  # type: ignore[no-untyped-call]

    def _ensure(self) -> None:
        if self._must:
            raise BridgeFailed("The server offers no TLS, and plaintext is not allowed.")


@contextlib.asynccontextmanager
async def linked(egress: Egress, server: Server, asking: Asking, name: str) -> AsyncIterator[Link]:
    """Connect to the first of the servers that answers, for as long as the block lasts. Raises BridgeFailed."""
    link = await _first(egress, server, asking, name)
    try:
        yield link
    finally:
        with contextlib.suppress(Error, OSError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                await link.client.close()


async def _first(egress: Egress, server: Server, asking: Asking, name: str) -> Link:
    failed = BridgeFailed("There is no server to call.")
    for url in server.urls:
        try:
            return await _linked(egress, server, asking, url, name)
        except BridgeFailed as error:
            failed = error
    raise failed


async def _linked(egress: Egress, server: Server, asking: Asking, url: str, name: str) -> Link:
    """Connect to one server. Raises BridgeFailed."""
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or _PORT
    try:
        streams = await egress.connect(host, port, tls=None, seconds=SECONDS)
    except EgressError as error:
        raise BridgeFailed(str(error)) from None
    link = Link(Client())
    link.client._transport = _Open(streams, encrypt=place.scheme == "tls" or server.tls_first)
    try:
        sign_in = await asking()
        link.client._public_nkey = sign_in.public_key  # the library only reads it from a file
        options = {**sign_in.options, "tls_handshake_first": server.tls_first, "tls": _context(server)}
        async with asyncio.timeout(2 * SECONDS):
            await link.client.connect([url], **options, **_fixed(link, name))
    except BaseException as error:
        streams[1].close()
        if isinstance(error, Error | OSError | ValueError | TimeoutError):
            raise BridgeFailed(_said(host, error)) from None
        raise
    return link


def _fixed(link: Link, name: str) -> dict[str, Any]:
    """Return what is the same for every connection."""
    return {
        "name": name,
        "allow_reconnect": False,
        "connect_timeout": SECONDS,
        "ping_interval": PING_SECONDS,
        "max_outstanding_pings": 2,
        "closed_cb": link.ended,
        "error_cb": _quiet,
    }


async def _quiet(_error: Exception) -> None:
    """Errors are raised where they matter; the library would print a traceback."""


def _context(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=server.ca_certificate)


def _said(host: str, error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        return f"{host} can't be reached: its certificate is not accepted."
    if isinstance(error, TimeoutError):
        return f"{host} did not answer within {2 * SECONDS:g} seconds."
    if isinstance(error, Error):
        return f"{host} refused the connection: {str(error).removeprefix('nats: ')[:200]}"
    return f"{host} can't be reached: the connection was lost."

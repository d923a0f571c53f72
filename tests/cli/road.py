"""The road to a server, which can be closed and opened again.

A server that goes away without ending the test's.
"""

import asyncio
from urllib.parse import urlsplit


class Road:
    """Forwards one fixed port of the loopback to the server, while it is open."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._travellers: set[asyncio.StreamWriter] = set()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and break the ones there are."""
        assert self._server
        self._server.close()
        for writer in self._travellers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(self._to.hostname, self._to.port)
        ends = {writer, onward_writer}
        self._travellers |= ends
        try:
            await asyncio.gather(_pour(reader, onward_writer), _pour(onward_reader, writer))
        finally:
            self._travellers -= ends


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()

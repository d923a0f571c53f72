"""An HTTP protocol that hands each answer to the kernel in one piece.

uvicorn writes the head and the body of an answer separately, two system calls that each wake the client; on the hot
posts the second one was a tenth of the server's time. Writes of one turn of the event loop are joined here.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class JoinedWrites(asyncio.Transport):
    """A transport that collects what is written until the event loop comes round, and then writes it at once."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Take the transport to write to."""
        super().__init__()
        self._transport = transport
        self._parts: list[bytes | bytearray | memoryview] = []
        self._call_soon = asyncio.get_running_loop().call_soon

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Collect data; the first piece of a turn asks for the write at its end."""
        if not self._parts:
            self._call_soon(self._flush)
        self._parts.append(data)

    def write_whole(self, data: bytes) -> None:
        """Write a whole answer without waiting for the end of the turn."""
        if self._parts:
            self._parts.append(data)
        else:
            self._transport.write(data)

    def _flush(self) -> None:
        if self._parts:
            joined = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts.clear()
            self._transport.write(joined)

    def close(self) -> None:
        """Write what was collected, then close."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what was collected is lost."""
        self._parts.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Tell whether the transport closes or is closed."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport knows of the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to another protocol, with everything that was written before."""
        self._flush()
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol of the connection."""
        return self._transport.get_protocol()


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol over `JoinedWrites`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start to serve a connection."""
        super().connection_made(cast(asyncio.Transport, JoinedWrites(transport)))

"""A call's one way out: a descriptor over which it asks, and this process sends, by the guarded client.

What it asks for is judged here, where its code can't reach: hosts of the skill's list without any credential, its
connection's through the connection, whose credential is put on here and taken out of answers. One request at a time.
"""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from provenance.connections.errors import HostNotAllowed
from provenance.connections.running import Connections, Request
from provenance.core.actor import Actor
from provenance.core.addresses import EgressError
from provenance.core.egress import Egress, Reply
from provenance.core.errors import Problem
from provenance.secrets.schemas import Purpose
from provenance.skills.sandbox.schemas import OUTPUT_BYTES

HEAD_BYTES = 64 * 1024
BODY_BYTES = OUTPUT_BYTES
MOST_CALLS = 1_000
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NOT_PASSED = frozenset({"host", "content-length", "transfer-encoding", "connection", "proxy-authorization", "te"})


class _Head(msgspec.Struct):
    method: str
    url: str
    headers: dict[str, str] = {}
    bytes: int = 0


class Refused(Exception):
    """A request is not sent, or got no whole answer: a code and a sentence for the skill."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class WayOut:
    """Serves one call's requests until the call ends."""

    def __init__(
        self,
        egress: Egress,
        connections: Connections,
        actor: Actor,
        purpose: Purpose,
        *,
        hosts: tuple[str, ...],
        connection_id: str | None,
        seconds: float,
        headers: Mapping[str, str],
    ) -> None:
        """Take the clients, for whom, where to it may go, and the headers that land effects in the run's trace."""
        self._egress = egress
        self._connections = connections
        self._actor = actor
        self._purpose = purpose
        self._hosts = hosts
        self._connection_id = connection_id
        self._seconds = seconds
        self._headers = headers

    async def serve(self, descriptor: socket.socket) -> None:
        """Answer requests over the descriptor; ends when the other side does, or after a thousand."""
        descriptor.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=descriptor, limit=HEAD_BYTES)
        try:
            for _ in range(MOST_CALLS):
                if not await self._serve_one(reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            return
        finally:
            writer.transport.abort()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line = await reader.readline()
        if not line:
            return False
        body = b""
        try:
            head = _head(line)
            if not 0 <= head.bytes <= BODY_BYTES:
                return False
            body = await reader.readexactly(head.bytes)
            reply = await self._send(head, body)
        except Refused as refused:
            told: dict[str, Any] = {"code": refused.code, "message": str(refused)}
            writer.write(msgspec.json.encode(told) + b"\n")
        else:
            headers = dict(list(reply.headers.items())[:200])
            told = {"status": reply.status, "headers": headers, "bytes": len(reply.body)}
            writer.write(msgspec.json.encode(told) + b"\n" + reply.body)
        await writer.drain()
        return True

    async def _send(self, head: _Head, body: bytes) -> Reply:
        if head.method not in _METHODS:
            raise Refused("egress_refused", "This method is not sent.")
        headers = {name: value for name, value in head.headers.items() if name.lower() not in _NOT_PASSED}
        headers |= self._headers
        try:
            if self._connection_id is not None:
                request = Request(head.method, head.url, headers, body or None)
                try:
                    return await self._by_connection(self._connection_id, request)
                except HostNotAllowed:
                    if head.url.startswith("/"):
                        raise
            self._ensure_listed(head.url)
            return await self._egress.request(
                head.method, head.url, headers=headers, body=body or None, seconds=self._seconds, limit=BODY_BYTES
            )
        except EgressError as error:
            raise Refused("unavailable", str(error)) from None
        except Problem as problem:
            raise Refused(problem.code, problem.detail) from None

    async def _by_connection(self, connection_id: str, request: Request) -> Reply:
        return await self._connections.call(
            self._actor, connection_id, request, self._purpose, seconds=self._seconds, limit=BODY_BYTES
        )

    def _ensure_listed(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            host, port = "", None
        if not any(listed(host, port, each) for each in self._hosts):
            raise Refused("egress_refused", f"The skill's egress does not list the host {host[:255] or url[:100]!r}.")


def listed(host: str, port: int | None, entry: str) -> bool:
    """Tell whether an entry of an egress names a host: itself, ``*.`` with all below it; with a port that one alone."""
    name, _, wanted = entry.partition(":")
    if wanted and wanted != str(port):
        return False
    return host == name or (name.startswith("*.") and host.endswith(name[1:]) and len(host) > len(name) - 1)


def _head(line: bytes) -> _Head:
    try:
        return msgspec.json.decode(line, type=_Head)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Refused("egress_refused", "The request can't be read.") from None

"""Posts to the same few targets, thousands a second: a kept connection each, one write and one answer.

The general client (`Egress.request`) spends several times as much on a request as the request itself costs. Here the
head is written once for a target and an answer is read by the parser that the server uses. What guards the way out is
the same: an address in the URL is judged, a name is resolved once for a connection and every address it has is judged,
and redirects are not followed.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from functools import partial
from typing import cast

import httptools

from provenance.core.egress import AnswerTooLarge, Egress, Reply, TargetAway, target

KEPT_SECONDS = 15.0
"""How long a connection is kept that nothing is sent on."""
HEAD_BYTES = 64 * 1024
_FINAL = 200
"""Answers of lower statuses only say that there will be one."""


class Destination:
    """Where posts go, judged, with what all of them say."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Read a URL. Raises AddressRefused for one that is not called, whoever it belongs to."""
        read = target(url)
        assert read.host is not None
        assert read.port is not None
        self.host, self.port, self.tls = read.host, read.port, read.scheme == "https"
        fixed = {"host": read.host_port_subcomponent or "", "user-agent": "Provenance", "accept": "*/*", **headers}
        self.head = f"POST {read.raw_path_qs} HTTP/1.1\r\n".encode() + written(fixed)

    @property
    def origin(self) -> tuple[str, int, bool]:
        """What a kept connection belongs to."""
        return self.host, self.port, self.tls


def written(headers: Mapping[str, str]) -> bytes:
    """Return headers as lines. Raises ValueError for a value that would end its line."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\0" in text:
        raise ValueError("a header's value has characters that no header can hold")
    return text.encode()


class Posts:
    """Kept connections of one process; closed at its end, before the way out that they go."""

    def __init__(self, egress: Egress) -> None:
        """Take the way out."""
        self._egress = egress
        self._idle: dict[tuple[str, int, bool], list[_Connection]] = {}
        self._tls: ssl.SSLContext | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def post(
        self, to: Destination, headers: Mapping[str, str], body: bytes, *, seconds: float, limit: int
    ) -> Reply:
        """Send one post and return the whole answer, whatever its status.

        A kept connection that turns out to be closed is replaced. Raises AddressRefused, TargetAway after ``seconds``
        in all, and AnswerTooLarge for an answer of more than ``limit`` bytes.
        """
        request = b"".join((to.head, written(headers), b"content-length: %d\r\n\r\n" % len(body), body))
        until = time.monotonic() + seconds
        try:
            while (kept := self._kept(to)) is not None:
                with contextlib.suppress(_Stale):
                    return await self._on(kept, to, request, until, limit)
            opened = await self._open(to, max(0.001, until - time.monotonic()))
            return await self._on(opened, to, request, until, limit)
        except _Stale:
            raise TargetAway(f"{to.host} can't be reached: the connection was lost.") from None
        except TimeoutError:
            raise TargetAway(f"{to.host} did not answer within {seconds:.3g} seconds.") from None

    async def close(self) -> None:
        """Close every connection that is kept."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connections in self._idle.values():
            for each in connections:
                each.end()
        self._idle.clear()

    async def _on(self, connection: "_Connection", to: Destination, request: bytes, until: float, limit: int) -> Reply:
        reply = await connection.exchange(request, until, limit)
        if connection.reusable:
            self._keep(to, connection)
        return reply

    def _kept(self, to: Destination) -> "_Connection | None":
        idle = self._idle.get(to.origin)
        while idle:
            found = idle.pop()
            if found.reusable:
                return found
        return None

    def _keep(self, to: Destination, connection: "_Connection") -> None:
        connection.kept_at = time.monotonic()
        self._idle.setdefault(to.origin, []).append(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Close what nothing was sent on for a while."""
        old = time.monotonic() - KEPT_SECONDS
        for origin, connections in list(self._idle.items()):
            for each in [each for each in connections if each.kept_at <= old or not each.reusable]:
                connections.remove(each)
                each.end()
            if not connections:
                del self._idle[origin]
        again = asyncio.get_running_loop().call_later
        self._sweeping = again(KEPT_SECONDS, self._sweep) if self._idle else None

    async def _open(self, to: Destination, seconds: float) -> "_Connection":
        if to.tls and self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        tls = self._tls if to.tls else None
        return await self._egress.open(partial(_Connection, to.host), to.host, to.port, tls=tls, seconds=seconds)


class _Stale(Exception):
    """The connection was closed before a byte of an answer came."""


class _Connection(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Reply] | None = None
        self._broken = False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._limit = self._received = self._size = 0
        self.kept_at = 0.0

    def _begin(self, limit: int) -> None:
        self._headers, self._body = {}, []
        self._limit, self._received, self._size = limit, 0, 0

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent."""
        return not self._broken and self._answer is None

    async def exchange(self, request: bytes, until: float, limit: int) -> Reply:
        """Send a request and return its answer. Raises _Stale, TimeoutError, TargetAway and AnswerTooLarge."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._begin(limit)
        answer: asyncio.Future[Reply] = loop.create_future()
        self._answer = answer
        over = loop.call_later(max(0.0, until - time.monotonic()), self._fail, TimeoutError())
        self._transport.write(request)
        try:
            return await answer
        finally:
            over.cancel()
            if self._answer is answer:  # whoever asked has gone: what comes now is nobody's
                self._answer = None
                self.end()

    def end(self) -> None:
        """Close the connection."""
        self._broken = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)  # those of uvloop don't say so

    def data_received(self, data: bytes) -> None:
        """Read a piece of the answer."""
        if self._answer is None:  # nobody asked
            self.end()
            return
        self._received += len(data)
        if self._received > self._limit + HEAD_BYTES:
            self._refuse_size()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish(again=False)
        except httptools.HttpParserError:
            self._fail(TargetAway(f"{self._host} can't be reached: its answer is no HTTP."))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header; of a repeated one the first."""
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_body(self, piece: bytes) -> None:
        """Note a piece of the body."""
        self._size += len(piece)
        if self._size > self._limit:
            self._refuse_size()
        self._body.append(piece)

    def on_message_complete(self) -> None:
        """Hand the answer over, unless it only says that there will be one."""
        if self._parser.get_status_code() < _FINAL:
            self._headers.clear()
        else:
            self._finish(again=self._parser.should_keep_alive())

    def eof_received(self) -> bool:
        """Take an answer whose end is the end of the connection."""
        headers = self._headers
        open_ended = "content-length" not in headers and "transfer-encoding" not in headers
        if self._answer is not None and headers and open_ended and self._parser.get_status_code() >= _FINAL:
            self._finish(again=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Let whoever waits know."""
        self._broken = True
        lost = TargetAway(f"{self._host} can't be reached: the connection was lost.")
        self._fail(lost if self._received else _Stale())

    def _finish(self, *, again: bool) -> None:
        answer, self._answer = self._answer, None
        if answer is None or not again:
            self.end()
        if answer is not None and not answer.done():
            answer.set_result(Reply(self._parser.get_status_code(), self._headers, b"".join(self._body)))

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        self.end()
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def _refuse_size(self) -> None:
        self._fail(AnswerTooLarge(f"{self._host} answers with more than {self._limit} bytes."))

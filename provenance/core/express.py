"""The express: the hottest posts, taken from the parser and answered to the socket without an ASGI cycle.

A server interface costs such a post more than its record: a scope, a task, three coroutines and two events per
request. So the protocol reads a plain small post itself and asks the door's express handler for its path. The handler
takes it only when nothing has to be waited for but the commit, and answers by a callback; otherwise the request goes
to the ordinary cycle as if nobody had looked at it. A corpus of requests runs over both ways and compares every sign.
"""

import asyncio
import gzip
import time
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from provenance.core.door import (
    JSON_TYPE,
    PROBLEM_TYPE,
    ZIP_FROM,
    ZIP_LEVEL,
    Answer,
    Door,
    Exchange,
    ExpressHandler,
    account,
    guards,
    problem_headers,
    problem_of,
)
from provenance.core.ids import new_request_id
from provenance.core.one_write import JoinedWrites, OneWriteProtocol
from provenance.core.transport import Proxies, Seen


def _lines(scheme: str) -> bytes:
    """Return the head's last lines, up to the request id that comes at their end."""
    of_any = Exchange("POST", "", {}, b"", "", None, scheme, b"")
    return b"".join([b"\r\n%b: %b" % header for header in guards(of_any)])


_GUARD_LINES = {scheme: _lines(scheme) for scheme in ("http", "https")}


class _NobodyWaits:
    """Stands where a cycle has the event that wakes its task."""

    def set(self) -> None:
        """Wake nobody."""


class _Turn:
    """One request on the express; to the protocol around it, a cycle like any other."""

    __slots__ = (
        "body",
        "disconnected",
        "exchange",
        "handler",
        "keep_alive",
        "protocol",
        "response_complete",
        "started",
    )
    message_event = _NobodyWaits()

    def __init__(self, protocol: "ExpressProtocol", handler: ExpressHandler, headers: dict[bytes, bytes]) -> None:
        self.protocol = protocol
        self.handler = handler
        self.keep_alive: bool = protocol.parser.should_keep_alive()
        self.body = b""
        self.disconnected = False
        self.response_complete = False
        self.started = time.perf_counter()
        seen = protocol.seen()
        self.exchange = Exchange(
            method="POST",
            path=protocol.url.decode(),
            headers=headers,
            body=b"",
            request_id=new_request_id(),
            client_ip=seen.client_ip,
            scheme=seen.scheme,
            query=b"",
        )

    def settle(self, outcome: Answer | BaseException) -> None:
        """Answer, count and log."""
        exchange, code = self.exchange, None
        if isinstance(outcome, Answer):
            status, body, headers, kind = outcome.status, outcome.body, outcome.headers, JSON_TYPE
        else:
            problem = problem_of(outcome, exchange)
            status, body, code = problem.status, problem.body(exchange.request_id), problem.code
            headers, kind = problem_headers(problem), PROBLEM_TYPE
        if len(body) >= ZIP_FROM and b"gzip" in exchange.headers.get(b"accept-encoding", b""):
            body = gzip.compress(body, ZIP_LEVEL)
            headers = (*headers, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding"))
        self.protocol.answer(self, status, body, headers, kind)
        account(exchange, exchange.path, status, self.started, code)


class ExpressProtocol(OneWriteProtocol):
    """`OneWriteProtocol` with the express in front of the cycle."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Serve the door of this configuration; any other application has no express."""
        super().__init__(config, server_state, app_state, _loop)
        alone = config.limit_concurrency is None and not config.root_path and config.loaded_app is config.app
        self._handlers = config.app.express if alone and isinstance(config.app, Door) else {}
        self._proxies = config.app.proxies if isinstance(config.app, Door) else Proxies()
        self._coming: _Turn | None = None
        self._idle_since: float | None = None
        self._peer: Seen | None = None

    def on_message_begin(self) -> None:
        """Start a request; its scope is made when the ordinary cycle wants one."""
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Choose the way of a request."""
        handler = self._handlers.get(self.url)
        if handler is not None and self._is_clear():
            headers = dict(self.headers)
            if self._is_plain(headers):
                self._coming = _Turn(self, handler, headers)
                self.cycle = cast(RequestResponseCycle, self._coming)
                return
        self._start_cycle()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        if self._coming is None:
            super().on_body(body)
        else:
            self._coming.body += body

    def on_message_complete(self) -> None:
        """Hand a whole request over."""
        turn = self._coming
        if turn is None:
            super().on_message_complete()
            return
        turn.exchange.body = turn.body
        if self._is_taken(turn):
            self._coming = None
        else:
            self._leave_express(turn)
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; a request that is not whole yet is counted where all others are."""
        if self._coming is not None:
            self._leave_express(self._coming)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)

    def seen(self) -> Seen:
        """Return where the request in hand comes from; without proxies all of a connection come from the same."""
        if self._peer is not None:
            return self._peer
        found = self._proxies.seen(self.client[0] if self.client else None, self.scheme or "http", self.headers)
        if not self._proxies:
            self._peer = found
        return found

    def answer(
        self, turn: _Turn, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...], kind: bytes
    ) -> None:
        """Write a whole answer, and go on with the connection."""
        turn.response_complete = True
        if turn.disconnected or self.transport.is_closing():
            return
        more = b"".join([b"\r\n%b: %b" % header for header in headers]) if headers else b""
        usual = self.server_state.default_headers
        first = b"".join([b"%b: %b\r\n" % header for header in usual]) if usual else b""
        written = b"%b%bcontent-length: %d\r\ncontent-type: %b%b%b%b%b%b" % (
            STATUS_LINE[status],
            first,
            len(body),
            kind,
            more,
            _GUARD_LINES[turn.exchange.scheme],
            turn.exchange.request_id.encode(),
            b"\r\n\r\n" if turn.keep_alive else b"\r\nconnection: close\r\n\r\n",
            body,
        )
        cast(JoinedWrites, self.transport).write_whole(written)
        if not turn.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request of the connection, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait_at_most(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was idle for so long.

        One timer runs on through many requests and looks how long ago the last one ended: making and cancelling
        one for each request cost more than the rest of the bookkeeping.
        """
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._wait_at_most(left)
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def _wait_at_most(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _is_clear(self) -> bool:
        """Tell whether the request is a usual post, and the connection has nothing else in hand."""
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
        )

    def _is_plain(self, headers: dict[bytes, bytes]) -> bool:
        """Tell whether the body is of known, small size, and wanted at once."""
        length = headers.get(b"content-length", b"")
        return b"expect" not in headers and 0 < len(length) <= 5 and int(length) <= HIGH_WATER_LIMIT

    def _is_taken(self, turn: _Turn) -> bool:
        try:
            return turn.handler(turn.exchange, turn.settle)
        except Exception as error:  # to the parser around this it would be the client's fault
            turn.settle(error)
            return True

    def _start_cycle(self) -> None:
        headers, self.headers, url = self.headers, [], self.url
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def _leave_express(self, turn: _Turn) -> None:
        """Give a request to the ordinary cycle, with what was read of its body."""
        self._coming = None
        turn.response_complete = True
        self._start_cycle()
        self.cycle.body += turn.body
        self.cycle.keep_alive = turn.keep_alive
        self.cycle.message_event.set()

"""The door: what happens to every request before and after its handler, the same for both paths through the server.

Order: request id → body, capped while it is read → (handler: key → scope → its own work) → headers, error body,
metrics, log line. The hot handlers and the framework's routes are called from here and nowhere else, and both ask
`admit` who may pass; a corpus of requests runs against both and compares every outward sign (DESIGN decision 4).
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

import structlog
from starlette.middleware.gzip import GZipMiddleware

from provenance.core.actor import Actor, Kind, Role, Scope
from provenance.core.errors import NotAllowed, NotAuthenticated, Problem, TooLarge
from provenance.core.ids import new_request_id
from provenance.core.metrics import REQUESTS
from provenance.core.transport import COMMON_HEADERS, ONLY_ENCRYPTED, POLICY, UNKEPT, Proxies

log: Any = structlog.get_logger("door")

AsgiScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

App = Callable[[AsgiScope, Receive, Send], Awaitable[None]]
BODY_LIMIT = 256 * 1024
ZIP_FROM, ZIP_LEVEL = 2_048, 5
"""Bytes from which an answer is compressed for those who take it so, and how hard."""
PATH_KEPT = 1_024
"""Characters of an address that a log line keeps."""
CLIENT_CLOSED = 499
"""What the figures and the log call a request whose client went away; nothing is sent."""
_SLASHES = re.compile(rb"/{2,}")
JSON_TYPE, PROBLEM_TYPE = b"application/json", b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route: a key with the scope, or any key, or none; or a person of the role or above.

    ``also`` is what a key of another family may do here that has no scope, such as one of the bus.
    """

    scope: Scope | None
    role: Role
    any_key: bool = False
    also: str | None = None

    @property
    def people_only(self) -> bool:
        """Whether no key passes, whatever its scopes."""
        return self.scope is None and not self.any_key


class Authenticate(Protocol):
    """What `main` plugs in: resolve the credential in the headers to an actor, or None when it is not valid."""

    async def __call__(self, headers: Mapping[bytes, bytes]) -> Actor | None:
        """Return the actor, or None."""
        ...


@dataclass(slots=True)
class Exchange:
    """One request on its way through: what arrived, and what is known of it so far."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    body: bytes
    request_id: str
    client_ip: str | None
    scheme: str
    query: bytes
    actor: Actor | None = None

    def header(self, name: bytes) -> str | None:
        """Return a header's text, or None. Bytes outside ASCII are read as UTF-8, else as Latin-1."""
        value = self.headers.get(name)
        if value is None:
            return None
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a hot handler answers: a JSON body that is already bytes."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


HotHandler = Callable[[Exchange], Awaitable[Answer | None]]
"""Answers an exchange, or leaves it to the framework: None, and nothing happened."""

Settle = Callable[[Answer | BaseException], None]
"""Called once with what is to be answered."""
ExpressHandler = Callable[[Exchange, Settle], bool]
"""Takes an exchange without waiting for anything, and settles it now or later; or says no, and nothing happened."""


Denied = Callable[[Exchange, str, str], None]
"""Told of each caller who lacked a scope or role: the request, its route's template, and the code of the refusal."""
_FORBIDDEN = 403


async def admit(exchange: Exchange, access: Access, authenticate: Authenticate) -> Actor:
    """Return who is calling when they may pass.

    Raises NotAuthenticated without a valid credential, and NotAllowed when it lacks the scope or role, or is a key
    that may not be used from this address.
    """
    actor = await authenticate(exchange.headers)
    if actor is None:
        sent = b"x-api-key" in exchange.headers or b"authorization" in exchange.headers
        raise NotAuthenticated(_NOT_VALID if sent else _NOT_SENT)
    exchange.actor = actor
    if actor.networks is not None and not actor.may_come_from(exchange.client_ip):
        raise NotAllowed("This API key may not be used from this address.", code="address_not_allowed")
    if not actor.may(access.scope, access.role) and not _otherwise(actor, access):
        raise _refusal(actor, access)
    return actor


def _otherwise(actor: Actor, access: Access) -> bool:
    """Whether a key passes without the scope: because any may, or as one of another family, which only passes so."""
    if actor.topics is not None:
        return access.also is not None and access.also in actor.scopes
    return access.any_key and actor.kind is Kind.KEY


_NOT_SENT = "Send an API key as x-api-key, or an access token as Authorization: Bearer."
_NOT_VALID = (
    "The credential is not valid. An API key (x-api-key) may be revoked; an access token "
    "(Authorization: Bearer) may have run out, or its session ended."
)


def _refusal(actor: Actor, access: Access) -> NotAllowed:
    """Say what this caller lacks."""
    if actor.role is not None:
        needed, own = access.role.name.lower(), actor.role.name.lower()
        return NotAllowed(f"This needs the role {needed}; yours is {own}.", code="missing_role")
    if access.scope is None:
        return NotAllowed("This needs a person who is signed in; an API key can't do it.", code="people_only")
    return NotAllowed(f"This needs the scope {access.scope.value}.", code="missing_scope")


class ClientGone(Exception):
    """The client went away before its request was whole; nobody waits for an answer."""


class Door:
    """The outermost ASGI application; ``framework`` is the one inside, for its state and its description."""

    framework: Any

    def __init__(
        self,
        app: App,
        *,
        hot: Mapping[tuple[str, str], HotHandler],
        body_limits: Mapping[str, int],
        express: Mapping[bytes, ExpressHandler] | None = None,
        around: Callable[[App], App] | None = None,
        denied: Denied | None = None,
        proxies: Proxies | None = None,
        passing: re.Pattern[str] | None = None,
    ) -> None:
        """Take the framework's application, the hot handlers by (method, path), and limits unlike the usual one.

        A limit is of a path, or of everything under a first segment (``/workflows/``).

        ``express`` are handlers of posts by path, which the protocol asks first (see `provenance.core.express`).
        ``around`` wraps every path, such as CORS for browsers; with it there is no express. ``denied`` is told of
        each caller who was refused. ``proxies`` are those before us whose word about a client counts. ``passing``
        are paths whose bytes pass as they are: the body is the route's to read, the answer is never compressed.
        """
        self.proxies = proxies or Proxies()
        self.express = express if express is not None and around is None else {}
        self._app = app
        self._inner: App = self._dispatch if around is None else around(self._dispatch)
        self._zipped = GZipMiddleware(self._inner, minimum_size=ZIP_FROM, compresslevel=ZIP_LEVEL)
        self._straight = around is None
        self._hot = hot
        self._body_limits = body_limits
        self._denied = denied
        self._passing = passing

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve one connection: requests through the door, the rest (lifespan) straight to the application."""
        if self.proxies and scope["type"] in ("http", "websocket"):
            self.proxies.correct(scope)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if "//" in path:
            path = _squeeze(scope)
        client = scope.get("client")
        exchange = Exchange(
            method=scope["method"],
            path=path,
            headers=dict(scope["headers"]),
            body=b"",
            request_id=new_request_id(),
            client_ip=client[0] if client else None,
            scheme=scope.get("scheme", "http"),
            query=scope.get("query_string", b""),
        )
        scope["exchange"] = exchange
        visit = _Visit(scope, exchange, send)
        try:
            if self._passing is not None and self._passing.match(path):
                await self._inner(scope, receive, visit.send)
                return
            exchange.body = await self._read_body(exchange, receive)
            handler = self._hot.get((exchange.method, path))
            if handler is not None and self._straight and b"gzip" not in exchange.headers.get(b"accept-encoding", b""):
                scope["route_path"] = path
                answer = await handler(exchange)
                if answer is not None:
                    await send_json(visit.send, answer.status, answer.body, answer.headers)
                    return
                del scope["route_path"]
                await self._app(scope, _replay(exchange.body, receive), visit.send)
                return
            zipped = b"gzip" in exchange.headers.get(b"accept-encoding", b"")
            await (self._zipped if zipped else self._inner)(scope, _replay(exchange.body, receive), visit.send)
        except ClientGone:
            visit.status = CLIENT_CLOSED
        except Problem as problem:
            await visit.refuse(problem)
        except Exception as error:
            await visit.crash(error)
        finally:
            visit.close(self._denied)

    async def _dispatch(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope["exchange"]
        handler = self._hot.get((exchange.method, exchange.path))
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["route_path"] = exchange.path
        try:
            answer = await handler(exchange)
        except Problem as problem:  # rendered here, so that what lies around this application sees the answer
            scope["problem_code"] = problem.code
            await _send_problem(send, problem, exchange.request_id)
            return
        if answer is None:
            del scope["route_path"]
            await self._app(scope, receive, send)
        else:
            await send_json(send, answer.status, answer.body, answer.headers)

    async def _read_body(self, exchange: Exchange, receive: Receive) -> bytes:
        under = exchange.path[: exchange.path.find("/", 1) + 1]
        limit = self._body_limits.get(exchange.path) or self._body_limits.get(under, BODY_LIMIT)
        declared = exchange.headers.get(b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        message = await _next_part(receive)
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            if len(body) > limit:
                raise _too_large(limit)
            return body
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await _next_part(receive)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise _too_large(limit)
        return b"".join(parts)


class _Visit:
    """The way out of one request: headers, error body, metrics, log line."""

    __slots__ = ("_problem", "_scope", "_send", "exchange", "started", "status")

    def __init__(self, scope: AsgiScope, exchange: Exchange, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._problem: str | None = None
        self.exchange = exchange
        self.status = 0
        self.started = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = message.get("headers", ())
            message["headers"] = [*own, *guards(self.exchange, {name for name, _ in own})]
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        self._problem = problem.code
        if self.status:  # the answer has begun; the connection is cut instead of lying about its end
            raise problem
        await _send_problem(self.send, problem, self.exchange.request_id)

    async def crash(self, error: Exception) -> None:
        problem = problem_of(error, self.exchange)
        if not self.status:
            await self.refuse(problem)

    def close(self, denied: Denied | None) -> None:
        route = self._scope.get("route_path") or _route_template(self._scope)
        code = self._problem or self._scope.get("problem_code")
        if self.status == _FORBIDDEN and denied is not None:
            denied(self.exchange, route, code or "not_allowed")
        account(self.exchange, route, self.status, self.started, code)


def guards(exchange: Exchange, own: Collection[bytes] = ()) -> list[tuple[bytes, bytes]]:
    """Return the headers that every answer gets, but for those of which it brings its ``own``."""
    headers = [*COMMON_HEADERS]
    if POLICY[0] not in own:
        headers.append(POLICY)
    if exchange.method in ("GET", "HEAD") and UNKEPT[0] not in own:
        headers.append(UNKEPT)
    if exchange.scheme == "https":
        headers.append(ONLY_ENCRYPTED)
    headers.append((b"x-request-id", exchange.request_id.encode()))
    return headers


def account(exchange: Exchange, route: str, status: int, started: float, code: str | None) -> None:
    """Count an answered request, and log it: refusals and failures always, the rest for those who look closely."""
    seconds = time.perf_counter() - started
    REQUESTS.observe(exchange.method if exchange.method in _METHODS else "OTHER", route, status, seconds)
    if status < 400 and not log.is_enabled_for(logging.DEBUG):
        return
    write = log.error if status >= 500 else log.info if status >= 400 else log.debug
    write(
        "request",
        method=exchange.method,
        path=exchange.path[:PATH_KEPT],
        status=status,
        millis=round(seconds * 1000, 2),
        request_id=exchange.request_id,
        actor=exchange.actor.id if exchange.actor else None,
        code=code,
    )


def problem_of(error: BaseException, exchange: Exchange) -> Problem:
    """Return what a client is told of an error; one that is not a Problem is logged, and stays inside."""
    if isinstance(error, Problem):
        return error
    log.error("request_failed", request_id=exchange.request_id, path=exchange.path[:PATH_KEPT], exc_info=error)
    return Problem("The server failed; the request id finds the cause in its log.")


def problem_headers(problem: Problem) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that a problem brings."""
    return tuple((name.lower().encode(), value.encode()) for name, value in problem.headers.items())


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _route_template(scope: AsgiScope) -> str:
    """Name the route by its template, so that the number of series stays bounded whatever is asked for."""
    return getattr(scope.get("route"), "path", None) or "unmatched"


async def _next_part(receive: Receive) -> Message:
    """Receive the next part of a body. Raises ClientGone: a body that is cut off is no body."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _squeeze(scope: AsgiScope) -> str:
    """Take doubled slashes of the address as one; slashes inside an id arrive encoded and stay as they are."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    squeezed = _SLASHES.sub(b"/", raw)
    scope["raw_path"], scope["path"] = squeezed, unquote(squeezed.decode("ascii", "replace"))
    path: str = scope["path"]
    return path


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is over {limit // 1024} KiB.")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand the body that was read to the framework once, then wait for the disconnect as usual."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _send_problem(send: Send, problem: Problem, request_id: str) -> None:
    headers = problem_headers(problem)
    await send_json(send, problem.status, problem.body(request_id), headers, PROBLEM_TYPE)


async def send_json(
    send: Send,
    status: int,
    body: bytes,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    content_type: bytes = JSON_TYPE,
) -> None:
    """Send one complete JSON answer."""
    start = [(b"content-length", str(len(body)).encode()), (b"content-type", content_type), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})

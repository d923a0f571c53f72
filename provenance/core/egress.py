"""Calls that leave the platform: the one client for all of them, which no address of the own network gets past.

A name is resolved once for a connection, every address it has is judged, and the connection goes to those very
addresses, so an answer that changes meanwhile reaches nothing. Addresses that stand in the URL are judged before
each request, and so is each hop of a redirect. What is refused by default: everything that is not a public unicast
address, and the metadata services of clouds; a list of networks and host names makes exceptions.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from provenance.core.addresses import AddressRefused, Allowance, EgressError, refuse_address, refuse_host

ANSWER_BYTES = 1024 * 1024
SECONDS = 30.0
_PIECE = 64 * 1024

P = TypeVar("P", bound=asyncio.BaseProtocol)
Opened = TypeVar("Opened")
_MOVED = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


class TargetAway(EgressError):
    """No whole answer came: name unknown, connection refused or lost, certificate wrong, time over."""


class AnswerTooLarge(EgressError):
    """The answer has more bytes than the caller takes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. ``headers`` have lower-case names; of a repeated one the first."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Egress:
    """The client for calls that leave the platform; one for a process, closed at its end."""

    def __init__(self, allowed: Iterable[str] = (), *, resolver: AbstractResolver | None = None) -> None:
        """Take the exceptions (setting ``egress_allow``). Raises ValueError for an entry that is none."""
        self._allowance = Allowance(allowed)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The guarded session, for answers that are read while they come; the same rules hold for all it does.

        Raises AddressRefused from its requests; size and time are the caller's to bound.
        """
        if self._session is None or self._session.closed:
            resolver = _GuardedResolver(self._allowance, self._resolver or aiohttp.ThreadedResolver())
            connector = _GuardedConnector(self._allowance, resolver=resolver, use_dns_cache=False)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=SECONDS),
            )
        return self._session

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float = SECONDS,
        limit: int = ANSWER_BYTES,
        redirects: int = 0,
    ) -> Reply:
        """Send one request and return the whole answer, whatever its status.

        ``redirects`` is how many are followed; the one after that is returned as it is. Credentials in headers
        don't go to another origin. Raises AddressRefused, TargetAway after ``seconds`` in all, and AnswerTooLarge
        for an answer of more than ``limit`` bytes (unpacked).
        """
        call = _Call(method, target(url), dict(headers or {}), body)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    reply = await self._send(call, limit)
                    following = call.following(reply) if redirects else None
                    if following is None:
                        return reply
                    call, redirects = following, redirects - 1
        except TimeoutError:
            raise TargetAway(f"{call.url.host} did not answer within {seconds:.3g} seconds.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise TargetAway(f"{call.url.host} can't be reached: {_reason(error)}.") from None

    async def connect(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, seconds: float = SECONDS, closing: float = SECONDS
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection for what is not HTTP: one look-up, every address judged, those very addresses called.

        With ``tls`` the certificate must be the host's, and ``closing`` is how many seconds the other side has to
        confirm the end. Raises AddressRefused, and TargetAway after ``seconds``.
        """
        return await self._called(asyncio.open_connection, host, port, seconds, _options(host, tls, closing))

    async def open(
        self, protocol: Callable[[], P], host: str, port: int, *, tls: ssl.SSLContext | None, seconds: float = SECONDS
    ) -> P:
        """Open a connection for a protocol of the caller's own, as `connect` does. Raises what that raises."""
        create = partial(asyncio.get_running_loop().create_connection, protocol)
        opened: tuple[Any, P] = await self._called(create, host, port, seconds, _options(host, tls, seconds))
        return opened[1]

    async def _called(
        self, opener: Callable[..., Awaitable[Opened]], host: str, port: int, seconds: float, options: Mapping[str, Any]
    ) -> Opened:
        refuse_host(host, self._allowance)
        resolver = _GuardedResolver(self._allowance, self._resolver or aiohttp.ThreadedResolver())
        try:
            async with asyncio.timeout(seconds):
                found = await resolver.resolve(host, port, socket.AF_UNSPEC)
                return await _first_open(opener, [each["host"] for each in found], port, options)
        except TimeoutError:
            raise TargetAway(f"{host} did not answer within {seconds:.3g} seconds.") from None
        except OSError as error:
            raise TargetAway(f"{host} can't be reached: {_reason(error)}.") from None

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, call: "_Call", limit: int) -> Reply:
        sent = self.session.request(call.method, call.url, headers=call.headers, data=call.body, allow_redirects=False)
        async with sent as response:
            body = bytearray()
            async for piece in response.content.iter_chunked(_PIECE):
                body += piece
                if len(body) > limit:
                    raise AnswerTooLarge(f"{call.url.host} answers with more than {limit} bytes.")
            headers: dict[str, str] = {}
            for name, value in response.headers.items():
                headers.setdefault(name.lower(), value)
            return Reply(response.status, headers, bytes(body))


@dataclass(frozen=True, slots=True)
class _Call:
    """One request as it goes out."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None

    def following(self, reply: Reply) -> "_Call | None":
        """Return the request that a redirect asks for; None when the answer is none."""
        location = reply.headers.get("location")
        if reply.status not in _MOVED or location is None:
            return None
        url = target(location, base=self.url)
        headers = dict(self.headers)
        if url.origin() != self.url.origin():
            headers = {name: value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}
        if reply.status in _SAME_METHOD or self.method in ("GET", "HEAD"):
            return _Call(self.method, url, headers, self.body)
        kept = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
        return _Call("GET", url, kept, None)


class _GuardedConnector(aiohttp.TCPConnector):
    """Judges the host of each request before a connection is made or taken again."""

    def __init__(self, allowance: Allowance, **options: Any) -> None:
        super().__init__(**options)
        self._allowance = allowance

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 — the library's own word
        refuse_host(req.url.host or "", self._allowance)
        return await super().connect(req, traces, timeout)


class _GuardedResolver(AbstractResolver):
    """Resolves a name and hands out its addresses only if all of them may be called."""

    def __init__(self, allowance: Allowance, inner: AbstractResolver) -> None:
        self._allowance = allowance
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not self._allowance.names(host):
            for each in found:
                refuse_address(host, ip_address(each["host"].partition("%")[0]), self._allowance)
        return found

    async def close(self) -> None:
        await self._inner.close()


def _options(host: str, tls: ssl.SSLContext | None, closing: float) -> dict[str, Any]:
    return {} if tls is None else {"ssl": tls, "server_hostname": host, "ssl_shutdown_timeout": closing}


async def _first_open(
    opener: Callable[..., Awaitable[Opened]], addresses: list[str], port: int, options: Mapping[str, Any]
) -> Opened:
    """Open a connection to the first address that takes one. Raises OSError of the last that did not."""
    for address in addresses[:-1]:
        try:
            return await opener(address, port, **options)
        except OSError:
            continue
    return await opener(addresses[-1], port, **options)


def target(url: str, base: URL | None = None) -> URL:
    """Read the URL of a call. Raises AddressRefused for one that is not http(s), or holds a password."""
    try:
        read = URL(url) if base is None else base.join(URL(url))
        port, host = read.port, read.host
    except ValueError:
        raise AddressRefused("This is no URL that can be called.") from None
    if read.scheme not in ("http", "https") or not host or not port:
        raise AddressRefused("Only http:// and https:// URLs with a host are called.")
    if read.user is not None or read.password is not None:
        raise AddressRefused("A URL that is called holds no user name or password.")
    return read.with_fragment(None)


def _reason(error: BaseException) -> str:
    """Say why a call failed without the address that a name has."""
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "its certificate is not accepted"
    if isinstance(error, aiohttp.ClientConnectorError | ConnectionRefusedError):
        return "the connection is refused"
    return "the connection was lost"

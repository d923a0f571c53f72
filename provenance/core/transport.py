"""How requests reach this server: encrypted here or by a proxy before us, and from where (spec/automation.md, 2.1).

Anyone can write ``X-Forwarded-For: 1.2.3.4``. Such headers are believed when they come from a proxy that the operator
named, and then from right to left: each proxy adds what it saw at the end, so the right-most address that is none of
the proxies is the client, and what stands further left is only what that client says.
"""

import re
import ssl
from collections.abc import Iterable, MutableMapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, NamedTuple

from provenance.core.addresses import Address, Network
from provenance.core.settings import Settings

Headers = Iterable[tuple[bytes, bytes]]

COMMON_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""On every answer, whatever it is."""
POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""Of every answer that brings no policy of its own: it is data, and nothing in it is to be run or framed."""
UNKEPT = (b"cache-control", b"no-store")
"""Of every answer to a GET that doesn't say how long it may be kept."""
ONLY_ENCRYPTED = (b"strict-transport-security", b"max-age=31536000")
"""Of every answer over https: for a year the browser does not try http with this host."""

_HOST = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,255}")
_REMEMBERED = 1_024


class Seen(NamedTuple):
    """Who sent a request and how, as far as it can be believed; ``host`` is None where the request's own counts."""

    client_ip: str | None
    scheme: str
    host: bytes | None = None


class Proxies:
    """The proxies before this server, by their networks; none is the default."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        """Take the networks that proxies call from."""
        self._networks = tuple(networks)
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, address: str | None) -> bool:
        """Tell whether an address is a proxy's."""
        if not self._networks or address is None:
            return False
        known = self._known.get(address)
        if known is None:
            found = _parsed(address)
            known = found is not None and any(
                found.version == network.version and found in network for network in self._networks
            )
            if len(self._known) < _REMEMBERED:
                self._known[address] = known
        return known

    def seen(self, peer: str | None, scheme: str, headers: Headers) -> Seen:
        """Return where a request comes from: the peer itself, or what a trusted proxy says of it."""
        if not self.trusts(peer):
            return Seen(peer, scheme)
        told = [(name, value) for name, value in headers if name.startswith(b"x-forwarded-")]
        client, hops = self._client(peer, _listed(told, b"x-forwarded-for"))
        proto = _at_hop(_listed(told, b"x-forwarded-proto"), hops).lower()
        host = _at_hop(_listed(told, b"x-forwarded-host"), hops)
        return Seen(
            client,
            {b"https": "https", b"wss": "https", b"http": "http", b"ws": "http"}.get(proto, scheme),
            host if _HOST.fullmatch(host) else None,
        )

    def correct(self, scope: MutableMapping[str, Any]) -> None:
        """Write into an ASGI scope of HTTP or WebSocket what a trusted proxy says of its client."""
        peer, port = scope.get("client") or (None, 0)
        if not self.trusts(peer):
            return
        ws = scope["type"] == "websocket"
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        found = self.seen(peer, scheme, scope["headers"])
        scope["client"] = (found.client_ip, port if found.client_ip == peer else 0)
        scope["scheme"] = found.scheme.replace("http", "ws") if ws else found.scheme
        if found.host is not None:
            others = [header for header in scope["headers"] if header[0] != b"host"]
            scope["headers"] = [(b"host", found.host), *others]

    def _client(self, peer: str | None, told: list[bytes]) -> tuple[str | None, int]:
        """Return the right-most address that is no proxy's, and how many entries from the right it stands."""
        client, hops = peer, 0
        for entry in reversed(told):
            address = _parsed(entry.decode("latin-1"))
            if address is None:  # a proxy that hides or does not know its client; nothing before it can be believed
                break
            client, hops = str(address), hops + 1
            if not self.trusts(client):
                break
        return client, max(hops, 1)


def objection(settings: Settings) -> str | None:
    """Say why this server must not listen as it is told to; None when it may.

    What others could read and change on its way is refused: plain HTTP on an address that other machines reach.
    """
    if (settings.tls_cert is None) != (settings.tls_key is None):
        return "PROVENANCE_TLS_CERT and PROVENANCE_TLS_KEY belong together; only one of them is set."
    if settings.tls_cert is not None and settings.tls_key is not None:
        return _unusable(settings.tls_cert, settings.tls_key)
    if is_loopback(settings.host) or settings.trusted_proxies or settings.allow_plain_http:
        return None
    return (
        f"{settings.host} can be reached from other machines, and plain HTTP can be read and changed on its way. "
        "Serve TLS (PROVENANCE_TLS_CERT and PROVENANCE_TLS_KEY), name the proxy before this server that does "
        "(PROVENANCE_TRUSTED_PROXIES), or say that it is meant so (PROVENANCE_ALLOW_PLAIN_HTTP=1)."
    )


def tls_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return the server's side of TLS 1.2 and newer. Raises OSError (also ssl.SSLError) when the files are no good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # forward secrecy and nothing older; TLS 1.3 has its own
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(cert, key, password=_no_password)
    return context


def is_loopback(host: str) -> bool:
    """Tell whether a listener on this host is reached from this machine alone."""
    address = _parsed(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _unusable(cert: Path, key: Path) -> str | None:
    try:
        tls_context(cert, key)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        return f"PROVENANCE_TLS_CERT and PROVENANCE_TLS_KEY can't be used: {reason}"
    return None


def _no_password() -> str:
    raise ValueError("the key is protected by a password; give one that is not, readable by this account alone")


def _parsed(text: str) -> Address | None:
    """Read an address as proxies write it: with a port, in brackets, mapped into IPv6."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _listed(headers: Headers, wanted: bytes) -> list[bytes]:
    """Return the entries of a header that may be there several times, in their order."""
    return [part.strip() for name, value in headers if name == wanted for part in value.split(b",")]


def _at_hop(entries: list[bytes], hops: int) -> bytes:
    """Return what the proxy next to the client said; a proxy that keeps one value said it for all."""
    return entries[-min(hops, len(entries))] if entries else b""

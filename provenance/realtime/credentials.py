"""Who connects: the same credentials as in any request, and a browser's in the subprotocol; never in the address."""

import time
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from provenance.core.actor import Actor, Kind, Role
from provenance.core.door import Access, Authenticate, Exchange, admit
from provenance.core.errors import Invalid
from provenance.core.ids import new_request_id

PROTOCOL = "provenance.v1"
_BEARER, _KEY = "bearer.", "key."
ANYBODY = Access(None, Role.VIEWER, any_key=True)
"""Who may open a connection: any key, any member; what they hear is each channel's own rule."""
_NEVER = float("inf")


class _Claims(msgspec.Struct):
    exp: float


class Admitted(NamedTuple):
    """Who was let in, and when their credential runs out, in seconds since the epoch."""

    actor: Actor
    expires: float


def exchange_of(scope: Mapping[str, Any]) -> Exchange:
    """Return a WebSocket's handshake as a request like any other, its credential in the headers.

    Raises Invalid when a credential comes both ways.
    """
    headers = dict(scope["headers"])
    headers.pop(b"sec-websocket-protocol", None)
    sent = _in_subprotocols(scope.get("subprotocols", ()))
    if sent is not None:
        if b"authorization" in headers or b"x-api-key" in headers:
            raise Invalid("Send one credential: in a header or as a subprotocol, not both.", code="two_credentials")
        headers[sent[0]] = sent[1]
    client = scope.get("client")
    return Exchange(
        method="GET",
        path=scope["path"],
        headers=headers,
        body=b"",
        request_id=new_request_id(),
        client_ip=client[0] if client else None,
        scheme=scope.get("scheme", "ws"),
        query=scope.get("query_string", b""),
    )


async def admitted(exchange: Exchange, authenticate: Authenticate) -> Admitted:
    """Return who connects. Raises NotAuthenticated and NotAllowed."""
    actor = await admit(exchange, ANYBODY, authenticate)
    return Admitted(actor, expires_of(actor, exchange.headers))


def expires_of(actor: Actor, headers: Mapping[bytes, bytes]) -> float:
    """Return when an admitted credential runs out; a key is watched otherwise.

    The token was verified a moment ago; here only its end is read.
    """
    if actor.kind is Kind.KEY:
        return _NEVER
    payload = headers[b"authorization"].split(b".")[1]
    claims = msgspec.json.decode(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)), type=_Claims)
    return max(claims.exp, time.time())


def _in_subprotocols(offered: Iterable[str]) -> tuple[bytes, bytes] | None:
    for each in offered:
        if each.startswith(_BEARER):
            return b"authorization", b"Bearer " + each.removeprefix(_BEARER).encode("latin-1", "replace")
        if each.startswith(_KEY):
            return b"x-api-key", each.removeprefix(_KEY).encode("latin-1", "replace")
    return None

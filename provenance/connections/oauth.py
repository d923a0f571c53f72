"""OAuth 2.0 as a client: the authorization code with PKCE, refreshing, client credentials, revoking.

A provider's texts are not repeated: what it says besides an error code of the protocol may hold what it was sent.
"""

import base64
import re
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import msgspec

from provenance.connections.credentials import basic
from provenance.connections.targets import Client
from provenance.core.addresses import EgressError
from provenance.core.clock import NANOS, now_ns
from provenance.core.egress import Egress, Reply

ANSWER_BYTES = 64 * 1024
SECONDS = 20.0
_CODE = re.compile(r"[a-z_]{1,64}")
_FOR_A_WHILE = frozenset({"temporarily_unavailable", "server_error", "slow_down", "ratelimited"})


class Refused(Exception):
    """The provider said no, and will say so again; ``reason`` is the protocol's word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Away(Exception):
    """The provider does not answer as the protocol demands; it may later."""


class Tokens(msgspec.Struct, rename="camel", kw_only=True):
    """What a provider gave out. ``expires_at`` is in nanoseconds since the epoch, None where it does not say."""

    access_token: str
    refresh_token: str | None = None
    expires_at: int | None = None
    scopes: list[str] | None = None
    instance_url: str | None = None

    def __repr__(self) -> str:
        return f"Tokens(expires_at={self.expires_at})"


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorization_url(client: Client, *, state: str, verifier: str, redirect_uri: str, scopes: list[str]) -> str:
    """Return where the person is sent."""
    server = client.server
    asked = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": redirect_uri,
        **({"scope": server.separator.join(scopes)} if scopes else {}),
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        **server.extra,
    }
    return f"{server.authorization_url}{'&' if '?' in server.authorization_url else '?'}{urlencode(asked)}"


async def exchange(egress: Egress, client: Client, *, code: str, verifier: str, redirect_uri: str) -> Tokens:
    """Exchange a code for tokens. Raises Refused and Away."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    return await _ask(egress, client, form)


async def renew(egress: Egress, client: Client, tokens: Tokens) -> Tokens:
    """Ask for a new access token; a refresh token that is not replaced stays. Raises Refused and Away."""
    assert tokens.refresh_token is not None, "the caller looks first"
    form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
    found = await _ask(egress, client, form)
    return msgspec.structs.replace(
        found,
        refresh_token=found.refresh_token or tokens.refresh_token,
        instance_url=found.instance_url or tokens.instance_url,
    )


async def as_client(egress: Egress, client: Client, scopes: list[str]) -> Tokens:
    """Ask for an access token of the client's own (client credentials). Raises Refused and Away."""
    scope = {"scope": client.server.separator.join(scopes)} if scopes else {}
    return await _ask(egress, client, {"grant_type": "client_credentials", **scope})


async def revoke(egress: Egress, client: Client, tokens: Tokens) -> bool:
    """Ask the provider to forget what it gave out (RFC 7009); tell whether it did. Never raises."""
    if client.server.revoke_url is None:
        return False
    form = {"token": tokens.refresh_token or tokens.access_token}
    try:
        reply = await _send(egress, client, client.server.revoke_url, form)
    except EgressError:
        return False
    return reply.status < 300


async def _ask(egress: Egress, client: Client, form: dict[str, str]) -> Tokens:
    try:
        reply = await _send(egress, client, client.server.token_url, form)
    except EgressError as error:
        raise Away(str(error)) from None
    found = _object(reply)
    reason = found.get("error")
    if reply.status >= 500 or reply.status == 429 or reason in _FOR_A_WHILE:
        raise Away("The provider can't give out tokens right now.")
    token = found.get("access_token")
    if reply.status >= 400 or reason or not isinstance(token, str) or not token:
        raise Refused(reason if isinstance(reason, str) and _CODE.fullmatch(reason) else "no_token")
    return Tokens(
        access_token=token,
        refresh_token=_text(found, "refresh_token"),
        expires_at=_expiry(found.get("expires_in")),
        scopes=re.split(r"[ ,]+", found["scope"]) if _text(found, "scope") else None,
        instance_url=_text(found, "instance_url"),
    )


async def _send(egress: Egress, client: Client, url: str, form: dict[str, str]) -> Reply:
    headers = {"accept": "application/json"}
    if client.server.client_auth == "basic" and client.secret is not None:
        headers["authorization"] = basic(client.id, client.secret)
    else:
        form = {**form, "client_id": client.id, **({} if client.secret is None else {"client_secret": client.secret})}
    if client.server.body == "json":
        headers["content-type"], body = "application/json", msgspec.json.encode(form)
    else:
        headers["content-type"], body = "application/x-www-form-urlencoded", urlencode(form).encode()
    return await egress.request("POST", url, headers=headers, body=body, seconds=SECONDS, limit=ANSWER_BYTES)


def _object(reply: Reply) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        found = None
    if isinstance(found, dict):
        return found
    if 400 <= reply.status < 500 and reply.status != 429:
        return {}
    raise Away("The provider answers something else than asked for.")


def _text(found: dict[str, Any], name: str) -> str | None:
    value = found.get(name)
    return value if isinstance(value, str) and value else None


def _expiry(seconds: Any) -> int | None:
    if isinstance(seconds, str) and seconds.isdecimal():
        seconds = int(seconds)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < 10**9:
        return None
    return now_ns() + int(seconds * NANOS)

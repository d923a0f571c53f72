"""Authorising a connection: a person is sent to the provider, comes back with a code, and tokens are fetched for it.

The code is good only with the state, which is used once, and the proof key (PKCE), which never leaves the server. A
browser that did not begin the authorisation is asked first whether it means it: a link sent to somebody else must not
connect their account unawares.
"""

import contextlib
import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec

from provenance.audit import service as audit
from provenance.connections import carrying, oauth, queries, service, targets
from provenance.connections.errors import (
    AuthorizationRefused,
    AuthorizationSpent,
    BadRedirect,
    NotOAuth,
    OAuthClientMissing,
    ProviderAway,
)
from provenance.connections.oauth import Away, Refused, Tokens
from provenance.connections.running import Connections
from provenance.connections.schemas import (
    Authorization,
    AuthorizeAsked,
    ConnectionEvent,
    Deleted,
    Row,
    Status,
)
from provenance.connections.sealing import seal_tokens, tokens_of
from provenance.core.actor import Actor, Kind
from provenance.core.clock import NANOS, iso_millis
from provenance.core.errors import Problem
from provenance.core.ids import decode, encode, random_letters

STATE_SECONDS = 600
_PURPOSE = "connection.authorization"


class _Kept(msgspec.Struct):
    """What is kept of an authorisation under way."""

    verifier: str
    scopes: list[str]
    return_to: str | None


class UnderWay(NamedTuple):
    """An authorisation whose state came back."""

    actor: Actor
    row: Row
    kept: _Kept
    digest: bytes


def callback_url(connections: Connections) -> str:
    """Return the address to register with providers."""
    return f"{connections.base_url}/oauth/callback"


async def authorize(connections: Connections, actor: Actor, connection_id: str, asked: AuthorizeAsked) -> Authorization:
    """Begin: return where to send the person. Raises NotOAuth, OAuthClientMissing and BadRedirect."""
    _ensure_ours(connections, asked.redirect_uri)
    keys = await connections.ledger.keyring.of(actor.workspace_id)
    state = f"{encode('ws', actor.workspace_id)}.{random_letters(43)}"
    async with connections.db.housekeeping(actor.workspace_id) as tx:
        row = await service.found(tx, connection_id)
        if row.auth_type != "oauth2":
            raise NotOAuth("This connection's credential is sent with it; no provider authorises it.")
        credential = await carrying.credential_in_full(tx, keys, row)
        client = _client(connections, row, credential)
        scopes = asked.scopes or list(row.scopes) or service.wanted_scopes(row.integration, row.config)
        kept = _Kept(random_letters(64), scopes, asked.redirect_uri)
        expires_at = tx.now + STATE_SECONDS * NANOS
        digest = sha256(state.encode()).digest()
        sealed = keys.seal(_PURPOSE, msgspec.json.encode(kept), digest)
        await queries.add_authorization(tx, digest, row.id, actor.id, sealed, expires_at)
    url = oauth.authorization_url(
        client, state=state, verifier=kept.verifier, redirect_uri=callback_url(connections), scopes=scopes
    )
    return Authorization(authorization_url=url, state=state, expires_at=iso_millis(expires_at))


async def under_way(connections: Connections, state: str | None) -> UnderWay:
    """Return the authorisation that a state belongs to, without using it up. Raises AuthorizationSpent."""
    head, _, _ = (state or "").partition(".")
    workspace_id = decode("ws", head)
    if state is None or workspace_id is None:
        raise AuthorizationSpent(_SPENT)
    digest = sha256(state.encode()).digest()
    async with connections.db.housekeeping(workspace_id) as tx:
        begun = await queries.peek_authorization(tx, digest)
        row = None if begun is None else await queries.by_id(tx, begun.connection_id)
    if row is None:
        raise AuthorizationSpent(_SPENT)
    keys = await connections.ledger.keyring.of(workspace_id)
    kept = msgspec.json.decode(keys.open(_PURPOSE, begun.sealed, digest), type=_Kept)
    return UnderWay(Actor(Kind.PERSON, begun.person, workspace_id), row, kept, digest)


_SPENT = "The authorisation is not under way (any more). Begin again."


def began_here(state: str | None, cookie: str | None) -> bool:
    """Tell whether this browser is the one that began the authorisation."""
    return hmac.compare_digest((state or "").encode(), (cookie or "").encode()) and bool(state)


async def finish(connections: Connections, state: str | None, code: str | None) -> tuple[str | None, Row]:
    """Fetch tokens for a code and keep them; return where the browser goes on, if anywhere.

    Without a code the provider refused. Raises AuthorizationSpent, and where the browser goes on nowhere also
    AuthorizationRefused and ProviderAway; else those go on with it as ``error``.
    """
    begun = await under_way(connections, state)
    try:
        await _finish(connections, begun, code)
    except Problem as problem:
        if begun.kept.return_to is None or isinstance(problem, AuthorizationSpent):
            raise
        return _with(begun.kept.return_to, error=problem.code), begun.row
    return begun.kept.return_to and _with(begun.kept.return_to, connectionId=begun.row.wire_id), begun.row


async def _finish(connections: Connections, begun: UnderWay, code: str | None) -> None:
    keys = await connections.ledger.keyring.of(begun.actor.workspace_id)
    async with connections.db.housekeeping(begun.actor.workspace_id) as tx:
        if not await queries.use_authorization(tx, begun.digest):
            raise AuthorizationSpent(_SPENT)
        credential = await carrying.credential_in_full(tx, keys, begun.row)
    if code is None:
        raise AuthorizationRefused("The provider, or the person there, did not grant the authorisation.")
    client = _client(connections, begun.row, credential)
    try:
        tokens = await oauth.exchange(
            connections.egress,
            client,
            code=code,
            verifier=begun.kept.verifier,
            redirect_uri=callback_url(connections),
        )
    except Refused as refusal:
        raise AuthorizationRefused(f"The provider does not take the code ({refusal.reason}).") from None
    except Away as away:
        raise ProviderAway(str(away)) from None
    await _keep(connections, begun, tokens, tokens.scopes or begun.kept.scopes)


async def _keep(connections: Connections, begun: UnderWay, tokens: Tokens, scopes: Sequence[str]) -> None:
    """Keep the first tokens; an authorisation also ends an error."""
    actor = begun.actor
    keys = await connections.ledger.keyring.of(actor.workspace_id)
    async with connections.db.write(actor) as tx:
        row = await service.found(tx, begun.row.wire_id, lock=True)
        if targets.decides_where(row.config, row.integration) != targets.decides_where(
            begun.row.config, row.integration
        ):
            raise AuthorizationSpent("The connection was changed meanwhile. Begin again.")
        values = {
            "tokens_sealed": seal_tokens(keys, (tx.workspace_id, row.id), tokens),
            "tokens_revision": row.tokens_revision + 1,
            "expires_at": tokens.expires_at,
            "lease": None,
            "lease_until": None,
            "last_error": None,
            "scopes": list(scopes),
            "status": row.status if row.status == Status.PAUSED.value else Status.ACTIVE.value,
            "updated_at": tx.now,
            "updated_by": actor.id,
        }
        await queries.change(tx, row.id, values)
        data = {"name": row.name, "integration": row.integration, "scopes": list(scopes)}
        audit.record(tx, ConnectionEvent.AUTHORIZED, row.wire_id, data, risk=audit.Risk.MEDIUM)


async def delete(connections: Connections, actor: Actor, connection_id: str) -> Deleted:
    """Delete a connection, and ask its provider to forget what it gave out. Raises ConnectionInUse."""
    keys = await connections.ledger.keyring.of(actor.workspace_id)
    async with connections.db.write(actor) as tx:
        row = await service.found(tx, connection_id, lock=True)
        tokens = tokens_of(keys, tx.workspace_id, row)
        credential = await carrying.credential_in_full(tx, keys, row) if tokens is not None else {}
        await service.remove(tx, row)
    if tokens is not None:
        with contextlib.suppress(OAuthClientMissing):  # the operator may have given up the integration before
            await oauth.revoke(connections.egress, _client(connections, row, credential), tokens)
    return Deleted(deleted=True)


def _client(connections: Connections, row: Row, credential: dict[str, str]) -> targets.Client:
    return targets.client_of(row.integration, row.config, credential, connections.operator.get(row.integration))


def _ensure_ours(connections: Connections, url: str | None) -> None:
    """Refuse to send a browser on to a site of somebody else. Raises BadRedirect."""
    if url is None:
        return
    asked = urlsplit(url)
    ours = {connections.base_url, *(origin.rstrip("/") for origin in connections.ledger.settings.cors_origins)}
    if asked.username is not None or f"{asked.scheme}://{asked.netloc}" not in ours:
        raise BadRedirect.at("redirectUri", f"must be an address of {connections.base_url}")


def _with(url: str, **more: str) -> str:
    """Add to an address's query."""
    parts = urlsplit(url)
    query = "&".join(each for each in (parts.query, urlencode(more)) if each)
    return urlunsplit(parts._replace(query=query))

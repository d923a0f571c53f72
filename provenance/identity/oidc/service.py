"""The verbs of sign-on: send a person to the provider, take them in when they come back.

Nobody gets in whom no member invited: the provider's verified address has to be a person's here. From the first
time on the link is by the provider's own name for them, so that a later change of address is none of our business.
"""

import base64
import hmac
import uuid
from hashlib import sha256
from typing import Any

from provenance.core.errors import Problem
from provenance.core.ids import random_letters
from provenance.identity import service as identity_service
from provenance.identity.errors import TicketSpent
from provenance.identity.guessing import service as guessing
from provenance.identity.guessing.schemas import client
from provenance.identity.oidc import queries
from provenance.identity.oidc.errors import OidcRefused
from provenance.identity.oidc.schemas import OidcRedirect
from provenance.identity.running import Identity
from provenance.identity.schemas import Person
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Caller, Method, Mode, Proof, Started
from provenance.identity.tickets import service as tickets
from provenance.identity.tickets.service import Purpose

STATE_SECONDS = 600


def _redirect_uri(identity: Identity) -> str:
    return f"{identity.base_url}/auth/oidc/callback"


async def start(identity: Identity, mode: Mode) -> OidcRedirect:
    """Return where to send the person. Raises OidcNotConfigured and OidcUnavailable."""
    nonce, verifier = random_letters(43), random_letters(64)
    challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    async with identity.db.housekeeping() as tx:
        content = {"nonce": nonce, "verifier": verifier, "mode": mode.value}
        state = await tickets.issue(tx, identity.keys, Purpose.OIDC, STATE_SECONDS, content=content)
    url = await identity.provider.authorization_url(
        state=state, nonce=nonce, challenge=challenge, redirect_uri=_redirect_uri(identity)
    )
    return OidcRedirect(authorization_url=url, state=state)


async def finish(identity: Identity, caller: Caller, code: str, state: str) -> Started:
    """Sign in whom the provider names. Raises TicketSpent, OidcRefused, OidcUnavailable, NoMembership."""
    await guessing.take(identity.db, identity.keys, [client(caller.address)])
    async with identity.db.housekeeping() as tx:
        ticket = await tickets.redeem(tx, identity.keys, Purpose.OIDC, state)
    if ticket is None:
        raise TicketSpent("The sign-on is not valid (any more). Begin again.")
    kept = ticket.content
    claims = await identity.provider.claims(
        code=code, verifier=kept["verifier"], nonce=kept["nonce"], redirect_uri=_redirect_uri(identity)
    )
    person = await _person(identity, claims)
    if person is None:
        await sessions.record_failure(identity, None, "oidc", 1)
        raise OidcRefused("Nobody here has the verified address that the provider names.")
    async with identity.db.housekeeping() as tx:
        await guessing.was_right(tx, identity.keys, [client(caller.address)])
    return await sessions.start(identity, Proof(person, (Method.OIDC,)), Mode(kept["mode"]))


async def finish_in_browser(
    identity: Identity, caller: Caller, code: str | None, state: str | None, cookie: str | None
) -> tuple[str, Started | None]:
    """Take in the person that a redirect brought; return where to send the browser, and the session if one began.

    The state has to be the one this very browser was sent away with.
    """
    try:
        if code is None or state is None or not hmac.compare_digest(state.encode(), (cookie or "").encode()):
            raise OidcRefused("The provider brought no code, or not to the browser that asked.")
        started = await finish(identity, caller, code, state)
    except Problem as problem:
        return f"{identity.base_url}/console/sign-in#error={problem.code}", None
    return f"{identity.base_url}/console/", started


async def _person(identity: Identity, claims: dict[str, Any]) -> Person | None:
    """Return the person linked to the provider's name for them; else the one with the verified address, linked now."""
    name = f"{identity.provider.issuer}\0{claims['sub']}"
    digest = identity.keys.mac("oidc.link", name.encode())
    email, verified = claims.get("email"), claims.get("email_verified") is True
    async with identity.db.housekeeping() as tx:
        linked: uuid.UUID | None = await queries.person_of(tx, digest)
        if linked is not None:
            return await identity_service.person_by_id(tx, identity.keys, linked)
        if not verified or not isinstance(email, str):
            return None
        person = await identity_service.person_by_email(tx, identity.keys, email)
        if person is not None:
            await queries.insert_link(tx, digest, person.id)
        return person

"""The verbs of passkeys: register one, sign in with one, list, remove.

A challenge is a ticket: it works once, for five minutes. Sign-in asks for a discoverable credential and names no
account, so it tells nobody who exists. The authenticator must verify its user: a passkey alone is two factors.
"""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, generate_challenge
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialCreationOptions,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from provenance.audit import service as audit
from provenance.core.actor import Actor
from provenance.core.db import ReadTx, WriteTx
from provenance.core.door import Exchange
from provenance.core.ids import decode, new_uuid
from provenance.identity import service as identity_service
from provenance.identity.errors import TicketSpent
from provenance.identity.guessing import service as guessing
from provenance.identity.guessing.schemas import client
from provenance.identity.passkeys import queries
from provenance.identity.passkeys.errors import (
    PasskeyKnown,
    PasskeyRefused,
    PasskeyUnusable,
    TooManyPasskeys,
    UnknownPasskey,
)
from provenance.identity.passkeys.schemas import Assertion, Challenge, Passkeys, Registration, shown
from provenance.identity.running import Identity
from provenance.identity.schemas import AuthEvent, Person
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Caller, Method, Proof, Started
from provenance.identity.tickets import service as tickets
from provenance.identity.tickets.service import Purpose

CHALLENGE_SECONDS = 300
MOST = 50
_BAD = (WebAuthnException, ValueError, KeyError, TypeError)


@dataclass(frozen=True, slots=True)
class Site:
    """The site that passkeys are bound to: PUBLIC_URL, or where the browser says it is."""

    rp_id: str
    origin: str

    @classmethod
    def of(cls, exchange: Exchange, public_url: str | None) -> "Site":
        """Read it from the settings, or from the request: an authenticator answers for its own site alone."""
        address = urlsplit(public_url or f"{exchange.scheme}://{exchange.header(b'host') or 'localhost'}")
        return cls(address.hostname or "localhost", f"{address.scheme}://{address.netloc}")


async def register_begin(identity: Identity, actor: Actor, site: Site) -> Challenge:
    """Return what the browser needs to make a passkey for the actor. Raises TooManyPasskeys."""
    assert actor.person is not None, "the route lets people only pass"
    async with identity.db.housekeeping() as tx:
        person = await identity_service.person_by_id(tx, identity.keys, actor.person)
        assert person is not None, "the door lets living people pass"
        known = await queries.passkeys_of(tx, person.id)
        if len(known) >= MOST:
            raise TooManyPasskeys(f"A person has at most {MOST} passkeys.")
        options = _registration_options(person, site, [row.credential_id for row in known])
        content = {"challenge": bytes_to_base64url(options.challenge)}
        token = await tickets.issue(
            tx, identity.keys, Purpose.PASSKEY_REGISTER, CHALLENGE_SECONDS, person_id=person.id, content=content
        )
    return Challenge(challenge_id=token, public_key=msgspec.json.decode(options_to_json(options)))


def _registration_options(person: Person, site: Site, known: list[bytes]) -> PublicKeyCredentialCreationOptions:
    return generate_registration_options(
        rp_id=site.rp_id,
        rp_name="Provenance",
        user_name=person.email or person.wire_id,
        user_display_name=person.name or person.email or person.wire_id,
        user_id=person.id.bytes,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
    )


async def register_finish(tx: WriteTx, identity: Identity, site: Site, body: Registration) -> Any:
    """Store the passkey that the actor's browser made; return its row.

    Raises TicketSpent, PasskeyUnusable, PasskeyKnown.
    """
    token = body.challenge_id.get_secret_value()
    ticket = await tickets.redeem(tx, identity.keys, Purpose.PASSKEY_REGISTER, token)
    if ticket is None or ticket.person_id != _person(tx):
        raise TicketSpent("The challenge is not valid (any more). Begin again.")
    try:
        made = verify_registration_response(
            credential=body.credential,
            expected_challenge=base64url_to_bytes(ticket.content["challenge"]),
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except _BAD:
        raise PasskeyUnusable("The authenticator's answer does not fit the challenge and this site.") from None
    passkey_id = new_uuid()
    stored = await queries.insert_passkey(
        tx,
        passkey_id,
        person_id=_person(tx),
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        name=body.name,
    )
    if not stored:
        raise PasskeyKnown("This passkey is registered already.")
    _record(tx, "added", passkey_id)
    return next(row for row in await queries.passkeys_of(tx, _person(tx)) if row.id == passkey_id)


async def authenticate_begin(identity: Identity, site: Site) -> Challenge:
    """Return what the browser needs to sign in with whatever passkey of this site its owner chooses."""
    challenge = generate_challenge()
    options = generate_authentication_options(
        rp_id=site.rp_id, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
    )
    content = {"challenge": bytes_to_base64url(challenge)}
    async with identity.db.housekeeping() as tx:
        token = await tickets.issue(tx, identity.keys, Purpose.PASSKEY_SIGN_IN, CHALLENGE_SECONDS, content=content)
    return Challenge(challenge_id=token, public_key=msgspec.json.decode(options_to_json(options)))


async def authenticate_finish(identity: Identity, caller: Caller, site: Site, body: Assertion) -> Started:
    """Sign in the owner of the passkey that was used. Raises PasskeyRefused, TooManyGuesses, NoMembership."""
    subjects = [client(caller.address)]
    failures = await guessing.take(identity.db, identity.keys, subjects)
    async with identity.db.housekeeping() as tx:
        token = body.challenge_id.get_secret_value()
        ticket = await tickets.redeem(tx, identity.keys, Purpose.PASSKEY_SIGN_IN, token)
        person_id = None if ticket is None else await _owner(tx, site, ticket.content["challenge"], body.credential)
        person = None if person_id is None else await identity_service.person_by_id(tx, identity.keys, person_id)
        if person is not None:
            await guessing.was_right(tx, identity.keys, subjects)
    if person is None:
        await sessions.record_failure(identity, None, "passkey", failures)
        raise PasskeyRefused("The passkey does not prove who you are.")
    return await sessions.start(identity, Proof(person, (Method.PASSKEY,)), body.mode)


async def _owner(tx: WriteTx, site: Site, challenge: str, credential: dict[str, Any]) -> uuid.UUID | None:
    """Return whose passkey answered the challenge; None when its answer is not good."""
    try:
        row = await queries.lock_by_credential(tx, base64url_to_bytes(str(credential["rawId"])))
        if row is None:
            return None
        used = verify_authentication_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except _BAD:
        return None
    await queries.stamp_used(tx, row.id, used.new_sign_count)
    owner: uuid.UUID = row.person_id
    return owner


async def list_passkeys(tx: ReadTx) -> Passkeys:
    """Return the actor's passkeys."""
    return Passkeys(items=[shown(row) for row in await queries.passkeys_of(tx, _person(tx))])


async def remove(tx: WriteTx, passkey_id: str) -> None:
    """Remove one of the actor's passkeys. Raises UnknownPasskey."""
    found = decode("pky", passkey_id)
    if found is None or not await queries.delete_passkey(tx, _person(tx), found):
        raise UnknownPasskey("There is no such passkey.")
    _record(tx, "removed", found)


def _person(tx: ReadTx) -> uuid.UUID:
    actor: Actor = tx.actor
    assert actor.person is not None, "the route lets people only pass"
    return actor.person


def _record(tx: WriteTx, change: str, passkey_id: uuid.UUID) -> None:
    data = {"change": change, "passkey": str(passkey_id)}
    audit.record(tx, AuthEvent.PASSKEY_CHANGED, tx.actor.id, data, risk=audit.Risk.HIGH, user_id=tx.actor.id)

"""The verbs of passkeys: register one, sign in with one, list, remove.

A challenge is a ticket: it works once, for five minutes. Sign-in asks for a discoverable credential and names no
account, so it tells nobody who exists. The authenticator must verify its user: a passkey alone is two factors.
"""

import uuid
from typing import Any

from provenance.audit import service as audit
from provenance.core.actor import Actor
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode, encode, new_uuid
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
from provenance.identity.passkeys.schemas import Assertion, Challenge, Passkeys, Registration, Site, shown
from provenance.identity.running import Identity
from provenance.identity.schemas import AuthEvent
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Caller, Method, Proof, Started
from provenance.identity.tickets import service as tickets
from provenance.identity.tickets.service import Purpose

CHALLENGE_SECONDS = 300
MOST = 50


async def register_begin(identity: Identity, actor: Actor, site: Site) -> Challenge:
    """Return what the browser needs to make a passkey for the actor. Raises TooManyPasskeys."""
    from provenance.identity.passkeys import ceremony

    assert actor.person is not None, "the route lets people only pass"
    async with identity.db.housekeeping() as tx:
        person = await identity_service.person_by_id(tx, identity.keys, actor.person)
        assert person is not None, "the door lets living people pass"
        known = await queries.passkeys_of(tx, person.id)
        if len(known) >= MOST:
            raise TooManyPasskeys(f"A person has at most {MOST} passkeys.")
        asked = ceremony.ask_to_make(person, site, [row.credential_id for row in known])
        content = {"challenge": asked.challenge}
        token = await tickets.issue(
            tx, identity.keys, Purpose.PASSKEY_REGISTER, CHALLENGE_SECONDS, person_id=person.id, content=content
        )
    return Challenge(challenge_id=token, public_key=asked.public_key)


async def register_finish(tx: WriteTx, identity: Identity, site: Site, body: Registration) -> Any:
    """Store the passkey that the actor's browser made; return its row.

    Raises TicketSpent, PasskeyUnusable, PasskeyKnown.
    """
    from provenance.identity.passkeys import ceremony

    token = body.challenge_id.get_secret_value()
    ticket = await tickets.redeem(tx, identity.keys, Purpose.PASSKEY_REGISTER, token)
    if ticket is None or ticket.person_id != _person(tx):
        raise TicketSpent("The challenge is not valid (any more). Begin again.")
    made = ceremony.made(body.credential, site, ticket.content["challenge"])
    if made is None:
        raise PasskeyUnusable("The authenticator's answer does not fit the challenge and this site.")
    passkey_id = new_uuid()
    stored = await queries.insert_passkey(
        tx,
        passkey_id,
        person_id=_person(tx),
        credential_id=made.credential_id,
        public_key=made.public_key,
        sign_count=made.sign_count,
        name=body.name,
    )
    if not stored:
        raise PasskeyKnown("This passkey is registered already.")
    _record(tx, "added", passkey_id)
    return next(row for row in await queries.passkeys_of(tx, _person(tx)) if row.id == passkey_id)


async def authenticate_begin(identity: Identity, site: Site) -> Challenge:
    """Return what the browser needs to sign in with whatever passkey of this site its owner chooses."""
    from provenance.identity.passkeys import ceremony

    asked = ceremony.ask_to_use(site)
    content = {"challenge": asked.challenge}
    async with identity.db.housekeeping() as tx:
        token = await tickets.issue(tx, identity.keys, Purpose.PASSKEY_SIGN_IN, CHALLENGE_SECONDS, content=content)
    return Challenge(challenge_id=token, public_key=asked.public_key)


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
    from provenance.identity.passkeys import ceremony

    credential_id = ceremony.credential_id(credential)
    row = None if credential_id is None else await queries.lock_by_credential(tx, credential_id)
    if row is None:
        return None
    count = ceremony.used(credential, site, challenge, row.public_key, row.sign_count)
    if count is None:
        return None
    await queries.stamp_used(tx, row.id, count)
    owner: uuid.UUID = row.person_id
    return owner


async def ask_to_sign(tx: ReadTx, site: Site, message: bytes) -> dict[str, Any] | None:
    """Return what the actor's browser needs to sign a message with one of their passkeys; None when they have none."""
    from provenance.identity.passkeys import ceremony

    known = [row.credential_id for row in await queries.passkeys_of(tx, _person(tx))]
    return ceremony.ask_to_sign(site, message, known) if known else None


async def signed(tx: WriteTx, site: Site, message: bytes, credential: dict[str, Any]) -> str | None:
    """Return the id of the actor's passkey that signed a message just now; None when none of theirs did."""
    from provenance.identity.passkeys import ceremony

    credential_id = ceremony.credential_id(credential)
    row = None if credential_id is None else await queries.lock_by_credential(tx, credential_id)
    if row is None or row.person_id != _person(tx):
        return None
    count = ceremony.used(credential, site, ceremony.challenge_of(message), row.public_key, row.sign_count)
    if count is None:
        return None
    await queries.stamp_used(tx, row.id, count)
    return encode("pky", row.id)


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

"""The verbs of passwords: change it, forget it, set it anew by a mailed link."""

import uuid

from provenance.audit import service as audit
from provenance.core.actor import Actor, Kind
from provenance.core.db import WriteTx
from provenance.core.ids import encode
from provenance.identity import queries as people
from provenance.identity import service as identity_service
from provenance.identity.access.dependencies import ensure_fresh
from provenance.identity.errors import BadCredentials, TicketSpent
from provenance.identity.guessing import service as guessing
from provenance.identity.guessing.schemas import account, client, mailbox
from provenance.identity.passwords.schemas import PasswordChange
from provenance.identity.running import Identity
from provenance.identity.schemas import AuthEvent, Person
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Caller
from provenance.identity.tickets import service as tickets
from provenance.identity.tickets.service import Purpose

RESET_SECONDS = 3_600

_MAIL = """Somebody, probably you, asked for a new password on Provenance.

Set it here within the hour:

  {base}/console/reset-password#token={token}

The link works once. If it was not you, there is nothing to do: the password stays as it is.
"""


async def change(identity: Identity, caller: Caller, actor: Actor, body: PasswordChange) -> None:
    """Change the actor's password and end their other sessions.

    Raises BadCredentials, TooManyGuesses, WeakPassword; FreshLoginRequired for who has no password yet.
    """
    new = body.new_password.get_secret_value()
    identity_service.ensure_strong(new)
    async with identity.db.read(actor) as tx:
        assert actor.person is not None, "the route lets people only pass"
        person = await identity_service.person_by_id(tx, identity.keys, actor.person)
    assert person is not None, "the door lets living people pass"
    if person.password_hash is None:
        ensure_fresh(actor, identity.settings.fresh_login_minutes)
    else:
        await _ensure_known(identity, caller, person, body)
    hashed = await identity.passwords.hash(new)
    async with identity.db.write(actor) as tx:
        await _store(tx, person.id, hashed, "changed")
        await sessions.end_all(tx, person.id, "password_changed", keep=actor.session)


async def _ensure_known(identity: Identity, caller: Caller, person: Person, body: PasswordChange) -> None:
    subjects = [account(identity_service.folded(person.email or "")), client(caller.address)]
    await guessing.take(identity.db, identity.keys, subjects)
    current = "" if body.current_password is None else body.current_password.get_secret_value()
    if not await identity.passwords.matches(person.password_hash, current):
        raise BadCredentials("The present password is not right.")
    async with identity.db.housekeeping() as tx:
        await guessing.was_right(tx, identity.keys, subjects)


async def forgot(identity: Identity, caller: Caller, email: str) -> None:
    """Mail a link to set the password anew, if the account exists; the caller can't tell, nor by the time it takes.

    Raises TooManyGuesses for a client that asks too often; for an address asked for too often nothing is sent.
    """
    await guessing.take(identity.db, identity.keys, [client(caller.address)])
    identity.mail.run(_mail_link(identity, email))


async def _mail_link(identity: Identity, email: str) -> None:
    await guessing.take(identity.db, identity.keys, [mailbox(identity_service.folded(email))])
    async with identity.db.write(identity.instance) as tx:
        person = await identity_service.person_by_email(tx, identity.keys, email)
        if person is None or person.email is None:
            return
        await tickets.void(tx, person.id, Purpose.RESET)
        token = await tickets.issue(tx, identity.keys, Purpose.RESET, RESET_SECONDS, person_id=person.id)
        _record(tx, person.id, "requested")
    identity.mail.later(person.email, "A new password", _MAIL.format(base=identity.base_url, token=token))


async def reset(identity: Identity, token: str, password: str) -> None:
    """Set the password by a mailed token, and end every session. Raises TicketSpent, WeakPassword."""
    identity_service.ensure_strong(password)
    async with identity.db.housekeeping() as tx:  # strangers make no work for the hasher
        known = await tickets.peek(tx, identity.keys, Purpose.RESET, token)
    hashed = "" if known is None else await identity.passwords.hash(password)
    async with identity.db.write(identity.instance) as tx:
        ticket = await tickets.redeem(tx, identity.keys, Purpose.RESET, token)
        person = None
        if ticket is not None and ticket.person_id is not None:
            person = await identity_service.person_by_id(tx, identity.keys, ticket.person_id)
        if person is None:
            raise TicketSpent("The link is not valid (any more). Ask for a new one.")
        await _store(tx, person.id, hashed, "completed")
        await sessions.end_all(tx, person.id, "password_reset")
        await guessing.was_right(tx, identity.keys, [account(identity_service.folded(person.email or ""))])


async def _store(tx: WriteTx, person_id: uuid.UUID, hashed: str, step: str) -> None:
    """Store a password; links to set one that are still out there become worthless."""
    await people.set_columns(tx, person_id, password_hash=hashed)
    await tickets.void(tx, person_id, Purpose.RESET)
    _record(tx, person_id, step)


def _record(tx: WriteTx, person_id: uuid.UUID, step: str) -> None:
    wire_id = encode("user", person_id)
    risk = audit.Risk.MEDIUM if tx.acting[1] == Kind.PERSON else audit.Risk.HIGH
    audit.record(tx, AuthEvent.PASSWORD_RESET, wire_id, {"step": step}, risk=risk, user_id=wire_id)

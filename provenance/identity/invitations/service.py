"""The verbs of invitations: make one (for the members' side), accept one."""

from collections.abc import Iterable

from provenance.audit import service as audit
from provenance.core.actor import Actor, Kind, Role
from provenance.core.db import WriteTx
from provenance.core.ids import encode
from provenance.identity import queries as people
from provenance.identity import service as identity_service
from provenance.identity.errors import AlreadyMember, TicketSpent
from provenance.identity.invitations.schemas import Acceptance, Invited
from provenance.identity.running import Identity
from provenance.identity.schemas import MemberEvent, Person, Status
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Caller, Method, Mode, Proof, Started
from provenance.identity.tickets import service as tickets
from provenance.identity.tickets.service import Purpose

INVITE_SECONDS = 7 * 86_400
_SPENT = "The invitation is not valid (any more). Ask for a new one."

_MAIL = """You are invited to a workspace on Provenance.

Accept within seven days:

  {url}

The link works once. If you do not know what this is about, there is nothing to do.
"""


async def invite(tx: WriteTx, identity: Identity, *, email: str, role: Role, groups: Iterable[str] = ()) -> Invited:
    """Invite somebody to the transaction's workspace; the mail leaves after the commit. Records ``member.invited``.

    Somebody invited before gets a new link, and the old one stops working. Raises AlreadyMember.
    """
    person = await identity_service.person_by_email(tx, identity.keys, email)
    person_id = await identity_service.add_person(tx, identity.keys, email=email) if person is None else person.id
    if await people.status_of(tx, person_id) is Status.ACTIVE:
        raise AlreadyMember("This person is a member of the workspace already.")
    chosen = sorted(set(groups))
    await people.insert_member(tx, person_id, role.name.lower(), groups=chosen, status=Status.INVITED)
    await tickets.void(tx, person_id, Purpose.INVITE, tx.workspace_id)
    token = await tickets.issue(
        tx, identity.keys, Purpose.INVITE, INVITE_SECONDS, person_id=person_id, place=tx.workspace_id
    )
    data = {"role": role.name.lower(), "groups": chosen}
    audit.record(tx, MemberEvent.INVITED, encode("user", person_id), data, risk=audit.Risk.MEDIUM)
    url = f"{identity.base_url}/console/accept-invite#token={token}"
    tx.after_commit.append(lambda: identity.mail.later(email.strip(), "An invitation", _MAIL.format(url=url)))
    return Invited(person_id, url, identity.mail.sends)


async def accept_invite(identity: Identity, caller: Caller, body: Acceptance) -> Started:
    """Join the workspace of an invitation and sign in there. Records ``member.joined`` and ``auth.login``.

    Who has no password yet sets one; who has an account proves it. Raises TicketSpent, WeakPassword, and for an
    account that exists BadCredentials, CodeRequired, TooManyGuesses.
    """
    token, password = body.token.get_secret_value(), body.password.get_secret_value()
    async with identity.db.housekeeping() as tx:
        ticket = await tickets.peek(tx, identity.keys, Purpose.INVITE, token)
        invited = None if ticket is None else ticket.person_id
        person = None if invited is None else await identity_service.person_by_id(tx, identity.keys, invited)
    if ticket is None or ticket.place is None or person is None:
        raise TicketSpent(_SPENT)
    hashed = None
    if person.password_hash is None:
        identity_service.ensure_strong(password)
        hashed = await identity.passwords.hash(password)
        proof = Proof(person, (Method.INVITATION,))
    else:
        otp = None if body.otp is None else body.otp.get_secret_value()
        proof = await sessions.prove(identity, caller, person.email or "", password, otp)
    await identity.signing.refresh()
    async with identity.db.write(Actor(Kind.PERSON, person.wire_id, ticket.place, person=person.id)) as tx:
        await _join(tx, identity, person, body, hashed)
        return await _enter(tx, identity, proof, body.mode)


async def _join(tx: WriteTx, identity: Identity, person: Person, body: Acceptance, hashed: str | None) -> None:
    ticket = await tickets.redeem(tx, identity.keys, Purpose.INVITE, body.token.get_secret_value())
    if ticket is None or not await people.activate_member(tx, person.id):
        raise TicketSpent(_SPENT)
    if hashed is not None:
        await people.set_columns(tx, person.id, password_hash=hashed)
    if body.name is not None:
        await identity_service.rename_person(tx, identity.keys, person.id, body.name)
    audit.record(tx, MemberEvent.JOINED, person.wire_id, {}, risk=audit.Risk.MEDIUM, user_id=person.wire_id)


async def _enter(tx: WriteTx, identity: Identity, proof: Proof, mode: Mode) -> Started:
    places = await people.memberships_of(tx, proof.person.id)
    person = await identity_service.person_by_id(tx, identity.keys, proof.person.id)
    assert person is not None, "it was here a moment ago"
    place = sessions.chosen(places, tx.workspace_id)
    return await sessions.start_within(tx, identity, Proof(person, proof.methods), place, places, mode)

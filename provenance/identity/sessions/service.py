"""The verbs of sessions: sign in, refresh, sign out, switch the workspace, tell people about themselves."""

import uuid
from collections.abc import Mapping
from typing import Any

from provenance.audit import service as audit
from provenance.core.actor import Actor, Kind
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.door import Access
from provenance.core.ids import decode, encode, new_uuid, random_letters
from provenance.identity import queries as people
from provenance.identity import service as identity_service
from provenance.identity.errors import BadCredentials, CodeRequired, NoMembership
from provenance.identity.guessing import service as guessing
from provenance.identity.guessing.schemas import Subject, account, client
from provenance.identity.passkeys.queries import passkeys_of
from provenance.identity.running import Identity
from provenance.identity.schemas import AuthEvent, Membership, Person, Status
from provenance.identity.sessions import queries
from provenance.identity.sessions.errors import SessionOver
from provenance.identity.sessions.schemas import (
    Caller,
    Login,
    Me,
    Method,
    Mfa,
    Mode,
    MyMembership,
    Proof,
    Session,
    Started,
    role_word,
    shown_person,
    shown_workspace,
)
from provenance.identity.sessions.signing import BROWSER_SECONDS, TOKEN_SECONDS
from provenance.identity.tickets.service import digest_of
from provenance.identity.totp import queries as totp_queries
from provenance.identity.totp import service as totp

REFRESH_SECONDS = {Mode.TOKEN: 30 * 86_400, Mode.BROWSER: 7 * 86_400}
"""How long a session lasts without being refreshed."""
LONGEST_SECONDS = {Mode.TOKEN: 180 * 86_400, Mode.BROWSER: 30 * 86_400}
"""How long a session lasts however often it is refreshed."""
ACCESS_SECONDS = {Mode.TOKEN: TOKEN_SECONDS, Mode.BROWSER: BROWSER_SECONDS}
_KEPT_NS = 7 * 86_400 * NANOS


async def login(identity: Identity, caller: Caller, body: Login) -> Started:
    """Sign a person in with their password, and a one-time code where the account has one.

    Raises BadCredentials alike for an unknown account and a wrong password, CodeRequired, TooManyGuesses,
    NoMembership.
    """
    proof = await prove(identity, caller, body.email, body.password.get_secret_value(), _text(body.otp))
    wanted = None if body.workspace_id is None else decode("ws", body.workspace_id) or uuid.UUID(int=0)
    return await start(identity, Proof(proof.person, proof.methods, wanted), body.mode)


def _text(secret: Any) -> str | None:
    return None if secret is None else secret.get_secret_value()


async def prove(identity: Identity, caller: Caller, email: str, password: str, otp: str | None) -> Proof:
    """Check a password and the second factor; every wrong one counts, is slowed and recorded.

    Raises BadCredentials, CodeRequired, TooManyGuesses.
    """
    subjects = [account(identity_service.folded(email)), client(caller.address)]
    failures = await guessing.take(identity.db, identity.keys, subjects)
    async with identity.db.housekeeping() as tx:
        person = await identity_service.person_by_email(tx, identity.keys, email)
        secret = None if person is None else await totp_queries.secret_of(tx, person.id)
    right = await identity.passwords.matches(None if person is None else person.password_hash, password)
    if person is None or not right:
        await record_failure(identity, person, "password", failures)
        raise BadCredentials("The e-mail address or the password is not right.")
    methods = [Method.PASSWORD]
    if secret is not None and secret.confirmed_at is not None:
        await _second_factor(identity, person, otp, subjects, failures)
        methods.append(Method.OTP)
    async with identity.db.housekeeping() as tx:
        await guessing.was_right(tx, identity.keys, subjects)
    await _rehash(identity, person, password)
    return Proof(person, tuple(methods))


async def _second_factor(
    identity: Identity, person: Person, otp: str | None, subjects: list[Subject], failures: int
) -> None:
    if otp is None:
        async with identity.db.housekeeping() as tx:  # half an answer is no wrong guess, and no right one either
            await guessing.take_back(tx, identity.keys, subjects)
        raise CodeRequired("This account asks for a one-time code as well.")
    async with identity.db.housekeeping() as tx:
        right = await totp.use(tx, identity.keys, person.id, otp)
    if not right:
        await record_failure(identity, person, "otp", failures)
        raise BadCredentials("The one-time code is not right, or was used before.")


async def _rehash(identity: Identity, person: Person, password: str) -> None:
    """Store the password under today's parameters when it was stored under weaker ones."""
    if person.password_hash is not None and identity.passwords.outdated(person.password_hash):
        hashed = await identity.passwords.hash(password)
        async with identity.db.housekeeping() as tx:
            await people.set_columns(tx, person.id, password_hash=hashed)


async def record_failure(identity: Identity, person: Person | None, what: str, failures: int) -> None:
    """Record a wrong guess in the installation's workspace, whether the account exists or not."""
    data = {"wrong": what, "failures": failures}
    async with identity.db.write(identity.instance) as tx:
        subject = "unknown" if person is None else person.wire_id
        audit.record(tx, AuthEvent.LOGIN_FAILED, subject, data, risk=audit.Risk.MEDIUM, outcome="denied")


async def start(identity: Identity, proof: Proof, mode: Mode) -> Started:
    """Begin a session of a person who proved who they are, in the wanted workspace or the one seen last.

    Raises NoMembership when the person is no active member there, or of any.
    """
    async with identity.db.housekeeping() as tx:
        places = await people.memberships_of(tx, proof.person.id)
    place = chosen(places, proof.workspace_id)
    await identity.signing.refresh()
    async with identity.db.write(place.actor(proof.person.id)) as tx:
        return await start_within(tx, identity, proof, place, places, mode)


async def start_within(
    tx: WriteTx, identity: Identity, proof: Proof, place: Membership, places: list[Membership], mode: Mode
) -> Started:
    """Begin a session within the transaction that proved who the person is; records ``auth.login``."""
    session_id = new_uuid()
    await queries.delete_old(tx, proof.person.id, tx.now - _KEPT_NS)
    await queries.insert_session(
        tx,
        session_id,
        person_id=proof.person.id,
        acts_in=tx.workspace_id,
        mode=mode.value,
        methods=[method.value for method in proof.methods],
        expires_at=tx.now + REFRESH_SECONDS[mode] * NANOS,
    )
    refresh_token = await _next_token(tx, session_id)
    await people.stamp_seen(tx, proof.person.id)
    data = {"session": str(session_id), "methods": [method.value for method in proof.methods], "mode": mode.value}
    audit.record(tx, AuthEvent.LOGIN, proof.person.wire_id, data, user_id=proof.person.wire_id)
    access = _access_token(identity, proof.person, session_id, place, places, mode, tx.now)
    return Started(access, ACCESS_SECONDS[mode], refresh_token, REFRESH_SECONDS[mode], mode, proof.person, place)


def chosen(places: list[Membership], wanted: uuid.UUID | None) -> Membership:
    """Return the active membership wanted, or the one seen last. Raises NoMembership."""
    for place in places:
        if place.status is Status.ACTIVE and wanted in (None, place.workspace_id):
            return place
    raise NoMembership("This person is no active member of that workspace." if wanted else "No workspace to enter.")


async def _next_token(tx: WriteTx, session_id: uuid.UUID) -> str:
    token = f"pvr_{random_letters(43)}"
    await queries.insert_token(tx, digest_of(token), session_id)
    return token


def _access_token(
    identity: Identity,
    person: Person,
    session_id: uuid.UUID,
    place: Membership,
    places: list[Membership],
    mode: Mode,
    now: int,
) -> str:
    issued = now // NANOS
    return identity.signing.sign(
        {
            "sub": person.wire_id,
            "ws": place.wire_id,
            "role": place.role.name.lower(),
            "groups": list(place.groups),
            "memberships": [
                {"ws": each.wire_id, "role": each.role.name.lower()} for each in places if each.status is Status.ACTIVE
            ],
            "sid": str(session_id),
            "iat": issued,
            "exp": issued + ACCESS_SECONDS[mode],
            "jti": random_letters(22),
        }
    )


async def refresh(identity: Identity, token: str | None) -> Started:
    """Hand out the next tokens of a session. Raises SessionOver.

    A token works once: one that comes a second time was stolen, from or by whoever sends it, and ends the session.
    """
    if token is None:
        raise SessionOver("Send the refresh token.")
    await identity.signing.refresh()
    async with identity.db.housekeeping() as tx:
        started = await _rotate(tx, identity, digest_of(token))
    if started is None:
        raise SessionOver("The refresh token is not valid (any more). Sign in again.")
    return started


async def _rotate(tx: WriteTx, identity: Identity, digest: bytes) -> Started | None:
    """Spend a refresh token and make the next; None when its session is over, which it is from a second use on."""
    found = await queries.lock_by_token(tx, digest)
    if found is None:
        return None
    session, spent_at = found
    if spent_at is not None:
        if await queries.end_session(tx, session.id):
            _record_end(tx.inside(session.acts_in), session, "refresh_token_reused", audit.Risk.HIGH)
        return None
    if session.ended_at is not None or session.expires_at <= tx.now:
        return None
    person = await identity_service.person_by_id(tx, identity.keys, session.person_id)
    places = await people.memberships_of(tx, session.person_id)
    place = next((each for each in places if each.workspace_id == session.acts_in), None)
    if person is None or place is None or place.status is not Status.ACTIVE:
        return None
    mode = Mode(session.mode)
    await queries.spend_token(tx, digest)
    ends_at = min(tx.now + REFRESH_SECONDS[mode] * NANOS, session.signed_in_at + LONGEST_SECONDS[mode] * NANOS)
    await queries.extend_session(tx, session.id, ends_at)
    await people.stamp_seen(tx.inside(place.workspace_id), person.id)
    access = _access_token(identity, person, session.id, place, places, mode, tx.now)
    next_token = await _next_token(tx, session.id)
    return Started(access, ACCESS_SECONDS[mode], next_token, (ends_at - tx.now) // NANOS, mode, person, place)


async def logout(identity: Identity, token: str | None, actor: Actor | None) -> None:
    """End the session of a refresh token or of an access token's bearer; one that is over already stays so."""
    async with identity.db.housekeeping() as tx:
        found = None if token is None else await queries.lock_by_token(tx, digest_of(token))
    if found is not None:
        session_id, person_id, acts_in = found[0].id, found[0].person_id, found[0].acts_in
    elif actor is not None and actor.session is not None and actor.person is not None:
        session_id, person_id, acts_in = actor.session, actor.person, actor.workspace_id
    else:
        return
    async with identity.db.write(Actor(Kind.PERSON, encode("user", person_id), acts_in)) as tx:
        if await queries.end_session(tx, session_id):
            data = {"session": str(session_id), "why": "signed_out"}
            audit.record(tx, AuthEvent.LOGOUT, encode("user", person_id), data, user_id=encode("user", person_id))


def _record_end(tx: WriteTx, session: Any, why: str, risk: audit.Risk) -> None:
    data = {"session": str(session.id), "why": why}
    audit.record(tx, AuthEvent.LOGOUT, encode("user", session.person_id), data, risk=risk)


async def end_all(
    tx: WriteTx, person_id: uuid.UUID, why: str, *, acts_in: uuid.UUID | None = None, keep: uuid.UUID | None = None
) -> int:
    """End a person's sessions, all or those in one workspace, but the one to keep; return how many there were.

    Records ``auth.logout`` once, with the number. Members' removal, role changes and password changes call it.
    """
    ended = await queries.end_sessions(tx, person_id, acts_in=acts_in, keep=keep)
    if ended:
        audit.record(tx, AuthEvent.LOGOUT, encode("user", person_id), {"sessions": ended, "why": why})
    return ended


async def switch(tx: WriteTx, identity: Identity, workspace_id: uuid.UUID) -> Started:
    """Make the actor's session act in another workspace; the refresh token stays (``POST /workspace/switch``).

    Raises NoMembership. The caller records it, in the workspace entered: open the transaction there.
    """
    actor = tx.actor
    assert actor.person is not None, "only a person has a session"
    assert actor.session is not None, "only a person has a session"
    places = await people.memberships_of(tx, actor.person)
    place = chosen(places, workspace_id)
    person = await _self(tx, identity)
    mode = Mode(await queries.move_session(tx.inside(workspace_id), actor.session))
    access = _access_token(identity, person, actor.session, place, places, mode, tx.now)
    return Started(access, ACCESS_SECONDS[mode], "", 0, mode, person, place)


async def me(tx: ReadTx, identity: Identity) -> Me:
    """Return the actor's own account."""
    person = await _self(tx, identity)
    places = await people.memberships_of(tx, person.id)
    secret = await totp_queries.secret_of(tx, person.id)
    mfa = Mfa(
        totp=secret is not None and secret.confirmed_at is not None,
        passkeys=len(await passkeys_of(tx, person.id)),
        recovery_codes_left=await totp_queries.recovery_codes_left(tx, person.id),
    )
    return Me(
        user_id=person.wire_id,
        email=person.email or "",
        name=person.name,
        created_at=iso_millis(person.created_at),
        has_password=person.password_hash is not None,
        memberships=[_shown_place(place) for place in places],
        mfa=mfa,
    )


async def session(tx: ReadTx, identity: Identity, rules: Mapping[str, Access]) -> Session:
    """Return who is signed in, where, and which operations of ``rules`` (by operation id) they may call there."""
    actor = tx.actor
    person = await _self(tx, identity)
    place = chosen(await people.memberships_of(tx, person.id), actor.workspace_id)
    return Session(
        user=shown_person(person),
        workspace=shown_workspace(place),
        role=role_word(place),
        groups=sorted(place.groups),
        permissions=sorted(name for name, rule in rules.items() if actor.may(rule.scope, rule.role)),
        signed_in_at=iso_millis(actor.signed_in_at),
    )


async def _self(tx: ReadTx, identity: Identity) -> Person:
    assert tx.actor.person is not None, "the route lets people only pass"
    person = await identity_service.person_by_id(tx, identity.keys, tx.actor.person)
    if person is None:
        raise SessionOver("This account is no more.")
    return person


def _shown_place(place: Membership) -> MyMembership:
    return MyMembership(
        workspace_id=place.wire_id,
        slug=place.slug,
        name=place.name,
        role=role_word(place),
        groups=list(place.groups),
        status=place.status.value,
    )

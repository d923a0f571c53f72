"""The verbs of device sign-in: the device begins and asks, a signed-in person approves or denies."""

from provenance.core.actor import Actor
from provenance.core.clock import NANOS
from provenance.core.db import WriteTx
from provenance.core.errors import Problem
from provenance.core.ids import random_letters
from provenance.core.keyring import WorkspaceKeys
from provenance.identity import queries as people
from provenance.identity import service as identity_service
from provenance.identity.device import queries
from provenance.identity.device.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    SlowDown,
    UnknownUserCode,
)
from provenance.identity.device.schemas import Decided, DeviceCode
from provenance.identity.errors import NoMembership
from provenance.identity.guessing import service as guessing
from provenance.identity.guessing.schemas import client, codes_of
from provenance.identity.running import Identity
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Caller, Method, Mode, Proof, Started
from provenance.identity.tickets.service import digest_of

EXPIRES_SECONDS = 600
INTERVAL_SECONDS = 5
_ALPHABET_SKIPS = "01IOLSU"
"""What people mix up when they read a code off a screen."""


async def start(identity: Identity, caller: Caller, client_name: str) -> DeviceCode:
    """Let a device wait for approval. Raises TooManyGuesses for a client that begins too often."""
    await guessing.take(identity.db, identity.keys, [client(caller.address)])
    device_code, user_code = f"pvd_{random_letters(43)}", _new_user_code()
    async with identity.db.housekeeping() as tx:
        await queries.insert_request(
            tx,
            digest_of(device_code),
            user_code_digest=_user_code_digest(identity.keys, user_code),
            client_name=client_name,
            expires_at=tx.now + EXPIRES_SECONDS * NANOS,
        )
    page = f"{identity.base_url}/console/device"
    return DeviceCode(
        device_code=device_code,
        user_code=user_code,
        verification_uri=page,
        verification_uri_complete=f"{page}?code={user_code}",
        expires_in=EXPIRES_SECONDS,
        interval=INTERVAL_SECONDS,
    )


def _new_user_code() -> str:
    letters = ""
    while len(letters) < 8:
        letters += "".join(letter for letter in random_letters(16).upper() if letter not in _ALPHABET_SKIPS)
    return f"{letters[:4]}-{letters[4:8]}"


def _user_code_digest(keys: WorkspaceKeys, typed: str) -> bytes:
    return keys.mac("device.code", typed.replace("-", "").replace(" ", "").upper().encode())


async def decide(identity: Identity, actor: Actor, user_code: str, *, approve: bool) -> Decided:
    """Approve or deny the device that waits under a code, for the actor's workspace.

    Raises UnknownUserCode, and TooManyGuesses for who tries codes out.
    """
    assert actor.person is not None, "the route lets people only pass"
    subjects = [codes_of(actor.person)]
    await guessing.take(identity.db, identity.keys, subjects)
    digest, status = _user_code_digest(identity.keys, user_code), "approved" if approve else "denied"
    async with identity.db.housekeeping() as tx:  # the device's sign-in records it
        name = await queries.decide(tx, digest, status, actor.person, actor.workspace_id)
        if name is None:
            raise UnknownUserCode("No device waits under this code.")
        await guessing.take_back(tx, identity.keys, subjects)  # one's own device vouches for no other guess
    return Decided(client_name=name, status="approved" if approve else "denied")


async def token(identity: Identity, device_code: str) -> Started:
    """Sign in the device that was approved.

    Raises AuthorizationPending, SlowDown, ExpiredToken, AccessDenied: with what a device's question settles
    (that it asked, that it was told no) kept.
    """
    digest = digest_of(device_code)
    await identity.signing.refresh()
    async with identity.db.housekeeping() as tx:
        answer = await _answer(tx, identity, digest)
    if isinstance(answer, Problem):
        raise answer
    return answer


async def _answer(tx: WriteTx, identity: Identity, digest: bytes) -> Started | Problem:
    row = await queries.lock_request(tx, digest)
    if row is None or row.status == "used" or row.expires_at <= tx.now:
        return ExpiredToken("expired_token")
    if row.status == "pending":
        hasty = tx.now - row.polled_at < (INTERVAL_SECONDS - 1) * NANOS
        await queries.stamp_polled(tx, digest, "pending")
        return SlowDown("slow_down") if hasty else AuthorizationPending("authorization_pending")
    await queries.stamp_polled(tx, digest, "used")
    if row.status == "denied":
        return AccessDenied("access_denied")
    person = await identity_service.person_by_id(tx, identity.keys, row.person_id)
    places = await people.memberships_of(tx, row.person_id)
    if person is None:
        return ExpiredToken("expired_token")
    try:
        place = sessions.chosen(places, row.acts_in)
    except NoMembership as problem:
        return problem
    inside = tx.inside(place.workspace_id)
    return await sessions.start_within(inside, identity, Proof(person, (Method.DEVICE,)), place, places, Mode.TOKEN)

"""The verbs of one-time codes (RFC 6238): enrol, confirm, use, disable; ten recovery codes beside them.

A code's time step is taken for used with all before it, so none works twice, not even at once on two processes.
"""

import time
import uuid
from hashlib import sha256

import pyotp

from provenance.audit import service as audit
from provenance.core.db import WriteTx
from provenance.core.ids import random_letters
from provenance.core.keyring import WorkspaceKeys
from provenance.identity import service as people
from provenance.identity.guessing import service as guessing
from provenance.identity.guessing.schemas import codes_of
from provenance.identity.running import Identity
from provenance.identity.schemas import AuthEvent
from provenance.identity.totp import queries
from provenance.identity.totp.errors import AlreadyEnrolled, NotEnrolled, WrongCode
from provenance.identity.totp.schemas import Enrolment

STEP_SECONDS = 30
RECOVERY_CODES = 10
_PURPOSE = "totp"


async def enrol(tx: WriteTx, identity: Identity) -> Enrolment:
    """Make a shared secret for the actor; it counts once it is confirmed. Raises AlreadyEnrolled."""
    person_id = _person(tx)
    own = await people.person_key(tx, identity.keys, person_id)
    person = await people.person_by_id(tx, identity.keys, person_id)
    assert own is not None, "the door lets living people pass"
    assert person is not None, "the door lets living people pass"
    secret = pyotp.random_base32()
    if not await queries.put_secret(tx, person_id, own.seal(_PURPOSE, secret.encode())):
        raise AlreadyEnrolled("This account has one-time codes already.")
    _record(tx, "enrolment_begun")
    uri = pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name="Provenance")
    return Enrolment(secret=secret, otpauth_uri=uri)


async def guess(identity: Identity, person_id: uuid.UUID) -> None:
    """Count a signed-in person's guess at a code, before it is judged. Raises TooManyGuesses."""
    await guessing.take(identity.db, identity.keys, [codes_of(person_id)])


async def confirm(tx: WriteTx, identity: Identity, otp: str) -> list[str]:
    """Switch one-time codes on with the first of them; return the recovery codes. Raises WrongCode, NotEnrolled."""
    person_id = _person(tx)
    secret = await queries.secret_of(tx, person_id)
    if secret is None or secret.confirmed_at is not None:
        raise NotEnrolled("No enrolment waits for its confirmation.")
    if not await _use_step(tx, identity.keys, person_id, otp):
        raise WrongCode("The one-time code is not right, or was used before.")
    await queries.confirm(tx, person_id)
    await guessing.was_right(tx, identity.keys, [codes_of(person_id)])
    _record(tx, "enabled")
    return await _new_recovery_codes(tx, identity.keys, person_id)


async def renew_recovery_codes(tx: WriteTx, identity: Identity) -> list[str]:
    """Replace the actor's recovery codes. Raises NotEnrolled."""
    person_id = _person(tx)
    secret = await queries.secret_of(tx, person_id)
    if secret is None or secret.confirmed_at is None:
        raise NotEnrolled("This account has no one-time codes.")
    _record(tx, "recovery_codes_renewed")
    return await _new_recovery_codes(tx, identity.keys, person_id)


async def disable(tx: WriteTx, identity: Identity, otp: str) -> None:
    """Switch one-time codes off with one of them or a recovery code. Raises WrongCode, NotEnrolled."""
    person_id = _person(tx)
    if await queries.secret_of(tx, person_id) is None:
        raise NotEnrolled("This account has no one-time codes.")
    if not await use(tx, identity.keys, person_id, otp):
        raise WrongCode("The one-time code is not right, or was used before.")
    await guessing.was_right(tx, identity.keys, [codes_of(person_id)])
    await queries.delete_of(tx, person_id)
    _record(tx, "disabled")


async def use(tx: WriteTx, keys: WorkspaceKeys, person_id: uuid.UUID, otp: str) -> bool:
    """Use a one-time or a recovery code of a person up; tell whether it was right and new."""
    typed = otp.replace(" ", "")
    if typed.isascii() and typed.isdigit() and len(typed) == 6:
        return await _use_step(tx, keys, person_id, typed)
    return await queries.use_recovery_code(tx, person_id, _digest(keys, typed))


async def _use_step(tx: WriteTx, keys: WorkspaceKeys, person_id: uuid.UUID, otp: str) -> bool:
    """Find the step a code belongs to, one before and after the present one allowed for, and use it up."""
    row, own = await queries.secret_of(tx, person_id), await people.person_key(tx, keys, person_id)
    if row is None or own is None:
        return False
    generator = pyotp.TOTP(own.open(_PURPOSE, row.sealed).decode(), interval=STEP_SECONDS)
    present = int(time.time()) // STEP_SECONDS
    right = [
        step
        for step in (present - 1, present, present + 1)
        if pyotp.utils.strings_equal(otp, generator.generate_otp(step))
    ]
    return bool(right) and await queries.use_step(tx, person_id, right[-1])


async def _new_recovery_codes(tx: WriteTx, keys: WorkspaceKeys, person_id: uuid.UUID) -> list[str]:
    codes = [f"{random_letters(5)}-{random_letters(5)}-{random_letters(5)}".lower() for _ in range(RECOVERY_CODES)]
    await queries.replace_recovery_codes(tx, person_id, [_digest(keys, code) for code in codes])
    return codes


def _digest(keys: WorkspaceKeys, code: str) -> bytes:
    return keys.mac("recovery.code", sha256(code.lower().encode()).digest())


def _person(tx: WriteTx) -> uuid.UUID:
    assert tx.actor.person is not None, "the route lets people only pass"
    return tx.actor.person


def _record(tx: WriteTx, change: str) -> None:
    audit.record(tx, AuthEvent.MFA_CHANGED, tx.actor.id, {"change": change}, risk=audit.Risk.HIGH, user_id=tx.actor.id)

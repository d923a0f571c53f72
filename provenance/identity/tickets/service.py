"""Tickets: tokens that work once and not for long. Stored as a digest; what belongs to them is sealed."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec

from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import random_letters
from provenance.core.keyring import WorkspaceKeys
from provenance.identity.tickets import queries

_SEALING = "ticket"
_DAY_NS = 86_400 * NANOS


class Purpose(StrEnum):
    """What a ticket is good for."""

    INVITE = "invite"
    RESET = "reset"
    PASSKEY_REGISTER = "passkey_register"
    PASSKEY_SIGN_IN = "passkey_sign_in"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket that was good, and is used up now."""

    person_id: uuid.UUID | None
    place: uuid.UUID | None
    content: dict[str, Any]


def digest_of(token: str) -> bytes:
    """Return what is stored of a token: its SHA-256."""
    return sha256(token.encode()).digest()


async def issue(
    tx: WriteTx,
    keys: WorkspaceKeys,
    purpose: Purpose,
    seconds: int,
    *,
    person_id: uuid.UUID | None = None,
    place: uuid.UUID | None = None,
    content: dict[str, Any] | None = None,
) -> str:
    """Make a ticket that lasts so many seconds; return its token, which is stored nowhere."""
    token = f"pvt_{random_letters(43)}"
    sealed = None if content is None else keys.seal(_SEALING, msgspec.json.encode(content))
    await queries.delete_over(tx, tx.now - _DAY_NS)
    await queries.insert_ticket(
        tx,
        digest_of(token),
        purpose=purpose.value,
        person_id=person_id,
        place=place,
        sealed=sealed,
        expires_at=tx.now + seconds * NANOS,
    )
    return token


async def peek(tx: ReadTx, keys: WorkspaceKeys, purpose: Purpose, token: str) -> Ticket | None:
    """Return a good ticket without using it up; None when `redeem` would find none."""
    return _opened(keys, await queries.peek(tx, digest_of(token), purpose.value))


async def redeem(tx: WriteTx, keys: WorkspaceKeys, purpose: Purpose, token: str) -> Ticket | None:
    """Use a ticket up and return it; None when it is unknown, used, of another purpose, or has run out."""
    return _opened(keys, await queries.use_ticket(tx, digest_of(token), purpose.value))


async def void(tx: WriteTx, person_id: uuid.UUID, purpose: Purpose, place: uuid.UUID | None = None) -> None:
    """Make a person's tickets of a purpose worthless, only those for one workspace if given."""
    await queries.void_tickets(tx, person_id, purpose.value, place)


def _opened(keys: WorkspaceKeys, row: Any) -> Ticket | None:
    if row is None:
        return None
    content = {} if row.sealed is None else msgspec.json.decode(keys.open(_SEALING, row.sealed))
    return Ticket(row.person_id, row.place, content)

"""Making links, and ending them: the worker's side, which carries no web framework."""

import uuid
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from sqlalchemy import Row

from provenance.approvals.links import queries
from provenance.approvals.links.schemas import LONGEST_DAYS, LONGEST_TOKEN, Link
from provenance.approvals.schemas import Risk
from provenance.approvals.settling import statement_of
from provenance.core.clock import NANOS
from provenance.core.db import WriteTx
from provenance.core.ids import decode, encode, new_uuid, random_bytes

SECRET_BYTES = 32
_TOKEN_PREFIX = "pva"  # noqa: S105 — marks what a token is for
_DAY_NS = 24 * 3600 * NANOS


def decides(row: Row[Any]) -> bool:
    """Tell whether an approval can be decided by a link at all: not of critical risk, nor where a passkey signs."""
    return not row.passkey and row.risk != Risk.CRITICAL


async def make(tx: WriteTx, row: Row[Any], person_id: uuid.UUID) -> str:
    """Make a link for somebody to an approval as it stands; return its token, which is kept nowhere."""
    secret = urlsafe_b64encode(random_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    token = f"{encode(_TOKEN_PREFIX, tx.workspace_id)}_{secret}"
    digest = bytes.fromhex((await statement_of(tx, row)).digest)
    until = min(tx.now + LONGEST_DAYS * _DAY_NS, row.expires_at or 2**63 - 1)
    link = Link(new_uuid(), row.id, person_id, row.payload_revision, digest, until, None)
    await queries.insert_link(tx, link, digest_of(token))
    return token


async def end_of(tx: WriteTx, user_id: str) -> None:
    """End the links of a ``user_…`` who is no member any more."""
    person_id = decode("user", user_id)
    if person_id is not None:
        await queries.end_of(tx, person_id)


def workspace_of(token: str) -> uuid.UUID | None:
    """Return the workspace that a token says it belongs to; None when it is no token."""
    if len(token) > LONGEST_TOKEN:
        return None
    prefix, _, rest = token.partition("_")
    return decode(_TOKEN_PREFIX, f"{prefix}_{rest.partition('_')[0]}")


def digest_of(token: str) -> bytes:
    """Return what is kept of a token."""
    return sha256(token.encode()).digest()

"""Every statement on devices that wait."""

import uuid
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.identity.device.tables import device_requests


async def insert_request(tx: WriteTx, digest: bytes, **columns: Any) -> None:
    """Insert a device that waits; those that ran out a while ago leave."""
    await tx.execute(delete(device_requests).where(device_requests.c.expires_at < tx.now - 86_400_000_000_000))
    await tx.execute(insert(device_requests).values(digest=digest, status="pending", polled_at=0, **columns))


async def by_user_code(tx: ReadTx, user_code_digest: bytes) -> Any:
    """Return the device that waits under a code; None when none does, or it ran out."""
    query = select(device_requests).where(
        device_requests.c.user_code_digest == user_code_digest,
        device_requests.c.status == "pending",
        device_requests.c.expires_at > tx.now,
    )
    return (await tx.execute(query)).first()


async def decide(
    tx: WriteTx, user_code_digest: bytes, status: str, person_id: uuid.UUID, acts_in: uuid.UUID
) -> str | None:
    """Settle a device that waits; return the name it gave itself, None when none waits under this code."""
    waiting = update(device_requests).where(
        device_requests.c.user_code_digest == user_code_digest,
        device_requests.c.status == "pending",
        device_requests.c.expires_at > tx.now,
    )
    settled = waiting.values(status=status, person_id=person_id, acts_in=acts_in)
    found: str | None = (await tx.execute(settled.returning(device_requests.c.client_name))).scalar_one_or_none()
    return found


async def lock_request(tx: WriteTx, digest: bytes) -> Any:
    """Lock and return the device of a device code; None when there is none."""
    query = select(device_requests).where(device_requests.c.digest == digest).with_for_update()
    return (await tx.execute(query)).first()


async def stamp_polled(tx: WriteTx, digest: bytes, status: str) -> None:
    """Note that a device asked, and where its request stands."""
    asked = update(device_requests).where(device_requests.c.digest == digest)
    await tx.execute(asked.values(polled_at=tx.now, status=status))


async def delete_of(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Delete the devices that a person decided on."""
    await tx.execute(delete(device_requests).where(device_requests.c.person_id == person_id))

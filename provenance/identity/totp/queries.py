"""Every statement on one-time codes."""

import uuid
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.identity.totp.tables import recovery_codes, totp_secrets


async def secret_of(tx: ReadTx, person_id: uuid.UUID) -> Any:
    """Return a person's shared secret, confirmed or not; None when there is none."""
    return (await tx.execute(select(totp_secrets).where(totp_secrets.c.person_id == person_id))).first()


async def put_secret(tx: WriteTx, person_id: uuid.UUID, sealed: bytes) -> bool:
    """Store a secret that waits for its confirmation; tell whether it was stored: a confirmed one stays."""
    columns = {"sealed": sealed, "last_step": 0, "confirmed_at": None}
    row = insert(totp_secrets).values(person_id=person_id, **columns)
    waiting = totp_secrets.c.confirmed_at.is_(None)
    stored = row.on_conflict_do_update(index_elements=["person_id"], set_=columns, where=waiting)
    return (await tx.execute(stored)).rowcount == 1


async def confirm(tx: WriteTx, person_id: uuid.UUID) -> bool:
    """Mark a waiting secret as confirmed; tell whether one waited."""
    waiting = update(totp_secrets).where(totp_secrets.c.person_id == person_id, totp_secrets.c.confirmed_at.is_(None))
    return (await tx.execute(waiting.values(confirmed_at=tx.now))).rowcount == 1


async def use_step(tx: WriteTx, person_id: uuid.UUID, step: int) -> bool:
    """Take a time step for used, with all before it; tell whether it was still unused."""
    unused = update(totp_secrets).where(totp_secrets.c.person_id == person_id, totp_secrets.c.last_step < step)
    return (await tx.execute(unused.values(last_step=step))).rowcount == 1


async def replace_recovery_codes(tx: WriteTx, person_id: uuid.UUID, digests: list[bytes]) -> None:
    """Store new recovery codes instead of those a person had."""
    await tx.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
    if digests:
        await tx.execute(insert(recovery_codes), [{"person_id": person_id, "digest": digest} for digest in digests])


async def use_recovery_code(tx: WriteTx, person_id: uuid.UUID, digest: bytes) -> bool:
    """Use a recovery code up; tell whether it was there and unused."""
    unused = update(recovery_codes).where(
        recovery_codes.c.person_id == person_id,
        recovery_codes.c.digest == digest,
        recovery_codes.c.used_at.is_(None),
    )
    return (await tx.execute(unused.values(used_at=tx.now))).rowcount == 1


async def recovery_codes_left(tx: ReadTx, person_id: uuid.UUID) -> int:
    """Count a person's unused recovery codes."""
    unused = (recovery_codes.c.person_id == person_id, recovery_codes.c.used_at.is_(None))
    return int((await tx.execute(select(func.count()).where(*unused))).scalar_one())


async def delete_of(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Delete a person's secret and recovery codes."""
    await tx.execute(delete(totp_secrets).where(totp_secrets.c.person_id == person_id))
    await tx.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))

"""Every statement on passkeys."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.identity.passkeys.tables import passkeys


async def insert_passkey(tx: WriteTx, passkey_id: uuid.UUID, **columns: Any) -> bool:
    """Insert a passkey; tell whether its credential was new."""
    row = insert(passkeys).values(id=passkey_id, created_at=tx.now, **columns)
    stored = await tx.execute(row.on_conflict_do_nothing(index_elements=["credential_id"]))
    return stored.rowcount == 1


async def passkeys_of(tx: ReadTx, person_id: uuid.UUID) -> Sequence[Any]:
    """Return a person's passkeys, the newest first."""
    query = select(passkeys).where(passkeys.c.person_id == person_id)
    return (await tx.execute(query.order_by(passkeys.c.created_at.desc(), passkeys.c.id))).all()


async def lock_by_credential(tx: WriteTx, credential_id: bytes) -> Any:
    """Lock and return the passkey of a credential; None when nobody registered it."""
    query = select(passkeys).where(passkeys.c.credential_id == credential_id).with_for_update()
    return (await tx.execute(query)).first()


async def stamp_used(tx: WriteTx, passkey_id: uuid.UUID, sign_count: int) -> None:
    """Note that a passkey was used, and what its authenticator counted."""
    used = update(passkeys).where(passkeys.c.id == passkey_id)
    await tx.execute(used.values(sign_count=sign_count, last_used_at=tx.now))


async def delete_passkey(tx: WriteTx, person_id: uuid.UUID, passkey_id: uuid.UUID) -> bool:
    """Delete one of a person's passkeys; tell whether it was there."""
    which = (passkeys.c.person_id == person_id, passkeys.c.id == passkey_id)
    return (await tx.execute(delete(passkeys).where(*which))).rowcount == 1


async def delete_of(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Delete a person's passkeys."""
    await tx.execute(delete(passkeys).where(passkeys.c.person_id == person_id))

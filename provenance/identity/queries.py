"""Every statement on people, memberships and API keys."""

import uuid
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.identity.schemas import ApiKey, StoredKey
from provenance.identity.tables import api_keys, members, people


async def insert_person(
    tx: WriteTx, person_id: uuid.UUID, *, email_sealed: bytes, email_digest: bytes, password_hash: str
) -> None:
    """Insert a person."""
    await tx.execute(
        insert(people).values(
            id=person_id,
            email_sealed=email_sealed,
            email_digest=email_digest,
            password_hash=password_hash,
            created_at=tx.now,
        )
    )


async def insert_member(tx: WriteTx, person_id: uuid.UUID, role: str) -> None:
    """Make a person a member of the transaction's workspace."""
    await tx.execute(
        insert(members).values(workspace_id=tx.workspace_id, person_id=person_id, role=role, joined_at=tx.now)
    )


async def insert_key(tx: WriteTx, key: ApiKey, *, name: str, scopes: Iterable[str], created_by: str) -> None:
    """Insert an API key of the transaction's workspace."""
    await tx.execute(
        insert(api_keys).values(
            workspace_id=tx.workspace_id,
            id=key.id,
            name=name,
            secret_digest=key.digest,
            scopes=sorted(scopes),
            created_at=tx.now,
            created_by=created_by,
        )
    )


async def key_by_id(tx: ReadTx, key_id: str) -> StoredKey | None:
    """Return a key by its public id, whatever its workspace: the key itself names none."""
    columns = (api_keys.c.workspace_id, api_keys.c.secret_digest, api_keys.c.scopes, api_keys.c.revoked_at)
    row = (await tx.execute(select(*columns).where(api_keys.c.id == key_id))).first()
    if row is None:
        return None
    return StoredKey(key_id, row.workspace_id, row.secret_digest, frozenset(row.scopes), row.revoked_at is not None)

"""Every statement on links to an identity provider."""

import uuid

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.identity.oidc.tables import oidc_links


async def person_of(tx: ReadTx, digest: bytes) -> uuid.UUID | None:
    """Return the person that an identity at the provider is linked to."""
    found: uuid.UUID | None = (
        await tx.execute(select(oidc_links.c.person_id).where(oidc_links.c.digest == digest))
    ).scalar_one_or_none()
    return found


async def insert_link(tx: WriteTx, digest: bytes, person_id: uuid.UUID) -> None:
    """Link an identity at the provider to a person; one that is linked already stays."""
    row = insert(oidc_links).values(digest=digest, person_id=person_id, linked_at=tx.now)
    await tx.execute(row.on_conflict_do_nothing())


async def delete_of(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Delete a person's links."""
    await tx.execute(delete(oidc_links).where(oidc_links.c.person_id == person_id))

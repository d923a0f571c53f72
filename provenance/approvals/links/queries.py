"""Every statement on links."""

import uuid
from typing import Any

from sqlalchemy import insert, select, update

from provenance.approvals.links.schemas import Link
from provenance.approvals.links.tables import approval_links as links
from provenance.core.db import ReadTx, WriteTx

_LINK = [links.c[name] for name in Link._fields]


async def insert_link(tx: WriteTx, link: Link, token_digest: bytes) -> None:
    """Keep a link."""
    kept = {**link._asdict(), "token_digest": token_digest, "made_at": tx.now}
    await tx.execute(insert(links).values(workspace_id=tx.workspace_id, **kept))


async def by_digest(tx: ReadTx, approval_id: uuid.UUID, token_digest: bytes) -> Link | None:
    """Return the link to an approval whose token has a digest."""
    query = select(*_LINK).where(
        links.c.workspace_id == tx.workspace_id,
        links.c.approval_id == approval_id,
        links.c.token_digest == token_digest,
    )
    row: Any = (await tx.execute(query)).first()
    return None if row is None else Link._make(row)


async def use(tx: WriteTx, link: Link) -> bool:
    """Use a link up, and with it every other one of its person to the same state; False when it was used before."""
    same = (
        links.c.workspace_id == tx.workspace_id,
        links.c.approval_id == link.approval_id,
        links.c.person_id == link.person_id,
        links.c.revision <= link.revision,
        links.c.used_at.is_(None),
    )
    used = await tx.execute(update(links).where(*same).values(used_at=tx.now).returning(links.c.id))
    return link.id in set(used.scalars())


async def end_of(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Use up every link of somebody who left."""
    theirs = (links.c.workspace_id == tx.workspace_id, links.c.person_id == person_id, links.c.used_at.is_(None))
    await tx.execute(update(links).where(*theirs).values(used_at=tx.now))

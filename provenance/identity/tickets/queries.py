"""Every statement on tickets."""

import uuid
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.identity.tickets.tables import tickets


async def insert_ticket(tx: WriteTx, digest: bytes, **columns: Any) -> None:
    """Insert a ticket."""
    await tx.execute(insert(tickets).values(digest=digest, **columns))


async def peek(tx: ReadTx, digest: bytes, purpose: str) -> Any:
    """Return a ticket that is good, without using it; None when it is unknown, used, or has run out."""
    return (await tx.execute(select(tickets).where(*_good(tx, digest, purpose)))).first()


async def use_ticket(tx: WriteTx, digest: bytes, purpose: str) -> Any:
    """Mark a ticket that is good as used and return it; None when it is unknown, used, or has run out."""
    used = update(tickets).where(*_good(tx, digest, purpose)).values(used_at=tx.now)
    return (await tx.execute(used.returning(*tickets.c))).first()


def _good(tx: ReadTx, digest: bytes, purpose: str) -> tuple[ColumnElement[bool], ...]:
    return (
        tickets.c.digest == digest,
        tickets.c.purpose == purpose,
        tickets.c.used_at.is_(None),
        tickets.c.expires_at > tx.now,
    )


async def void_tickets(tx: WriteTx, person_id: uuid.UUID, purpose: str, place: uuid.UUID | None = None) -> None:
    """Make a person's unused tickets of a purpose worthless, only those for one workspace if given."""
    which = [tickets.c.person_id == person_id, tickets.c.purpose == purpose, tickets.c.used_at.is_(None)]
    if place is not None:
        which.append(tickets.c.place == place)
    await tx.execute(update(tickets).where(*which).values(used_at=tx.now))


async def delete_of(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Delete a person's tickets."""
    await tx.execute(delete(tickets).where(tickets.c.person_id == person_id))


async def delete_over(tx: WriteTx, before: int) -> None:
    """Delete tickets that were used or ran out before a moment."""
    await tx.execute(delete(tickets).where(or_(tickets.c.used_at < before, tickets.c.expires_at < before)))

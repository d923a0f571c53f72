"""Every statement on guesses."""

from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import WriteTx
from provenance.identity.guessing.schemas import Count
from provenance.identity.guessing.tables import guesses


async def lock(tx: WriteTx, subject: bytes, kind: str) -> Count:
    """Lock a subject's row, made if it is not there, and return its count."""
    fresh = {"subject": subject, "kind": kind, "failures": 0, "last_at": 0, "blocked_until": 0}
    await tx.execute(insert(guesses).values(fresh).on_conflict_do_nothing())
    columns = (guesses.c.failures, guesses.c.last_at, guesses.c.blocked_until)
    row: Any = (await tx.execute(select(*columns).where(guesses.c.subject == subject).with_for_update())).one()
    return Count(row.failures, row.last_at, row.blocked_until)


async def store(tx: WriteTx, subject: bytes, count: Count) -> None:
    """Write a subject's count."""
    row = update(guesses).where(guesses.c.subject == subject)
    await tx.execute(row.values(failures=count.failures, last_at=count.last_at, blocked_until=count.blocked_until))


async def forget(tx: WriteTx, subject: bytes) -> None:
    """Forget a subject's failures."""
    await tx.execute(delete(guesses).where(guesses.c.subject == subject))


async def forgive_one(tx: WriteTx, subject: bytes) -> None:
    """Take one failure back."""
    counted = update(guesses).where(guesses.c.subject == subject, guesses.c.failures > 0)
    await tx.execute(counted.values(failures=guesses.c.failures - 1, blocked_until=0))


async def delete_quiet(tx: WriteTx, before: int) -> None:
    """Delete counts whose last failure lies before a moment."""
    await tx.execute(delete(guesses).where(guesses.c.last_at < before))

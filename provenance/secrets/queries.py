"""Every statement on the secrets."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx
from provenance.secrets.schemas import Row, Stored
from provenance.secrets.tables import secret_references, secret_versions, secrets

STAMPED_EVERY_NS = 60 * NANOS
_ROW = [secrets.c[name] for name in Row._fields]
_VERSION = [secret_versions.c[name] for name in Stored._fields]

# Two that rotate one secret at once would each make a version; the second is told, not queued.
_ROTATING = "SELECT pg_try_advisory_xact_lock(hashtextextended('secret rotation ' || $1::text || $2::text, 0))"


async def insert_secret(tx: WriteTx, row: Row) -> bool:
    """Insert a secret; False when its name is taken."""
    put = insert_or(secrets).values(workspace_id=tx.workspace_id, purge_at=None, **row._asdict())
    return (await tx.execute(put.on_conflict_do_nothing())).rowcount == 1


async def insert_version(tx: WriteTx, secret_id: uuid.UUID, version: int, sealed: bytes) -> None:
    """Insert a version, which is the current one."""
    values = {"secret_id": secret_id, "version": version, "sealed": sealed, "created_at": tx.now, "valid_until": None}
    await tx.execute(insert(secret_versions).values(workspace_id=tx.workspace_id, **values))


async def end_versions(tx: WriteTx, secret_id: uuid.UUID, valid_until: int) -> None:
    """Say until when the versions there are stay good at most; those that are over already lose their value."""
    mine = update(secret_versions).where(
        secret_versions.c.workspace_id == tx.workspace_id,
        secret_versions.c.secret_id == secret_id,
        secret_versions.c.sealed.is_not(None),
    )
    ends = func.least(func.coalesce(secret_versions.c.valid_until, valid_until), valid_until)
    await tx.execute(mine.values(valid_until=ends))
    await tx.execute(mine.where(secret_versions.c.valid_until <= tx.now).values(sealed=None))


async def by_id(tx: ReadTx, secret_id: uuid.UUID, *, lock: bool = False) -> Row | None:
    """Return a secret that is not deleted."""
    query = select(*_ROW).where(
        secrets.c.workspace_id == tx.workspace_id, secrets.c.id == secret_id, secrets.c.purge_at.is_(None)
    )
    row = (await tx.execute(query.with_for_update(key_share=True) if lock else query)).first()
    return None if row is None else Row._make(row)


async def by_name(tx: ReadTx, name: str, *, lock: bool = False) -> Row | None:
    """Return a secret that is not deleted, by its name."""
    query = select(*_ROW).where(
        secrets.c.workspace_id == tx.workspace_id, secrets.c.name == name, secrets.c.purge_at.is_(None)
    )
    row = (await tx.execute(query.with_for_update(key_share=True) if lock else query)).first()
    return None if row is None else Row._make(row)


async def existing(tx: ReadTx, names: Sequence[str], secret_ids: Sequence[uuid.UUID]) -> set[str | uuid.UUID]:
    """Return the names and the ids of these secrets, as far as there are such."""
    query = select(secrets.c.name, secrets.c.id).where(
        secrets.c.workspace_id == tx.workspace_id,
        secrets.c.purge_at.is_(None),
        or_(secrets.c.name.in_(names), secrets.c.id.in_(secret_ids)),
    )
    return {each for row in await tx.execute(query) for each in (row.name, row.id)}


async def page(
    tx: ReadTx, *, type_: str | None, due_before: int | None, before: uuid.UUID | None, limit: int
) -> list[Row]:
    """Return secrets, newest first."""
    query = select(*_ROW).where(secrets.c.workspace_id == tx.workspace_id, secrets.c.purge_at.is_(None))
    if type_ is not None:
        query = query.where(secrets.c.type == type_)
    if due_before is not None:
        query = query.where(secrets.c.next_at < due_before)
    if before is not None:
        query = query.where(secrets.c.id < before)
    return [Row._make(row) for row in await tx.execute(query.order_by(secrets.c.id.desc()).limit(limit))]


async def versions(tx: ReadTx, secret_id: uuid.UUID) -> list[Stored]:
    """Return the versions of a secret, newest first."""
    query = select(*_VERSION).where(
        secret_versions.c.workspace_id == tx.workspace_id, secret_versions.c.secret_id == secret_id
    )
    return [Stored._make(row) for row in await tx.execute(query.order_by(secret_versions.c.version.desc()))]


async def sealed(tx: ReadTx, secret_id: uuid.UUID, version: int) -> bytes | None:
    """Return the sealed value of a version; None when it is retired."""
    query = select(secret_versions.c.sealed).where(
        secret_versions.c.workspace_id == tx.workspace_id,
        secret_versions.c.secret_id == secret_id,
        secret_versions.c.version == version,
    )
    found: bytes | None = (await tx.execute(query)).scalar_one_or_none()
    return found


async def all_sealed(tx: ReadTx) -> list[tuple[uuid.UUID, int, bytes]]:
    """Return every value of the workspace that is good still, sealed: secret, version, value."""
    query = select(secret_versions.c.secret_id, secret_versions.c.version, secret_versions.c.sealed).where(
        secret_versions.c.workspace_id == tx.workspace_id, secret_versions.c.sealed.is_not(None)
    )
    return [(row.secret_id, row.version, row.sealed) for row in await tx.execute(query)]


async def stamp_of_versions(tx: ReadTx) -> tuple[int, int]:
    """Return how many versions the workspace ever had, less those of purged secrets, and when the last was made."""
    query = select(func.count(), func.coalesce(func.max(secret_versions.c.created_at), 0)).where(
        secret_versions.c.workspace_id == tx.workspace_id
    )
    found: Any = (await tx.execute(query)).one()
    return found[0], found[1]


async def change(tx: WriteTx, secret_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Change a secret; who and when is set here."""
    mine = update(secrets).where(secrets.c.workspace_id == tx.workspace_id, secrets.c.id == secret_id)
    await tx.execute(mine.values(**values, updated_at=tx.now, updated_by=tx.acting[0]))


async def may_rotate(tx: WriteTx, secret_id: uuid.UUID) -> bool:
    """Take the turn to rotate a secret until the transaction ends; False when another has it."""
    return bool((await tx.driver_sql(_ROTATING, (str(tx.workspace_id), str(secret_id)))).scalar_one())


async def stamp_access(tx: WriteTx, secret_id: uuid.UUID) -> None:
    """Note that a secret was used, at most once a minute, and never wait for another who does."""
    free = (
        select(secrets.c.id)
        .where(
            secrets.c.workspace_id == tx.workspace_id,
            secrets.c.id == secret_id,
            func.coalesce(secrets.c.last_accessed_at, 0) <= tx.now - STAMPED_EVERY_NS,
        )
        .with_for_update(skip_locked=True, key_share=True)
    )
    mine = update(secrets).where(secrets.c.workspace_id == tx.workspace_id, secrets.c.id.in_(free.scalar_subquery()))
    await tx.execute(mine.values(last_accessed_at=tx.now))


async def refer(tx: WriteTx, secret_ids: Sequence[uuid.UUID], kind: str, referrer: str) -> None:
    """Make these the secrets that something refers to, and no others."""
    mine = (
        secret_references.c.workspace_id == tx.workspace_id,
        secret_references.c.kind == kind,
        secret_references.c.referrer == referrer,
    )
    await tx.execute(delete(secret_references).where(*mine, secret_references.c.secret_id.not_in(secret_ids)))
    shared = {"workspace_id": tx.workspace_id, "kind": kind, "referrer": referrer, "since": tx.now}
    rows = [{**shared, "secret_id": each} for each in secret_ids]
    if rows:
        await tx.execute(insert_or(secret_references).values(rows).on_conflict_do_nothing())


async def referrers(tx: ReadTx, secret_ids: Sequence[uuid.UUID]) -> list[tuple[uuid.UUID, str, str, int]]:
    """Return what refers to these secrets: secret, kind, id, since; oldest first."""
    columns = [secret_references.c[name] for name in ("secret_id", "kind", "referrer", "since")]
    query = select(*columns).where(
        secret_references.c.workspace_id == tx.workspace_id, secret_references.c.secret_id.in_(secret_ids)
    )
    rows = await tx.execute(query.order_by(secret_references.c.since, secret_references.c.referrer))
    return [tuple(row) for row in rows]


async def workspaces_with_work(tx: ReadTx) -> list[uuid.UUID]:
    """Return the workspaces where a rotation is due, a grace is over, or a deleted secret is to be destroyed."""
    due = select(secrets.c.workspace_id).where(secrets.c.next_at <= tx.now, secrets.c.due_told_at.is_(None))
    gone = select(secrets.c.workspace_id).where(secrets.c.purge_at <= tx.now)
    over = select(secret_versions.c.workspace_id).where(
        secret_versions.c.valid_until <= tx.now, secret_versions.c.sealed.is_not(None)
    )
    return list((await tx.execute(due.union(gone, over))).scalars())


async def due(tx: ReadTx, limit: int) -> list[uuid.UUID]:
    """Return secrets whose rotation is due and was not told yet."""
    query = select(secrets.c.id).where(
        secrets.c.workspace_id == tx.workspace_id,
        secrets.c.next_at <= tx.now,
        secrets.c.due_told_at.is_(None),
        secrets.c.purge_at.is_(None),
    )
    return list((await tx.execute(query.order_by(secrets.c.next_at).limit(limit))).scalars())


async def tell_due(tx: WriteTx, secret_id: uuid.UUID) -> None:
    """Note that a due rotation is told."""
    mine = update(secrets).where(secrets.c.workspace_id == tx.workspace_id, secrets.c.id == secret_id)
    await tx.execute(mine.values(due_told_at=tx.now))


async def destroy_over(tx: WriteTx) -> None:
    """Destroy the values whose grace is over, and what was deleted long enough ago."""
    over = update(secret_versions).where(
        secret_versions.c.workspace_id == tx.workspace_id,
        secret_versions.c.valid_until <= tx.now,
        secret_versions.c.sealed.is_not(None),
    )
    await tx.execute(over.values(sealed=None))
    await tx.execute(delete(secrets).where(secrets.c.workspace_id == tx.workspace_id, secrets.c.purge_at <= tx.now))

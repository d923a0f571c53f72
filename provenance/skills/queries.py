"""Every statement on the skills."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from provenance.core.db import ReadTx, WriteTx
from provenance.skills.schemas import PackageRow, Row, VersionRow
from provenance.skills.tables import skill_garbage, skill_packages, skill_uses, skill_versions, skills

_ROW = [skills.c[name] for name in Row._fields]
_PACKAGE = [skill_packages.c[name] for name in PackageRow._fields]
_VERSION = [skill_versions.c[name] for name in VersionRow._fields]


async def insert_skill(tx: WriteTx, row: Row) -> bool:
    """Insert a skill; False when its name is taken."""
    put = insert_or(skills).values(workspace_id=tx.workspace_id, **row._asdict())
    return (await tx.execute(put.on_conflict_do_nothing())).rowcount == 1


async def by_id(tx: ReadTx, skill_id: uuid.UUID, *, lock: bool = False) -> Row | None:
    """Return a skill."""
    query = select(*_ROW).where(skills.c.workspace_id == tx.workspace_id, skills.c.id == skill_id)
    row = (await tx.execute(query.with_for_update(key_share=True) if lock else query)).first()
    return None if row is None else Row._make(row)


async def name_taken(tx: ReadTx, name: str, but: uuid.UUID) -> bool:
    """Tell whether another skill has a name."""
    query = select(skills.c.id).where(skills.c.workspace_id == tx.workspace_id, skills.c.name == name)
    return (await tx.execute(query.where(skills.c.id != but))).first() is not None


async def page(
    tx: ReadTx, *, runtime: str | None, trust: str | None, q: str | None, before: uuid.UUID | None, limit: int
) -> list[Row]:
    """Return skills, newest first."""
    query = select(*_ROW).where(skills.c.workspace_id == tx.workspace_id)
    if runtime is not None:
        query = query.where(skills.c.runtime == runtime)
    if trust is not None:
        query = query.where(skills.c.trust_level == trust)
    if q:
        query = query.where(
            or_(skills.c.name.icontains(q, autoescape=True), skills.c.description.icontains(q, autoescape=True))
        )
    if before is not None:
        query = query.where(skills.c.id < before)
    return [Row._make(row) for row in await tx.execute(query.order_by(skills.c.id.desc()).limit(limit))]


async def change(tx: WriteTx, skill_id: uuid.UUID, values: Mapping[str, Any]) -> Row:
    """Change a skill and return it; who, when and the revision are set here."""
    stamped = {"revision": skills.c.revision + 1, "updated_at": tx.now, "updated_by": tx.acting[0]}
    mine = update(skills).where(skills.c.workspace_id == tx.workspace_id, skills.c.id == skill_id)
    return Row._make((await tx.execute(mine.values(**values, **stamped).returning(*_ROW))).one())


async def delete_skill(tx: WriteTx, skill_id: uuid.UUID) -> None:
    """Delete a skill with its versions and packages. Raises IntegrityError while something live calls it."""
    await tx.execute(delete(skills).where(skills.c.workspace_id == tx.workspace_id, skills.c.id == skill_id))


async def insert_version(tx: WriteTx, row: Row) -> None:
    """Keep what a skill does now as its version."""
    kept = {name: getattr(row, name) for name in VersionRow._fields if name in Row._fields}
    made = {**kept, "skill_id": row.id, "created_at": tx.now, "created_by": tx.acting[0]}
    await tx.execute(insert(skill_versions).values(workspace_id=tx.workspace_id, **made))


async def version(tx: ReadTx, skill_id: uuid.UUID, number: int) -> VersionRow | None:
    """Return a version of a skill."""
    query = select(*_VERSION).where(
        skill_versions.c.workspace_id == tx.workspace_id,
        skill_versions.c.skill_id == skill_id,
        skill_versions.c.version == number,
    )
    row = (await tx.execute(query)).first()
    return None if row is None else VersionRow._make(row)


async def insert_package(tx: WriteTx, row: PackageRow) -> None:
    """Note a package that is to be uploaded."""
    await tx.execute(insert(skill_packages).values(workspace_id=tx.workspace_id, **row._asdict()))


async def package(tx: ReadTx, package_id: uuid.UUID, *, lock: bool = False) -> PackageRow | None:
    """Return a package."""
    query = select(*_PACKAGE).where(skill_packages.c.workspace_id == tx.workspace_id, skill_packages.c.id == package_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else PackageRow._make(row)


async def packages(tx: ReadTx, package_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, PackageRow]:
    """Return packages by their ids."""
    query = select(*_PACKAGE).where(
        skill_packages.c.workspace_id == tx.workspace_id, skill_packages.c.id.in_(list(package_ids))
    )
    return {row.id: PackageRow._make(row) for row in await tx.execute(query)}


async def packages_of(tx: ReadTx, skill_id: uuid.UUID) -> list[PackageRow]:
    """Return the packages of a skill, also those that are awaited."""
    query = select(*_PACKAGE).where(
        skill_packages.c.workspace_id == tx.workspace_id, skill_packages.c.skill_id == skill_id
    )
    return [PackageRow._make(row) for row in await tx.execute(query)]


async def settle_package(tx: WriteTx, package_id: uuid.UUID, manifest: Any, runtime_version: str) -> bool:
    """Note that a package arrived; False when it did before."""
    mine = update(skill_packages).where(
        skill_packages.c.workspace_id == tx.workspace_id,
        skill_packages.c.id == package_id,
        skill_packages.c.uploaded_at.is_(None),
    )
    values = {"manifest": manifest, "runtime_version": runtime_version, "uploaded_at": tx.now}
    return (await tx.execute(mine.values(**values))).rowcount == 1


async def awaited_in_vain(tx: ReadTx, before: int) -> list[uuid.UUID]:
    """Return the workspaces with packages that did not arrive while they might, and might no more at a moment."""
    vain = (skill_packages.c.uploaded_at.is_(None), skill_packages.c.expires_at <= before)
    return list((await tx.execute(select(skill_packages.c.workspace_id).where(*vain).distinct())).scalars())


async def forget_awaited(tx: WriteTx, before: int) -> list[uuid.UUID]:
    """Forget the packages of a workspace that did not arrive, and return them."""
    mine = delete(skill_packages).where(
        skill_packages.c.workspace_id == tx.workspace_id,
        skill_packages.c.uploaded_at.is_(None),
        skill_packages.c.expires_at <= before,
    )
    return list((await tx.execute(mine.returning(skill_packages.c.id))).scalars())


async def discard(tx: WriteTx, packages: Mapping[uuid.UUID, int]) -> None:
    """Note packages whose bytes are to be destroyed, each after its moment."""
    rows = [{"workspace_id": tx.workspace_id, "package_id": each, "after": at} for each, at in packages.items()]
    if rows:
        await tx.execute(insert_or(skill_garbage).values(rows).on_conflict_do_nothing())


async def workspaces_with_garbage(tx: ReadTx) -> list[uuid.UUID]:
    """Return the workspaces that have bytes to be destroyed now."""
    query = select(skill_garbage.c.workspace_id).where(skill_garbage.c.after <= tx.now).distinct()
    return list((await tx.execute(query)).scalars())


async def garbage(tx: ReadTx, limit: int) -> list[uuid.UUID]:
    """Return packages of a workspace whose bytes are to be destroyed now."""
    due = select(skill_garbage.c.package_id).where(
        skill_garbage.c.workspace_id == tx.workspace_id, skill_garbage.c.after <= tx.now
    )
    return list((await tx.execute(due.order_by(skill_garbage.c.after).limit(limit))).scalars())


async def forget_garbage(tx: WriteTx, packages: Sequence[uuid.UUID]) -> None:
    """Note that bytes are destroyed."""
    mine = (skill_garbage.c.workspace_id == tx.workspace_id, skill_garbage.c.package_id.in_(packages))
    await tx.execute(delete(skill_garbage).where(*mine))


async def current_versions(tx: ReadTx, skill_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return the current version of each of these skills that has code, and is not switched off."""
    query = select(skills.c.id, skills.c.version).where(
        skills.c.workspace_id == tx.workspace_id, skills.c.id.in_(skill_ids), skills.c.status == "ready"
    )
    return {row.id: row.version for row in await tx.execute(query.with_for_update(read=True, key_share=True))}


async def pin(tx: WriteTx, kind: str, referrer: str, at: int, versions: Mapping[uuid.UUID, int]) -> None:
    """Note which versions a version of a referrer calls; from now on it, and no other version, is the live one."""
    await release(tx, kind, referrer)
    shared = {"workspace_id": tx.workspace_id, "kind": kind, "referrer": referrer, "referrer_version": at}
    rows = [{**shared, "skill_id": each, "live_skill_id": each, "version": number} for each, number in versions.items()]
    if rows:
        put = insert_or(skill_uses).values(rows)
        again = {"live_skill_id": put.excluded.live_skill_id}
        await tx.execute(put.on_conflict_do_update(constraint="pk_skill_uses", set_=again))


async def release(tx: WriteTx, kind: str, referrer: str) -> None:
    """Note that no version of a referrer is live; what each is pinned to stays, for runs that go on."""
    mine = update(skill_uses).where(
        skill_uses.c.workspace_id == tx.workspace_id, skill_uses.c.kind == kind, skill_uses.c.referrer == referrer
    )
    await tx.execute(mine.where(skill_uses.c.live_skill_id.is_not(None)).values(live_skill_id=None))


async def pinned(tx: ReadTx, kind: str, referrer: str, at: int, skill_id: uuid.UUID) -> int | None:
    """Return the version of a skill that a version of a referrer is pinned to."""
    query = select(skill_uses.c.version).where(
        skill_uses.c.workspace_id == tx.workspace_id,
        skill_uses.c.kind == kind,
        skill_uses.c.referrer == referrer,
        skill_uses.c.referrer_version == at,
        skill_uses.c.skill_id == skill_id,
    )
    found: int | None = (await tx.execute(query)).scalar_one_or_none()
    return found


async def live_runtimes(tx: ReadTx) -> list[str]:
    """Return the runtimes of skills that live workflows call, in every workspace."""
    query = (
        select(skills.c.runtime)
        .distinct()
        .join(
            skill_uses,
            (skill_uses.c.workspace_id == skills.c.workspace_id) & (skill_uses.c.live_skill_id == skills.c.id),
        )
    )
    return list((await tx.execute(query)).scalars())


async def uses(tx: ReadTx, skill_id: uuid.UUID) -> int:
    """Return how many live versions of something call a skill."""
    query = select(func.count()).where(
        skill_uses.c.workspace_id == tx.workspace_id, skill_uses.c.live_skill_id == skill_id
    )
    return int((await tx.execute(query)).scalar_one())

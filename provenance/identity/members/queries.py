"""Every statement on the members of a workspace."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.actor import Role
from provenance.core.db import ReadTx, WriteTx
from provenance.identity.members.journal import Line
from provenance.identity.members.tables import person_erasures
from provenance.identity.passkeys.tables import passkeys
from provenance.identity.schemas import Status
from provenance.identity.tables import members, people, person_keys
from provenance.identity.totp.tables import totp_secrets
from provenance.ledger.tables import interactions
from provenance.workspace.tables import workspaces

_ADMIN = Role.ADMIN.name.lower()


def _selected(tx: ReadTx) -> Select[Any]:
    """Select the workspace's members with their sealed names, and whether they have a second factor."""
    person = members.c.person_id
    codes = select(totp_secrets.c.person_id).where(
        totp_secrets.c.person_id == person, totp_secrets.c.confirmed_at.is_not(None)
    )
    keys = select(passkeys.c.id).where(passkeys.c.person_id == person)
    named = (people.c.email_sealed, people.c.name_sealed, people.c.erased_at, people.c.password_hash)
    return (
        select(members, *named, person_keys.c.wrapped, or_(codes.exists(), keys.exists()).label("mfa"))
        .join(people, people.c.id == person)
        .outerjoin(person_keys, person_keys.c.person_id == person)
        .where(members.c.workspace_id == tx.workspace_id)
    )


async def page(tx: ReadTx, *, limit: int, before: uuid.UUID | None) -> list[Any]:
    """Return members of the workspace, the newest person first, from below a person's id on."""
    mine = _selected(tx) if before is None else _selected(tx).where(members.c.person_id < before)
    return list((await tx.execute(mine.order_by(members.c.person_id.desc()).limit(limit))).all())


async def row_of(tx: ReadTx, person_id: uuid.UUID) -> Any:
    """Return a member of the workspace, or None."""
    return (await tx.execute(_selected(tx).where(members.c.person_id == person_id))).first()


async def lock(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Lock a member of the workspace, if there is one, against an invitation that is being accepted."""
    mine = select(members.c.role).where(members.c.workspace_id == tx.workspace_id, members.c.person_id == person_id)
    await tx.execute(mine.with_for_update())


async def lock_address(tx: WriteTx, digest: bytes) -> None:
    """Let one transaction at a time make a person of an address, by its MAC."""
    key = int.from_bytes(digest[:8], "big", signed=True)
    await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


async def set_role(tx: WriteTx, person_id: uuid.UUID, role: str, groups: Sequence[str]) -> None:
    """Change a member's role and groups."""
    mine = update(members).where(members.c.workspace_id == tx.workspace_id, members.c.person_id == person_id)
    await tx.execute(mine.values(role=role, groups=list(groups)))


async def remove(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Remove a member from the workspace."""
    mine = delete(members).where(members.c.workspace_id == tx.workspace_id, members.c.person_id == person_id)
    await tx.execute(mine)


async def is_admin(tx: ReadTx, person_id: uuid.UUID | None) -> bool:
    """Tell whether a person is an active administrator of the workspace."""
    return (await tx.execute(_admins(tx).where(members.c.person_id == person_id))).first() is not None


async def has_other_admin(tx: ReadTx, person_id: uuid.UUID) -> bool:
    """Tell whether the workspace has an active administrator besides a person."""
    return (await tx.execute(_admins(tx).where(members.c.person_id != person_id).limit(1))).first() is not None


def _admins(tx: ReadTx) -> Select[Any]:
    active = (members.c.role == _ADMIN, members.c.status == Status.ACTIVE.value)
    return select(members.c.person_id).where(members.c.workspace_id == tx.workspace_id, *active)


async def places_of(tx: ReadTx, person_id: uuid.UUID) -> list[Any]:
    """Return a person's places in every workspace: workspace_id, role and status, in the order of locks."""
    columns = (members.c.workspace_id, members.c.role, members.c.status)
    mine = select(*columns).where(members.c.person_id == person_id).order_by(members.c.workspace_id)
    return list((await tx.execute(mine)).all())


async def lock_workspaces(tx: WriteTx, workspace_ids: Sequence[uuid.UUID]) -> None:
    """Lock workspaces against changes of their members, in one order whoever asks."""
    ordered = select(workspaces.c.id).where(workspaces.c.id.in_(workspace_ids)).order_by(workspaces.c.id)
    await tx.execute(ordered.with_for_update(key_share=True))


async def lock_person(tx: WriteTx, person_id: uuid.UUID) -> bool:
    """Lock a person against being given further places; tell whether they are there still."""
    living = select(people.c.id).where(people.c.id == person_id, people.c.erased_at.is_(None)).with_for_update()
    return (await tx.execute(living)).first() is not None


async def seats(tx: ReadTx, *statuses: str) -> int:
    """Count the workspace's members of some statuses."""
    mine = (members.c.workspace_id == tx.workspace_id, members.c.status.in_(statuses))
    return int((await tx.execute(select(func.count()).select_from(members).where(*mine))).scalar_one())


async def count_events(tx: ReadTx, user_id: str) -> int:
    """Count the platform rows of the workspace that a person made, or that are about them."""
    row = interactions.c
    about = or_(row.recorded_by == user_id, row.user_id == user_id, row.resource_id == user_id)
    mine = select(func.count()).where(row.workspace_id == tx.workspace_id, row.platform, about)
    return int((await tx.execute(mine)).scalar_one())


async def insert_erasure(tx: WriteTx, line: Line) -> None:
    """Note that a person was erased."""
    columns = {"id": line.erasure, "events": line.events, "erased_at": line.at, "erased_by": line.by}
    await tx.execute(insert(person_erasures).values(person_id=line.person, **columns).on_conflict_do_nothing())


async def living(tx: ReadTx, person_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Return those of these people who are there and not erased."""
    there = select(people.c.id).where(people.c.id.in_(person_ids), people.c.erased_at.is_(None))
    return list((await tx.execute(there.order_by(people.c.id))).scalars())


async def erasure_of(tx: ReadTx, person_id: uuid.UUID) -> Any:
    """Return how a person was erased, or None."""
    return (await tx.execute(select(person_erasures).where(person_erasures.c.person_id == person_id))).first()


async def erasures_of(tx: ReadTx, person_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """Return the erasures of those of these people who were erased."""
    columns = (person_erasures.c.person_id, person_erasures.c.id)
    found = await tx.execute(select(*columns).where(person_erasures.c.person_id.in_(person_ids)))
    return {row.person_id: row.id for row in found.all()}

"""Every statement on inboxes and preferences."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ARRAY, Row, Text, cast, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.actor import Role
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode
from provenance.identity.schemas import Status
from provenance.identity.tables import members
from provenance.notifications.inbox.schemas import DigestClaim, News, Told
from provenance.notifications.inbox.tables import notification_inbox as inbox
from provenance.notifications.inbox.tables import notification_preferences as preferences

_ROLES = {role.name.lower(): role for role in Role}


def _mine(tx: ReadTx, person_id: uuid.UUID) -> tuple[Any, ...]:
    return inbox.c.workspace_id == tx.workspace_id, inbox.c.person_id == person_id


async def members_meant(tx: ReadTx, named: Iterable[str], limit: int) -> list[uuid.UUID]:
    """Return the active members that ``user:…``, ``role:…`` (or a higher one) and ``group:…`` stand for."""
    people, roles, groups = _parted(named)
    meant = or_(
        members.c.person_id.in_(people),
        members.c.role.in_(roles),
        members.c.groups.op("&&")(cast(groups, ARRAY(Text))),
    )
    here = (members.c.workspace_id == tx.workspace_id, members.c.status == Status.ACTIVE.value)
    query = select(members.c.person_id).where(*here, meant).order_by(members.c.person_id).limit(limit)
    return list((await tx.execute(query)).scalars())


def _parted(named: Iterable[str]) -> tuple[list[uuid.UUID], list[str], list[str]]:
    people, roles, groups = [], set[str](), []
    for each in named:
        kind, _, name = each.partition(":")
        if kind == "user" and (person_id := decode("user", name)) is not None:
            people.append(person_id)
        elif kind == "role" and name in _ROLES:
            roles |= {other for other, role in _ROLES.items() if role >= _ROLES[name]}
        elif kind == "group":
            groups.append(name)
    return people, sorted(roles), groups


async def put(tx: WriteTx, news: News, people: Sequence[uuid.UUID]) -> None:
    """Put an event into inboxes, once however often it is put there."""
    about = {**news._asdict(), "workspace_id": tx.workspace_id, "created_at": tx.now}
    rows = [{**about, "person_id": each} for each in people]
    await tx.execute(insert(inbox).values(rows).on_conflict_do_nothing())


async def page(
    tx: ReadTx, person_id: uuid.UUID, *, before: int | None, limit: int, unread: bool = False
) -> list[Row[Any]]:
    """Return entries of an inbox, newest first, below a number."""
    query = select(inbox).where(*_mine(tx, person_id))
    if before is not None:
        query = query.where(inbox.c.number < before)
    if unread:
        query = query.where(inbox.c.read_at.is_(None))
    return list((await tx.execute(query.order_by(inbox.c.number.desc()).limit(limit))).all())


async def unread(tx: ReadTx, person_id: uuid.UUID, *, after: int = 0) -> int:
    """Count what is not read yet beyond a number."""
    query = select(func.count()).where(*_mine(tx, person_id), inbox.c.read_at.is_(None), inbox.c.number > after)
    return int((await tx.execute(query)).scalar_one())


async def one(tx: ReadTx, person_id: uuid.UUID, event_id: uuid.UUID) -> Row[Any] | None:
    """Return the entry of an event in an inbox."""
    return (await tx.execute(select(inbox).where(*_mine(tx, person_id), inbox.c.id == event_id))).first()


async def read_one(tx: WriteTx, person_id: uuid.UUID, number: int) -> None:
    """Note that an entry is read; one that was keeps its time."""
    fresh = (*_mine(tx, person_id), inbox.c.number == number, inbox.c.read_at.is_(None))
    await tx.execute(update(inbox).where(*fresh).values(read_at=tx.now))


async def read_all(tx: WriteTx, person_id: uuid.UUID, up_to: int | None) -> None:
    """Note that an inbox is read, up to a number or whole."""
    fresh = [*_mine(tx, person_id), inbox.c.read_at.is_(None)]
    if up_to is not None:
        fresh.append(inbox.c.number <= up_to)
    await tx.execute(update(inbox).where(*fresh).values(read_at=tx.now))


async def read_about(tx: WriteTx, resource_id: str, uow_id: uuid.UUID) -> None:
    """Note that nobody needs to look at a thing any more."""
    about = (inbox.c.workspace_id == tx.workspace_id, inbox.c.uow_id == uow_id, inbox.c.resource_id == resource_id)
    await tx.execute(update(inbox).where(*about, inbox.c.read_at.is_(None)).values(read_at=tx.now))


async def forget_unit(tx: WriteTx, uow_id: uuid.UUID) -> None:
    """Forget what was told of a unit of work."""
    await tx.execute(delete(inbox).where(inbox.c.workspace_id == tx.workspace_id, inbox.c.uow_id == uow_id))


async def forget_person(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Forget the inbox and the preferences of somebody who left."""
    await tx.execute(delete(inbox).where(*_mine(tx, person_id)))
    mine = (preferences.c.workspace_id == tx.workspace_id, preferences.c.person_id == person_id)
    await tx.execute(delete(preferences).where(*mine))


_FORGET_OLD = """
DELETE FROM notification_inbox WHERE (workspace_id, person_id, number) IN (
    SELECT workspace_id, person_id, number FROM notification_inbox WHERE created_at < $1 ORDER BY created_at LIMIT $2)
"""


async def forget_old(tx: WriteTx, before: int, limit: int) -> int:
    """Forget entries made before a moment, the oldest first; return how many. Over all workspaces on purpose."""
    return (await tx.driver_sql(_FORGET_OLD, (before, limit))).rowcount


# Preferences


async def told(tx: ReadTx, people: Sequence[uuid.UUID]) -> dict[uuid.UUID, Told]:
    """Return the preferences of those of these people who ever said."""
    query = select(*(preferences.c[name] for name in Told._fields)).where(
        preferences.c.workspace_id == tx.workspace_id, preferences.c.person_id.in_(people)
    )
    return {row.person_id: Told._make(row) for row in await tx.execute(query)}


async def put_told(tx: WriteTx, preferred: Told, digest_due_at: int | None, digest_told: int) -> None:
    """Keep somebody's preferences. A digest begins with what is told from now on."""
    values = {**preferred._asdict(), "digest_due_at": digest_due_at, "updated_at": tx.now, "lease": None}
    made = insert(preferences).values(workspace_id=tx.workspace_id, digest_told=digest_told, **values)
    await tx.execute(made.on_conflict_do_update(index_elements=["workspace_id", "person_id"], set_=values))


async def newest(tx: ReadTx, person_id: uuid.UUID) -> int:
    """Return the highest number in an inbox; 0 when it is empty."""
    query = select(func.max(inbox.c.number)).where(*_mine(tx, person_id))
    return int((await tx.execute(query)).scalar() or 0)


_CLAIM = """
WITH due AS (
    SELECT workspace_id, person_id FROM notification_preferences
     WHERE digest_due_at <= $1 AND leased_until <= $1 ORDER BY digest_due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE notification_preferences AS p SET lease = $3, leased_until = $4 FROM due
 WHERE p.workspace_id = due.workspace_id AND p.person_id = due.person_id
RETURNING p.workspace_id, p.person_id, p.digest_told
"""


async def claim_digests(tx: WriteTx, lease: uuid.UUID, until: int, *, limit: int) -> list[DigestClaim]:
    """Take digests that are due in hand; over all workspaces on purpose."""
    found: Sequence[Any] = (await tx.driver_sql(_CLAIM, (tx.now, limit, lease, until))).all()
    return [DigestClaim._make((*row, lease)) for row in found]


async def set_digest(tx: WriteTx, claim: DigestClaim, due_at: int | None, told_up_to: int) -> bool:
    """Note when a digest in hand is for next, and what it told; False when it is in hand no more."""
    held = (
        preferences.c.workspace_id == tx.workspace_id,
        preferences.c.person_id == claim.person_id,
        preferences.c.lease == claim.lease,
    )
    values = {"digest_due_at": due_at, "digest_told": told_up_to, "lease": None, "leased_until": 0}
    return bool((await tx.execute(update(preferences).where(*held).values(**values))).rowcount)

"""Every statement of the live streams: rows beyond a number, signed heads, and who may still listen."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, or_, select, tuple_

from provenance.core.db import ReadTx
from provenance.engine.tables import engine_workers, run_steps, runs
from provenance.identity.schemas import Status
from provenance.identity.sessions.tables import sessions
from provenance.identity.tables import api_keys, members, people
from provenance.ledger.log.tables import logs
from provenance.ledger.tables import interactions
from provenance.notifications.inbox.tables import notification_inbox


class Row(NamedTuple):
    """A row as the channels need it; ``content`` only of platform rows. Times are nanoseconds since the epoch."""

    number: int
    id: uuid.UUID
    resource_type_id: uuid.UUID
    action_id: uuid.UUID
    origin_id: uuid.UUID
    resource_id: str | None
    user_id: str | None
    external_reference: str | None
    uow_id: uuid.UUID
    span_id: uuid.UUID | None
    parent_span_id: uuid.UUID | None
    occurred_at: int
    recorded_at: int
    outcome: str | None
    platform: bool
    recorded_by: str
    actor_kind: str
    risk: str | None
    domain: str | None
    content: str | None


_COLUMNS = ", ".join(Row._fields[:-1]) + ", CASE WHEN platform THEN content END AS content"
_BEYOND = f"SELECT {_COLUMNS} FROM interactions WHERE workspace_id = $1"  # noqa: S608 - our own names
_AFTER = _BEYOND + " AND number > $2 ORDER BY number LIMIT $3"
_PLATFORM_AFTER = _BEYOND + " AND platform AND number > $2 ORDER BY number LIMIT $3"
_NUMBERED = _BEYOND + " AND number = ANY($2::bigint[]) ORDER BY number"
_HEAD = "SELECT number FROM interactions WHERE workspace_id = $1 ORDER BY number DESC LIMIT 1"


async def head(tx: ReadTx) -> int:
    """Return the workspace's highest number; 0 when it has no row."""
    return (await tx.driver_sql(_HEAD, (tx.workspace_id,))).scalar() or 0


async def after(tx: ReadTx, number: int, limit: int, *, platform_only: bool) -> list[Row]:
    """Return the next rows beyond a number, in order."""
    sql = _PLATFORM_AFTER if platform_only else _AFTER
    return [Row._make(row) for row in await tx.driver_sql(sql, (tx.workspace_id, number, limit))]


async def numbered(tx: ReadTx, numbers: Sequence[int]) -> list[Row]:
    """Return the rows with these numbers, in order."""
    return [Row._make(row) for row in await tx.driver_sql(_NUMBERED, (tx.workspace_id, list(numbers)))]


async def satisfying(tx: ReadTx, numbers: Sequence[int], conditions: Sequence[ColumnElement[bool]]) -> set[int]:
    """Return which of these rows satisfy conditions of the list."""
    query = select(interactions.c.number).where(
        interactions.c.workspace_id == tx.workspace_id, interactions.c.number.in_(numbers), and_(*conditions)
    )
    return set((await tx.execute(query)).scalars())


async def workflows_of(tx: ReadTx, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """Return the workflow of each of these runs."""
    query = select(runs.c.id, runs.c.workflow_id).where(runs.c.workspace_id == tx.workspace_id, runs.c.id.in_(run_ids))
    return {row.id: row.workflow_id for row in await tx.execute(query)}


class Carrier(NamedTuple):
    """Where a run is carried on: at which worker's address (None: at none that can be asked), or not any more."""

    ended: bool
    address: str | None


async def carrier_of(tx: ReadTx, run_id: uuid.UUID) -> Carrier | None:
    """Return where a run is carried on now; None for a run that there is not."""
    query = (
        select((runs.c.state == "ended").label("ended"), engine_workers.c.address)
        .select_from(runs.outerjoin(engine_workers, engine_workers.c.id == runs.c.owner))
        .where(runs.c.workspace_id == tx.workspace_id, runs.c.id == run_id)
    )
    row = (await tx.execute(query)).first()
    return None if row is None else Carrier(row.ended, row.address)


async def places_of(tx: ReadTx, run_id: uuid.UUID) -> dict[tuple[str, int], tuple[int, str]]:
    """Return place and kind of each step of a run that was begun, by its key and item."""
    query = select(run_steps.c.step_key, run_steps.c.iteration, run_steps.c.place, run_steps.c.kind).where(
        run_steps.c.workspace_id == tx.workspace_id, run_steps.c.run_id == run_id
    )
    return {(row.step_key, row.iteration): (row.place, row.kind) for row in await tx.execute(query)}


async def signed(tx: ReadTx) -> tuple[int, bytes] | None:
    """Return size and root of the newest signed head of the workspace's log; None before the first."""
    query = select(logs.c.size, logs.c.root).where(logs.c.workspace_id == tx.workspace_id, logs.c.signed_at > 0)
    row = (await tx.execute(query)).first()
    return None if row is None else (row.size, row.root)


async def arrived(tx: ReadTx, people: Sequence[uuid.UUID], since: int, limit: int) -> list[Any]:
    """Return what came into the inboxes of these people since a moment, in the order of numbers."""
    query = select(notification_inbox).where(
        notification_inbox.c.workspace_id == tx.workspace_id,
        notification_inbox.c.person_id.in_(people),
        notification_inbox.c.created_at >= since,
    )
    return list((await tx.execute(query.order_by(notification_inbox.c.number).limit(limit))).all())


Standing = tuple[uuid.UUID, uuid.UUID, uuid.UUID]
"""A session, its person, and the workspace they are in."""


async def standings(tx: ReadTx, asked: Sequence[Standing]) -> dict[Standing, Any]:
    """Return role and groups of those whose session and membership last; over workspaces on purpose."""
    if not asked:
        return {}
    who = (sessions.c.id, members.c.person_id, members.c.workspace_id)
    query = (
        select(*who, members.c.role, members.c.groups)
        .join(sessions, sessions.c.person_id == members.c.person_id)
        .join(people, people.c.id == members.c.person_id)
        .where(
            tuple_(*who).in_(asked),
            members.c.status == Status.ACTIVE.value,
            people.c.erased_at.is_(None),
            sessions.c.ended_at.is_(None),
            sessions.c.expires_at > tx.now,
        )
    )
    found: Sequence[Any] = (await tx.execute(query)).all()
    return {(row[0], row[1], row[2]): row for row in found}


async def keys(tx: ReadTx, key_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the scopes of those of these keys that are good; over workspaces on purpose."""
    if not key_ids:
        return {}
    good = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > tx.now)
    query = select(api_keys.c.id, api_keys.c.scopes).where(
        api_keys.c.id.in_(key_ids), api_keys.c.revoked_at.is_(None), good
    )
    return {row.id: frozenset(row.scopes) for row in await tx.execute(query)}

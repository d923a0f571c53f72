"""Every statement of the audit: platform rows of the ledger, newest first."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from provenance.core.db import ReadTx
from provenance.ledger.entry import Columns
from provenance.ledger.tables import interactions

_row = interactions.c
SELECTED = [_row.number, *[_row[name] for name in Columns._fields]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What events are asked for; None where nothing is. Times are nanoseconds, ``until`` is exclusive.

    ``words`` are the ids of resource type and action: an empty tuple for a type that never happened here.
    """

    words: tuple[uuid.UUID, uuid.UUID] | tuple[()] | None = None
    domain: str | None = None
    risk: str | None = None
    actor_id: str | None = None
    actor_kinds: Sequence[str] | None = None
    object_id: str | None = None
    since: int | None = None
    until: int | None = None


async def events(tx: ReadTx, wanted: Wanted, before: int | None, *, limit: int, looked_at: int) -> list[Any]:
    """Return the next events below a number that are wanted, of at most ``looked_at`` platform rows."""
    walked = _walk(tx, wanted, before, looked_at).subquery()
    columns = [walked.c[column.name] for column in SELECTED]
    found = _narrowed(select(*columns), wanted, walked.c).order_by(walked.c.number.desc()).limit(limit)
    return list((await tx.execute(found)).all())


async def last_looked_at(tx: ReadTx, wanted: Wanted, before: int | None, *, looked_at: int) -> int | None:
    """Return the number of the last row that `events` looks at; None when it comes to the end of the rows."""
    walked = _walk(tx, wanted, before, looked_at).offset(looked_at - 1).limit(1).subquery()
    found: int | None = (await tx.execute(select(walked.c.number))).scalar_one_or_none()
    return found


async def event(tx: ReadTx, interaction_id: uuid.UUID) -> Any:
    """Return one platform row by its id, or None."""
    mine = select(*SELECTED).where(_row.workspace_id == tx.workspace_id, _row.id == interaction_id, _row.platform)
    return (await tx.execute(mine)).first()


def _walk(tx: ReadTx, wanted: Wanted, before: int | None, looked_at: int) -> Select[Any]:
    """Walk one index from a number down: that of an object when one is asked for, else that of platform rows."""
    walked = select(*SELECTED).where(_row.workspace_id == tx.workspace_id, _row.platform)
    if before is not None:
        walked = walked.where(_row.number < before)
    if wanted.object_id is not None:
        walked = walked.where(_row.resource_id == wanted.object_id)
    return walked.order_by(_row.number.desc()).limit(looked_at)


def _narrowed(found: Select[Any], wanted: Wanted, row: Any) -> Select[Any]:
    if wanted.words is not None:
        resource_type, action = wanted.words or (uuid.UUID(int=0), uuid.UUID(int=0))
        found = found.where(row.resource_type_id == resource_type, row.action_id == action)
    equal = ((row.domain, wanted.domain), (row.risk, wanted.risk), (row.recorded_by, wanted.actor_id))
    for column, value in equal:
        if value is not None:
            found = found.where(column == value)
    if wanted.actor_kinds is not None:
        found = found.where(row.actor_kind.in_(wanted.actor_kinds))
    if wanted.since is not None:
        found = found.where(row.occurred_at >= wanted.since)
    if wanted.until is not None:
        found = found.where(row.occurred_at < wanted.until)
    return found

"""Every statement about rules; those about their groups are in `groups`.

Whoever follows a workspace's rows, lets time pass there or changes a rule holds the lock of the handler's cursor: what
a rule remembers is in one hand at a time, however many workers there are.
"""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.alerts.tables import alert_rules, alert_states
from provenance.core.db import Database, ReadTx, WriteTx
from provenance.ledger.tables import feed_cursors, interactions

HANDLER = "provenance.alerts.tasks.follow"
"""The name of the cursor that says how far the rules have heard."""

_rule, _state, _row = alert_rules.c, alert_states.c, interactions.c


class Stored(NamedTuple):
    """A rule as its row has it. Times are nanoseconds since the epoch."""

    id: uuid.UUID
    name: str
    severity: str
    enabled: bool
    rule: str
    revision: int
    from_number: int
    begun_at: int
    silenced_until: int
    dropped: int
    errors: int
    error: str | None
    error_number: int | None
    error_at: int | None
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str


_STORED = [_rule[name] for name in Stored._fields]


async def lock(tx: WriteTx) -> None:
    """Wait until nobody follows the workspace's rows, and keep them still until the transaction ends."""
    highest = select(func.coalesce(func.max(_row.number), 0)).where(_row.workspace_id == tx.workspace_id)
    made = insert(feed_cursors).from_select(
        ["workspace_id", "handler", "number"],
        select(literal(tx.workspace_id), literal(HANDLER), highest.scalar_subquery()),
    )
    await tx.execute(made.on_conflict_do_nothing())
    mine = (feed_cursors.c.workspace_id == tx.workspace_id, feed_cursors.c.handler == HANDLER)
    await tx.execute(select(feed_cursors.c.number).where(*mine).with_for_update())


_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint"


async def moment(tx: ReadTx) -> int:
    """Return the database's time, in nanoseconds since the epoch."""
    return int((await tx.driver_sql(_NOW)).scalar_one())


async def head(tx: ReadTx) -> int:
    """Return the workspace's highest number; 0 when it has no row."""
    highest = select(func.max(_row.number)).where(_row.workspace_id == tx.workspace_id)
    return int((await tx.execute(highest)).scalar() or 0)


async def recorded_after(tx: ReadTx, number: int) -> int | None:
    """Return when the first row after a number was recorded; None when there is none."""
    mine = (_row.workspace_id == tx.workspace_id, _row.number > number)
    found = (await tx.execute(select(_row.recorded_at).where(*mine).order_by(_row.number).limit(1))).scalar()
    return None if found is None else int(found)


async def any_due(db: Database, grace: int) -> bool:
    """Tell whether something was due so many nanoseconds ago, in any workspace."""
    [(found,)] = await db.single(f"SELECT EXISTS (SELECT FROM alert_states WHERE due_at <= ({_NOW}) - $1)", grace)  # noqa: S608
    return bool(found)


async def workspaces_due(tx: ReadTx, until: int, after: uuid.UUID, limit: int) -> list[uuid.UUID]:
    """Return workspaces in which something is due, by their ids from one on; over all workspaces on purpose."""
    query = (
        select(_state.workspace_id)
        .where(_state.due_at <= until, _state.workspace_id > after)
        .distinct()
        .order_by(_state.workspace_id)
        .limit(limit)
    )
    return list((await tx.execute(query)).scalars())


async def first_since(tx: ReadTx, moment: int, beyond: int) -> int | None:
    """Return the first row beyond a number that was recorded at a moment or later; None when there is none."""
    mine = (_row.workspace_id == tx.workspace_id, _row.number > beyond, _row.recorded_at >= moment)
    found = (await tx.execute(select(func.min(_row.number)).where(*mine))).scalar()
    return None if found is None else int(found)


async def any_enabled(tx: ReadTx) -> bool:
    """Tell whether a rule of the workspace listens."""
    mine = select(_rule.id).where(_rule.workspace_id == tx.workspace_id, _rule.enabled).limit(1)
    return (await tx.execute(mine)).first() is not None


async def enabled(tx: ReadTx) -> list[Stored]:
    """Return the workspace's rules that listen."""
    mine = select(*_STORED).where(_rule.workspace_id == tx.workspace_id, _rule.enabled).order_by(_rule.id)
    return [Stored._make(row) for row in await tx.execute(mine)]


async def one(tx: ReadTx, alert_id: uuid.UUID) -> Stored | None:
    """Return a rule."""
    mine = select(*_STORED).where(_rule.workspace_id == tx.workspace_id, _rule.id == alert_id)
    row = (await tx.execute(mine)).first()
    return None if row is None else Stored._make(row)


async def page(tx: ReadTx, limit: int, offset: int) -> tuple[list[Stored], int]:
    """Return rules, newest first, and how many there are."""
    mine = _rule.workspace_id == tx.workspace_id
    rows = await tx.execute(select(*_STORED).where(mine).order_by(_rule.id.desc()).limit(limit).offset(offset))
    total = (await tx.execute(select(func.count()).select_from(alert_rules).where(mine))).scalar_one()
    return [Stored._make(row) for row in rows], total


async def count(tx: ReadTx) -> int:
    """Return how many rules the workspace has."""
    mine = select(func.count()).select_from(alert_rules).where(_rule.workspace_id == tx.workspace_id)
    return int((await tx.execute(mine)).scalar_one())


async def name_taken(tx: ReadTx, name: str, by_another_than: uuid.UUID | None = None) -> bool:
    """Tell whether another rule has the name."""
    mine = select(_rule.id).where(_rule.workspace_id == tx.workspace_id, _rule.name == name)
    return any(each != by_another_than for each in (await tx.execute(mine)).scalars())


async def add(tx: WriteTx, values: dict[str, Any]) -> bool:
    """Keep a new rule; False when its name is taken."""
    made = insert(alert_rules).values(workspace_id=tx.workspace_id, **values).on_conflict_do_nothing()
    return bool((await tx.execute(made)).rowcount)


async def change(tx: WriteTx, alert_id: uuid.UUID, values: dict[str, Any]) -> None:
    """Change columns of a rule."""
    mine = (_rule.workspace_id == tx.workspace_id, _rule.id == alert_id)
    await tx.execute(update(alert_rules).where(*mine).values(**values))


async def note_error(tx: WriteTx, alert_id: uuid.UUID, error: str, number: int, at: int, *, times: int) -> None:
    """Note what went wrong last with a rule, and how often anything did."""
    values = {"error": error, "error_number": number, "error_at": at, "errors": _rule.errors + times}
    await change(tx, alert_id, values)


async def clear_errors(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Forget the errors that arose from any of these rows; that there were some stays known."""
    mine = (_rule.workspace_id == tx.workspace_id, _rule.error_number.in_(numbers))
    await tx.execute(update(alert_rules).where(*mine).values(error=None, error_number=None, error_at=None))


async def remove(tx: WriteTx, alert_id: uuid.UUID) -> None:
    """Delete a rule and what it remembers."""
    await tx.execute(delete(alert_rules).where(_rule.workspace_id == tx.workspace_id, _rule.id == alert_id))

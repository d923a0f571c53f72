"""Every statement about the groups of rules."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, and_, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from provenance.alerts.groups.schemas import NO_GROUP, Group, Standings
from provenance.alerts.tables import alert_states
from provenance.alerts.windows import Standing
from provenance.core.db import ReadTx, WriteTx

SHOWN = 100
AT_ONCE = 500

_state = alert_states.c
_NAMING = ("workspace_id", "alert_id", "id", "value")
_GROUP = [each for each in alert_states.columns if each.name not in ("workspace_id", "due_at")]


async def forget(tx: WriteTx, alert_id: uuid.UUID) -> int:
    """Forget all groups of a rule; return how many were firing, as far as that was told."""
    mine = (_state.workspace_id == tx.workspace_id, _state.alert_id == alert_id)
    gone = await tx.execute(delete(alert_states).where(*mine).returning(_state.told))
    return sum(gone.scalars())


async def standings(tx: ReadTx, alert_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Standings]:
    """Count the groups of rules; a rule without any is left out."""
    query = (
        select(_state.alert_id, func.count(), func.count(_state.firing_since))
        .where(_state.workspace_id == tx.workspace_id, _state.alert_id.in_(list(alert_ids)))
        .group_by(_state.alert_id)
    )
    return {row[0]: Standings._make(row[1:]) for row in await tx.execute(query)}


async def told(tx: ReadTx, alert_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Count the groups of rules that are on record as firing; a rule without any is left out."""
    mine = (_state.workspace_id == tx.workspace_id, _state.alert_id.in_(list(alert_ids)), _state.told)
    rows = await tx.execute(select(_state.alert_id, func.count().label("told")).where(*mine).group_by(_state.alert_id))
    return {row.alert_id: row.told for row in rows}


async def of(tx: ReadTx, keys: Iterable[tuple[uuid.UUID, str]]) -> dict[tuple[uuid.UUID, str], Group]:
    """Return groups by their rule and value, as far as they are kept."""
    wanted = list(keys)
    if not wanted:
        return {}
    mine = and_(_state.workspace_id == tx.workspace_id, tuple_(_state.alert_id, _state.value).in_(wanted))
    found = [_group(row) for row in await tx.execute(select(*_GROUP).where(mine))]
    return {(each.alert_id, each.value): each for each in found}


async def shown(tx: ReadTx, alert_id: uuid.UUID) -> list[Group]:
    """Return groups of a rule, at most one more than are shown: firing ones first, then those heard of last."""
    mine = (_state.workspace_id == tx.workspace_id, _state.alert_id == alert_id)
    order = (_state.firing_since.is_(None), _state.number.desc(), _state.id)
    rows = await tx.execute(select(*_GROUP).where(*mine).order_by(*order).limit(SHOWN + 1))
    return [_group(row) for row in rows]


async def due(tx: ReadTx, until: int, limit: int) -> list[Group]:
    """Return the workspace's groups in which time alone changes something up to a moment, the earliest first."""
    mine = (_state.workspace_id == tx.workspace_id, _state.due_at <= until)
    rows = await tx.execute(select(*_GROUP).where(*mine).order_by(_state.due_at, _state.id).limit(limit))
    return [_group(row) for row in rows]


def _group(row: Row[Any]) -> Group:
    standing = Standing(
        row.at,
        msgspec.json.decode(row.memory),
        row.firing_since,
        row.clear_at,
        row.told,
        row.amount,
        None if row.details is None else msgspec.json.decode(row.details),
    )
    return Group(
        alert_id=row.alert_id,
        value=row.value,
        standing=standing,
        id=row.id,
        number=row.number,
        platform=row.platform,
        evidence=[(number, wire_id) for number, wire_id in msgspec.json.decode(row.evidence)],
        silenced_until=row.silenced_until,
        acknowledged_by=row.acknowledged_by,
        acknowledged_at=row.acknowledged_at,
        stored=True,
    )


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def keep(tx: WriteTx, group: list[tuple[Group, int | None]]) -> None:
    """Keep groups, each with the moment at which it is due; in the order of their key, so nobody waits crosswise."""
    rows = sorted((_values(tx, each, due_at) for each, due_at in group), key=lambda row: (row["alert_id"], row["id"]))
    for first in range(0, len(rows), AT_ONCE):
        made = insert(alert_states).values(rows[first : first + AT_ONCE])
        fresh = {name: made.excluded[name] for name in rows[0] if name not in _NAMING}
        await tx.execute(made.on_conflict_do_update(index_elements=["workspace_id", "alert_id", "id"], set_=fresh))


def _values(tx: WriteTx, group: Group, due_at: int | None) -> dict[str, Any]:
    standing = group.standing
    return {
        "workspace_id": tx.workspace_id,
        "alert_id": group.alert_id,
        "id": group.id,
        "value": group.value,
        "number": group.number,
        "platform": group.platform,
        "at": standing.at,
        "memory": _text(standing.memory),
        "firing_since": standing.firing_since,
        "clear_at": standing.clear_at,
        "told": standing.told,
        "amount": standing.amount,
        "details": None if standing.details is None else _text(standing.details),
        "evidence": _text(group.evidence),
        "due_at": due_at,
        "silenced_until": group.silenced_until,
        "acknowledged_by": group.acknowledged_by,
        "acknowledged_at": group.acknowledged_at,
    }


async def drop(tx: WriteTx, ids: Sequence[uuid.UUID]) -> None:
    """Forget groups by their ids."""
    if ids:
        mine = (_state.workspace_id == tx.workspace_id, _state.id.in_(ids))
        await tx.execute(delete(alert_states).where(*mine))


async def oldest(tx: ReadTx, alert_id: uuid.UUID, beyond: int) -> list[Group]:
    """Return the groups of a rule beyond so many: quiet ones first, of these whoever was heard of longest ago."""
    mine = (_state.workspace_id == tx.workspace_id, _state.alert_id == alert_id)
    order = (_state.firing_since.is_(None), _state.number.desc(), _state.id.desc())
    rows = await tx.execute(select(*_GROUP).where(*mine).order_by(*order).offset(beyond))
    return [_group(row) for row in rows]


async def silence(tx: WriteTx, alert_id: uuid.UUID, group_id: uuid.UUID, until: int) -> bool:
    """Silence a group of a rule; False when there is no such group."""
    mine = (_state.workspace_id == tx.workspace_id, _state.alert_id == alert_id, _state.id == group_id)
    return bool((await tx.execute(update(alert_states).where(*mine).values(silenced_until=until))).rowcount)


async def look_anew(tx: WriteTx, alert_id: uuid.UUID) -> None:
    """Let what fires unheard be looked at anew: a silence began or ended otherwise."""
    mine = (_state.workspace_id == tx.workspace_id, _state.alert_id == alert_id)
    unheard = (*mine, _state.firing_since.is_not(None), ~_state.told)
    await tx.execute(update(alert_states).where(*unheard).values(due_at=_state.at))


async def acknowledge(tx: WriteTx, alert_id: uuid.UUID, group_id: uuid.UUID | None) -> list[uuid.UUID]:
    """Note who looks into what fires; return the groups."""
    mine = [_state.workspace_id == tx.workspace_id, _state.alert_id == alert_id, _state.firing_since.is_not(None)]
    if group_id is not None:
        mine.append(_state.id == group_id)
    noted = update(alert_states).where(*mine).values(acknowledged_by=tx.actor.id, acknowledged_at=tx.now)
    return list((await tx.execute(noted.returning(_state.id))).scalars())


async def heard_of(tx: ReadTx, numbers: Sequence[int]) -> list[Group]:
    """Return the groups whose value was known last from one of these rows."""
    mine = (_state.workspace_id == tx.workspace_id, _state.number.in_(numbers), _state.value != NO_GROUP)
    return [_group(row) for row in await tx.execute(select(*_GROUP).where(*mine))]

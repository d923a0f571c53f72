"""Every statement on the bridges.

A bridge is taken in hand by a lease, as a stream of the audit is: whoever lost it can't move anything any more.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.bus.bridges.schemas import Claim, DeadLetter, Row, State
from provenance.bus.bridges.tables import bus_bridge_arrivals, bus_bridge_dead_letters, bus_bridge_states, bus_bridges
from provenance.bus.statements import Within
from provenance.core.db import Database, ReadTx, WriteTx
from provenance.ledger.tables import interactions

COUNTED = 10_000
WINDOW = 200_000
"""Numbers looked through at once: no statement runs long on an old ledger."""

_row = bus_bridges.c
_state = bus_bridge_states.c
_dead = bus_bridge_dead_letters.c
_ROW = [_row[name] for name in Row._fields]
_STATE = [_state[name] for name in State._fields]
_DEAD = [_dead[name] for name in DeadLetter._fields]


async def insert_bridge(tx: WriteTx, values: dict[str, Any]) -> bool:
    """Store a bridge; False when its name is taken."""
    put = insert(bus_bridges).values(workspace_id=tx.workspace_id, **values).on_conflict_do_nothing()
    return bool((await tx.execute(put)).rowcount)


async def insert_state(tx: WriteTx, bridge_id: uuid.UUID, number: int) -> None:
    """Let a bridge begin after a number."""
    counts = dict.fromkeys(("lag", "passed", "repeated", "expired", "dead", "failures", "leased_until"), 0)
    fresh = {**counts, "number": number, "ahead": [], "due_at": tx.now, "connected": False}
    await tx.execute(insert(bus_bridge_states).values(workspace_id=tx.workspace_id, bridge_id=bridge_id, **fresh))


async def count(tx: ReadTx) -> int:
    """Return how many bridges the workspace has."""
    query = select(func.count()).select_from(bus_bridges).where(_row.workspace_id == tx.workspace_id)
    return int((await tx.execute(query)).scalar_one())


async def bridges(tx: ReadTx, bridge_id: uuid.UUID | None = None, *, lock: bool = False) -> list[tuple[Row, State]]:
    """Return the workspace's bridges, newest first, or the one with this id."""
    same = (_state.bridge_id == _row.id) & (_state.workspace_id == _row.workspace_id)
    query = select(*_ROW, *_STATE).join(bus_bridge_states, same).where(_row.workspace_id == tx.workspace_id)
    if bridge_id is not None:
        query = query.where(_row.id == bridge_id)
    if lock:
        query = query.with_for_update(of=bus_bridges)
    rows: list[Any] = list((await tx.execute(query.order_by(_row.id.desc()))).all())
    return [(Row(*row[: len(_ROW)]), State(*row[len(_ROW) :])) for row in rows]


async def name_taken(tx: ReadTx, name: str, by_another_than: uuid.UUID) -> bool:
    """Tell whether another bridge has the name."""
    mine = (_row.workspace_id == tx.workspace_id, _row.name == name, _row.id != by_another_than)
    return (await tx.execute(select(_row.id).where(*mine))).first() is not None


async def set_bridge(tx: WriteTx, bridge_id: uuid.UUID, values: dict[str, Any]) -> None:
    """Change columns of a bridge."""
    mine = (_row.workspace_id == tx.workspace_id, _row.id == bridge_id)
    await tx.execute(update(bus_bridges).where(*mine).values(**values))


async def delete_bridge(tx: WriteTx, bridge_id: uuid.UUID) -> None:
    """Delete a bridge with everything that is kept of it."""
    await tx.execute(delete(bus_bridges).where(_row.workspace_id == tx.workspace_id, _row.id == bridge_id))


async def begin_anew(tx: WriteTx, bridge_id: uuid.UUID, number: int | None = None) -> None:
    """Take a bridge out of every worker's hand and let it try at once, from after a number if one is given."""
    values: dict[str, Any] = {"lease": None, "leased_until": 0, "due_at": tx.now, "connected": False}
    if number is not None:
        values |= {"number": number, "ahead": []}
    mine = (_state.workspace_id == tx.workspace_id, _state.bridge_id == bridge_id)
    await tx.execute(update(bus_bridge_states).where(*mine).values(**values))


_CLAIM = """
WITH due AS (
    SELECT s.workspace_id, s.bridge_id FROM bus_bridge_states AS s
      JOIN bus_bridges AS b ON b.workspace_id = s.workspace_id AND b.id = s.bridge_id
     WHERE b.status = 'active' AND s.due_at <= $1 AND s.leased_until <= $1
     ORDER BY s.due_at LIMIT $2 FOR UPDATE OF s SKIP LOCKED)
UPDATE bus_bridge_states AS s SET lease = $3, leased_until = $4, connected = false FROM due
 WHERE s.workspace_id = due.workspace_id AND s.bridge_id = due.bridge_id
RETURNING s.workspace_id, s.bridge_id
"""


async def claim(db: Database, now: int, lease: uuid.UUID, until: int, *, limit: int) -> list[Claim]:
    """Take bridges that nobody has in hand, whoever waited longest first; over all workspaces on purpose."""
    found = await db.single(_CLAIM, now, limit, lease, until)
    return [Claim(uuid.UUID(int=row[0].int), uuid.UUID(int=row[1].int), lease) for row in found]


async def held(tx: ReadTx, claim: Claim) -> tuple[Row, State] | None:
    """Return the bridge of a claim; None when it is lost."""
    found = await bridges(tx, claim.bridge_id)
    return found[0] if found and found[0][1].lease == claim.lease else None


async def set_held(tx: WriteTx, claim: Claim, **values: Any) -> bool:
    """Change the state of a claim; False, and nothing changed, when it is lost."""
    mine = (_state.workspace_id == tx.workspace_id, _state.bridge_id == claim.bridge_id, _state.lease == claim.lease)
    return bool((await tx.execute(update(bus_bridge_states).where(*mine).values(**values))).rowcount)


def plus(column: str, number: int) -> ColumnElement[int]:
    """Return a column of the state with a number added, for `set_held`."""
    added: ColumnElement[int] = _state[column] + number
    return added


_ARRIVE = """
INSERT INTO bus_bridge_arrivals (workspace_id, bridge_id, key, sequence, at)
SELECT $1, $2, o.key, o.sequence, $5 FROM unnest($3::bytea[], $4::bigint[]) AS o(key, sequence)
    ON CONFLICT DO NOTHING RETURNING key
"""


async def arrive(tx: WriteTx, bridge_id: uuid.UUID, keys: Sequence[bytes], sequences: Sequence[int]) -> set[bytes]:
    """Note what arrived; return the keys of what had not arrived before."""
    parameters = (tx.workspace_id, bridge_id, list(keys), list(sequences), tx.now)
    return {bytes(row[0]) for row in await Within(tx).fetch(_ARRIVE, *parameters)}


async def forget_arrivals(tx: WriteTx, bridge_id: uuid.UUID, floor: int, before: int) -> None:
    """Throw away marks of what arrived before a moment and can't come again: the stream's floor has passed it."""
    mark = bus_bridge_arrivals.c
    mine = (mark.workspace_id == tx.workspace_id, mark.bridge_id == bridge_id)
    await tx.execute(delete(bus_bridge_arrivals).where(*mine, mark.sequence <= floor, mark.at < before))


async def insert_dead_letter(tx: WriteTx, bridge_id: uuid.UUID, dead: DeadLetter) -> None:
    """Keep what can't go over."""
    values = {"workspace_id": tx.workspace_id, "bridge_id": bridge_id, **dead._asdict()}
    await tx.execute(insert(bus_bridge_dead_letters).values(**values))


async def dead_letters(tx: ReadTx, bridge_id: uuid.UUID, before: uuid.UUID | None, limit: int) -> list[DeadLetter]:
    """Return what could not go over, newest first."""
    query = select(*_DEAD).where(_dead.workspace_id == tx.workspace_id, _dead.bridge_id == bridge_id)
    if before is not None:
        query = query.where(_dead.id < before)
    rows: list[Any] = list((await tx.execute(query.order_by(_dead.id.desc()).limit(limit))).all())
    return [DeadLetter(*row) for row in rows]


async def take_dead_letter(tx: WriteTx, bridge_id: uuid.UUID, dead_id: uuid.UUID) -> DeadLetter | None:
    """Return a dead letter and forget it; None when there is none."""
    mine = (_dead.workspace_id == tx.workspace_id, _dead.bridge_id == bridge_id, _dead.id == dead_id)
    found: Any = (await tx.execute(delete(bus_bridge_dead_letters).where(*mine).returning(*_DEAD))).first()
    return None if found is None else DeadLetter(*found)


async def forget_dead_letters(tx: WriteTx, before: int) -> None:
    """Throw away what could not go over before a moment, in all workspaces."""
    await tx.execute(delete(bus_bridge_dead_letters).where(_dead.at < before))


async def head(tx: ReadTx) -> int:
    """Return the workspace's highest number; 0 when it has no row."""
    highest = select(func.max(interactions.c.number)).where(interactions.c.workspace_id == tx.workspace_id)
    return int((await tx.execute(highest)).scalar() or 0)


_AHEAD = """
SELECT count(*) FROM (
    SELECT 1 FROM interactions AS i WHERE i.workspace_id = $1 AND i.platform AND i.number > $2
       AND i.number <= $2 + $5 AND i.resource_type_id = $3 AND i.action_id = $4 LIMIT $6) AS counted
"""


async def ahead(tx: ReadTx, number: int, words: tuple[str, str]) -> int:
    """Count the messages published after a number, up to a bound."""
    [row] = await Within(tx).fetch(_AHEAD, tx.workspace_id, number, *words, WINDOW, COUNTED)
    return int(row[0])


async def figures(tx: ReadTx) -> list[Any]:
    """Return id, direction, lag, failures in a row, messages over and dead letters of every workspace's bridges."""
    same = (_state.bridge_id == _row.id) & (_state.workspace_id == _row.workspace_id)
    columns = (_row.id, _row.direction, _state.lag, _state.failures, _state.passed, _state.dead)
    return list((await tx.execute(select(*columns).join(bus_bridge_states, same).order_by(_row.id))).all())

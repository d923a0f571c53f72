"""Every statement of the log. The integrator's take many workspaces at once, as arrays: thousands of logs that
grow by a trickle share a transaction.
"""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.ledger.entry import Columns
from provenance.ledger.log.schemas import Head, LogState, Public
from provenance.ledger.log.tables import log_checkpoints, log_keys, logs
from provenance.ledger.tables import interactions
from provenance.proof.merkle import EMPTY_ROOT
from provenance.proof.tiles import Tile

_STATE = [logs.c[name] for name in LogState._fields]
_HEAD = [log_checkpoints.c[name] for name in Head._fields]
_COLUMNS = [interactions.c[name] for name in Columns._fields]


class Leaves(NamedTuple):
    """The leaf hashes of a log beyond a number, joined: how many, and the number of the last."""

    workspace_id: uuid.UUID
    hashes: bytes
    found: int
    last: int


class Grown(NamedTuple):
    """A log as it is to be signed: where it stood, what was added, and where it stands then.

    ``edge`` is None when no tile was completed; ``minute`` is set when the head is the first of its minute.
    """

    before: LogState
    origin: str
    head: Head
    edge: bytes | None
    tiles: list[tuple[Tile, bytes]]
    minute: int | None


_STATES = """
SELECT workspace_id, name, origin, epoch, key_generation, size, root, edge, signed_at, kept_minute, halted
  FROM logs WHERE workspace_id = ANY($1::uuid[]) AND halted IS NULL
 ORDER BY workspace_id FOR UPDATE SKIP LOCKED
"""

_LEAVES = """
SELECT w.id, l.hashes, l.found, l.last
  FROM unnest($1::uuid[], $2::bigint[]) AS w(id, after)
 CROSS JOIN LATERAL (
    SELECT coalesce(string_agg(next.leaf_hash, ''::bytea ORDER BY next.number), ''::bytea) AS hashes,
           count(*) AS found, coalesce(max(next.number), 0) AS last
      FROM (SELECT i.number, i.leaf_hash FROM interactions AS i
             WHERE i.workspace_id = w.id AND i.number > w.after ORDER BY i.number LIMIT $3) AS next
 ) AS l
"""

_ADD_TILES = """
INSERT INTO log_tiles (workspace_id, epoch, level, index, hashes)
SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::bigint[], $5::bytea[])
ON CONFLICT DO NOTHING
"""

_DIFFERENT_TILES = """
SELECT DISTINCT workspace_id
  FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::bigint[], $5::bytea[])
       AS made(workspace_id, epoch, level, index, hashes)
  JOIN log_tiles AS kept USING (workspace_id, epoch, level, index)
 WHERE kept.hashes <> made.hashes
"""

_ADD_HEADS = """
INSERT INTO log_checkpoints (workspace_id, epoch, size, root, note, signed_at, kept)
SELECT * FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::bytea[], $5::text[], $6::bigint[], $7::boolean[])
"""

_MOVE = """
UPDATE logs SET size = grown.size, root = grown.root, origin = grown.origin, signed_at = grown.signed_at,
                edge = coalesce(grown.edge, logs.edge),
                kept_minute = coalesce(grown.minute, logs.kept_minute)
  FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::text[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[])
       AS grown(workspace_id, size, root, origin, signed_at, edge, minute, before)
 WHERE logs.workspace_id = grown.workspace_id AND logs.size = grown.before
"""

_FORGET_HEADS = """
DELETE FROM log_checkpoints
 USING unnest($1::uuid[], $2::integer[], $3::bigint[]) AS past(workspace_id, epoch, size)
 WHERE log_checkpoints.workspace_id = past.workspace_id AND log_checkpoints.epoch = past.epoch
   AND log_checkpoints.size = past.size AND NOT log_checkpoints.kept
"""

_BEHIND = """
SELECT logs.workspace_id, logs.halted IS NULL AND logs.size <
       coalesce((SELECT i.number FROM interactions AS i WHERE i.workspace_id = logs.workspace_id
                  ORDER BY i.number DESC LIMIT 1), 0)
  FROM logs WHERE logs.workspace_id > $1 ORDER BY logs.workspace_id LIMIT $2
"""


async def open_log(tx: WriteTx, name: str) -> None:
    """Give a new workspace its log, empty and not signed yet."""
    await tx.execute(insert(logs).values(workspace_id=tx.workspace_id, name=name, root=EMPTY_ROOT, edge=b""))


async def claim(tx: WriteTx, workspace_ids: Sequence[uuid.UUID]) -> list[LogState]:
    """Lock the state rows of logs that may sign, in the order of their ids; those another holds are left out."""
    return [LogState._make(row) for row in await tx.driver_sql(_STATES, (list(workspace_ids),))]


async def leaves(tx: ReadTx, after: Sequence[tuple[uuid.UUID, int]], limit: int) -> dict[uuid.UUID, Leaves]:
    """Return the leaf hashes beyond a number of each log, at most ``limit`` of each."""
    ids, numbers = [each[0] for each in after], [each[1] for each in after]
    found = await tx.driver_sql(_LEAVES, (ids, numbers, limit))
    return {row[0]: Leaves._make(row) for row in found}


async def add_tiles(tx: WriteTx, made: Sequence[tuple[LogState, Tile, bytes]]) -> set[uuid.UUID]:
    """Store full tiles; return the logs of which one is stored already with other hashes."""
    arrays = (
        [state.workspace_id for state, _, _ in made],
        [state.epoch for state, _, _ in made],
        [tile.level for _, tile, _ in made],
        [tile.index for _, tile, _ in made],
        [hashes for _, _, hashes in made],
    )
    added = await tx.driver_sql(_ADD_TILES, arrays)
    if added.rowcount == len(made):
        return set()
    return {row[0] for row in await tx.driver_sql(_DIFFERENT_TILES, arrays)}


async def move(tx: WriteTx, grown: Sequence[Grown]) -> None:
    """Keep the new heads and move each log to its own; the head before goes unless it is kept."""
    ids = [each.before.workspace_id for each in grown]
    heads = [each.head for each in grown]
    await tx.driver_sql(
        _ADD_HEADS,
        (
            ids,
            [head.epoch for head in heads],
            [head.size for head in heads],
            [head.root for head in heads],
            [head.note for head in heads],
            [head.signed_at for head in heads],
            [each.minute is not None for each in grown],
        ),
    )
    moved = await tx.driver_sql(
        _MOVE,
        (
            ids,
            [head.size for head in heads],
            [head.root for head in heads],
            [each.origin for each in grown],
            [head.signed_at for head in heads],
            # Only a completed tile changes the edge; what stays unchanged is not written again.
            [each.edge for each in grown],
            [each.minute for each in grown],
            [each.before.size for each in grown],
        ),
    )
    assert moved.rowcount == len(grown), "the state rows are locked by this transaction"
    await tx.driver_sql(_FORGET_HEADS, (ids, [head.epoch for head in heads], [each.before.size for each in grown]))


async def behind(tx: ReadTx, after: uuid.UUID, limit: int) -> tuple[list[uuid.UUID], uuid.UUID | None]:
    """Look at the next ``limit`` logs: which have rows that are not signed, and the last one looked at."""
    rows: list[Any] = list(await tx.driver_sql(_BEHIND, (after, limit)))
    return [row[0] for row in rows if row[1]], rows[-1][0] if len(rows) == limit else None


async def halted_or_not(tx: ReadTx, after: uuid.UUID, limit: int) -> list[tuple[uuid.UUID, bool]]:
    """Return the next logs of the installation, and whether each is halted."""
    listed = select(logs.c.workspace_id, logs.c.halted.is_not(None)).where(logs.c.workspace_id > after)
    rows: Iterable[Any] = await tx.execute(listed.order_by(logs.c.workspace_id).limit(limit))
    return [(row[0], row[1]) for row in rows]


async def halt(tx: WriteTx, reason: str) -> bool:
    """Stop a log from signing; False when it is stopped already."""
    stopped = update(logs).where(logs.c.workspace_id == tx.workspace_id, logs.c.halted.is_(None))
    return (await tx.execute(stopped.values(halted=reason, halted_at=tx.now))).rowcount == 1


async def state(tx: ReadTx) -> LogState | None:
    """Return the state of the workspace's log."""
    row = (await tx.execute(select(*_STATE).where(logs.c.workspace_id == tx.workspace_id))).first()
    return None if row is None else LogState._make(row)


async def locked_state(tx: WriteTx) -> LogState:
    """Return the state of the workspace's log, locked for this transaction."""
    mine = select(*_STATE).where(logs.c.workspace_id == tx.workspace_id).with_for_update()
    return LogState._make((await tx.execute(mine)).one())


async def change(tx: WriteTx, **values: Any) -> None:
    """Change the state row of the workspace's log."""
    await tx.execute(update(logs).where(logs.c.workspace_id == tx.workspace_id).values(**values))


async def published(tx: ReadTx, origin: str) -> tuple[uuid.UUID, Public] | None:
    """Return whose log has this origin, and how much of it outsiders see."""
    row = (await tx.execute(select(logs.c.workspace_id, logs.c.public).where(logs.c.origin == origin))).first()
    return None if row is None else (row.workspace_id, row.public)


async def public_of(tx: ReadTx) -> Public:
    """Return how much of the workspace's log outsiders see."""
    found: Public = (await tx.execute(select(logs.c.public).where(logs.c.workspace_id == tx.workspace_id))).scalar_one()
    return found


async def head(tx: ReadTx, epoch: int, size: int | None = None) -> Head | None:
    """Return the signed head of a size, or the newest."""
    mine = select(*_HEAD).where(log_checkpoints.c.workspace_id == tx.workspace_id, log_checkpoints.c.epoch == epoch)
    if size is not None:
        mine = mine.where(log_checkpoints.c.size == size)
    row = (await tx.execute(mine.order_by(log_checkpoints.c.size.desc()).limit(1))).first()
    return None if row is None else Head._make(row)


async def head_covering(tx: ReadTx, epoch: int, number: int) -> Head | None:
    """Return the oldest signed head still kept that covers a number."""
    mine = select(*_HEAD).where(
        log_checkpoints.c.workspace_id == tx.workspace_id,
        log_checkpoints.c.epoch == epoch,
        log_checkpoints.c.size >= number,
    )
    row = (await tx.execute(mine.order_by(log_checkpoints.c.size).limit(1))).first()
    return None if row is None else Head._make(row)


async def heads_after(tx: ReadTx, epoch: int, size: int, limit: int) -> list[Head]:
    """Return the next signed heads larger than a size, smallest first."""
    mine = select(*_HEAD).where(
        log_checkpoints.c.workspace_id == tx.workspace_id,
        log_checkpoints.c.epoch == epoch,
        log_checkpoints.c.size > size,
    )
    rows = await tx.execute(mine.order_by(log_checkpoints.c.size).limit(limit))
    return [Head._make(row) for row in rows]


async def keep_head(tx: WriteTx, epoch: int, size: int) -> None:
    """Keep a head for good: evidence cites it, or a witness has signed it."""
    mine = (
        log_checkpoints.c.workspace_id == tx.workspace_id,
        log_checkpoints.c.epoch == epoch,
        log_checkpoints.c.size == size,
    )
    await tx.execute(update(log_checkpoints).where(*mine).values(kept=True))


async def replace_note(tx: WriteTx, head: Head, note: str) -> bool:
    """Put a note with more signatures in the place of a head's, and keep it; False when it was changed meanwhile."""
    mine = (
        log_checkpoints.c.workspace_id == tx.workspace_id,
        log_checkpoints.c.epoch == head.epoch,
        log_checkpoints.c.size == head.size,
        log_checkpoints.c.note == head.note,
    )
    return (await tx.execute(update(log_checkpoints).where(*mine).values(note=note, kept=True))).rowcount == 1


async def tiles(tx: ReadTx, epoch: int, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """Return the full tiles at these (level, index), as far as they are stored."""
    rows: Iterable[Any] = await tx.driver_sql(
        "SELECT level, index, hashes FROM log_tiles JOIN unnest($3::integer[], $4::bigint[]) AS w(level, index) "
        "USING (level, index) WHERE workspace_id = $1 AND epoch = $2",
        (tx.workspace_id, epoch, [level for level, _ in wanted], [index for _, index in wanted]),
    )
    return {(row[0], row[1]): row[2] for row in rows}


async def hashes(tx: ReadTx, first: int, count: int) -> bytes:
    """Return leaf hashes of rows, joined: ``count`` from leaf ``first`` (counted from 0)."""
    joined = await tx.driver_sql(
        "SELECT coalesce(string_agg(leaf_hash, ''::bytea ORDER BY number), ''::bytea) FROM interactions "
        "WHERE workspace_id = $1 AND number > $2 AND number <= $3",
        (tx.workspace_id, first, first + count),
    )
    found: bytes = joined.scalar_one()
    return found


def _numbered(row: Row[Any]) -> tuple[int, Columns]:
    columns: tuple[Any, ...] = tuple(row)
    return columns[0], Columns._make(columns[1:])


async def rows(tx: ReadTx, first: int, count: int) -> list[tuple[int, Columns]]:
    """Return rows with their numbers, in order: ``count`` from leaf ``first`` (counted from 0)."""
    mine = (
        select(interactions.c.number, *_COLUMNS)
        .where(
            interactions.c.workspace_id == tx.workspace_id,
            interactions.c.number > first,
            interactions.c.number <= first + count,
        )
        .order_by(interactions.c.number)
    )
    return [_numbered(row) for row in await tx.execute(mine)]


class Found(NamedTuple):
    """A row with its number, the log as it is signed, and its newest head (None while nothing is signed)."""

    number: int
    row: Columns
    state: LogState
    head: Head | None


_FOUND = (
    f"SELECT i.number, {', '.join(f'i.{name}' for name in Columns._fields)},"  # noqa: S608 - our own names
    f" {', '.join(f'l.{name}' for name in LogState._fields)}, {', '.join(f'c.{name}' for name in Head._fields)}"
    " FROM interactions AS i JOIN logs AS l ON l.workspace_id = i.workspace_id"
    " LEFT JOIN log_checkpoints AS c ON c.workspace_id = l.workspace_id AND c.epoch = l.epoch AND c.size = l.size"
    " WHERE i.workspace_id = $1 AND i.id = $2"
)


async def find(tx: ReadTx, interaction_id: uuid.UUID) -> Found | None:
    """Return a row and all of the log's state that its proof needs, in one statement and so of one moment."""
    row: Any = (await tx.driver_sql(_FOUND, (tx.workspace_id, interaction_id))).first()
    if row is None:
        return None
    values = tuple(row)
    state_at, head_at = 1 + len(Columns._fields), 1 + len(Columns._fields) + len(LogState._fields)
    head = None if values[head_at] is None else Head._make(values[head_at:])
    return Found(values[0], Columns._make(values[1:state_at]), LogState._make(values[state_at:head_at]), head)


async def last_number(tx: ReadTx) -> int:
    """Return the workspace's highest number; 0 when it has no row."""
    highest = select(func.max(interactions.c.number)).where(interactions.c.workspace_id == tx.workspace_id)
    return int((await tx.execute(highest)).scalar() or 0)


async def add_key(tx: WriteTx, **values: Any) -> None:
    """Note a signing key of the log; one that is noted already stays."""
    await tx.execute(insert(log_keys).values(workspace_id=tx.workspace_id, **values).on_conflict_do_nothing())


async def keys(tx: ReadTx) -> list[Any]:
    """Return every signing key the log has had, oldest first."""
    mine = select(log_keys).where(log_keys.c.workspace_id == tx.workspace_id)
    return list((await tx.execute(mine.order_by(log_keys.c.epoch, log_keys.c.generation))).all())

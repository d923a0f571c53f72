"""Every statement of the completeness map. The follower reads and writes only the buckets and tiles it touches."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, union_all, update

from provenance.core.db import ReadTx, WriteTx
from provenance.ledger.completeness.schemas import Around, LogNow, MapState, Subject
from provenance.ledger.completeness.tables import completeness_buckets, completeness_maps, completeness_tiles
from provenance.ledger.tables import interactions
from provenance.proof.completeness_map import EMPTY_MAP
from provenance.proof.completeness_tiles import Bucket, Grown

BUCKETS_AT_ONCE = 4_000
"""Most buckets of one statement: some ten megabytes."""

_STATE = ", ".join(f"m.{name}" for name in MapState._fields)
_GROWING = """
       l.halted IS NULL AND l.size < coalesce((SELECT i.number FROM interactions AS i
         WHERE i.workspace_id = l.workspace_id ORDER BY i.number DESC LIMIT 1), 0)"""
_LOG = f"l.epoch, l.size, l.origin, l.key_generation, {_GROWING}"

_CLAIM = f"""
SELECT {_STATE}, {_LOG}
  FROM completeness_maps AS m JOIN logs AS l USING (workspace_id)
 WHERE m.workspace_id = $1 FOR UPDATE OF m SKIP LOCKED
"""  # noqa: S608 - our own names

_STANDING = f"""
SELECT {_STATE}, {_LOG} FROM logs AS l LEFT JOIN completeness_maps AS m USING (workspace_id) WHERE l.workspace_id = $1
"""  # noqa: S608 - our own names

_AROUND = f"""
SELECT {_STATE}, {_LOG}, b.prefix, b.depth, b.entries, t.prefixes, t.nodes
  FROM completeness_maps AS m JOIN logs AS l USING (workspace_id)
  LEFT JOIN LATERAL (
    SELECT prefix, depth, entries FROM completeness_buckets
     WHERE workspace_id = m.workspace_id AND prefix <= $2 ORDER BY prefix DESC LIMIT 1
  ) AS b ON true
  CROSS JOIN LATERAL (
    SELECT array_agg(prefix) AS prefixes, array_agg(nodes) AS nodes FROM completeness_tiles
     WHERE workspace_id = m.workspace_id AND prefix = ANY($3::bytea[])
  ) AS t
 WHERE m.workspace_id = $1
"""  # noqa: S608 - our own names

_OPEN = """
INSERT INTO completeness_maps (workspace_id, epoch, root, logged_at)
SELECT workspace_id, epoch, $2, $3 FROM logs WHERE workspace_id = $1
ON CONFLICT DO NOTHING
"""

_HEAD_WITHIN = """
SELECT size, root, note FROM log_checkpoints
 WHERE workspace_id = $1 AND epoch = $2 AND size > $3 AND size <= $4 ORDER BY size DESC LIMIT 1
"""

_KEYS = r"""
SELECT count(*), coalesce(string_agg(resource_key || uuid_send(uow_id) ||
         CASE WHEN user_key IS NULL THEN '\x00'::bytea || decode(repeat('00', 16), 'hex')
              ELSE '\x01'::bytea || user_key END, ''::bytea ORDER BY number), ''::bytea)
  FROM interactions WHERE workspace_id = $1 AND number > $2 AND number <= $3
"""

_BUCKETS = """
WITH hit AS MATERIALIZED (
    SELECT DISTINCT b.prefix FROM unnest($2::bytea[]) AS w(place) CROSS JOIN LATERAL (
        SELECT prefix FROM completeness_buckets
         WHERE workspace_id = $1 AND prefix <= w.place ORDER BY prefix DESC LIMIT 1
    ) AS b
)
SELECT prefix, depth, entries FROM completeness_buckets JOIN hit USING (prefix) WHERE workspace_id = $1
"""

_KEEP_BUCKETS = """
INSERT INTO completeness_buckets (workspace_id, prefix, depth, entries)
SELECT $1, * FROM unnest($2::bytea[], $3::smallint[], $4::bytea[])
ON CONFLICT (workspace_id, prefix) DO UPDATE SET depth = excluded.depth, entries = excluded.entries
"""

_KEEP_TILES = """
INSERT INTO completeness_tiles (workspace_id, prefix, nodes)
SELECT $1, * FROM unnest($2::bytea[], $3::bytea[])
ON CONFLICT (workspace_id, prefix) DO UPDATE SET nodes = excluded.nodes
"""

_BEHIND = """
SELECT l.workspace_id,
       CASE WHEN m.workspace_id IS NULL THEN l.size > 0
            ELSE l.epoch > m.epoch OR (l.epoch = m.epoch AND l.size > m.size)
                 OR (m.note IS NOT NULL AND m.logged_at < $3
                     AND m.size - m.logged_size > CASE WHEN m.logged_size > 0 THEN 1 ELSE 0 END)
       END
  FROM logs AS l LEFT JOIN completeness_maps AS m USING (workspace_id)
 WHERE l.workspace_id > $1 ORDER BY l.workspace_id LIMIT $2
"""


class HeadFound(NamedTuple):
    """A signed head of the log that the map can be signed for."""

    size: int
    root: bytes
    note: str


async def claim(tx: WriteTx) -> tuple[MapState, LogNow] | None:
    """Lock the map's state row and read the log's; None when another holds it, or there is none.

    The transaction may be idle for longer than others: it hashes between its statements, on a busy machine slowly.
    """
    await tx.driver_sql("SET LOCAL idle_in_transaction_session_timeout = '60s'")
    row: Any = (await tx.driver_sql(_CLAIM, (tx.workspace_id,))).first()
    return None if row is None else _states(row)


async def standing(tx: ReadTx) -> tuple[MapState | None, LogNow]:
    """Return the states of the map, if there is one, and of the log."""
    row: Any = (await tx.driver_sql(_STANDING, (tx.workspace_id,))).one()
    state, log = _states(row)
    return (state if row[0] is not None else None), log


async def begin(tx: WriteTx) -> bool:
    """Give a workspace a map without keys; False when it has one."""
    return (await tx.driver_sql(_OPEN, (tx.workspace_id, EMPTY_MAP, tx.now))).rowcount == 1


async def empty(tx: WriteTx, epoch: int) -> None:
    """Begin the map again, without keys, for an epoch of the log."""
    for table in (completeness_buckets, completeness_tiles):
        await tx.execute(delete(table).where(table.c.workspace_id == tx.workspace_id))
    await change(tx, epoch=epoch, size=0, root=EMPTY_MAP, note=None, checkpoint=None, signed_at=None, logged_size=0)


async def change(tx: WriteTx, **values: Any) -> None:
    """Change the map's state row."""
    mine = update(completeness_maps).where(completeness_maps.c.workspace_id == tx.workspace_id)
    await tx.execute(mine.values(**values))


async def head_within(tx: ReadTx, epoch: int, after: int, to: int) -> HeadFound | None:
    """Return the largest signed head of the log of more than ``after`` and at most ``to`` leaves."""
    row: Any = (await tx.driver_sql(_HEAD_WITHIN, (tx.workspace_id, epoch, after, to))).first()
    return None if row is None else HeadFound._make(row)


async def keys(tx: ReadTx, after: int, to: int) -> tuple[int, bytes]:
    """Return how many rows have a number in (after, to], and 49 bytes of each: resource, unit, 0 or 1 and user."""
    row: Any = (await tx.driver_sql(_KEYS, (tx.workspace_id, after, to))).one()
    return row[0], row[1]


async def buckets_around(tx: ReadTx, places: Sequence[bytes]) -> list[Bucket]:
    """Return the buckets that cover these places, each once."""
    return [Bucket._make(row) for row in await tx.driver_sql(_BUCKETS, (tx.workspace_id, list(places)))]


async def tiles(tx: ReadTx, prefixes: Collection[bytes]) -> dict[bytes, bytes]:
    """Return the tiles under these prefixes, as far as they are stored."""
    rows: Iterable[Any] = await tx.driver_sql(
        "SELECT prefix, nodes FROM completeness_tiles WHERE workspace_id = $1 AND prefix = ANY($2::bytea[])",
        (tx.workspace_id, list(prefixes)),
    )
    return {row[0]: row[1] for row in rows}


async def keep(tx: WriteTx, grown: Grown) -> None:
    """Store what became of the buckets and tiles."""
    if grown.gone:
        await tx.driver_sql(
            "DELETE FROM completeness_buckets WHERE workspace_id = $1 AND prefix = ANY($2::bytea[])",
            (tx.workspace_id, grown.gone),
        )
    for start in range(0, len(grown.buckets), BUCKETS_AT_ONCE):
        some = grown.buckets[start : start + BUCKETS_AT_ONCE]
        columns = ([each.prefix for each in some], [each.depth for each in some], [each.entries for each in some])
        await tx.driver_sql(_KEEP_BUCKETS, (tx.workspace_id, *columns))
    await tx.driver_sql(_KEEP_TILES, (tx.workspace_id, list(grown.tiles), list(grown.tiles.values())))


async def behind(tx: ReadTx, after: uuid.UUID, limit: int, log_before: int) -> tuple[list[uuid.UUID], uuid.UUID | None]:
    """Look at the next ``limit`` logs: whose map has something to do, and the last one looked at.

    ``log_before``: a map whose root was logged before this time (nanoseconds), and that grew, is to log it again.
    """
    rows: list[Any] = list(await tx.driver_sql(_BEHIND, (after, limit, log_before)))
    return [row[0] for row in rows if row[1]], rows[-1][0] if len(rows) == limit else None


async def around(tx: ReadTx, place: bytes) -> Around | None:
    """Return what the map has around a place, all from one snapshot; None when there is no map."""
    above = [place[:at] for at in range(len(place))]
    row: Any = (await tx.driver_sql(_AROUND, (tx.workspace_id, place, above))).first()
    if row is None:
        return None
    prefix, depth, entries, prefixes, nodes = row[-5:]
    bucket = None if prefix is None else Bucket(prefix, depth, entries)
    return Around(*_states(row), bucket, dict(zip(prefixes or (), nodes or (), strict=True)))


async def numbers(tx: ReadTx, subject: Subject, key: bytes, size: int, limit: int) -> list[int]:
    """Return the numbers, up to ``size``, of the rows that name an id or did before they were erased, in order."""
    mine = select(interactions.c.number).where(
        interactions.c.workspace_id == tx.workspace_id, interactions.c.number <= size
    )
    if subject.kind == "uow":
        found = mine.where(interactions.c.uow_id == subject.value)
    else:
        plain, keyed = {
            "r": (interactions.c.resource_id, interactions.c.resource_key),
            "u": (interactions.c.user_id, interactions.c.user_key),
        }[subject.kind]
        kept, erased = mine.where(plain == subject.identifier), mine.where(plain.is_(None), keyed == key)
        found = select(union_all(kept, erased).subquery().c.number)
    ordered = found.order_by(found.selected_columns.number).limit(limit)
    return list((await tx.execute(ordered)).scalars())


async def last_number(tx: ReadTx) -> int:
    """Return the workspace's highest number; 0 when it has no row."""
    highest = select(func.max(interactions.c.number)).where(interactions.c.workspace_id == tx.workspace_id)
    return int((await tx.execute(highest)).scalar() or 0)


def _states(row: Sequence[Any]) -> tuple[MapState, LogNow]:
    split = len(MapState._fields)
    return MapState._make(row[:split]), LogNow._make(row[split : split + len(LogNow._fields)])

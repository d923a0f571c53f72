"""Every statement of the feed: cursors, and the rows beyond them.

A cursor's row is also the claim on it: whoever holds its lock feeds the handler, and a dead worker's ends
with its transaction.
"""

import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import Database, ReadTx, WriteTx
from provenance.ledger.catalogue.cache import Catalogue
from provenance.ledger.feed.handlers import Match, Row, Shape
from provenance.ledger.tables import feed_cursors, interactions

CHUNK_BYTES = 8 * 1024 * 1024
"""Content of one chunk, beyond which it ends early; a single row may be larger."""

_IDS = slice(Row._fields.index("resource_type_id"), Row._fields.index("origin_id") + 1)


class Claim(NamedTuple):
    """A cursor held by this transaction: the last number handled, failures since, and the highest number."""

    number: int
    failures: int
    head: int


class Chunk(NamedTuple):
    """Rows beyond a cursor, in order and in the shape asked for; ``complete`` when no more are known in the range."""

    rows: list[Any]
    complete: bool


class Passing(NamedTuple):
    """A handler of one event: its cursor, how far to look, and what it listens to."""

    handler: str
    after: int
    upto: int
    match: Match


_STANDING = """
SELECT coalesce((SELECT number FROM interactions WHERE workspace_id = $1 ORDER BY number DESC LIMIT 1), 0),
       coalesce(array_agg(c.handler), '{}'), coalesce(array_agg(c.number), '{}')
  FROM feed_cursors AS c WHERE c.workspace_id = $1 AND c.handler = ANY($2::text[])
"""


async def standing(db: Database, workspace_id: uuid.UUID, handlers: Sequence[str]) -> tuple[int, dict[str, int]]:
    """Return the workspace's highest number, 0 when it has no row, and the cursors of those handlers that have one."""
    [(head, names, numbers)] = await db.single(_STANDING, workspace_id, list(handlers))
    return head, dict(zip(names, numbers, strict=True))


async def claim(tx: WriteTx, handler: str) -> Claim | None:
    """Lock the handler's cursor; None when another worker holds it, or there is none yet."""
    highest = select(func.coalesce(func.max(interactions.c.number), 0)).where(
        interactions.c.workspace_id == tx.workspace_id
    )
    query = (
        select(feed_cursors.c.number, feed_cursors.c.failures, highest.scalar_subquery())
        .where(feed_cursors.c.workspace_id == tx.workspace_id, feed_cursors.c.handler == handler)
        .with_for_update(skip_locked=True, of=feed_cursors)
    )
    row = (await tx.execute(query)).first()
    return None if row is None else Claim._make(row)


_CHUNK = """
SELECT {columns}, size FROM (
    SELECT *, sum(size) OVER (ORDER BY number ROWS UNBOUNDED PRECEDING) - size AS before FROM (
        SELECT {columns}, coalesce(octet_length(content), 0) AS size FROM interactions
         WHERE workspace_id = $1 AND number > $2 AND number <= $3 {matching} ORDER BY number LIMIT $4) AS found
) AS weighed WHERE before < $5 ORDER BY number
"""
_MATCHING = "AND resource_type_id = $6 AND action_id = $7"


@lru_cache
def _chunk(fields: tuple[str, ...], matching: str) -> str:
    columns = ", ".join(name for name in fields if name in interactions.c)
    return _CHUNK.format(columns=columns, matching=matching)


async def chunk(
    tx: ReadTx, catalogue: Catalogue, after: int, upto: int, limit: int, match: Match | None, of: Shape = Row
) -> Chunk:
    """Return the rows with numbers above ``after`` up to ``upto`` that match, at most ``limit`` and 8 MiB."""
    asked = [tx.workspace_id, after, upto, limit, CHUNK_BYTES]
    matching = ""
    if match is not None:
        matching = _MATCHING + (" AND platform" if match.platform_only else "")
        asked += (match.resource_type_id, match.action_id)
    records: Sequence[Any] = (await tx.driver_sql(_chunk(of._fields, matching), tuple(asked))).all()
    full = len(records) == limit or sum([record[-1] for record in records]) >= CHUNK_BYTES
    rows = [of._make(record[:-1]) for record in records] if of is not Row else _rows(records, catalogue)
    return Chunk(rows, complete=not full)


def _rows(records: Sequence[Any], catalogue: Catalogue) -> list[Row]:
    words: dict[tuple[uuid.UUID, ...], tuple[str, ...]] = {}
    rows = []
    for record in records:
        ids = record[_IDS]
        named = words.get(ids)
        if named is None:
            named = words[ids] = tuple(catalogue.shown(word_id).mnemonic for word_id in ids)
        rows.append(Row._make(record[:-1] + named))
    return rows


async def move(tx: WriteTx, handler: str, number: int, *, failures: int, error: str | None) -> None:
    """Move a claimed cursor, and keep or clear the trace of its failures."""
    await tx.execute(
        update(feed_cursors)
        .where(feed_cursors.c.workspace_id == tx.workspace_id, feed_cursors.c.handler == handler)
        .values(number=number, failures=failures, error=error)
    )


async def note_failure(tx: WriteTx, handler: str, error: str) -> int:
    """Count a failure whose transaction is gone; return the failures since the last success."""
    query = (
        update(feed_cursors)
        .where(feed_cursors.c.workspace_id == tx.workspace_id, feed_cursors.c.handler == handler)
        .values(failures=feed_cursors.c.failures + 1, error=error)
        .returning(feed_cursors.c.failures)
    )
    return int((await tx.execute(query)).scalar() or 1)


async def commit_lazily(tx: WriteTx) -> None:
    """Don't wait for the disk at this commit: what a crash takes back, effects and cursor, is done again."""
    await tx.execute(select(func.set_config("synchronous_commit", "off", literal_column("true"))))


async def begin(tx: WriteTx, handlers: Sequence[str]) -> None:
    """Give handlers that are new to a workspace a cursor, at 0."""
    fresh = [{"workspace_id": tx.workspace_id, "handler": name, "number": 0} for name in sorted(handlers)]
    await tx.execute(insert(feed_cursors).values(fresh).on_conflict_do_nothing())


_NEXT = """
SELECT h.handler, (SELECT i.number FROM interactions AS i
                    WHERE i.workspace_id = $1 AND i.action_id = h.action AND i.resource_type_id = h.type
                      AND i.number > h.after AND i.number <= h.upto AND (i.platform OR NOT h.platform_only)
                    ORDER BY i.number LIMIT 1)
  FROM unnest($2::text[], $3::uuid[], $4::uuid[], $5::boolean[], $6::bigint[], $7::bigint[])
       AS h(handler, type, action, platform_only, after, upto)
"""


async def with_matches(tx: ReadTx, passing: list[Passing]) -> set[str]:
    """Return which of these handlers have a row to be handed."""
    columns = (
        [each.handler for each in passing],
        [each.match.resource_type_id for each in passing],
        [each.match.action_id for each in passing],
        [each.match.platform_only for each in passing],
        [each.after for each in passing],
        [each.upto for each in passing],
    )
    found: Sequence[Any] = (await tx.driver_sql(_NEXT, (tx.workspace_id, *columns))).all()
    return {row[0] for row in found if row[1] is not None}


_MOVE_ALONG = """
UPDATE feed_cursors AS c SET number = free.upto
  FROM (SELECT set_config('synchronous_commit', 'off', true)) AS lazily,
       (SELECT f.handler, p.after, p.upto FROM feed_cursors AS f
          JOIN unnest($2::text[], $3::bigint[], $4::bigint[]) AS p(handler, after, upto)
            ON p.handler = f.handler AND p.after = f.number
         WHERE f.workspace_id = $1 ORDER BY f.handler FOR UPDATE OF f SKIP LOCKED) AS free
 WHERE c.workspace_id = $1 AND c.handler = free.handler AND c.number = free.after
"""


async def pass_by(tx: WriteTx, moves: dict[str, tuple[int, int]]) -> None:
    """Move cursors (handler → from, to) past rows not theirs, unless somebody moved or holds them.

    The commit does not wait for the disk: a crash that takes it back costs another look.
    """
    afters, uptos = [after for after, _ in moves.values()], [upto for _, upto in moves.values()]
    await tx.driver_sql(_MOVE_ALONG, (tx.workspace_id, list(moves), afters, uptos))


_BEHIND = """
SELECT s.workspace_id,
       coalesce(head.number > 0 AND cardinality($3::text[]) > (
           SELECT count(*) FROM feed_cursors AS c
            WHERE c.workspace_id = s.workspace_id AND c.handler = ANY($3) AND c.number >= head.number), false)
  FROM (SELECT workspace_id FROM ledger_settings WHERE workspace_id > $1 ORDER BY workspace_id LIMIT $2) AS s
  LEFT JOIN LATERAL (SELECT i.number FROM interactions AS i WHERE i.workspace_id = s.workspace_id
                      ORDER BY i.number DESC LIMIT 1) AS head ON true
 ORDER BY s.workspace_id
"""


async def behind(
    tx: ReadTx, handlers: list[str], after: uuid.UUID, limit: int
) -> tuple[list[uuid.UUID], uuid.UUID | None]:
    """Return which of the next ``limit`` workspaces have rows not handled yet, and where to go on.

    The second is None at the end. Reads across workspaces on purpose: the sweep is how new ones are noticed.
    """
    found: Sequence[Any] = (await tx.driver_sql(_BEHIND, (after, limit, handlers))).all()
    return [row[0] for row in found if row[1]], found[-1][0] if len(found) == limit else None


_START_NOW = """
INSERT INTO feed_cursors (workspace_id, handler, number)
SELECT s.workspace_id, $1, coalesce((SELECT i.number FROM interactions AS i
                                     WHERE i.workspace_id = s.workspace_id ORDER BY i.number DESC LIMIT 1), 0)
  FROM ledger_settings AS s ON CONFLICT DO NOTHING
"""


async def start_now(tx: WriteTx, handler: str) -> None:
    """Let a handler that is new to this installation begin at the present, in every workspace there is.

    The row under the nil workspace remembers that this was done: workspaces that come later begin at 0.
    """
    marker = (
        insert(feed_cursors)
        .values(workspace_id=uuid.UUID(int=0), handler=handler, number=tx.now)
        .on_conflict_do_nothing()
    )
    if (await tx.execute(marker)).rowcount:
        await tx.driver_sql(_START_NOW, (handler,))

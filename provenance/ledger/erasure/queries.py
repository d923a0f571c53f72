"""Every statement of erasure: the jobs, and the rows that lose their content."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, any_, func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from provenance.core.db import Database, ReadTx, WriteTx
from provenance.ledger.erasure.schemas import Job, Kind, Row, Status, Taken
from provenance.ledger.erasure.tables import erasure_ranges, erasures
from provenance.ledger.fields.queries import Seen
from provenance.ledger.tables import feed_cursors, interactions

_JOB = [erasures.c[name] for name in Job._fields]
_ROW = [interactions.c[name] for name in Row._fields]
_LOCK = 7_300_000_004


async def lock(tx: WriteTx) -> None:
    """Take the workspace's lock of erasures and holds: neither sees half of the other."""
    mine = text("SELECT pg_advisory_xact_lock(:space, hashtext(:workspace))")
    await tx.execute(mine, {"space": _LOCK % 2**31, "workspace": str(tx.workspace_id)})


async def add(tx: WriteTx, job: Job) -> bool:
    """Store an erasure; False when it is there already."""
    added = await tx.execute(insert_or(erasures).values(**job._asdict()).on_conflict_do_nothing())
    return added.rowcount == 1


async def job(tx: ReadTx, erasure_id: uuid.UUID) -> Job | None:
    """Return one erasure."""
    mine = select(*_JOB).where(erasures.c.workspace_id == tx.workspace_id, erasures.c.id == erasure_id)
    row = (await tx.execute(mine)).first()
    return None if row is None else Job._make(row)


async def same(tx: ReadTx, selector: str, selector_hash: bytes) -> Job | None:
    """Return an unfinished erasure of the same selector."""
    mine = select(*_JOB).where(
        erasures.c.workspace_id == tx.workspace_id,
        erasures.c.status != Status.FINISHED.value,
        erasures.c.selector == selector,
        erasures.c.selector_hash == selector_hash,
    )
    row = (await tx.execute(mine.limit(1))).first()
    return None if row is None else Job._make(row)


async def page(tx: ReadTx, *, limit: int, offset: int) -> list[Job]:
    """Return erasures, newest first."""
    mine = select(*_JOB).where(erasures.c.workspace_id == tx.workspace_id)
    rows = await tx.execute(mine.order_by(erasures.c.id.desc()).limit(limit).offset(offset))
    return [Job._make(row) for row in rows]


async def count(tx: ReadTx) -> int:
    """Count the workspace's erasures."""
    mine = select(func.count()).select_from(erasures).where(erasures.c.workspace_id == tx.workspace_id)
    return int((await tx.execute(mine)).scalar_one())


_OPEN = """
SELECT workspace_id, id, status FROM erasures WHERE status <> 'finished' ORDER BY id LIMIT 1000
"""


async def unfinished(db: Database) -> list[tuple[uuid.UUID, uuid.UUID, str]]:
    """Return the unfinished erasures of every workspace, oldest first: workspace, id and status."""
    return [(row[0], row[1], row[2]) for row in await db.single(_OPEN)]


async def retaining(tx: ReadTx) -> bool:
    """Tell whether retention is at work in the workspace."""
    mine = select(erasures.c.id).where(
        erasures.c.workspace_id == tx.workspace_id,
        erasures.c.kind == Kind.RETENTION.value,
        erasures.c.status != Status.FINISHED.value,
    )
    return (await tx.execute(mine.limit(1))).first() is not None


async def change(tx: WriteTx, erasure_id: uuid.UUID, **values: Any) -> None:
    """Change an erasure."""
    mine = (erasures.c.workspace_id == tx.workspace_id, erasures.c.id == erasure_id)
    await tx.execute(update(erasures).where(*mine).values(**values))


def more(rows: int) -> Any:
    """Return the number of erased rows with so many more, as `change` takes it."""
    return erasures.c.erased + rows


def _among(numbers: Sequence[int]) -> Any:
    return interactions.c.number == any_(literal(list(numbers), ARRAY(BigInteger)))


async def head(tx: ReadTx) -> int:
    """Return the workspace's highest number; 0 when it has no row."""
    highest = select(func.max(interactions.c.number)).where(interactions.c.workspace_id == tx.workspace_id)
    return int((await tx.execute(highest)).scalar() or 0)


async def with_content(tx: ReadTx, numbers: Sequence[int]) -> list[int]:
    """Return which of these rows still have content and were not made by the platform."""
    mine = select(interactions.c.number).where(
        interactions.c.workspace_id == tx.workspace_id,
        _among(numbers),
        interactions.c.content.is_not(None),
        interactions.c.platform.is_(False),
    )
    return list((await tx.execute(mine.order_by(interactions.c.number))).scalars())


async def rows(tx: WriteTx, numbers: Sequence[int]) -> list[Row]:
    """Return those of these rows that still have content, in order, locked."""
    mine = select(*_ROW).where(
        interactions.c.workspace_id == tx.workspace_id,
        _among(numbers),
        interactions.c.content.is_not(None),
        interactions.c.platform.is_(False),
    )
    found = await tx.execute(mine.order_by(interactions.c.number).with_for_update())
    return [Row._make(row) for row in found]


async def erase(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Take content, salt and everything that names a person or a thing from these rows."""
    mine = (interactions.c.workspace_id == tx.workspace_id, _among(numbers))
    nothing = dict.fromkeys(("content", "salt", "resource_id", "user_id", "external_reference"))
    await tx.execute(update(interactions).where(*mine).values(**nothing))


_FORGET_RELATED = """
DELETE FROM interaction_related AS r USING unnest($2::text[], $3::bigint[]) AS gone(resource_id, number)
 WHERE r.workspace_id = $1 AND r.resource_id = gone.resource_id COLLATE "C" AND r.number = gone.number
"""


async def forget_related(tx: WriteTx, named: Sequence[tuple[str, int]]) -> None:
    """Delete what finds rows by the other resources they name: (resource id, number)."""
    ids, numbers = [each[0] for each in named], [each[1] for each in named]
    await tx.driver_sql(_FORGET_RELATED, (tx.workspace_id, ids, numbers))


async def counted_upto(tx: WriteTx, handler: str) -> int:
    """Return the last number whose fields are counted, and hold the count there until this transaction ends."""
    mine = select(feed_cursors.c.number).where(
        feed_cursors.c.workspace_id == tx.workspace_id, feed_cursors.c.handler == handler
    )
    return int((await tx.execute(mine.with_for_update())).scalar() or 0)


_UNCOUNT = """
WITH lower AS (
    UPDATE interaction_fields AS f SET count = f.count - s.count
      FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[])
           AS s(resource_type_id, action_id, path, type, count)
     WHERE f.workspace_id = $1 AND f.resource_type_id = s.resource_type_id AND f.action_id = s.action_id
       AND f.path = s.path COLLATE "C" AND f.type = s.type AND f.count > s.count
    RETURNING f.resource_type_id, f.action_id, f.path, f.type
)
DELETE FROM interaction_fields AS f
 USING unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[])
       AS s(resource_type_id, action_id, path, type, count)
 WHERE f.workspace_id = $1 AND f.resource_type_id = s.resource_type_id AND f.action_id = s.action_id
   AND f.path = s.path COLLATE "C" AND f.type = s.type AND f.count <= s.count
"""


async def uncount(tx: WriteTx, seen: Sequence[Seen]) -> None:
    """Take fields that are gone from the counts; a field that nothing holds any more is deleted."""
    columns = [list(column) for column in zip(*seen, strict=True)][:5]
    await tx.driver_sql(_UNCOUNT, (tx.workspace_id, *columns))


async def add_ranges(tx: WriteTx, erasure_id: uuid.UUID, ranges: Sequence[Taken]) -> None:
    """Note which rows an erasure took."""
    values = [
        {"workspace_id": tx.workspace_id, "first": each.first, "last": each.last, "erasure_id": erasure_id}
        for each in ranges
    ]
    await tx.execute(insert(erasure_ranges), values)


async def ranges(tx: ReadTx, erasure_id: uuid.UUID, limit: int) -> list[tuple[int, int]]:
    """Return the ranges of an erasure, in order."""
    columns = (erasure_ranges.c.first, erasure_ranges.c.last)
    mine = select(*columns).where(
        erasure_ranges.c.workspace_id == tx.workspace_id, erasure_ranges.c.erasure_id == erasure_id
    )
    return [(row.first, row.last) for row in await tx.execute(mine.order_by(erasure_ranges.c.first).limit(limit))]


async def count_ranges(tx: ReadTx, erasure_id: uuid.UUID) -> int:
    """Count the ranges of an erasure."""
    mine = select(func.count()).where(
        erasure_ranges.c.workspace_id == tx.workspace_id, erasure_ranges.c.erasure_id == erasure_id
    )
    return int((await tx.execute(mine)).scalar_one())


# Dedupe rows have no index by number, for every post would pay for it; so their table is walked once per erasure.
_FORGET_KEYS = """
WITH next AS (
    SELECT key, number FROM interaction_keys WHERE workspace_id = $1 AND key > $3 ORDER BY key LIMIT $4
), gone AS (
    DELETE FROM interaction_keys AS k USING next
     WHERE k.workspace_id = $1 AND k.key = next.key AND next.number IN (
           SELECT generate_series(r.first, r.last) FROM erasure_ranges AS r
            WHERE r.workspace_id = $1 AND r.erasure_id = $2)
)
SELECT key FROM next ORDER BY key DESC LIMIT 1
"""


async def forget_keys(tx: WriteTx, erasure_id: uuid.UUID, after: bytes, limit: int) -> bytes | None:
    """Delete the dedupe rows of what an erasure took, among the next keys; return the last of these, or None."""
    found = (await tx.driver_sql(_FORGET_KEYS, (tx.workspace_id, erasure_id, after, limit))).scalar()
    return None if found is None else bytes(found)


async def finished(tx: ReadTx) -> set[uuid.UUID]:
    """Return the erasures that this database has finished itself."""
    mine = select(erasures.c.id).where(
        erasures.c.workspace_id == tx.workspace_id, erasures.c.status == Status.FINISHED.value
    )
    return set((await tx.execute(mine)).scalars())


async def has_ledger(tx: ReadTx) -> bool:
    """Tell whether this database knows the workspace."""
    known = await tx.driver_sql("SELECT 1 FROM ledger_settings WHERE workspace_id = $1", (tx.workspace_id,))
    return known.first() is not None

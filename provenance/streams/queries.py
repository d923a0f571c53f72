"""Every statement of the streams: what is configured, the cursors, and the rows beyond them.

A cursor is taken in hand by a lease: nothing waits on the network inside a transaction. Whoever lost the lease, to
another worker or to an administrator's change, can't move the cursor any more.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from provenance.audit.queries import SELECTED
from provenance.core.db import Database, ReadTx, WriteTx
from provenance.ledger.tables import interactions
from provenance.streams.schemas import Ahead, Claim, Cursor, Filter, Stored
from provenance.streams.tables import audit_stream_cursors, audit_streams

WINDOW = 200_000
"""Numbers looked through at once: no statement runs long on an old ledger."""
COUNTED = 10_000
"""Rows to go that are counted."""
BATCH_BYTES = 1024 * 1024
"""Content of one batch, beyond which it ends early; a single row may be larger."""

_row = interactions.c
_stream = audit_streams.c
_cursor = audit_stream_cursors.c
_SHOWN = [_cursor[name] for name in Cursor.__dataclass_fields__]
_STORED = [_stream[name] for name in Stored.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Matching:
    """A filter in one workspace's ids; None where nothing is narrowed."""

    domains: Sequence[str] | None
    risks: Sequence[str] | None
    words: Sequence[tuple[uuid.UUID, uuid.UUID]] | None


class Found(NamedTuple):
    """Rows of a range in order, each with its number first; ``complete`` when there are no more of them."""

    rows: list[Any]
    complete: bool


async def insert_stream(tx: WriteTx, values: dict[str, Any]) -> bool:
    """Store a stream; False when its name is taken."""
    made = insert(audit_streams).values(workspace_id=tx.workspace_id, **values).on_conflict_do_nothing()
    return bool((await tx.execute(made)).rowcount)


async def insert_cursor(tx: WriteTx, stream_id: uuid.UUID, number: int) -> None:
    """Let a stream begin after a number."""
    fresh = {"due_at": tx.now, "leased_until": 0, "delivered": 0, "refused": 0, "failures": 0}
    await tx.execute(
        insert(audit_stream_cursors).values(workspace_id=tx.workspace_id, stream_id=stream_id, number=number, **fresh)
    )


async def count(tx: ReadTx) -> int:
    """Return how many streams the workspace has."""
    query = select(func.count()).select_from(audit_streams).where(_stream.workspace_id == tx.workspace_id)
    return int((await tx.execute(query)).scalar_one())


async def streams(tx: ReadTx, stream_id: uuid.UUID | None = None) -> list[tuple[Stored, Cursor]]:
    """Return the workspace's streams, newest first, or the one with this id."""
    query = (
        select(*_STORED, *_SHOWN)
        .join(audit_stream_cursors, (_cursor.stream_id == _stream.id) & (_cursor.workspace_id == _stream.workspace_id))
        .where(_stream.workspace_id == tx.workspace_id)
        .order_by(_stream.id.desc())
    )
    if stream_id is not None:
        query = query.where(_stream.id == stream_id)
    return [_both(row) for row in (await tx.execute(query)).all()]


def _both(row: Any) -> tuple[Stored, Cursor]:
    values = dict(zip(Stored.__dataclass_fields__, row[: len(_STORED)], strict=True))
    values["filter"] = Filter.model_validate(values["filter"])
    return Stored(**values), Cursor(*row[len(_STORED) :])


async def name_taken(tx: ReadTx, name: str, by_another_than: uuid.UUID) -> bool:
    """Tell whether another stream has the name."""
    query = select(_stream.id).where(
        _stream.workspace_id == tx.workspace_id, _stream.name == name, _stream.id != by_another_than
    )
    return (await tx.execute(query)).first() is not None


async def set_stream(tx: WriteTx, stream_id: uuid.UUID, values: dict[str, Any]) -> None:
    """Change columns of a stream."""
    mine = (_stream.workspace_id == tx.workspace_id, _stream.id == stream_id)
    await tx.execute(update(audit_streams).where(*mine).values(**values))


async def delete_stream(tx: WriteTx, stream_id: uuid.UUID) -> str | None:
    """Delete a stream with its cursor; return its name, None when there was none."""
    gone = (
        delete(audit_streams)
        .where(_stream.workspace_id == tx.workspace_id, _stream.id == stream_id)
        .returning(_stream.name)
    )
    name: str | None = (await tx.execute(gone)).scalar()
    return name


async def begin_anew(tx: WriteTx, stream_id: uuid.UUID, number: int | None = None) -> None:
    """Take a stream out of every worker's hand and let it try at once, from after a number if one is given."""
    values: dict[str, Any] = {"lease": None, "leased_until": 0, "pinned_upto": None, "due_at": tx.now, "failures": 0}
    if number is not None:
        values["number"] = number
    mine = (_cursor.workspace_id == tx.workspace_id, _cursor.stream_id == stream_id)
    await tx.execute(update(audit_stream_cursors).where(*mine).values(**values))


async def head(tx: ReadTx) -> int:
    """Return the workspace's highest number; 0 when it has no row."""
    highest = select(func.max(_row.number)).where(_row.workspace_id == tx.workspace_id)
    return int((await tx.execute(highest)).scalar() or 0)


async def ahead(tx: ReadTx, matching: Matching, after: int) -> Ahead:
    """Count what is to go beyond a number, up to a bound."""
    highest = await head(tx)
    upto = min(highest, after + WINDOW)
    to_go = (
        select(_row.recorded_at)
        .where(*_range(tx, matching, after, upto))
        .order_by(_row.number)
        .limit(COUNTED)
        .subquery()
    )
    counted: Any = (await tx.execute(select(func.count(), func.min(to_go.c.recorded_at)))).one()
    return Ahead(highest, counted[0], counted[0] == COUNTED or upto < highest, counted[1])


_CLAIM = """
WITH due AS (
    SELECT c.workspace_id, c.stream_id FROM audit_stream_cursors AS c
      JOIN audit_streams AS s ON s.workspace_id = c.workspace_id AND s.id = c.stream_id
     WHERE NOT s.paused AND c.due_at <= $1 AND c.leased_until <= $1
       AND c.number < (SELECT i.number FROM interactions AS i WHERE i.workspace_id = c.workspace_id
                        ORDER BY i.number DESC LIMIT 1)
     ORDER BY c.due_at LIMIT $2 FOR UPDATE OF c SKIP LOCKED)
UPDATE audit_stream_cursors AS c SET lease = $3, leased_until = $4 FROM due
 WHERE c.workspace_id = due.workspace_id AND c.stream_id = due.stream_id
RETURNING c.workspace_id, c.stream_id
"""


async def claim(db: Database, now: int, lease: uuid.UUID, until: int, *, limit: int) -> list[Claim]:
    """Take streams with something to go in hand, whoever waited longest first; over all workspaces on purpose."""
    found = await db.single(_CLAIM, now, limit, lease, until)
    return [Claim(row[0], row[1], lease) for row in found]


async def held(tx: WriteTx, claim: Claim) -> tuple[Stored, Cursor] | None:
    """Return the stream of a claim; None when it is lost."""
    found = await streams(tx, claim.stream_id)
    return found[0] if found and found[0][1].lease == claim.lease else None


async def set_held(tx: WriteTx, claim: Claim, **values: Any) -> bool:
    """Change the cursor of a claim; False, and nothing changed, when it is lost."""
    mine = (
        _cursor.workspace_id == tx.workspace_id,
        _cursor.stream_id == claim.stream_id,
        _cursor.lease == claim.lease,
    )
    return bool((await tx.execute(update(audit_stream_cursors).where(*mine).values(**values))).rowcount)


def plus(column: str, number: int) -> ColumnElement[int]:
    """Return a cursor's column with a number added, for `set_held`."""
    added: ColumnElement[int] = _cursor[column] + number
    return added


async def batch(tx: ReadTx, matching: Matching, after: int, upto: int, limit: int) -> Found:
    """Return the platform rows of a range that match, at most ``limit`` and a mebibyte of content."""
    size = func.coalesce(func.octet_length(_row.content), 0).label("size")
    inner = select(*SELECTED, size).where(*_range(tx, matching, after, upto))
    found = inner.order_by(_row.number).limit(limit).subquery("found")
    before = (func.sum(found.c.size).over(order_by=found.c.number) - found.c.size).label("before")
    weighed = select(*found.c, before, func.count().over().label("candidates")).subquery("weighed")
    wanted = [weighed.c[column.name] for column in SELECTED]
    query = select(*wanted, weighed.c.candidates).where(weighed.c.before < BATCH_BYTES).order_by(weighed.c.number)
    rows = list((await tx.execute(query)).all())
    candidates = rows[0].candidates if rows else 0
    return Found([row[:-1] for row in rows], complete=len(rows) == candidates < limit)


def _range(tx: ReadTx, matching: Matching, after: int, upto: int) -> list[ColumnElement[bool]]:
    where = [_row.workspace_id == tx.workspace_id, _row.platform, _row.number > after, _row.number <= upto]
    if matching.domains is not None:
        where.append(_row.domain.in_(matching.domains))
    if matching.risks is not None:
        where.append(_row.risk.in_(matching.risks))
    if matching.words is not None:
        where.append(tuple_(_row.resource_type_id, _row.action_id).in_(matching.words))
    return where

"""Every statement on the table ``interaction_fields``."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, not_, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert

from provenance.core.db import ReadTx, WriteTx
from provenance.ledger.tables import catalogue, interaction_fields

TOTAL_CAP = 10_000


class Seen(NamedTuple):
    """How often a path held a type in the rows of one resource type and action."""

    resource_type_id: uuid.UUID
    action_id: uuid.UUID
    path: str
    type: str
    times: int
    last_number: int


class FieldRow(NamedTuple):
    """One path with the types it held, as ``[[type, count], …]``, most frequent first; words by mnemonic."""

    resource_type: str
    action: str
    path: str
    types: list[list[Any]]
    times: int


class FieldFilter(NamedTuple):
    """What a listing is narrowed to; ``hide_system`` leaves out words that the platform records under."""

    resource_type_id: uuid.UUID | None
    action_id: uuid.UUID | None
    hide_system: bool


_ADD = """
UPDATE interaction_fields AS f SET count = f.count + s.count, last_number = s.last_number
  FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
       AS s(resource_type_id, action_id, path, type, count, last_number)
 WHERE f.workspace_id = $1 AND f.resource_type_id = s.resource_type_id AND f.action_id = s.action_id
   AND f.path = s.path COLLATE "C" AND f.type = s.type
RETURNING f.resource_type_id, f.action_id, f.path, f.type
"""


async def add_known(tx: WriteTx, seen: list[Seen]) -> list[Seen]:
    """Add to the counts of the fields that are kept already; return those that are not."""
    columns = [list(column) for column in zip(*seen, strict=True)]
    found: Sequence[Any] = (await tx.driver_sql(_ADD, (tx.workspace_id, *columns))).all()
    known = {tuple(row) for row in found}
    return [each for each in seen if each[:4] not in known]


async def kept_paths(
    tx: ReadTx, pairs: Iterable[tuple[uuid.UUID, uuid.UUID]]
) -> dict[tuple[uuid.UUID, uuid.UUID], set[str]]:
    """Return the paths kept for each of these pairs of resource type and action."""
    wanted = sorted(set(pairs))
    fields = interaction_fields.c
    query = (
        select(fields.resource_type_id, fields.action_id, fields.path)
        .where(fields.workspace_id == tx.workspace_id)
        .where(tuple_(fields.resource_type_id, fields.action_id).in_(wanted))
        .distinct()
    )
    found: dict[tuple[uuid.UUID, uuid.UUID], set[str]] = {pair: set() for pair in wanted}
    for row in await tx.execute(query):
        found[row.resource_type_id, row.action_id].add(row.path)
    return found


_COLUMNS = ("workspace_id", "resource_type_id", "action_id", "path", "type", "count", "last_number")


async def keep(tx: WriteTx, seen: list[Seen]) -> None:
    """Keep new fields."""
    rows = [dict(zip(_COLUMNS, (tx.workspace_id, *each), strict=True)) for each in seen]
    await tx.execute(insert(interaction_fields), rows)


_type, _action = catalogue.alias("type"), catalogue.alias("action")


def _narrowed(tx: ReadTx, wanted: FieldFilter, *columns: ColumnElement[Any]) -> Select[Any]:
    """Select columns of the fields and of their two words, narrowed."""
    fields, mine = interaction_fields.c, tx.workspace_id
    query = (
        select(*columns)
        .join(_type, (_type.c.workspace_id == mine) & (_type.c.id == fields.resource_type_id))
        .join(_action, (_action.c.workspace_id == mine) & (_action.c.id == fields.action_id))
        .where(fields.workspace_id == mine)
    )
    if wanted.resource_type_id is not None:
        query = query.where(fields.resource_type_id == wanted.resource_type_id)
    if wanted.action_id is not None:
        query = query.where(fields.action_id == wanted.action_id)
    if wanted.hide_system:
        query = query.where(not_(_type.c.is_system & _action.c.is_system))
    return query


async def page(tx: ReadTx, wanted: FieldFilter, *, limit: int, offset: int) -> list[FieldRow]:
    """Return fields in the order of resource type, action and path."""
    fields = interaction_fields.c
    pair = func.json_build_array(fields.type, fields.count)
    types = func.json_agg(aggregate_order_by(pair, fields.count.desc(), fields.type))
    words = (_type.c.mnemonic, _action.c.mnemonic)
    order = (_type.c.folded, _action.c.folded, fields.path)
    query = _narrowed(tx, wanted, *words, fields.path, types, func.sum(fields.count).label("times"))
    query = query.group_by(*words, *order).order_by(*order).limit(limit).offset(offset)
    return [FieldRow._make((*row[:-1], int(row.times))) for row in await tx.execute(query)]


async def count(tx: ReadTx, wanted: FieldFilter) -> int:
    """Count fields, up to one more than 10,000."""
    fields = interaction_fields.c
    groups = _narrowed(tx, wanted, fields.resource_type_id, fields.action_id, fields.path).distinct()
    bounded = groups.limit(TOTAL_CAP + 1).subquery()
    return int((await tx.execute(select(func.count()).select_from(bounded))).scalar_one())


async def most_frequent(tx: ReadTx, wanted: FieldFilter, limit: int) -> list[tuple[str, list[list[Any]], int]]:
    """Return the paths of the whole workspace with their types, most frequent first, then by name."""
    fields = interaction_fields.c
    by_type = (
        _narrowed(tx, wanted, fields.path, fields.type, func.sum(fields.count).label("count"))
        .group_by(fields.path, fields.type)
        .subquery()
    )
    pair = func.json_build_array(by_type.c.type, by_type.c.count)
    types = func.json_agg(aggregate_order_by(pair, by_type.c.count.desc(), by_type.c.type))
    total = func.sum(by_type.c.count)
    query = select(by_type.c.path, types, total).group_by(by_type.c.path).order_by(total.desc(), by_type.c.path)
    found: Sequence[Any] = (await tx.execute(query.limit(limit))).all()
    return [(row[0], row[1], int(row[2])) for row in found]

"""The one statement that computes figures, and what `discover` reads.

Everything a caller wrote is a parameter. The innermost part reads the rows and parses their content once, the next
looks up each JSON path once (``OFFSET 0`` keeps the planner from merging the parts and doing it again per use), the
outer ones compute and group.
"""

from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    FromClause,
    Numeric,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from provenance.core.clock import NANOS
from provenance.core.db import ReadTx
from provenance.ledger.analytics.plan import DISTINCT, Dimension, Figure, Plan
from provenance.ledger.tables import interactions

SECONDS = 5
LONGEST_VALUE = 512
"""Characters of a text by which rows are grouped; longer ones are cut, so that an answer stays small."""

_row = interactions.c
_ITSELF: ColumnElement[Any] = cast(literal("{}", Text()), ARRAY(Text()))
_HOUR = 3600 * NANOS
_WIDTHS = {"minute": 60 * NANOS, "hour": _HOUR, "day": 24 * _HOUR, "week": 7 * 24 * _HOUR}
_TO_MONDAY = 3 * 24 * _HOUR
"""The epoch was a Thursday."""


class Found(NamedTuple):
    """One group as it comes: dimensions, metrics, and how many values were no numbers, in the plan's order."""

    dimensions: tuple[Any, ...]
    figures: tuple[Any, ...]
    ignored: tuple[int, ...]


async def limit_time(tx: ReadTx) -> None:
    """Let no statement of this transaction run longer than five seconds (the error is ``narrow_the_range``)."""
    await tx.driver_sql(f"SET LOCAL statement_timeout = '{SECONDS}s'")


async def figures(tx: ReadTx, plan: Plan, conditions: list[ColumnElement[bool]], *, limit: int) -> list[Found]:
    """Compute the figures of the rows that satisfy the conditions; at most ``limit`` groups."""
    looked_up = _looked_up(_rows(tx, plan, conditions), plan)
    inputs = (
        select(
            *[_dimension(looked_up, plan, each).label(f"d{at}") for at, each in enumerate(plan.dimensions)],
            *[
                expression.label(f"{part}{at}")
                for at, each in enumerate(plan.figures)
                for part, expression in _inputs(looked_up, plan, each).items()
            ],
            literal(1).label("row"),
        )
        .select_from(looked_up)
        .subquery("inputs")
    )
    groups = [inputs.c[f"d{at}"] for at in range(len(plan.dimensions))]
    results = [_result(inputs, at, each).label(f"m{at}") for at, each in enumerate(plan.figures)]
    ignored = [func.count().filter(inputs.c[f"odd{at}"]) for at, each in enumerate(plan.figures) if each.numeric]
    query: Select[Any] = select(*groups, *results, *ignored).select_from(inputs)
    query = query.group_by(*groups).order_by(*_order(plan, groups, results)).limit(limit)
    split, end = len(groups), len(groups) + len(results)
    rows = [tuple(row) for row in await tx.execute(query)]
    return [Found(row[:split], row[split:end], row[end:]) for row in rows]


def _rows(tx: ReadTx, plan: Plan, conditions: list[ColumnElement[bool]]) -> Subquery:
    names = {column.name for column in DISTINCT.values()}
    columns: list[ColumnElement[Any]] = [_row[name] for name in sorted(names)]
    columns.append(_row.occurred_at)
    if plan.paths:
        content = func.jsonb_extract_path(cast(_row.content, JSONB), "interaction", type_=JSONB())
        columns.append(content.label("document"))
    query = select(*columns).where(_row.workspace_id == tx.workspace_id, *conditions)
    return (query.offset(0) if plan.paths else query).subquery("rows")


def _looked_up(rows: Subquery, plan: Plan) -> Subquery:
    values = [
        func.jsonb_extract_path(rows.c.document, *path, type_=JSONB()).label(f"p{at}")
        for at, path in enumerate(plan.paths)
    ]
    columns = [column for column in rows.c if column.name != "document"]
    query = select(*columns, *values)
    return (query.offset(0) if values else query).subquery("looked_up")


def _value(source: FromClause, plan: Plan, path: tuple[str, ...]) -> ColumnElement[Any]:
    found: ColumnElement[Any] = source.c[f"p{plan.paths.index(path)}"]
    return found


def _dimension(source: FromClause, plan: Plan, dimension: Dimension) -> ColumnElement[Any]:
    if dimension.bucket is not None:
        return _bucket(source.c.occurred_at, dimension.bucket)
    if dimension.operand.path is not None:
        return _scalar(_value(source, plan, dimension.operand.path))
    assert dimension.operand.column is not None
    return source.c[dimension.operand.column.name]


def _scalar(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a JSON scalar as its JSON text; null for null, objects, arrays, and what is not there."""
    kind = func.jsonb_typeof(value)
    text = func.left(value.op("#>>", return_type=Text())(_ITSELF), LONGEST_VALUE)
    return case(
        (kind == "string", cast(func.to_jsonb(text), Text())),
        (kind.in_(["number", "boolean"]), cast(value, Text())),
    )


def _bucket(occurred_at: ColumnElement[int], bucket: str) -> ColumnElement[int]:
    """Return the first nanosecond (UTC) of the bucket that a time lies in."""
    if bucket == "month":
        moment = func.to_timestamp(cast(occurred_at / NANOS, Double()))
        month = func.date_trunc("month", moment, "UTC")
        return cast(func.extract("epoch", month), BigInteger()) * NANOS
    width, shift = _WIDTHS[bucket], _TO_MONDAY if bucket == "week" else 0
    return occurred_at - (occurred_at + shift) % literal(width, BigInteger())


def _inputs(source: FromClause, plan: Plan, figure: Figure) -> dict[str, ColumnElement[Any]]:
    operand = figure.operand
    if operand.column is not None:
        return {"v": source.c[operand.column.name]}
    if operand.path is None:
        return {}
    value = _value(source, plan, operand.path)
    if not figure.numeric:
        return {"v": _scalar(value)}
    kind = func.jsonb_typeof(value)
    number = case((kind == "number", cast(value, Numeric())))
    odd = and_(kind.is_not(None), kind.not_in(["number", "null"]))
    return {"v": number, "odd": cast(odd, Boolean())}


def _result(inputs: Subquery, at: int, figure: Figure) -> ColumnElement[Any]:
    if figure.op == "count":
        return func.count()
    value = inputs.c[f"v{at}"]
    match figure.op:
        case "distinct":
            return func.count(value.distinct())
        case "p50" | "p95":
            part: ColumnElement[float] = literal(0.5 if figure.op == "p50" else 0.95, Double())
            return func.percentile_cont(part).within_group(cast(value, Double()))
        case _:
            aggregate: ColumnElement[Any] = getattr(func, figure.op)(value)
            return aggregate


def _order(plan: Plan, groups: list[Any], results: list[Any]) -> list[ColumnElement[Any]]:
    """By time where there is a bucket, then the largest first by the first metric, then by the dimensions."""
    times = [group for group, each in zip(groups, plan.dimensions, strict=True) if each.bucket is not None]
    return [*times, results[0].desc().nulls_last(), *[group.asc().nulls_last() for group in groups]]


async def span(tx: ReadTx) -> tuple[int | None, int | None, int]:
    """Return the times of the oldest and newest interaction, and the highest number."""
    mine = _row.workspace_id == tx.workspace_id
    query = select(
        select(func.min(_row.occurred_at)).where(mine).scalar_subquery(),
        select(func.max(_row.occurred_at)).where(mine).scalar_subquery(),
        select(func.coalesce(func.max(_row.number), 0)).where(mine).scalar_subquery(),
    )
    oldest, newest, highest = tuple((await tx.execute(query)).one())
    return oldest, newest, int(highest)

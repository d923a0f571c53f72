"""Answering a question for figures."""

import asyncio
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import not_

from provenance.core.actor import Actor
from provenance.core.clock import iso_millis
from provenance.core.db import Database, ReadTx
from provenance.ledger.analytics import queries
from provenance.ledger.analytics.plan import COLUMNS, DISTINCT, Dimension, Plan, plan, stretch
from provenance.ledger.analytics.queries import Found
from provenance.ledger.analytics.schemas import (
    BUCKETS,
    COUNT,
    OPERATIONS,
    AnalyticsAnswer,
    AnalyticsQuery,
    AnswerMeta,
    Discovery,
    Group,
    KnownField,
    TimeSpan,
)
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.fields import queries as fields
from provenance.ledger.fields.paths import parse
from provenance.ledger.fields.schemas import FieldType
from provenance.ledger.interactions.conditions import terms
from provenance.ledger.interactions.filters import criteria
from provenance.ledger.interactions.queries import between
from provenance.ledger.tables import interactions

AT_ONCE = 3
"""Questions that one process computes at the same time; the others wait, and leave connections to posts and lists."""
FIELDS = 500
_turns: WeakKeyDictionary[Database, asyncio.Semaphore] = WeakKeyDictionary()


async def answer(db: Database, catalogues: Catalogues, actor: Actor, asked: AnalyticsQuery) -> AnalyticsAnswer:
    """Compute figures. Raises Invalid (also ``narrow_the_range`` after five seconds)."""
    understood = plan(asked)
    turn = _turns.setdefault(db, asyncio.Semaphore(AT_ONCE))
    async with turn, db.read(actor) as tx:
        await queries.limit_time(tx)
        return await _answer_within(tx, catalogues, asked, understood)


async def _answer_within(
    tx: ReadTx, catalogues: Catalogues, asked: AnalyticsQuery, understood: Plan
) -> AnalyticsAnswer:
    start, end = stretch(asked.time_range, tx.now)
    wanted = criteria(asked.filters, await catalogues.within(tx), at="filters.")
    sees_platform = tx.actor.reads_platform_rows
    conditions = [term.condition for term in terms(tx, wanted, sees_platform=sees_platform)]
    conditions += [*between(wanted.start, wanted.end), *between(start, end)]
    leaves_out = not sees_platform and (understood.hidden or wanted.asks_for_hidden)
    if leaves_out:
        conditions.append(not_(interactions.c.platform))
    found = await queries.figures(tx, understood, conditions, limit=asked.limit + 1)
    catalogue = await catalogues.within(tx)  # after the rows: no word of theirs is unknown
    groups = found[: asked.limit]
    meta = AnswerMeta(
        start=_iso(_latest(start, wanted.start)),
        end=_iso(_earliest(end, wanted.end)),
        groups=len(groups),
        truncated=len(found) > asked.limit,
        platformRows=_platform_rows(wanted.platform, leaves_out),
        ignored=_ignored(understood, groups),
    )
    return AnalyticsAnswer(data=[_group(each, understood, catalogue) for each in groups], meta=meta)


def _platform_rows(asked: bool | None, leaves_out: bool) -> Literal["included", "excluded"]:
    return "excluded" if leaves_out or asked is False else "included"


def _latest(*times: int | None) -> int | None:
    return max((time for time in times if time is not None), default=None)


def _earliest(*times: int | None) -> int | None:
    return min((time for time in times if time is not None), default=None)


def _iso(time: int | None) -> str | None:
    return None if time is None else iso_millis(time)


def _group(found: Found, understood: Plan, catalogue: Catalogue) -> Group:
    dimensions = {
        each.name: _shown(each, value, catalogue)
        for each, value in zip(understood.dimensions, found.dimensions, strict=True)
    }
    metrics = {each.name: number(value) for each, value in zip(understood.figures, found.figures, strict=True)}
    return Group(dimensions=dimensions, metrics=metrics)


def _shown(dimension: Dimension, value: Any, catalogue: Catalogue) -> Any:
    if value is None:
        return None
    if dimension.bucket is not None:
        return iso_millis(value)
    if dimension.operand.path is not None:
        return msgspec.json.decode(value)
    return catalogue.shown(value).mnemonic if isinstance(value, UUID) else value


def number(value: Any) -> int | float | None:
    """Return a figure as JSON holds it: a whole number whole, any other as the nearest double."""
    if not isinstance(value, Decimal):
        return value  # type: ignore[no-any-return]
    if value == value.to_integral_value() and abs(value) < 2**53:
        return int(value)
    return float(value)


def _ignored(understood: Plan, groups: list[Found]) -> dict[str, int]:
    names = [each.name for each in understood.figures if each.numeric]
    return {name: sum(group.ignored[at] for group in groups) for at, name in enumerate(names)}


async def discover(tx: ReadTx) -> Discovery:
    """Tell what may be asked in this workspace, and which fields its interactions are known to have."""
    await queries.limit_time(tx)
    wanted = fields.FieldFilter(None, None, hide_system=not tx.actor.reads_platform_rows)
    known = [_known(*each) for each in await fields.most_frequent(tx, wanted, 2 * FIELDS)]
    oldest, newest, highest = await queries.span(tx)
    return Discovery(
        metrics=[COUNT, *OPERATIONS],
        dimensions=list(COLUMNS),
        distinct=list(DISTINCT),
        timeBuckets=list(BUCKETS),
        fields=[field for field in known if _can_be_asked(field)][:FIELDS],
        timeSpan=TimeSpan(start=_iso(oldest), end=_iso(newest)),
        interactions=highest,
    )


def _known(path: str, types: list[list[Any]], times: int) -> KnownField:
    held = [FieldType(type=kind, count=count) for kind, count in types]
    return KnownField(path=path, types=held, count=times, numeric=any(each.type == "number" for each in held))


def _can_be_asked(field: KnownField) -> bool:
    try:
        parse(field.path)
    except ValueError:
        return False
    return any(each.type in ("string", "number", "boolean") for each in field.types)

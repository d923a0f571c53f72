"""Reading a trace: which units of work belong to it, one page of its rows, what they amount to.

A page holds the newest rows that no page before it held, oldest first. When the rows of the newest units are through,
the cursor goes on with older units, so nothing is ever cut in silence (spec/ledger.md, 4).
"""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row

from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx
from provenance.core.ids import parse_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.interactions import cursors
from provenance.ledger.interactions.cursors import Cursor
from provenance.ledger.interactions.queries import rows as read_rows
from provenance.ledger.interactions.rendering import render_record
from provenance.ledger.traces import overlaps, queries, tree
from provenance.ledger.traces.errors import UnknownTrace
from provenance.ledger.traces.queries import Tally
from provenance.ledger.traces.tree import Forest, Span

MAX_UNITS = 1_000
MAX_ROWS = 10_000
MAX_VISITS = 50_000
MAX_SUMMED = 20_000
MAX_USERS = 1_000
MAX_CONTENT_BYTES = 16 * 1024 * 1024

_VISITS_AT_ONCE = 5_000
_ROWS_AT_ONCE = 500
_ID_LENGTH = 512
_encode = msgspec.json.Encoder().encode


class Asked(NamedTuple):
    """Which part of which trace is asked for."""

    id: str
    limit: int = MAX_ROWS
    cursor: str | None = None


class Traced(NamedTuple):
    """The units of work of a trace that one answer is about.

    ``resumes``: the number below which further units are found (0: these are all).
    """

    kind: str
    units: list[uuid.UUID]
    resumes: int


class Part(NamedTuple):
    """One page of a trace: its rows oldest first, and where it goes on."""

    traced: Traced
    spans: list[Span]
    page: int
    total: int
    capped: bool
    next_cursor: str | None

    @property
    def head(self) -> bytes:
        """Return the members that every answer of a trace ends with."""
        known = {"unitsTruncated": self.traced.resumes > 0, "nextCursor": self.next_cursor}
        return _encode(known)[1:]


async def trace(tx: ReadTx, catalogues: Catalogues, keys: WorkspaceKeys, asked: Asked) -> bytes:
    """Return a trace: summary, rows and their tree. Raises UnknownTrace and BadCursor."""
    part = await read(tx, catalogues, keys, asked)
    summed = await summary_of(tx, catalogues, part.traced)
    forest = await nested(tx, part.spans)
    shown = b",".join(span.json for span in part.spans)
    return (
        b'{"id":%b,"kind":%b,"summary":%b' % (_encode(asked.id), _encode(part.traced.kind), _encode(summed))
        + b',"interactions":[%b],"tree":%b,' % (shown, await asyncio.to_thread(tree.render, forest))
        + part.head
    )


async def rows_of(tx: ReadTx, catalogues: Catalogues, keys: WorkspaceKeys, asked: Asked) -> bytes:
    """Return the rows of a trace in the envelope of lists. Raises UnknownTrace and BadCursor."""
    part = await read(tx, catalogues, keys, asked)
    pagination = {
        "page": part.page,
        "limit": asked.limit,
        "total": part.total,
        "totalPages": -(-part.total // asked.limit),
        "hasNext": part.next_cursor is not None,
        "hasPrev": part.page > 1,
        "nextCursor": part.next_cursor,
        "totalCapped": part.capped,
        "scanComplete": True,
    }
    shown = b",".join(span.json for span in part.spans)
    head = b'{"id":%b,"kind":%b' % (_encode(asked.id), _encode(part.traced.kind))
    return head + b',"data":[%b],"pagination":%b,' % (shown, _encode(pagination)) + part.head


async def timeline(tx: ReadTx, catalogues: Catalogues, keys: WorkspaceKeys, asked: Asked) -> bytes:
    """Return the rows of a trace grouped by what ran at the same time. Raises UnknownTrace and BadCursor."""
    part = await read(tx, catalogues, keys, asked)
    forest = await nested(tx, part.spans)
    shown = b",".join([_group(forest, group) for group in await asyncio.to_thread(overlaps.groups, forest)])
    head = b'{"id":%b,"kind":%b' % (_encode(asked.id), _encode(part.traced.kind))
    return head + b',"groups":[%b],' % shown + part.head


def _group(forest: Forest, group: overlaps.Group) -> bytes:
    spans = [forest.spans[place] for place in group.places]
    moments = [span.occurred_at for span in spans]
    head = {"from": iso_millis(min(moments)), "to": iso_millis(max(moments)), "parallel": group.parallel}
    rows = b",".join(span.json for span in spans)
    return _encode(head)[:-1] + b',"interactions":[%b]}' % rows


async def summary(tx: ReadTx, catalogues: Catalogues, trace_id: str) -> bytes:
    """Return what a trace amounts to. Raises UnknownTrace."""
    return _encode(await summary_of(tx, catalogues, await traced(tx, trace_id, before=0)))


async def read(tx: ReadTx, catalogues: Catalogues, keys: WorkspaceKeys, asked: Asked) -> Part:
    """Read one page of a trace. Raises UnknownTrace and BadCursor."""
    bound_to = cursors.binding("traces", asked.id, tx.actor.reads_platform_rows)
    here = Cursor(at=(0, 0))
    if asked.cursor is not None:
        here = cursors.read(keys, bound_to, asked.cursor)
    units_before, rows_before = here.at
    found = await traced(tx, asked.id, before=units_before)
    reach = asked.limit if here.total is not None else MAX_ROWS  # the first page counts as well
    numbers = await queries.numbers(tx, found.units, before=rows_before, limit=reach + 1)
    total, capped = (here.total, here.capped) if here.total is not None else _total(found, len(numbers))
    records = await _within_bytes(tx, numbers[: asked.limit])
    at = None
    if len(records) < len(numbers):
        at = (units_before, records[-1].number)
    elif found.resumes:
        at = (found.resumes, 0)
    following = None if at is None else Cursor(at=at, page=here.page + 1, total=total, capped=capped)
    next_cursor = None if following is None else cursors.write(keys, bound_to, following)
    catalogue, sees = await catalogues.within(tx), tx.actor.reads_platform_rows
    spans = await asyncio.to_thread(_spans, records, catalogue, sees_platform=sees)
    return Part(found, spans, here.page, total, capped, next_cursor)


def _total(found: Traced, counted: int) -> tuple[int, bool]:
    """Return how many rows a trace has, and whether there are, or may be, more than that."""
    return min(counted, MAX_ROWS), counted > MAX_ROWS or found.resumes > 0


async def _within_bytes(tx: ReadTx, numbers: Sequence[int]) -> list[Row[Any]]:
    """Read rows until they are all read, or their content is more than one answer should carry."""
    records: list[Row[Any]] = []
    size = 0
    for at in range(0, len(numbers), _ROWS_AT_ONCE):
        for record in await read_rows(tx, numbers[at : at + _ROWS_AT_ONCE]):
            records.append(record)
            size += len(record.content or "")
            if size > MAX_CONTENT_BYTES:
                return records
    return records


def _spans(records: Sequence[Row[Any]], catalogue: Catalogue, *, sees_platform: bool) -> list[Span]:
    ordered = sorted(records, key=lambda record: (record.occurred_at, record.number))
    return [
        Span(
            str(record.id),
            None if record.span_id is None else str(record.span_id),
            None if record.parent_span_id is None else str(record.parent_span_id),
            record.occurred_at,
            render_record(record, catalogue, sees_platform=sees_platform),
        )
        for record in ordered
    ]


async def nested(tx: ReadTx, spans: Sequence[Span]) -> Forest:
    """Nest rows by their parent spans."""
    missing = tree.missing_parents(spans)
    elsewhere = await queries.recorded_spans(tx, missing) if missing else set()
    return await asyncio.to_thread(tree.plant, spans, elsewhere.__contains__)


async def traced(tx: ReadTx, trace_id: str, *, before: int) -> Traced:
    """Return the units of a trace; ``before`` continues with units whose rows on the resource are older.

    Raises UnknownTrace.
    """
    if not 0 < len(trace_id) <= _ID_LENGTH or "\0" in trace_id:
        raise _unknown()
    own = parse_uuid(trace_id)
    if own is not None and not await queries.unit_exists(tx, own):
        own = None
    shared, resumes = await _shared_units(tx, trace_id, before)
    if own is None and not shared and not before:
        raise _unknown()
    units = shared if own is None or before else [own, *[unit for unit in shared if unit != own]]
    if before and own is not None:
        units = [unit for unit in units if unit != own]
    return Traced("resource" if own is None else "uow", units, resumes)


def _unknown() -> UnknownTrace:
    return UnknownTrace("This workspace has no interaction on a resource, or in a unit of work, of this id.")


async def _shared_units(tx: ReadTx, resource_id: str, before: int) -> tuple[list[uuid.UUID], int]:
    """Return the newest units that visit a resource, and the number below which there are more (0: none)."""
    found: dict[uuid.UUID, None] = {}
    at, seen = before, 0
    while seen < MAX_VISITS:
        visits = await queries.visits(tx, resource_id, before=at, limit=_VISITS_AT_ONCE)
        for visit in visits:
            hidden = visit.platform and not tx.actor.reads_platform_rows
            if not hidden and visit.uow_id not in found and len(found) == MAX_UNITS:
                return await _not_yet_shown(tx, list(found), resource_id, before), visit.number + 1
            if not hidden:
                found[visit.uow_id] = None
            at = visit.number
        seen += len(visits)
        if len(visits) < _VISITS_AT_ONCE:
            return await _not_yet_shown(tx, list(found), resource_id, before), 0
    return await _not_yet_shown(tx, list(found), resource_id, before), at


async def _not_yet_shown(tx: ReadTx, units: list[uuid.UUID], resource_id: str, before: int) -> list[uuid.UUID]:
    """Leave out units that an earlier page found by a newer row on the same resource."""
    if not before or not units:
        return units
    shown = await queries.visited_since(tx, units, resource_id, since=before, most=_VISITS_AT_ONCE)
    return [unit for unit in units if unit not in shown]


async def summary_of(tx: ReadTx, catalogues: Catalogues, found: Traced) -> dict[str, Any]:
    """Return what the newest rows of a trace's units amount to, ``MAX_SUMMED`` at most."""
    sees = tx.actor.reads_platform_rows
    tallies = await queries.tallies(tx, found.units, sees_platform=sees, limit=MAX_SUMMED + 1)
    catalogue = await catalogues.within(tx)
    whole = [tally for tally in tallies if tally.kind == queries.EVERYTHING and tally.rows]
    users = [tally.user_id for tally in tallies if tally.kind == queries.BY_USER and tally.user_id is not None]
    rows = whole[0].rows if whole else 0
    return {
        "totalInteractions": min(rows, MAX_SUMMED),
        "totalCapped": rows > MAX_SUMMED,
        "unitsTruncated": found.resumes > 0,
        "uniqueResources": whole[0].resources if whole else 0,
        "durationSeconds": round((whole[0].last - whole[0].first) / 1e9, 3) if whole else 0,
        "from": iso_millis(whole[0].first) if whole else None,
        "to": iso_millis(whole[0].last) if whole else None,
        "origins": [_origin(tally, catalogue) for tally in tallies if tally.kind == queries.BY_ORIGIN],
        "users": users[:MAX_USERS],
        "uniqueUsers": len(users),
        "outcomes": {t.outcome: t.rows for t in tallies if t.kind == queries.BY_OUTCOME and t.outcome is not None},
    }


def _origin(tally: Tally, catalogue: Catalogue) -> dict[str, Any]:
    assert tally.origin_id is not None, "every row has an origin"
    word = catalogue.shown(tally.origin_id)
    badge: dict[str, Any] = msgspec.json.decode("{" + word.badge + "}")
    return {"originId": word.id, **badge, "count": tally.rows}

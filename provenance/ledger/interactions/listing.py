"""Listing interactions: the page that was asked for, how many there are, and where it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row

from provenance.core.db import ReadTx
from provenance.core.errors import NotFound
from provenance.core.ids import parse_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.core.pagination import Pagination
from provenance.expressions import Condition, ExpressionError
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.interactions import cursors, queries, scanning
from provenance.ledger.interactions.cursors import Cursor
from provenance.ledger.interactions.filters import Criteria, Filters, criteria
from provenance.ledger.interactions.rendering import render_list, render_record
from provenance.ledger.interactions.scanning import Found, Wanted

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class UnknownInteraction(NotFound):
    """No interaction of this workspace has the id."""

    code = "interaction_not_found"


class Asked(NamedTuple):
    """Which page is asked for: by its number, or by a cursor, which wins."""

    page: int
    limit: int
    offset: int
    newest_first: bool = True
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows of one page, ready to be rendered with the catalogue, and where the page stands."""

    records: Sequence[Row[Any]]
    catalogue: Catalogue
    pagination: Pagination


async def page(tx: ReadTx, catalogues: Catalogues, keys: WorkspaceKeys, filters: Filters, asked: Asked) -> bytes:
    """Return one page of the interactions that satisfy the filters, as it goes over the wire.

    Raises BadCursor and InvalidWhere.
    """
    chosen = criteria(filters, await catalogues.within(tx)) if filters.given else None
    bound_to = cursors.binding("interactions", filters.model_dump(), asked.newest_first, _whole_view(tx))
    return envelope(await find(tx, catalogues, keys, chosen, asked, bound_to), sees_platform=_whole_view(tx))


def envelope(listed: Listed, *, sees_platform: bool) -> bytes:
    """Render a page."""
    data = render_list(listed.records, listed.catalogue, sees_platform=sees_platform)
    return b'{"data":' + data + b',"pagination":' + _encode(listed.pagination) + b"}"


async def one(tx: ReadTx, catalogues: Catalogues, interaction_id: str) -> bytes:
    """Return one row as it reads on the wire. Raises UnknownInteraction."""
    known = parse_uuid(interaction_id)
    record = None if known is None else await queries.row(tx, known)
    if record is None:
        raise UnknownInteraction("This workspace has no interaction with this id.")
    return render_record(record, await catalogues.within(tx), sees_platform=_whole_view(tx))


async def find(
    tx: ReadTx,
    catalogues: Catalogues,
    keys: WorkspaceKeys,
    chosen: Criteria | None,
    asked: Asked,
    bound_to: bytes,
) -> Listed:
    """Find the rows of one page. ``chosen``: None for all rows; ``bound_to``: what a cursor is good for.

    Raises BadCursor.
    """
    here = Cursor(at=(0, 0), page=asked.page, skip=asked.offset)
    if asked.cursor is not None:
        here = cursors.read(keys, bound_to, asked.cursor)
    wanted = Wanted(
        newest_first=asked.newest_first,
        after=None if asked.cursor is None else here.at,
        skip=here.skip,
        rows=asked.limit + 1,
        counting=asked.cursor is None and chosen is not None,
    )
    found = await _found(tx, catalogues, chosen, wanted)
    shown = found.keys[: asked.limit]
    total, capped = (await queries.head(tx), False) if chosen is None else _total(found, here)
    following = _following(found, asked.limit, here, total, capped)
    pagination: Pagination = {
        "page": here.page,
        "limit": asked.limit,
        "total": total,
        "totalPages": -(-total // asked.limit),
        "hasNext": following is not None,
        "hasPrev": here.page > 1,
        "nextCursor": None if following is None else cursors.write(keys, bound_to, following),
        "totalCapped": capped,
        "scanComplete": found.ended or len(found.keys) > asked.limit,
    }
    records = await queries.rows(tx, [number for _, number in shown])
    return Listed(records, await catalogues.within(tx), pagination)


async def _found(tx: ReadTx, catalogues: Catalogues, chosen: Criteria | None, wanted: Wanted) -> Found:
    if chosen is not None and chosen.impossible:
        return Found(ended=True, counted=True)
    narrow = chosen or Criteria()
    way = await scanning.plan(tx, narrow, sees_platform=_whole_view(tx))
    test = None if narrow.where is None else WhereTest(tx, catalogues, narrow.where)
    return await scanning.scan(tx, way, wanted, test)


def _total(found: Found, here: Cursor) -> tuple[int, bool]:
    """Return how many rows match, and whether there are, or may be, more than that."""
    if here.total is not None:
        return here.total, here.capped
    return min(found.matches, scanning.COUNTED_AT_MOST), not found.counted


def _following(found: Found, limit: int, here: Cursor, total: int, capped: bool) -> Cursor | None:
    """Return where the next page begins: after the last row shown, or else after the last one looked at."""
    if len(found.keys) > limit:
        at, skip = found.keys[limit - 1], 0
    elif found.ended or found.last is None:
        return None
    else:
        at, skip = found.last, here.skip - found.skipped
    return Cursor(at=at, page=here.page + 1, skip=skip, total=total, capped=capped)


def _whole_view(tx: ReadTx) -> bool:
    return tx.actor.reads_platform_rows


class WhereTest:
    """The condition of ``where``, tested on rows as this caller reads them."""

    def __init__(self, tx: ReadTx, catalogues: Catalogues, condition: Condition) -> None:
        """Take the transaction, for its view and its words."""
        self._tx = tx
        self._catalogues = catalogues
        self._condition = condition
        self._catalogue: Catalogue | None = None

    async def __call__(self, records: Sequence[Row[Any]]) -> list[bool]:
        """Tell which records satisfy the condition; a value missing, or of another type, does not."""
        if self._catalogue is None or not _knows(self._catalogue, records):
            self._catalogue = await self._catalogues.within(self._tx)
        return [self._holds(record, self._catalogue) for record in records]

    def _holds(self, record: Row[Any], catalogue: Catalogue) -> bool:
        row = render_record(record, catalogue, sees_platform=_whole_view(self._tx))
        try:
            return self._condition.holds(_decode(row))
        except ExpressionError:
            return False


def _knows(catalogue: Catalogue, records: Sequence[Row[Any]]) -> bool:
    words = {word for row in records for word in (row.resource_type_id, row.action_id, row.origin_id)}
    return all(catalogue.with_id(word) is not None for word in words)

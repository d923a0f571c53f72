"""Listing interactions: the page that was asked for, how many there are, and where it goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row

from provenance.core.db import ReadTx
from provenance.core.errors import NotFound
from provenance.core.ids import parse_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.core.pagination import Pagination
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.interactions import cursors, queries, scanning
from provenance.ledger.interactions.cursors import Cursor
from provenance.ledger.interactions.filters import Criteria, Filters, criteria
from provenance.ledger.interactions.rendering import render_list, render_record
from provenance.ledger.interactions.scanning import Found, Wanted
from provenance.ledger.interactions.where import WhereTest, knows

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

    def meant(catalogue: Catalogue) -> Criteria | None:
        return criteria(filters, catalogue) if filters.given else None

    bound_to = cursors.binding("interactions", filters.model_dump(), asked.newest_first, _whole_view(tx))
    found = await find(tx, catalogues, keys, meant, asked, bound_to)
    return envelope(found, sees_platform=_whole_view(tx))


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
    meant: Callable[[Catalogue], Criteria | None],
    asked: Asked,
    bound_to: bytes,
) -> Listed:
    """Find the rows of one page.

    ``meant`` resolves what is asked for (None: all rows), ``bound_to`` is what a cursor is good for. Raises BadCursor.
    """
    here = Cursor(at=(0, 0), page=asked.page, skip=asked.offset)
    if asked.cursor is not None:
        here = cursors.read(keys, bound_to, asked.cursor)
    catalogue = await catalogues.within(tx)
    chosen = meant(catalogue)
    if chosen is not None and not chosen.narrows:
        chosen = None
    wanted = Wanted(
        newest_first=asked.newest_first,
        after=None if asked.cursor is None else here.at,
        skip=here.skip,
        rows=asked.limit + 1,
        counting=asked.cursor is None and chosen is not None,
    )
    found = await _found(tx, catalogues, chosen, wanted)
    total, capped = (await _head(tx, found, wanted), False) if chosen is None else _total(found, here)
    following = _following(found, asked.limit, here, total, capped)
    next_cursor = None if following is None else cursors.write(keys, bound_to, following)
    records = await _records(tx, found, asked.limit)
    shown_with = catalogue if knows(catalogue, records) else await catalogues.within(tx)
    return Listed(records, shown_with, _pagination(found, asked.limit, here, total, capped, next_cursor))


async def _head(tx: ReadTx, found: Found, wanted: Wanted) -> int:
    """Return the highest number; the newest page of all rows begins with it."""
    begins_there = wanted.newest_first and wanted.after is None and not wanted.skip
    return found.keys[0][1] if begins_there and found.keys else await queries.head(tx)


async def _records(tx: ReadTx, found: Found, limit: int) -> Sequence[Row[Any]]:
    if found.records is not None:
        return found.records[:limit]
    return await queries.rows(tx, [number for _, number in found.keys[:limit]])


def _pagination(
    found: Found, limit: int, here: Cursor, total: int, capped: bool, next_cursor: str | None
) -> Pagination:
    return {
        "page": here.page,
        "limit": limit,
        "total": total,
        "totalPages": -(-total // limit),
        "hasNext": next_cursor is not None,
        "hasPrev": here.page > 1,
        "nextCursor": next_cursor,
        "totalCapped": capped,
        "scanComplete": found.ended or len(found.keys) > limit,
    }


async def _found(tx: ReadTx, catalogues: Catalogues, chosen: Criteria | None, wanted: Wanted) -> Found:
    if chosen is not None and chosen.impossible:
        return Found(ended=True, counted=True)
    narrow = chosen or Criteria()
    test = None if narrow.where is None else WhereTest(tx, catalogues, narrow.where)
    return await scanning.find(tx, narrow, wanted, test, sees_platform=_whole_view(tx))


def _total(found: Found, here: Cursor) -> tuple[int, bool]:
    """Return how many rows match, and whether there are, or may be, more than that."""
    if here.total is not None:
        return here.total, here.capped
    most = scanning.COUNTED_AT_MOST
    return min(found.matches, most), not found.counted or found.matches > most


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

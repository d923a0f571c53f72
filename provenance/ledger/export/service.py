"""Beginning an export: pin it to a signed head, record that it happens, and hand over its bytes."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, NamedTuple

from provenance.core.actor import Actor
from provenance.core.db import ReadTx, WriteTx
from provenance.core.errors import Invalid
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.export import places, walking
from provenance.ledger.export.formats import FORMATS
from provenance.ledger.export.places import Place
from provenance.ledger.export.schemas import ExportQuery, Frame
from provenance.ledger.export.streaming import DOCUMENT_RECORDS, Stream, refuse_beyond, too_many
from provenance.ledger.export.walking import Walk
from provenance.ledger.interactions import cursors
from provenance.ledger.interactions.cursors import BadCursor
from provenance.ledger.interactions.filters import Criteria, Filters, criteria
from provenance.ledger.interactions.queries import Key
from provenance.ledger.log import service as log
from provenance.ledger.log.keys import signer_of
from provenance.ledger.log.schemas import Head, LogState
from provenance.ledger.service import Fact, Ledger, record

_TOLD = (
    "resourceType",
    "resourceTypeId",
    "action",
    "actionId",
    "origin",
    "originId",
    "uowId",
    "interactionId",
    "outcome",
    "platform",
    "startDate",
    "endDate",
    "from",
    "to",
)
"""Filters whose values the record of an export shows. Of the others, which may name a person, it shows the name."""


class Opened(NamedTuple):
    """An export that has begun: its headers, and its bytes."""

    media_type: str
    headers: dict[str, str]
    body: AsyncIterator[bytes]


class Asking(NamedTuple):
    """Who asks for which export; ``sent`` are the filters as they were written."""

    actor: Actor
    keys: WorkspaceKeys
    filters: Filters
    sent: dict[str, list[str]]
    query: ExportQuery

    @property
    def digest(self) -> bytes:
        """What a cursor is good for: the format, the proofs, the filters and the caller's view."""
        whole_view = self.actor.reads_platform_rows
        return cursors.binding("export", self.query.format, self.query.proven, self.filters.model_dump(), whole_view)

    def cursor(self, place: Place) -> str:
        """Write the cursor of a place in this export."""
        return places.write(self.keys, self.digest, place)


class _Meant(NamedTuple):
    """What was asked for, resolved: the criteria, the workspace's id on the wire, and how many rows there will be."""

    criteria: Criteria
    workspace: str
    total: int | None


class _Pinned(NamedTuple):
    """Where the stream starts, the head it is pinned to, and the log's state."""

    place: Place
    head: Head
    state: LogState


async def begin(ledger: Ledger, asking: Asking) -> Opened:
    """Begin an export, or go on with one.

    The record of it is committed first, so that what breaks off later was an export too; its number is behind the
    head, so it is no part of the export. Raises Invalid, InvalidWhere, BadCursor, NotIntegrated, RowDiffers and
    TooManyRecords.
    """
    _refuse_incomplete(asking)
    place = None if asking.query.cursor is None else places.read(asking.keys, asking.digest, asking.query.cursor)
    async with ledger.db.read(asking.actor) as tx:
        meant = await _meant(tx, ledger, asking, first=place is None or place.after is None)
    async with ledger.db.write(asking.actor) as tx:
        pinned = await _pin(tx, place)
        record(tx, _fact(asking, pinned, meant.total))
    frame = _frame(asking, meant, pinned)
    walk = Walk(ledger.db, ledger.catalogues, asking.actor, frame, meant.criteria, pinned.place.after)

    def behind(key: Key) -> str:
        return asking.cursor(pinned.place._replace(after=key))

    stream = Stream(frame, asking.cursor(pinned.place), asking.query.limit, walk, behind)
    return await _opened(stream, frame, asking.query.offset, meant.total)


def _refuse_incomplete(asking: Asking) -> None:
    query = asking.query
    if query.format == "in-toto" and asking.filters.uow_id is None:
        raise Invalid.at("uowId", "is missing: an in-toto statement is about one unit of work", code="missing_field")
    if query.format == "in-toto" and query.proven == "none":
        raise Invalid.at("proofs", "none makes no sense here: an in-toto statement is made of proofs")
    if query.offset and query.cursor is None:
        raise Invalid.at("offset", "counts the bytes of a cursor's stream; send its cursor too")


async def _meant(tx: ReadTx, ledger: Ledger, asking: Asking, *, first: bool) -> _Meant:
    """Resolve what is asked for; only the ``first`` part of an export can be counted.

    Raises TooManyRecords when there is known to be too much for one document.
    """
    head = await log.newest_head(tx)
    catalogue = await ledger.catalogues.within(tx)
    chosen = criteria(asking.filters, catalogue)
    total = await walking.counted(tx, ledger.catalogues, chosen, head.size) if first else None
    limit = asking.query.limit
    if limit is not None and total is not None:
        total = min(total, limit)
    if FORMATS[asking.query.format].document and total is not None and total > DOCUMENT_RECORDS:
        raise too_many(asking.query.format)
    return _Meant(chosen, catalogue.workspace, total)


async def _pin(tx: WriteTx, place: Place | None) -> _Pinned:
    """Return the head of an export, kept for as long as somebody may want to check it. Raises BadCursor."""
    if place is None:
        head, state = await log.cite(tx)
        return _Pinned(Place(head.epoch, head.size, tx.now, None), head, state)
    cited = await log.cited(tx, place.epoch, place.size)
    if cited is None:
        raise BadCursor.at("cursor", "the log was begun anew since; start again without it")
    return _Pinned(place, *cited)


def _fact(asking: Asking, pinned: _Pinned, total: int | None) -> Fact:
    query = asking.query
    data: dict[str, Any] = {
        "format": query.format,
        "proofs": query.proven,
        "treeSize": pinned.head.size,
        "count": total,
        "limit": query.limit,
        "filters": sorted(asking.sent),
        "given": {name: values for name, values in asking.sent.items() if name in _TOLD},
        "resumed": query.cursor is not None,
        "offset": query.offset,
    }
    return Fact(
        resource_type="LEDGER",
        action="EXPORTED",
        resource_id="export",
        data=data,
        risk="medium",
        domain="ledger",
    )


def _frame(asking: Asking, meant: _Meant, pinned: _Pinned) -> Frame:
    assert pinned.state.origin is not None, "a log that was signed has its origin"
    return Frame(
        format=asking.query.format,
        proofs=asking.query.proven,
        workspace=meant.workspace,
        head=pinned.head,
        asked=asking.sent,
        by_date=meant.criteria.by_date,
        whole_view=asking.actor.reads_platform_rows,
        started_at=pinned.place.started_at,
        signer=signer_of(asking.keys, pinned.state.origin, pinned.state.key_generation),
    )


async def _opened(stream: Stream, frame: Frame, offset: int, total: int | None) -> Opened:
    """Make the first bytes before the answer begins, so that what is wrong by then is told as an error."""
    form = FORMATS[frame.format]
    name = f"provenance-{frame.workspace}-{frame.head.size}.{form.extension}"
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
        "x-export-cursor": stream.cursor,
    }
    if total is not None:
        headers["x-export-count"] = str(total)
    if form.document:
        whole = b"".join([chunk async for chunk in stream.chunks()])
        headers["x-export-sha256"] = sha256(whole).hexdigest()
        refuse_beyond(offset, len(whole))
        return Opened(form.media_type, headers, _continued(whole[offset:], None))
    chunks = stream.chunks(offset)
    return Opened(form.media_type, headers, _continued(await anext(chunks, b""), chunks))


async def _continued(first: bytes, rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    yield first
    if rest is not None:
        async for chunk in rest:
            yield chunk

"""Reading the audit: pages, single events, checks. `audit.service` records; this reads what it recorded."""

import csv
import io
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from provenance.audit import queries
from provenance.audit.errors import EventNotFound, RangeTooLarge
from provenance.audit.queries import Wanted
from provenance.audit.rendering import MAC_KEY_ID, mac_of, render
from provenance.audit.schemas import (
    ACTOR_KINDS,
    Event,
    Events,
    Filters,
    RangeAsked,
    RangeVerification,
    Verification,
)
from provenance.audit.service import words_of
from provenance.core import cursors
from provenance.core.actor import Actor
from provenance.core.clock import nanos
from provenance.core.db import Database, ReadTx
from provenance.core.ids import decode
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.catalogue.cache import Catalogue, Catalogues, Kind
from provenance.ledger.entry import Columns
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log.envelopes import envelope_of
from provenance.ledger.log.service import available, read_tiles
from provenance.proof.leaf import leaf_hash
from provenance.proof.strict import HASH_BYTES
from provenance.proof.tiles import WIDTH, Tile

LOOKED_AT = 20_000
"""Platform rows that one page looks at; a page may be shorter than asked for and still go on."""
CHECKED_AT_ONCE = 10_000
EXPORTED_AT_ONCE = 500
COLUMNS = (
    "eventId", "eventType", "domain", "risk", "at", "actorId", "actorKind", "personId", "ip", "objectKind", "objectId",
    "objectName", "action", "outcome", "runId", "stepId", "requestId", "seq", "macKeyId", "mac", "detail",
)  # fmt: skip
"""The columns of the CSV form."""


def wanted(filters: Filters, catalogue: Catalogue) -> Wanted:
    """Return what the statement asks for; words that never occurred here match nothing."""
    return Wanted(
        words=None if filters.event_type is None else _words(filters.event_type, catalogue),
        domain=filters.domain,
        risk=None if filters.risk is None else filters.risk.value,
        actor_id=filters.actor_id,
        actor_kinds=None if filters.actor_kind is None else ACTOR_KINDS[filters.actor_kind],
        object_id=filters.object_id,
        since=None if filters.since is None else nanos(filters.since),
        until=None if filters.until is None else nanos(filters.until),
    )


Tombstones = Callable[[ReadTx, Iterable[str]], Awaitable[Mapping[str, str]]]
"""Answers what stands in the place of those of these people who were erased; `main` plugs in what identity knows."""


class View(NamedTuple):
    """What it takes to read events of a workspace: its words, its keys, and who is there no more."""

    catalogues: Catalogues
    keys: WorkspaceKeys
    tombstones: Tombstones


async def _without_erased(tx: ReadTx, view: View, events: list[Event]) -> list[Event]:
    """Put the tombstone in the place of each person who was erased since; nothing stored is changed."""
    gone = await view.tombstones(tx, {event.person_id for event in events if event.person_id is not None})
    if not gone:
        return events
    return [
        event.model_copy(update={"person_id": gone.get(event.person_id or "", event.person_id)}) for event in events
    ]


class _Position(msgspec.Struct):
    before: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


def _words(event_type: str, catalogue: Catalogue) -> tuple[uuid.UUID, uuid.UUID] | tuple[()]:
    subject, verb = words_of(event_type)
    found = catalogue.named(Kind.RESOURCE_TYPE, subject), catalogue.named(Kind.ACTION, verb)
    return () if found[0] is None or found[1] is None else (uuid.UUID(found[0].id), uuid.UUID(found[1].id))


async def page(tx: ReadTx, view: View, filters: Filters, *, limit: int, cursor: str | None) -> Events:
    """Return a page of events, newest first. Raises BadCursor."""
    bound = cursors.binding("audit", filters.model_dump(mode="json"))
    before = None if cursor is None else cursors.read(view.keys, bound, cursor, _Position).before
    found, following = await _next(tx, view, filters, before, limit)
    return Events(
        items=found,
        next_cursor=None if following is None else cursors.write(view.keys, bound, {"before": following}),
    )


async def _next(
    tx: ReadTx, view: View, filters: Filters, before: int | None, limit: int
) -> tuple[list[Event], int | None]:
    """Return the next events and the number below which the list goes on; None at its end."""
    asked = wanted(filters, await view.catalogues.within(tx))
    rows = await queries.events(tx, asked, before, limit=limit + 1, looked_at=LOOKED_AT)
    catalogue = await view.catalogues.within(tx)
    events = [render(row[0], Columns._make(row[1:]), catalogue, view.keys) for row in rows[:limit]]
    events = await _without_erased(tx, view, events)
    if len(rows) > limit:
        return events, events[-1].seq
    return events, await queries.last_looked_at(tx, asked, before, looked_at=LOOKED_AT)


async def event(tx: ReadTx, view: View, event_id: str) -> Event:
    """Return one event. Raises EventNotFound."""
    number, row = await _row(tx, event_id)
    found = render(number, row, await view.catalogues.within(tx), view.keys)
    return (await _without_erased(tx, view, [found]))[0]


async def verify(tx: ReadTx, view: View, event_id: str) -> Verification:
    """Tell whether one event is what was recorded and, once a head covers it, what was signed. Raises EventNotFound."""
    number, row = await _row(tx, event_id)
    envelope = envelope_of(row, await view.catalogues.within(tx))
    signed = await _signed(tx, number, number)
    leaf = leaf_hash(envelope)
    intact = leaf == row.leaf_hash and (not signed or signed[0] == leaf)
    return Verification(
        event_id=event_id,
        seq=number,
        mac=mac_of(envelope, view.keys),
        mac_key_id=MAC_KEY_ID,
        intact=intact,
        integrated=bool(signed),
        sentence="The event is what was recorded." if intact else "The event is not what was recorded.",
    )


async def verify_range(tx: ReadTx, catalogues: Catalogues, asked: RangeAsked) -> RangeVerification:
    """Check every row of a range, platform rows and others: a chain has no holes. Raises RangeTooLarge."""
    if not 1 <= asked.from_seq <= asked.to_seq:
        raise RangeTooLarge.at("toSeq", "must not be before fromSeq, and fromSeq is 1 or more")
    if asked.to_seq - asked.from_seq >= CHECKED_AT_ONCE:
        raise RangeTooLarge.at("toSeq", f"lies further than {CHECKED_AT_ONCE:,} rows from fromSeq: ask in parts")
    first = asked.from_seq
    rows = dict(await log_queries.rows(tx, first - 1, asked.to_seq - first + 1))
    catalogue, signed = await catalogues.within(tx), await _signed(tx, first, asked.to_seq)
    last = min(asked.to_seq, max([*rows, first + len(signed) - 1, 0]))
    bad = next((n for n in range(first, last + 1) if not _intact(n - first, rows.get(n), catalogue, signed)), None)
    sentence = "Every row is what was recorded." if bad is None else f"Row {bad} is not what was recorded."
    return RangeVerification(
        from_seq=first,
        to_seq=asked.to_seq,
        checked=max(0, last - first + 1),
        intact=bad is None,
        first_bad=bad,
        sentence=sentence,
    )


def _intact(place: int, row: Columns | None, catalogue: Catalogue, signed: list[bytes]) -> bool:
    if row is None:
        return False
    leaf = leaf_hash(envelope_of(row, catalogue))
    return leaf == row.leaf_hash and (place >= len(signed) or signed[place] == leaf)


async def _signed(tx: ReadTx, first: int, last: int) -> list[bytes]:
    """Return the leaf hashes under the signed head from one number to another, as far as it reaches."""
    state = await log_queries.state(tx)
    last = min(last, state.size if state else 0)
    if state is None or last < first:
        return []
    tiles = [Tile(0, index, 1) for index in range((first - 1) // WIDTH, (last - 1) // WIDTH + 1)]
    whole = [Tile(0, tile.index, available(state.size, tile)) for tile in tiles]
    read = await read_tiles(tx, state, whole)
    joined = b"".join(read[tile] for tile in whole)
    at = (first - 1 - whole[0].index * WIDTH) * HASH_BYTES
    return [joined[each : each + HASH_BYTES] for each in range(at, at + (last - first + 1) * HASH_BYTES, HASH_BYTES)]


async def _row(tx: ReadTx, event_id: str) -> tuple[int, Columns]:
    interaction_id = decode("evt", event_id)
    found = None if interaction_id is None else await queries.event(tx, interaction_id)
    if found is None:
        raise EventNotFound("There is no audit event with this id.")
    return found[0], Columns._make(found[1:])


async def everything(db: Database, actor: Actor, view: View, filters: Filters) -> AsyncIterator[list[Event]]:
    """Yield every event, newest first, a page at a time: no snapshot stays open while a client reads."""
    before: int | None = None
    while True:
        async with db.read(actor) as tx:
            events, before = await _next(tx, view, filters, before, EXPORTED_AT_ONCE)
        yield events
        if before is None:
            return


def as_ndjson(events: Iterable[Event]) -> bytes:
    """Return events as one JSON object a line."""
    return b"".join(event.model_dump_json(by_alias=True).encode() + b"\n" for event in events)


def as_csv(events: Iterable[Event], *, header: bool) -> bytes:
    """Return events as CSV (RFC 4180); a text that a spreadsheet would run is kept from it by an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    if header:
        writer.writerow(COLUMNS)
    for each in events:
        shown = each.model_dump(by_alias=True, mode="json")
        shown["detail"] = msgspec.json.encode(shown["detail"], order="deterministic").decode()
        writer.writerow([_cell(shown[name]) for name in COLUMNS])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value

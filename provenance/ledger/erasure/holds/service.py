"""The verbs of legal holds: set, lift, list, and tell which rows are held."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.core.pagination import Page, PageAsked, paged
from provenance.ledger.catalogue.cache import Catalogues
from provenance.ledger.erasure.holds import queries
from provenance.ledger.erasure.holds.errors import HoldInThePast, UnknownHold
from provenance.ledger.erasure.holds.schemas import Hold, HoldCreate, LegalHold, shown
from provenance.ledger.erasure.queries import lock
from provenance.ledger.erasure.retention.queries import look_again
from provenance.ledger.erasure.selecting import meant
from provenance.ledger.interactions import queries as rows
from provenance.ledger.interactions.filters import Criteria
from provenance.ledger.interactions.where import WhereTest
from provenance.ledger.service import Fact, record

PURPOSE = "ledger.hold"


class Held(NamedTuple):
    """Rows under a hold, and the holds that cover them."""

    numbers: frozenset[int]
    holds: list[str]


async def create(tx: WriteTx, catalogues: Catalogues, keys: WorkspaceKeys, body: HoldCreate) -> LegalHold:
    """Set a hold; from its commit on no row under it is erased. Raises HoldInThePast and Invalid."""
    if body.ends_at is not None and body.ends_at <= tx.now:
        raise HoldInThePast.at("endsAt", "lies in the past")
    meant(body.filter, await catalogues.within(tx))
    await lock(tx)
    sealed = keys.seal(PURPOSE, msgspec.json.encode(body.filter))
    hold = Hold(new_uuid(), body.reason, sealed, tx.actor.id, tx.now, body.ends_at)
    await queries.add(tx, hold)
    made = shown(hold, body.filter, tx.now)
    data = {"reason": hold.reason, "endsAt": made.ends_at, "fields": sorted(body.filter)}
    record(tx, _fact("HOLD_SET", hold.id, data))
    return made


async def delete(tx: WriteTx, hold_id: uuid.UUID | None) -> None:
    """Lift a hold. What it kept from retention is looked at again. Raises UnknownHold."""
    await lock(tx)
    if hold_id is None or not await queries.remove(tx, hold_id):
        raise UnknownHold("This workspace has no legal hold with this id.")
    await look_again(tx)
    record(tx, _fact("HOLD_LIFTED", hold_id, {}))


def _fact(action: str, hold_id: uuid.UUID, data: dict[str, Any]) -> Fact:
    return Fact(
        resource_type="LEDGER", action=action, resource_id=str(hold_id), data=data, risk="critical", domain="ledger"
    )


async def page(tx: ReadTx, keys: WorkspaceKeys, asked: PageAsked) -> Page:
    """Return one page of the holds, newest first; those that have ended too."""
    found = await queries.page(tx, limit=asked.limit, offset=asked.offset)
    data = [shown(hold, opened(keys, hold), tx.now).model_dump(by_alias=True) for hold in found]
    return paged(data, asked, await queries.count(tx))


def opened(keys: WorkspaceKeys, hold: Hold) -> dict[str, Any]:
    """Return the filter of a hold, as it was sent."""
    found: dict[str, Any] = msgspec.json.decode(keys.open(PURPOSE, hold.filter_sealed))
    return found


async def held_among(
    tx: ReadTx, catalogues: Catalogues, keys: WorkspaceKeys, holds: Sequence[Hold], numbers: Sequence[int]
) -> Held:
    """Return which of these rows are held, and by which of these holds."""
    covered: set[int] = set()
    by: list[str] = []
    for hold in holds if numbers else ():
        catalogue = await catalogues.within(tx)
        found = await _satisfying(tx, catalogues, meant(opened(keys, hold), catalogue), numbers)
        if found:
            covered |= set(found)
            by.append(str(hold.id))
    return Held(frozenset(covered), by)


async def _satisfying(tx: ReadTx, catalogues: Catalogues, what: Criteria, numbers: Sequence[int]) -> list[int]:
    if what.impossible:
        return []
    found = await queries.satisfying(tx, what, numbers)
    if what.where is None or not found:
        return found
    answers = await WhereTest(tx, catalogues, what.where)(await rows.rows(tx, found))
    return [number for number, holds in zip(found, answers, strict=True) if holds]

"""The verbs of erasure: preview, ask for it, look at it, hand out its certificate."""

import uuid

import msgspec

from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.core.pagination import Page, PageAsked, paged
from provenance.ledger.catalogue.cache import Catalogues
from provenance.ledger.erasure import queries
from provenance.ledger.erasure.errors import LegalHold, NotCertified, UnknownErasure
from provenance.ledger.erasure.holds import queries as hold_queries
from provenance.ledger.erasure.holds import service as holds
from provenance.ledger.erasure.schemas import (
    Erasure,
    ErasureCreate,
    Job,
    Kind,
    Preview,
    Status,
    certificate_path,
    shown,
)
from provenance.ledger.erasure.selecting import Chosen, chosen, find
from provenance.ledger.service import Fact, record

COUNTED_AT_MOST = 100_000
_AT_ONCE = 2_000


async def preview(tx: ReadTx, catalogues: Catalogues, keys: WorkspaceKeys, body: ErasureCreate) -> Preview:
    """Count what an erasure would take. Raises OneSelector and Invalid."""
    found, _ = await _count(tx, catalogues, keys, chosen(body.user_id, body.resource_id, body.filter))
    return found


async def create(tx: WriteTx, catalogues: Catalogues, keys: WorkspaceKeys, body: ErasureCreate) -> Erasure:
    """Ask for an erasure; the worker does it. One that is asked for already is answered again.

    Raises OneSelector, Invalid, and LegalHold when a hold covers any of its rows.
    """
    what = chosen(body.user_id, body.resource_id, body.filter)
    counted, held_by = await _count(tx, catalogues, keys, what)
    if counted.held:
        raise LegalHold(counted.held, held_by)
    hashed = what.hashed(keys)
    await queries.lock(tx)
    before = await queries.same(tx, what.kind, hashed)
    if before is not None:
        return shown(before)
    job = fresh_job(
        tx, Kind.ERASURE, what.kind, body.reason, tx.actor.id, upto=await queries.head(tx), expected=counted.rows
    )._replace(selector_hash=hashed, selector_sealed=what.sealed(keys))
    await queries.add(tx, job)
    data = {"selector": what.kind, "selectorHash": hashed.hex(), "reason": body.reason, "expected": counted.rows}
    record(tx, fact("ERASURE_REQUESTED", job.id, data))
    return shown(job)


def fresh_job(
    tx: ReadTx, kind: Kind, selector: str, reason: str, by: str, *, upto: int, expected: int | None = None
) -> Job:
    """Return an erasure that has not begun."""
    erasure_id = new_uuid()
    erased = {"at": iso_millis(tx.now), "by": by, "certificate": certificate_path(erasure_id), "reason": reason}
    return Job(
        workspace_id=tx.workspace_id,
        id=erasure_id,
        kind=kind.value,
        status=Status.ERASING.value,
        selector=selector,
        selector_hash=None,
        selector_sealed=None,
        reason=reason,
        requested_by=by,
        requested_at=tx.now,
        upto=upto,
        expected=expected,
        erased=0,
        cursor_moment=0,
        cursor_number=0,
        shown=msgspec.json.encode({"erased": erased}).decode(),
        erased_at=None,
        finished_at=None,
        certificate=None,
        continues=None,
        reapplied=False,
    )


def fact(action: str, erasure_id: uuid.UUID, data: dict[str, object]) -> Fact:
    """Return the fact that something was done about an erasure; ``data`` holds counts and ranges, never content."""
    return Fact(
        resource_type="LEDGER", action=action, resource_id=str(erasure_id), data=data, risk="critical", domain="ledger"
    )


async def page(tx: ReadTx, asked: PageAsked) -> Page:
    """Return one page of the erasures, newest first."""
    found = await queries.page(tx, limit=asked.limit, offset=asked.offset)
    data = [shown(job).model_dump(by_alias=True, mode="json") for job in found]
    return paged(data, asked, await queries.count(tx))


async def get(tx: ReadTx, erasure_id: uuid.UUID | None) -> Erasure:
    """Return one erasure. Raises UnknownErasure."""
    return shown(await _one(tx, erasure_id))


async def certificate(tx: ReadTx, erasure_id: uuid.UUID | None) -> str:
    """Return the certificate of a finished erasure, a signed note. Raises UnknownErasure and NotCertified."""
    found = await _one(tx, erasure_id)
    if found.certificate is None:
        raise NotCertified()
    return found.certificate


async def _one(tx: ReadTx, erasure_id: uuid.UUID | None) -> Job:
    found = None if erasure_id is None else await queries.job(tx, erasure_id)
    if found is None:
        raise UnknownErasure("This workspace has no erasure with this id.")
    return found


async def _count(tx: ReadTx, catalogues: Catalogues, keys: WorkspaceKeys, what: Chosen) -> tuple[Preview, list[str]]:
    """Count rows with content and rows held, up to a limit; return the holds as well."""
    wanted = what.criteria(await catalogues.within(tx))
    active = await hold_queries.active(tx)
    rows, held, by, after, ended = 0, 0, dict[str, None](), (0, 0), False
    while not ended and rows < COUNTED_AT_MOST:
        found = await find(tx, catalogues, wanted, after, limit=_AT_ONCE)
        numbers = await queries.with_content(tx, found.numbers)
        kept = await holds.held_among(tx, catalogues, keys, active, numbers)
        rows, held, after, ended = rows + len(numbers), held + len(kept.numbers), found.after, found.ended
        by |= dict.fromkeys(kept.holds)
    return Preview(rows=rows, held=held, capped=not ended), list(by)

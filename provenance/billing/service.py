"""The verbs of billing."""

import uuid
from datetime import UTC, datetime

from provenance.audit.service import words_of
from provenance.billing import queries
from provenance.billing.errors import BillingNotConfigured
from provenance.billing.schemas import BillingSummary, Period, Portal, PortalAsked, Seats, Usage
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx
from provenance.ledger.catalogue.cache import Catalogue, Catalogues, Kind

PLAN = "self_hosted"
_STEPS = ("run.step_completed", "run.step_failed")


async def summary(tx: ReadTx, catalogues: Catalogues) -> BillingSummary:
    """Return the plan and what was used since the beginning of the month."""
    start, end = _month(tx.now)
    return BillingSummary(
        plan=PLAN,
        status="self_hosted",
        current_period=Period(start=iso_millis(start), end=iso_millis(end)),
        seats=Seats(used=await queries.seats(tx), limit=None),
        usage=await _usage(tx, await catalogues.within(tx), start),
        limits={},
        overage={},
        invoices=[],
        portal_available=False,
    )


def portal(asked: PortalAsked) -> Portal:
    """Open the payment portal. Raises BillingNotConfigured, always: nobody is billed here."""
    raise BillingNotConfigured("This server is self-hosted and bills nobody; there is no payment portal.")


async def _usage(tx: ReadTx, catalogue: Catalogue, since: int) -> Usage:
    first = await queries.first_since(tx, since)
    counts = {} if first is None else await queries.counted(tx, first)

    def times(*events: str) -> int:
        return sum(counts.get(words, 0) for event in events if (words := _words(catalogue, event)) is not None)

    steps = [words for event in _STEPS if (words := _words(catalogue, event)) is not None]
    models: tuple[int, int, float] = (0, 0, 0.0)
    if first is not None and steps:
        tokens_in, tokens_out, cost = await queries.of_models(tx, first, steps[0][0], [words[1] for words in steps])
        models = (int(tokens_in), int(tokens_out), float(cost))
    return Usage(
        runs=times("run.started", "run.queued"),
        steps=times(*_STEPS),
        tokens_in=models[0],
        tokens_out=models[1],
        model_cost_usd=models[2],
        storage_bytes=await queries.stored_bytes(tx),
        bus_messages=times("bus.message_published"),
        mcp_calls=times("mcp.tool_called"),
        audit_events=sum(counts.values()),
    )


def _words(catalogue: Catalogue, event: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    subject, verb = words_of(event)
    resource_type, action = catalogue.named(Kind.RESOURCE_TYPE, subject), catalogue.named(Kind.ACTION, verb)
    return None if resource_type is None or action is None else (uuid.UUID(resource_type.id), uuid.UUID(action.id))


def _month(now: int) -> tuple[int, int]:
    """Return the beginning of the month of a moment, and of the next one."""
    today = datetime.fromtimestamp(now / NANOS, UTC)
    begun = datetime(today.year, today.month, 1, tzinfo=UTC)
    following = datetime(today.year + today.month // 12, today.month % 12 + 1, 1, tzinfo=UTC)
    return int(begun.timestamp()) * NANOS, int(following.timestamp()) * NANOS

"""The verbs of billing."""

import uuid
from typing import Any

import msgspec

from provenance.audit import service as audit
from provenance.billing import queries
from provenance.billing.counting import EVENTS, first_day, month_of, words_in
from provenance.billing.errors import BillingNotConfigured
from provenance.billing.paying import Payments, Standing
from provenance.billing.schemas import BillingEvent, BillingSummary, Period, Portal, PortalAsked, Seats, Usage
from provenance.core.actor import Actor
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import Database, ReadTx, WriteTx
from provenance.core.ids import encode
from provenance.core.settings import Settings
from provenance.identity.members import service as members
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.workspace import service as workspaces

AT_ONCE = 50_000
FRESH_NS = 60 * NANOS
"""How long what the payment provider said is shown before it is asked again."""
PORTAL_NS = 300 * NANOS
"""How long the provider's portal can be entered by its address."""


async def summary(
    tx: ReadTx, settings: Settings, catalogues: Catalogues, *, stored: int, portal: bool
) -> BillingSummary:
    """Return the plan and what was used since the beginning of the month.

    ``stored``: how many bytes the workspace stores; ``portal``: whether there is one.
    """
    plan = await workspaces.plan_of(tx)
    limits = workspaces.limits_of(settings, plan)
    paying = await queries.customer(tx)
    start, end = month_of(tx.now)
    if paying is not None and paying.period_start is not None:
        start, end = paying.period_start, paying.period_end
    used = await usage(tx, await catalogues.within(tx), stored)
    seats = await members.seats(tx)
    counts = {**used.model_dump(by_alias=True), "members": await members.seats_taken(tx)}
    return BillingSummary(
        plan=plan,
        status="self_hosted" if paying is None or paying.status is None else paying.status,
        current_period=Period(start=iso_millis(start), end=iso_millis(end)),
        seats=Seats(used=seats, limit=limits.get("members")),
        usage=used,
        limits=limits,
        overage={name: counts[name] - most for name, most in limits.items() if counts.get(name, 0) > most},
        invoices=[] if paying is None else msgspec.json.decode(paying.invoices),
        portal_available=portal,
    )


async def usage(tx: ReadTx, catalogue: Catalogue, stored: int) -> Usage:
    """Return what the workspace used this month: what is counted already, and what was recorded since.

    ``stored``: how many bytes it stores.
    """
    month = first_day(tx.now)
    rows: list[Any] = await queries.of_month(tx, month)
    rows += [row for row in await queries.not_counted(tx, await queries.counted_to(tx)) if row.month == month]

    def times(name: str) -> int:
        words = words_in(catalogue, EVENTS[name])
        return sum(row.times for row in rows if (row.resource_type_id, row.action_id) in words)

    return Usage(
        runs=times("runs"),
        steps=times("steps"),
        tokens_in=sum(row.tokens_in for row in rows),
        tokens_out=sum(row.tokens_out for row in rows),
        model_cost_usd=sum(row.model_cost_usd for row in rows),
        storage_bytes=stored,
        bus_messages=times("busMessages"),
        mcp_calls=times("mcpCalls"),
        audit_events=sum(row.times for row in rows),
    )


async def count(db: Database, workspace_id: uuid.UUID) -> None:
    """Count what a workspace recorded, up to now."""
    counted = 1
    while counted:
        async with db.housekeeping(workspace_id) as tx:
            counted = await queries.count_on(tx, AT_ONCE)


# Paying


async def portal(db: Database, payments: Payments | None, actor: Actor, asked: PortalAsked, home: str) -> Portal:
    """Open the payment portal; records ``billing.portal_opened``. Raises BillingNotConfigured, PaymentsAway.

    ``home`` is where it leads back to unless the request says so.
    """
    if payments is None:
        raise BillingNotConfigured("This server is self-hosted and bills nobody; there is no payment portal.")
    customer = await _customer(db, payments, actor.workspace_id)
    url = await payments.portal(customer, str(asked.return_url or home))
    async with db.write(actor) as tx:
        data = {"customer": customer}
        audit.record(tx, BillingEvent.PORTAL_OPENED, encode("ws", tx.workspace_id), data, risk=audit.Risk.MEDIUM)
        return Portal(url=url, expires_at=iso_millis(tx.now + PORTAL_NS))


async def _customer(db: Database, payments: Payments, workspace_id: uuid.UUID) -> str:
    """Return the workspace's customer at the provider, made at first use. Raises PaymentsAway."""
    async with db.housekeeping(workspace_id) as tx:
        known = await queries.customer(tx)
        name = (await workspaces.named(tx)).name
    if known is not None:
        return str(known.customer)
    made = await payments.customer(encode("ws", workspace_id), name)
    async with db.housekeeping(workspace_id) as tx:
        await queries.put_customer(tx, made)
        kept = await queries.customer(tx)
    assert kept is not None, "it was just put there"
    return str(kept.customer)


async def refresh(db: Database, payments: Payments, workspace_id: uuid.UUID) -> None:
    """Ask the provider how the workspace's subscription stands, unless that was done a minute ago.

    The workspace's plan follows. Raises PaymentsAway.
    """
    async with db.housekeeping(workspace_id) as tx:
        known = await queries.customer(tx)
        stale = known is not None and known.asked_at < tx.now - FRESH_NS
    if known is None or not stale:
        return
    standing = await payments.standing(known.customer)
    async with db.housekeeping(workspace_id) as tx:
        await _keep(tx, standing)


async def _keep(tx: WriteTx, standing: Standing) -> None:
    await queries.put_standing(
        tx,
        plan=standing.plan,
        status=standing.status,
        period_start=standing.period_start,
        period_end=standing.period_end,
        invoices=msgspec.json.encode(standing.invoices).decode(),
    )
    await workspaces.set_plan(tx, standing.plan or workspaces.SELF_HOSTED)

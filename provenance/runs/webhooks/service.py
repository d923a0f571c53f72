"""The one verb of webhooks: take a signed request in and start its run."""

import time
import uuid
from typing import Any, NamedTuple

from provenance.core import ids
from provenance.core.actor import Actor, Kind
from provenance.core.db import Database
from provenance.core.door import Exchange
from provenance.core.keyring import WorkspaceKeys
from provenance.core.routing import admitted_body
from provenance.ledger.service import Ledger
from provenance.runs import service as runs_service
from provenance.runs.activity import from_text
from provenance.runs.entering import begin
from provenance.runs.errors import NotDeployed
from provenance.runs.events import wire_id
from provenance.runs.library import Library, Live
from provenance.runs.runtime import Runs
from provenance.runs.starting import Prepared, Start, prepared
from provenance.runs.webhooks import queries
from provenance.runs.webhooks.errors import BadSignature
from provenance.runs.webhooks.headers import readable
from provenance.runs.webhooks.refusals import Refusals
from provenance.runs.webhooks.schemas import WebhookAccepted
from provenance.runs.webhooks.schemes import PRESETS, Scheme, Signed, genuine
from provenance.workflows.errors import NoWebhook
from provenance.workflows.plan import Plan, TriggerType
from provenance.workflows.webhook_secret import service as webhook_secrets

BODY_LIMIT = 1024 * 1024
_ACTING = ("webhook", Kind.WEBHOOK.value)
_PURPOSE = "webhook.delivery"


class Webhooks:
    """What the server needs to take webhooks in. `start` and `stop` belong to its life."""

    def __init__(self, ledger: Ledger, runs: Runs) -> None:
        """Take the ledger and the runs of this process."""
        self.ledger = ledger
        self.runs = runs
        self.refusals = Refusals(ledger.db)

    def start(self) -> None:
        """Start to record bad signatures."""
        self.refusals.start()

    async def stop(self) -> None:
        """Record what is noted, and stop."""
        await self.refusals.stop()


class _Address(NamedTuple):
    """What a webhook's address stands for now: whose, its secrets, and the version that is live."""

    workspace_id: uuid.UUID
    workflow_id: uuid.UUID
    keys: WorkspaceKeys
    secrets: list[bytes]
    live: Live | None
    plan: Plan | None

    @property
    def config(self) -> dict[str, Any]:
        trigger = None if self.plan is None else self.plan.trigger(TriggerType.WEBHOOK)
        return {} if trigger is None else dict(trigger.webhook)


async def receive(webhooks: Webhooks, exchange: Exchange, workflow_id: str) -> WebhookAccepted:
    """Start the run of a signed request, or answer with the run that its delivery started before.

    Raises BadSignature first of all, for unknown workflows too; then Invalid for what is no JSON, NotDeployed,
    NoWebhook, TriggerOff, BadInput.
    """
    address = await _address(webhooks.ledger, webhooks.runs.library, workflow_id)
    config = {} if address is None else address.config
    preset = config.get("preset", "provenance")
    scheme, request = PRESETS[preset], Signed(exchange.headers, exchange.body, time.time())
    secrets = [] if address is None else address.secrets
    if not genuine(scheme, request, secrets, timestamped=config.get("requireTimestamp", False)):
        if address is not None:
            webhooks.refusals.note(address.workspace_id, address.workflow_id, exchange, preset)
        raise BadSignature
    assert address is not None, "nobody signs for an address that is none"
    payload = from_text(admitted_body(exchange).decode())
    name = _name_of(config, scheme, request, payload)
    begun = _prepared(address, request, payload, name)
    if not name:
        await runs_service.begin_alone(webhooks.runs, begun)
        return _accepted(begun.new.id, _status(begun))
    delivery = address.keys.mac(_PURPOSE, name.encode())
    return await _once(webhooks, address, begun, delivery)


async def forget_old(db: Database) -> bool:
    """Throw away deliveries whose day is over; tell whether there may be more."""
    async with db.housekeeping() as tx:
        return await queries.forget_old(tx)


async def _address(ledger: Ledger, library: Library, wire: str) -> _Address | None:
    workflow_id = ids.decode("wf", wire)
    if workflow_id is None:
        return None
    found = await webhook_secrets.at_address(ledger, workflow_id)
    if found is None:
        return None
    live = await library.live(found.workspace_id, workflow_id)
    plan = None if live is None else await library.plan(found.workspace_id, workflow_id, live.version)
    return _Address(found.workspace_id, workflow_id, found.keys, found.secrets, live, plan)


def _name_of(config: dict[str, Any], scheme: Scheme, request: Signed, payload: Any) -> str:
    """Return what a repeat of this delivery would be named by too; empty when nothing names it."""
    if config.get("deduplicate") == "body":
        return "body:" + request.body.decode("utf-8", "replace")
    named = scheme.delivery(request)
    if not named and scheme is PRESETS["stripe"] and isinstance(payload, dict):
        named = str(payload.get("id") or "")
    return named and "delivery:" + named


def _prepared(address: _Address, request: Signed, payload: Any, name: str) -> Prepared:
    if address.live is None or address.plan is None:
        raise NotDeployed
    if address.plan.trigger(TriggerType.WEBHOOK) is None:
        raise NoWebhook("The version of this workflow that is live has no webhook trigger.")
    told: dict[str, Any] = {"headers": readable(request.headers)}
    if name.startswith("delivery:"):
        told["deliveryId"] = name.removeprefix("delivery:")[:255]
    start = Start(
        workspace_id=address.workspace_id,
        workflow_id=address.workflow_id,
        acting=_ACTING,
        type=TriggerType.WEBHOOK,
        input=payload,
        trigger=told,
    )
    return prepared(start, address.live, address.plan)


async def _once(webhooks: Webhooks, address: _Address, begun: Prepared, delivery: bytes) -> WebhookAccepted:
    """Start the run in the transaction that claims the delivery; a repeat gets the first one's answer."""
    sender, status = Actor(Kind.WEBHOOK, "webhook", address.workspace_id), _status(begun)
    async with webhooks.ledger.db.write(sender) as tx:
        first = await queries.claim(tx, address.workflow_id, delivery, begun.new.id, status)
        if first is None:
            await begin(tx, webhooks.runs.engine, begun)
    return _accepted(begun.new.id, status) if first is None else _accepted(first.run_id, first.status)


def _status(begun: Prepared) -> str:
    return "running" if begun.new.slot is None else "queued"


def _accepted(run_id: uuid.UUID, status: str) -> WebhookAccepted:
    return WebhookAccepted(run_id=wire_id(run_id), status=status)  # type: ignore[arg-type]

"""The verbs of webhook secrets."""

import base64
import uuid
from secrets import token_bytes
from typing import NamedTuple

from provenance.audit import service as audit
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.service import Ledger
from provenance.workflows import queries
from provenance.workflows.schemas import WebhookSecret, WorkflowEvent
from provenance.workflows.service import locked

PURPOSE = "workflow.webhook"
_PREFIX = "whsec_"
_BYTES = 30
"""Its base64 needs no padding, and Standard Webhooks takes it as it is."""


async def rotate(
    tx: WriteTx, keys: WorkspaceKeys, wire_id: str, grace_minutes: int, chosen: str | None = None
) -> WebhookSecret:
    """Take a secret, chosen or made; the one before stays good for so many minutes. Raises UnknownWorkflow."""
    row = await locked(tx, wire_id)
    secret = chosen or _PREFIX + base64.b64encode(token_bytes(_BYTES)).decode()
    until = tx.now + grace_minutes * 60 * NANOS
    had_one = await queries.retire_secrets(tx, row.id, until)
    await queries.insert_secret(tx, row.id, new_uuid(), keys.seal(PURPOSE, secret.encode()))
    previous = iso_millis(until) if had_one else None
    data = {"name": row.name, "previousValidUntil": previous, "chosen": chosen is not None}
    audit.record(tx, WorkflowEvent.SECRET_ROTATED, wire_id, data, risk=audit.Risk.HIGH)
    return WebhookSecret(secret=secret, created_at=iso_millis(tx.now), previous_valid_until=previous)


async def valid(tx: ReadTx, keys: WorkspaceKeys, workflow_id: uuid.UUID) -> list[bytes]:
    """Return the secrets that are good now, the current one first: the HMAC keys are these very bytes."""
    return [keys.open(PURPOSE, row.sealed) for row in await queries.secrets_of(tx, workflow_id)]


class Receiver(NamedTuple):
    """Whose webhook an address is, and the secrets that are good there now, the current one first."""

    workspace_id: uuid.UUID
    keys: WorkspaceKeys
    secrets: list[bytes]


async def at_address(ledger: Ledger, workflow_id: uuid.UUID) -> Receiver | None:
    """Return what a webhook's address stands for, in whatever workspace; None for a workflow without a secret."""
    async with ledger.db.housekeeping() as tx:
        rows = await queries.secrets_at_address(tx, workflow_id)
    if not rows:
        return None
    keys = await ledger.keyring.of(rows[0].workspace_id)
    return Receiver(rows[0].workspace_id, keys, [keys.open(PURPOSE, row.sealed) for row in rows])

"""The verbs of webhook secrets."""

import uuid
from secrets import token_urlsafe

from provenance.audit import service as audit
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.workflows import queries
from provenance.workflows.schemas import WebhookSecret, WorkflowEvent
from provenance.workflows.service import locked

PURPOSE = "workflow.webhook"
_PREFIX = "whsec_"
_BYTES = 32


async def rotate(tx: WriteTx, keys: WorkspaceKeys, wire_id: str, grace_minutes: int) -> WebhookSecret:
    """Make a new secret; the one before stays good for so many minutes. Raises UnknownWorkflow."""
    row = await locked(tx, wire_id)
    secret, until = _PREFIX + token_urlsafe(_BYTES), tx.now + grace_minutes * 60 * NANOS
    had_one = await queries.retire_secrets(tx, row.id, until)
    await queries.insert_secret(tx, row.id, new_uuid(), keys.seal(PURPOSE, secret.encode()))
    previous = iso_millis(until) if had_one else None
    data = {"name": row.name, "previousValidUntil": previous}
    audit.record(tx, WorkflowEvent.SECRET_ROTATED, wire_id, data, risk=audit.Risk.HIGH)
    return WebhookSecret(secret=secret, created_at=iso_millis(tx.now), previous_valid_until=previous)


async def valid(tx: ReadTx, keys: WorkspaceKeys, workflow_id: uuid.UUID) -> list[bytes]:
    """Return the secrets that are good now, the current one first: the HMAC keys are these very bytes."""
    return [keys.open(PURPOSE, row.sealed) for row in await queries.secrets_of(tx, workflow_id)]

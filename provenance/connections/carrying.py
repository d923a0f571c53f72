"""What a call of a connection carries: its credential or token as headers, where it may go, what is secret in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provenance.audit import service as audit
from provenance.connections import queries, targets
from provenance.connections.credentials import headers_of
from provenance.connections.errors import ConnectionBroken, ConnectionPaused, ConnectionPending
from provenance.connections.integrations import INTEGRATIONS
from provenance.connections.schemas import ConnectionEvent, Row, Status
from provenance.connections.sealing import credential_of, tokens_of
from provenance.connections.service import KIND, found
from provenance.connections.targets import Target
from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.core.settings import IntegrationSettings
from provenance.secrets import service as secrets
from provenance.secrets.masking import Mask
from provenance.secrets.schemas import Purpose

FRESH_NS = 60 * NANOS
"""An access token with less time left than this is renewed before it is used."""

Operator = Mapping[str, IntegrationSettings]


class Stale(Exception):
    """The access token is missing or about to run out: fetch one, then ask again."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.wire_id)
        self.row = row


@dataclass(frozen=True, slots=True)
class Authorized:
    """What a call of a connection carries, and where it may go. Keep it no longer than the call."""

    target: Target
    headers: Mapping[str, str] = field(repr=False)
    mask: Mask = field(repr=False)
    revision: int


async def authorized(
    tx: WriteTx, keys: WorkspaceKeys, operator: Operator, connection_id: str, purpose: Purpose
) -> Authorized:
    """Return what a call carries, and record that it is made.

    Raises ConnectionPaused, ConnectionPending and ConnectionBroken, and Stale when a token has to be fetched first,
    which takes the network: `running.Connections.ready` does that, outside of any transaction.
    """
    row = await found(tx, connection_id)
    ensure_active(row)
    carried = await carried_by(tx, keys, operator, row)
    await queries.stamp_use(tx, row.id)
    data = {"name": row.name, "integration": row.integration, "purpose": purpose.kind, "purposeId": purpose.id}
    audit.record(tx, ConnectionEvent.ACCESSED, row.wire_id, data, risk=audit.Risk.HIGH)
    return carried


def ensure_active(row: Row) -> None:
    """Refuse a connection that is not in use. Raises ConnectionPaused, ConnectionPending and ConnectionBroken."""
    if row.status == Status.PAUSED.value:
        raise ConnectionPaused(f"The connection {row.name} is paused.")
    if row.status == Status.PENDING.value:
        raise ConnectionPending(f"The connection {row.name} was not authorised at the provider yet.")
    if row.status == Status.ERROR.value:
        raise ConnectionBroken(f"The connection {row.name} has an error: {row.last_error}")


async def carried_by(tx: WriteTx, keys: WorkspaceKeys, operator: Operator, row: Row) -> Authorized:
    """Return what a call of a connection carries, whatever its status. Raises Stale."""
    tokens = tokens_of(keys, tx.workspace_id, row)
    if gives_tokens(row) and (tokens is None or is_stale(row, tx.now)):
        raise Stale(row)
    credential = await credential_in_full(tx, keys, row)
    integration = INTEGRATIONS[row.integration]
    access_token = None if tokens is None else tokens.access_token
    headers = headers_of(integration, row.auth_type, row.config, credential, access_token)
    instance = None if tokens is None else tokens.instance_url
    target = targets.target_of(integration, row.config, operator.get(row.integration), instance)
    secret_values = [*_secret_of(credential), *headers.values(), *([] if access_token is None else [access_token])]
    return Authorized(target, headers, Mask(secret_values), row.tokens_revision)


def gives_tokens(row: Row) -> bool:
    """Tell whether calls carry a token that a provider gave out."""
    return row.auth_type == "oauth2" or (row.integration == "http" and row.auth_type == "service_account")


def is_stale(row: Row, now: int) -> bool:
    """Tell whether the access token is about to run out."""
    return row.expires_at is not None and row.expires_at - now < FRESH_NS


async def credential_in_full(tx: WriteTx, keys: WorkspaceKeys, row: Row) -> dict[str, Any]:
    """Return a connection's credential with the secrets it refers to filled in, which records their use."""
    credential = credential_of(keys, tx.workspace_id, row)
    full: dict[str, Any] = await secrets.fill(tx, keys, credential, Purpose(KIND, row.wire_id))
    return full


async def known_values(tx: ReadTx, keys: WorkspaceKeys) -> list[Any]:
    """Return the credentials and tokens of the workspace's connections, to know them by where they must not be."""
    values: list[Any] = []
    for row in await queries.every(tx):
        values += _secret_of(credential_of(keys, tx.workspace_id, row))
        tokens = tokens_of(keys, tx.workspace_id, row)
        values += [] if tokens is None else [tokens.access_token, tokens.refresh_token]
    return values


async def known_stamp(tx: ReadTx) -> tuple[int, int, int]:
    """Return what changes whenever a connection gets another credential or token."""
    return await queries.stamp_of_credentials(tx)


def _secret_of(credential: Mapping[str, Any]) -> list[Any]:
    """Return what of a credential is secret: all but whom it belongs to."""
    return [value for name, value in credential.items() if name not in ("username", "email")]

"""The verbs of connections that need no network: make, list, change, delete, and hand over what a call carries."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from provenance.audit import service as audit
from provenance.connections import queries, targets, uses
from provenance.connections.credentials import checked as checked_credential
from provenance.connections.credentials import ensure_header, ensure_open, headers_of
from provenance.connections.errors import (
    BadConfig,
    ConnectionNameTaken,
    ConnectionNotFound,
    ConnectionPending,
    CredentialNeeded,
    NotTested,
    UnknownIntegration,
    WrongAuthType,
)
from provenance.connections.integrations import INTEGRATIONS
from provenance.connections.schemas import (
    PREFIX,
    Asked,
    Connection,
    ConnectionCreate,
    ConnectionEvent,
    Connections,
    ConnectionUpdate,
    Row,
    Status,
    shown,
)
from provenance.connections.sealing import seal_credential
from provenance.core import cursors
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.secrets import service as secrets
from provenance.secrets.schemas import Purpose

KIND = "connection"
CONFIG_BYTES = 16 * 1024


async def create(tx: WriteTx, keys: WorkspaceKeys, body: ConnectionCreate) -> Connection:
    """Make a connection. Raises UnknownIntegration, WrongAuthType, ConnectionNameTaken, BadConfig, BadCredential."""
    integration = INTEGRATIONS.get(body.integration)
    if integration is None:
        raise UnknownIntegration.at("integration", f"must be one of {', '.join(INTEGRATIONS)}")
    found = [each for each in integration.auth if each == body.auth_type]
    if not found:
        raise WrongAuthType.at("authType", f"must be {' or '.join(integration.auth)} for {body.integration}")
    auth_type, connection_id = found[0], new_uuid()
    config = _checked_config(body.integration, auth_type, body.config)
    credential = checked_credential(integration, auth_type, body.credential)
    _ensure_usable(body.integration, auth_type, config, credential)
    row = Row(
        id=connection_id,
        name=body.name,
        integration=body.integration,
        auth_type=auth_type,
        environment=body.environment,
        config=config,
        status=Status.PENDING.value if auth_type == "oauth2" else Status.ACTIVE.value,
        account_id=None,
        account_label=None,
        scopes=wanted_scopes(body.integration, config),
        credential_sealed=_sealed(keys, tx.workspace_id, connection_id, credential),
        tokens_sealed=None,
        tokens_revision=0,
        expires_at=None,
        last_refreshed_at=None,
        last_used_at=None,
        last_error=None,
        created_at=tx.now,
        created_by=tx.acting[0],
        updated_at=tx.now,
        updated_by=tx.acting[0],
    )
    if not await queries.insert_connection(tx, row):
        raise ConnectionNameTaken(f"Another connection is called {body.name}.")
    await secrets.refer(tx, credential, Purpose(KIND, row.wire_id))
    data = {"name": row.name, "integration": row.integration, "authType": row.auth_type, "status": row.status}
    audit.record(tx, ConnectionEvent.CREATED, row.wire_id, data, risk=audit.Risk.MEDIUM)
    return shown(row, tx.workspace_id, [])


class _Position(msgspec.Struct):
    before: uuid.UUID


async def page(tx: ReadTx, keys: WorkspaceKeys, asked: Asked) -> Connections:
    """Return a page of connections, newest first. Raises BadCursor."""
    bound = cursors.binding("connections", asked.model_dump(mode="json", exclude={"limit", "cursor"}))
    rows = await queries.page(
        tx,
        integration=asked.integration,
        status=None if asked.status is None else asked.status.value,
        before=None if asked.cursor is None else cursors.read(keys, bound, asked.cursor, _Position).before,
        limit=asked.limit + 1,
    )
    kept = rows[: asked.limit]
    return Connections(
        items=await uses.all_with_uses(tx, kept),
        next_cursor=cursors.write(keys, bound, {"before": str(kept[-1].id)}) if len(rows) > len(kept) else None,
    )


async def found(tx: ReadTx, connection_id: str, *, lock: bool = False) -> Row:
    """Return a connection's row. Raises ConnectionNotFound."""
    known = decode(PREFIX, connection_id)
    row = None if known is None else await queries.by_id(tx, known, lock=lock)
    if row is None:
        raise ConnectionNotFound("This workspace has no connection with this id.")
    return row


async def get(tx: ReadTx, connection_id: str) -> Connection:
    """Return a connection. Raises ConnectionNotFound."""
    return await uses.with_uses(tx, await found(tx, connection_id))


async def update(tx: WriteTx, keys: WorkspaceKeys, connection_id: str, body: ConnectionUpdate) -> Connection:
    """Change what was sent. Raises NotTested, CredentialNeeded, ConnectionNameTaken, BadConfig, BadCredential."""
    row = await found(tx, connection_id, lock=True)
    values: dict[str, Any] = {}
    if body.name is not None and body.name != row.name:
        if await queries.name_taken(tx, body.name, row.id):
            raise ConnectionNameTaken(f"Another connection is called {body.name}.")
        values["name"] = body.name
    values |= await _credential_and_config(tx, keys, row, body)
    if body.status is not None:
        values |= _held_or_resumed(row._replace(**values), body.status)
    changed = {name: after for name, after in values.items() if after != getattr(row, name)}
    if not changed:
        return await uses.with_uses(tx, row)
    stamped: dict[str, Any] = {"updated_at": tx.now, "updated_by": tx.acting[0]}
    await queries.change(tx, row.id, {**changed, **stamped})
    data = {"name": row.name, "fields": sorted(_NAMES.get(name, name) for name in changed)}
    audit.record(tx, ConnectionEvent.UPDATED, row.wire_id, data, risk=audit.Risk.MEDIUM)
    return await uses.with_uses(tx, row._replace(**changed, **stamped))


_NAMES = {"credential_sealed": "credential", "tokens_sealed": "tokens", "tokens_revision": "tokens"}
"""Columns as an event names them."""


async def _credential_and_config(tx: WriteTx, keys: WorkspaceKeys, row: Row, body: ConnectionUpdate) -> dict[str, Any]:
    """Return what a new config and credential change.

    Whoever may change where calls go must not thereby learn a credential that others stored: it has to come along.
    """
    config = dict(row.config) if body.config is None else _merged(row.config, body.config)
    config = _checked_config(row.integration, row.auth_type, config)
    moved = targets.decides_where(config, row.integration) != targets.decides_where(row.config, row.integration)
    if moved and body.credential is None and row.credential_sealed is not None:
        raise CredentialNeeded("This change decides where the credential is sent: send the credential with it.")
    values: dict[str, Any] = {"config": config}
    if body.credential is not None:
        credential = checked_credential(INTEGRATIONS[row.integration], row.auth_type, body.credential)
        _ensure_usable(row.integration, row.auth_type, config, credential)
        values["credential_sealed"] = _sealed(keys, tx.workspace_id, row.id, credential)
        await secrets.refer(tx, credential, Purpose(KIND, row.wire_id))
    spent = moved or (body.credential is not None and row.auth_type == "service_account")
    if spent and row.tokens_sealed is not None:
        values |= {"tokens_sealed": None, "tokens_revision": row.tokens_revision + 1, "expires_at": None}
        values |= {"status": Status.PENDING.value, "last_error": None} if row.auth_type == "oauth2" else {}
    return values


def _held_or_resumed(row: Row, status: str) -> dict[str, Any]:
    if status == Status.PAUSED.value:
        return {"status": status}
    if row.status == Status.ERROR.value or row.last_error is not None:
        raise NotTested("The connection has an error; a good test or a new authorisation makes it active again.")
    if row.auth_type == "oauth2" and row.tokens_sealed is None:
        raise ConnectionPending("The connection was not authorised at the provider yet.")
    return {"status": status}


async def remove(tx: WriteTx, row: Row) -> None:
    """Delete a connection that nothing works with. Raises ConnectionInUse, which names what does."""
    await uses.ensure_none(tx, row)
    await queries.remove(tx, row.id)
    await secrets.refer(tx, None, Purpose(KIND, row.wire_id))
    data = {"name": row.name, "integration": row.integration}
    audit.record(tx, ConnectionEvent.DELETED, row.wire_id, data, risk=audit.Risk.HIGH)


async def refer(tx: WriteTx, connection_ids: Iterable[str], purpose: Purpose) -> None:
    """Note which connections something works with from now on; none when it is gone. Raises ConnectionNotFound."""
    rows = [await found(tx, each, lock=True) for each in sorted(set(connection_ids))]
    await queries.refer(tx, [row.id for row in rows], purpose.kind, purpose.id)


def wanted_scopes(integration: str, config: Mapping[str, Any]) -> list[str]:
    """Return the scopes that an authorisation asks for, unless it names others."""
    server = INTEGRATIONS[integration].oauth
    return list(config.get("scopes") or (server.scopes if server is not None else ()))


def _checked_config(name: str, auth_type: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    ensure_open(config)
    if len(msgspec.json.encode(config)) > CONFIG_BYTES:
        raise BadConfig.at("config", f"has more than {CONFIG_BYTES:,} bytes")
    targets.checked(name, auth_type, config)
    ensure_header(config)
    return dict(config)


def _ensure_usable(name: str, auth_type: Any, config: Mapping[str, Any], credential: dict[str, Any] | None) -> None:
    """Make the headers once, so that a private key which can't be read is refused now."""
    if credential and auth_type != "oauth2" and "clientSecret" not in credential and "{{" not in str(credential):
        headers_of(INTEGRATIONS[name], auth_type, config, credential, None)


def _sealed(
    keys: WorkspaceKeys, workspace_id: uuid.UUID, connection_id: uuid.UUID, credential: dict[str, Any] | None
) -> bytes | None:
    return seal_credential(keys, (workspace_id, connection_id), credential) if credential else None


def _merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a patch into a config (RFC 7396, its first level: members are replaced whole)."""
    return {name: value for name, value in {**before, **patch}.items() if value is not None}

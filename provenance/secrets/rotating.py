"""Rotation: how a secret gets its next version, by hand or by the clock."""

import uuid
from typing import Any

from provenance.audit import service as audit
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.secrets import queries
from provenance.secrets.errors import SecretValueNeeded
from provenance.secrets.schemas import DAY_NS, Mode, RotationInput, Row, SecretEvent, SecretType
from provenance.secrets.values import Plain, checked, ensure_generated, generated, seal


async def rotate_if_due(tx: WriteTx, keys: WorkspaceKeys, secret_id: uuid.UUID) -> None:
    """Rotate a generated secret that is due; of another one tell that it is."""
    row = await queries.by_id(tx, secret_id, lock=True)
    if row is None or row.next_at is None or row.next_at > tx.now or row.due_told_at is not None:
        return
    if row.rotation_mode == Mode.GENERATED.value:
        changed = await new_version(tx, keys, row, generated(SecretType(row.type)))
        await queries.change(tx, row.id, changed)
        data = {"name": row.name, "version": changed["version"], "value": "generated"}
        audit.record(tx, SecretEvent.ROTATED, row.wire_id, data, risk=audit.Risk.MEDIUM)
        return
    await queries.tell_due(tx, row.id)
    data = {"name": row.name, "dueAt": iso_millis(row.next_at)}
    audit.record(tx, SecretEvent.ROTATION_DUE, row.wire_id, data, risk=audit.Risk.MEDIUM)


async def new_version(tx: WriteTx, keys: WorkspaceKeys, row: Row, value: Plain) -> dict[str, Any]:
    """Store the next version; return what changes of the secret itself."""
    version = row.version + 1
    await queries.end_versions(tx, row.id, tx.now + row.grace_minutes * 60 * NANOS)
    await queries.insert_version(tx, row.id, version, seal(keys, (tx.workspace_id, row.id, version), value))
    due_at = next_at(tx.now, Mode(row.rotation_mode), row.every_days)
    return {"version": version, "last_at": tx.now, "next_at": due_at, "due_told_at": None}


def next_value(mode: Mode, type_: SecretType, sent: Plain | None) -> Plain:
    """Return what was sent if it may be kept, else a generated value. Raises SecretValueNeeded."""
    if sent is not None:
        return checked(type_, sent)
    if mode is not Mode.GENERATED:
        raise SecretValueNeeded.at("value", "is needed, unless the secret's rotation is generated")
    return generated(type_)


def next_at(last: int, mode: Mode, every_days: int | None) -> int | None:
    """Return when the rotation after the last one is due, if one is."""
    return None if mode is Mode.MANUAL or every_days is None else last + every_days * DAY_NS


def settings(row: Row, sent: RotationInput) -> dict[str, Any]:
    """Return what an update of the rotation changes. The interval counts from the last rotation."""
    mode = sent.mode or Mode(row.rotation_mode)
    every_days = sent.every_days if "every_days" in sent.model_fields_set else row.every_days
    ensure_fits(mode, every_days, SecretType(row.type))
    grace = row.grace_minutes if sent.grace_minutes is None else sent.grace_minutes
    due_at = next_at(row.last_at or row.created_at, mode, every_days)
    values = {"rotation_mode": mode.value, "every_days": every_days, "grace_minutes": grace, "next_at": due_at}
    return values if due_at == row.next_at else {**values, "due_told_at": None}


def ensure_fits(mode: Mode, every_days: int | None, type_: SecretType) -> None:
    """Raise NotGenerated, or SecretValueNeeded, for a way to rotate that can't be."""
    if mode is Mode.GENERATED:
        ensure_generated(type_)
    if mode is Mode.INTERVAL and every_days is None:
        raise SecretValueNeeded.at("rotation.everyDays", "is needed for the mode interval", code="missing_field")

"""The verbs of secrets. A value leaves here by `reveal`, to a person, and by `use`, to what needs it; both record."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from provenance.audit import service as audit
from provenance.core import cursors
from provenance.core.clock import iso_millis, nanos
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.secrets import queries, references, rotating
from provenance.secrets.errors import (
    RotationRunning,
    SecretInUse,
    SecretNameTaken,
    SecretNotFound,
)
from provenance.secrets.masking import Mask
from provenance.secrets.schemas import (
    DAY_NS,
    PREFIX,
    Asked,
    Deleted,
    Mode,
    Purpose,
    Revealed,
    Rotated,
    RotationInput,
    Row,
    SecretCreate,
    SecretDetail,
    SecretEvent,
    SecretReveal,
    SecretRotate,
    Secrets,
    SecretType,
    SecretUpdate,
    UsedBy,
    moment,
    shown,
    shown_version,
)
from provenance.secrets.values import Plain, checked, seal, unseal

GRACE_MINUTES = 60
PURGED_AFTER_NS = 7 * DAY_NS
SHOWN_SECONDS = 60


class Used(NamedTuple):
    """A value in hand: the current one, and those before it whose grace lasts, for what checks signatures."""

    value: Plain
    version: int
    also_valid: tuple[Plain, ...]

    def __repr__(self) -> str:
        return f"Used(version={self.version})"

    @property
    def text(self) -> str:
        """The value as a text; of a structured one its JSON."""
        return self.value if isinstance(self.value, str) else msgspec.json.encode(self.value).decode()

    @property
    def mask(self) -> Mask:
        """What takes the value out of texts."""
        return Mask([self.value, *self.also_valid])


class _Position(msgspec.Struct):
    before: uuid.UUID


async def create(tx: WriteTx, keys: WorkspaceKeys, body: SecretCreate) -> SecretDetail:
    """Keep a new secret. Raises SecretNameTaken, SecretValueNeeded and what is wrong with the value."""
    rotation = body.rotation or RotationInput()
    mode = rotation.mode or Mode.MANUAL
    rotating.ensure_fits(mode, rotation.every_days, body.type)
    value = rotating.next_value(mode, body.type, body.value)
    row = Row(
        id=new_uuid(),
        name=body.name,
        type=body.type.value,
        description=body.description,
        tags=sorted(set(body.tags)),
        version=1,
        rotation_mode=mode.value,
        every_days=rotation.every_days,
        grace_minutes=GRACE_MINUTES if rotation.grace_minutes is None else rotation.grace_minutes,
        next_at=rotating.next_at(tx.now, mode, rotation.every_days),
        last_at=None,
        due_told_at=None,
        last_accessed_at=None,
        created_at=tx.now,
        created_by=tx.acting[0],
        updated_at=tx.now,
        updated_by=tx.acting[0],
    )
    if not await queries.insert_secret(tx, row):
        raise SecretNameTaken(f"Another secret is called {body.name}.")
    await queries.insert_version(tx, row.id, 1, seal(keys, (tx.workspace_id, row.id, 1), value))
    data = {"name": row.name, "type": row.type, "version": 1, "rotation": mode.value}
    audit.record(tx, SecretEvent.CREATED, row.wire_id, data, risk=audit.Risk.MEDIUM)
    return await _detail(tx, row)


async def page(tx: ReadTx, keys: WorkspaceKeys, asked: Asked) -> Secrets:
    """Return a page of the secrets' metadata, newest first. Raises BadCursor."""
    bound = cursors.binding("secrets", asked.model_dump(mode="json", exclude={"limit", "cursor"}))
    before = None if asked.cursor is None else cursors.read(keys, bound, asked.cursor, _Position).before
    rows = await queries.page(
        tx,
        type_=None if asked.type is None else asked.type.value,
        due_before=None if asked.due_before is None else nanos(asked.due_before),
        before=before,
        limit=asked.limit + 1,
    )
    kept = rows[: asked.limit]
    used_by = await _used_by(tx, [row.id for row in kept])
    return Secrets(
        items=[shown(row, tx.workspace_id, used_by.get(row.id, [])) for row in kept],
        next_cursor=cursors.write(keys, bound, {"before": str(kept[-1].id)}) if len(rows) > len(kept) else None,
    )


async def get(tx: ReadTx, secret_id: str) -> SecretDetail:
    """Return a secret's metadata with its versions. Raises SecretNotFound."""
    return await _detail(tx, await _found(tx, secret_id))


async def update(tx: WriteTx, keys: WorkspaceKeys, secret_id: str, body: SecretUpdate) -> SecretDetail:
    """Change what was sent; a value makes a new version. Raises SecretNotFound and what is wrong with the value."""
    row = await _found(tx, secret_id, lock=True)
    values: dict[str, Any] = {}
    if "description" in body.model_fields_set:
        values["description"] = body.description
    if body.tags is not None:
        values["tags"] = sorted(set(body.tags))
    if body.rotation is not None:
        values |= rotating.settings(row, body.rotation)
    if body.value is not None:
        value = checked(SecretType(row.type), body.value)
        values |= await rotating.new_version(tx, keys, row._replace(**values), value)
    changed = {name: after for name, after in values.items() if after != getattr(row, name)}
    if not changed:
        return await _detail(tx, row)
    await queries.change(tx, row.id, changed)
    data = {"name": row.name, "fields": sorted(changed), "version": changed.get("version", row.version)}
    audit.record(tx, SecretEvent.UPDATED, row.wire_id, data, risk=audit.Risk.MEDIUM)
    return await get(tx, secret_id)


async def delete(tx: WriteTx, secret_id: str) -> Deleted:
    """Delete a secret: gone at once, its values destroyed after seven days.

    Raises SecretInUse, which names what refers to it.
    """
    row = await _found(tx, secret_id, lock=True)
    if used_by := (await _used_by(tx, [row.id])).get(row.id):
        raise SecretInUse.by(f"The secret {row.name}", [(each.kind, each.id) for each in used_by])
    purge_at = tx.now + PURGED_AFTER_NS
    await queries.change(tx, row.id, {"purge_at": purge_at, "next_at": None})
    data = {"name": row.name, "purgeAt": iso_millis(purge_at)}
    audit.record(tx, SecretEvent.DELETED, row.wire_id, data, risk=audit.Risk.HIGH)
    return Deleted(deleted=True, purge_at=iso_millis(purge_at))


async def rotate(tx: WriteTx, keys: WorkspaceKeys, secret_id: str, body: SecretRotate) -> Rotated:
    """Give a secret its next value. Raises SecretValueNeeded, and RotationRunning when another does it right now."""
    row = await _found(tx, secret_id)
    if not await queries.may_rotate(tx, row.id):
        raise RotationRunning("The secret is being rotated right now.")
    row = await _found(tx, secret_id, lock=True)
    value = rotating.next_value(Mode(row.rotation_mode), SecretType(row.type), body.value)
    changed = await rotating.new_version(tx, keys, row, value)
    await queries.change(tx, row.id, changed)
    made = "sent" if body.value is not None else "generated"
    data = {"name": row.name, "version": changed["version"], "value": made, "graceMinutes": row.grace_minutes}
    audit.record(tx, SecretEvent.ROTATED, row.wire_id, data, risk=audit.Risk.MEDIUM)
    return Rotated(
        secret_id=row.wire_id,
        version=changed["version"],
        rotated_at=iso_millis(tx.now),
        next_rotation_at=moment(changed["next_at"]),
    )


async def reveal(tx: WriteTx, keys: WorkspaceKeys, secret_id: str, body: SecretReveal) -> Revealed:
    """Show a person the current value; a write, for it is recorded. Raises SecretNotFound."""
    row = await _found(tx, secret_id)
    value = await _value(tx, keys, row)
    data = {"name": row.name, "version": row.version, "reason": body.reason}
    audit.record(tx, SecretEvent.REVEALED, row.wire_id, data, risk=audit.Risk.HIGH)
    return Revealed(value=value, version=row.version, expires_in_seconds=SHOWN_SECONDS)


async def use(tx: WriteTx, keys: WorkspaceKeys, name: str, purpose: Purpose) -> Used:
    """Hand a secret, named by its name or id, to what works with it. Raises SecretNotFound."""
    row = await _named(tx, name)
    found = [each for each in await queries.versions(tx, row.id) if each.sealed is not None]
    good = [each for each in found if each.valid_until is None or each.valid_until > tx.now]
    values = [unseal(keys, (tx.workspace_id, row.id, each.version), each.sealed or b"") for each in good]
    await queries.stamp_access(tx, row.id)
    data = {"name": row.name, "version": good[0].version, "purpose": purpose.kind, "purposeId": purpose.id}
    audit.record(tx, SecretEvent.ACCESSED, row.wire_id, data, risk=audit.Risk.HIGH)
    return Used(values[0], good[0].version, tuple(values[1:]))


async def fill(tx: WriteTx, keys: WorkspaceKeys, value: Any, purpose: Purpose) -> Any:
    """Return a JSON value with the secrets it refers to in their places. Raises SecretNotFound and BadReference."""
    used = {name: (await use(tx, keys, name, purpose)).text for name in references.names_in(value)}
    return references.filled(value, used.__getitem__) if used else value


async def refer(tx: WriteTx, value: Any, purpose: Purpose) -> None:
    """Note which secrets something refers to from now on: a JSON value with references; None when it is gone.

    A secret that something refers to can't be deleted. Raises SecretNotFound and BadReference.
    """
    await refer_to(tx, references.names_in(value), purpose)


async def refer_to(tx: WriteTx, names: Iterable[str], purpose: Purpose) -> None:
    """Note which secrets, by name or id, something works with from now on. Raises SecretNotFound."""
    rows = [await _named(tx, name, lock=True) for name in sorted(set(names))]
    await queries.refer(tx, sorted({row.id for row in rows}), purpose.kind, purpose.id)


async def unknown(tx: ReadTx, names: Iterable[str]) -> set[str]:
    """Return which of these names and ids are of no secret of the workspace."""
    named = {each: decode(PREFIX, each) for each in names}
    there = await queries.existing(tx, list(named), [each for each in named.values() if each is not None])
    return {name for name, known in named.items() if (name if known is None else known) not in there}


async def known_values(tx: ReadTx, keys: WorkspaceKeys) -> list[Plain]:
    """Return every value of the workspace that is not destroyed, to know it by where it must not be."""
    found = await queries.all_sealed(tx)
    return [unseal(keys, (tx.workspace_id, each, version), sealed) for each, version, sealed in found]


async def known_stamp(tx: ReadTx) -> tuple[int, int]:
    """Return what changes whenever there is a further value."""
    return await queries.stamp_of_versions(tx)


async def _found(tx: ReadTx, secret_id: str, *, lock: bool = False) -> Row:
    known = decode(PREFIX, secret_id)
    row = None if known is None else await queries.by_id(tx, known, lock=lock)
    if row is None:
        raise SecretNotFound("This workspace has no secret with this id.")
    return row


async def _named(tx: ReadTx, name: str, *, lock: bool = False) -> Row:
    known = decode(PREFIX, name)
    found = queries.by_name(tx, name, lock=lock) if known is None else queries.by_id(tx, known, lock=lock)
    row = await found
    if row is None:
        raise SecretNotFound(f"This workspace has no secret {name}.")
    return row


async def _value(tx: ReadTx, keys: WorkspaceKeys, row: Row) -> Plain:
    sealed = await queries.sealed(tx, row.id, row.version)
    assert sealed is not None, "the current version is never retired"
    return unseal(keys, (tx.workspace_id, row.id, row.version), sealed)


async def _detail(tx: ReadTx, row: Row) -> SecretDetail:
    used_by = await _used_by(tx, [row.id])
    found = shown(row, tx.workspace_id, used_by.get(row.id, []))
    versions = [shown_version(each, tx.now) for each in await queries.versions(tx, row.id)]
    return SecretDetail(**found.model_dump(), versions=versions)


async def _used_by(tx: ReadTx, secret_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[UsedBy]]:
    found: dict[uuid.UUID, list[UsedBy]] = {}
    for secret_id, kind, referrer, since in await queries.referrers(tx, secret_ids):
        found.setdefault(secret_id, []).append(UsedBy(kind=kind, id=referrer, since=iso_millis(since)))
    return found

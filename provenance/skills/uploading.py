"""Uploads: an address that takes one package, once, within fifteen minutes (spec/automation.md, row 15).

The address is the permission: whoever has it may send the one package that was announced, by its size and SHA-256.
"""

import asyncio
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Awaitable, Callable
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from provenance.audit import service as audit
from provenance.core.actor import Actor, Kind
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import encode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.core.objects import Objects
from provenance.ledger.service import Ledger
from provenance.skills import archive, queries, service
from provenance.skills.errors import BadPackage, PackageDiffers, PackageTooLarge, UploadNotFound
from provenance.skills.sandbox.schemas import Runtime
from provenance.skills.schemas import (
    PACKAGE_BYTES,
    PACKAGE_PREFIX,
    PackageRow,
    Row,
    SkillEvent,
    Upload,
    UploadAsk,
    Uploaded,
    runtime_of,
)

AREA: Final = "skills"
"""Where packages are in the object store, each under its id."""
MINUTES: Final = 15
CONTENT_TYPE: Final = "application/zip"
_PURPOSE = "skill upload"
_MAC_BYTES = 16

VersionOf = Callable[[Runtime], Awaitable[str]]
"""Tells which version of a runtime this machine has."""


async def ask(tx: WriteTx, keys: WorkspaceKeys, skill_id: str, body: UploadAsk, base_url: str) -> Upload:
    """Note a package that is to come, and return the address that takes it. Raises PackageTooLarge."""
    if body.size_bytes > PACKAGE_BYTES:
        raise PackageTooLarge.at("sizeBytes", f"is more than {PACKAGE_BYTES >> 20} MiB")
    row = await service.found(tx, skill_id)
    package = PackageRow(
        id=new_uuid(),
        skill_id=row.id,
        file_name=body.file_name,
        size=body.size_bytes,
        sha256=bytes.fromhex(body.sha256),
        manifest=None,
        runtime_version=None,
        expires_at=tx.now + MINUTES * 60 * NANOS,
        created_at=tx.now,
        created_by=tx.acting[0],
        uploaded_at=None,
    )
    await queries.insert_package(tx, package)
    data = {"name": row.name, "packageId": encode(PACKAGE_PREFIX, package.id), "awaited": True}
    audit.record(tx, SkillEvent.UPDATED, row.wire_id, data)
    return Upload(
        upload_url=f"{base_url}/skill-uploads/{_token(keys, tx.workspace_id, package.id)}",
        method="PUT",
        headers={"content-type": CONTENT_TYPE},
        package_id=encode(PACKAGE_PREFIX, package.id),
        expires_at=iso_millis(package.expires_at),
    )


async def take(ledger: Ledger, objects: Objects, version_of: VersionOf, token: str, content: bytes) -> Uploaded:
    """Take a package: checked, kept, and used from now on where the skill had no code.

    Raises UploadNotFound, PackageDiffers, BadPackage and RuntimeUnavailable; nothing is kept then.
    """
    workspace_id, package_id = _parts(token)
    keys = await ledger.keyring.of(workspace_id)
    if not compare_digest(_token(keys, workspace_id, package_id), token):
        raise _gone()
    uploader = Actor(Kind.SYSTEM, "upload", workspace_id)
    async with ledger.db.read(uploader) as tx:
        package = await _awaited(tx, package_id)
    if len(content) != package.size or sha256(content).digest() != package.sha256:
        raise PackageDiffers("This is not the package that was announced: its size or its SHA-256 differs.")
    manifest, whole = await asyncio.to_thread(archive.read_manifest, content)
    async with ledger.db.read(uploader) as tx:
        row = await queries.by_id(tx, package.skill_id)
    if row is None:
        raise _gone()
    runtime_version = await version_of(_fitting(row, manifest))
    await objects.put(workspace_id, AREA, package_id.hex, content, size=package.size, sha256=package.sha256)
    by = Actor(Kind.SYSTEM, package.created_by, workspace_id)
    async with ledger.db.write(by) as tx:
        return await _settle(tx, package, whole, runtime_version)


async def _settle(tx: WriteTx, package: PackageRow, manifest: object, runtime_version: str) -> Uploaded:
    await _awaited(tx, package.id)
    row = await queries.by_id(tx, package.skill_id, lock=True)
    if row is None or not await queries.settle_package(tx, package.id, manifest, runtime_version):
        raise _gone()
    settled = package._replace(manifest=manifest)
    activation = service.activation(settled)
    active = row.package_id is None
    if active:
        row = await service.apply(tx, row, activation)
    uploaded = Uploaded(
        package_id=encode(PACKAGE_PREFIX, package.id),
        skill_id=row.wire_id,
        version=row.version,
        sha256=package.sha256.hex(),
        size_bytes=package.size,
        handler=activation["handler"],
        active=active,
    )
    data = {"name": row.name, **uploaded.model_dump(by_alias=True, exclude={"skill_id"}), "runtime": row.runtime}
    audit.record(tx, SkillEvent.PACKAGE_UPLOADED, row.wire_id, data, risk=audit.Risk.MEDIUM)
    return uploaded


async def _awaited(tx: ReadTx, package_id: uuid.UUID) -> PackageRow:
    package = await queries.package(tx, package_id)
    if package is None or package.uploaded_at is not None or package.expires_at <= tx.now:
        raise _gone()
    return package


def _fitting(row: Row, manifest: archive.Manifest) -> Runtime:
    """Return the runtime of a package that a skill can use. Raises BadPackage."""
    runtime = runtime_of(manifest.runtime)
    if runtime != row.runtime:
        raise BadPackage.at("skill.json.runtime", f"is {runtime.value}; the skill {row.name} is for {row.runtime}")
    if row.package_id is None and row.handler not in (None, manifest.handler):
        raise BadPackage.at("skill.json.handler", f"is {manifest.handler}; the skill {row.name} names {row.handler}")
    return runtime


def _token(keys: WorkspaceKeys, workspace_id: uuid.UUID, package_id: uuid.UUID) -> str:
    named = workspace_id.bytes + package_id.bytes
    return urlsafe_b64encode(named + keys.mac(_PURPOSE, named)[:_MAC_BYTES]).decode().rstrip("=")


def _parts(token: str) -> tuple[uuid.UUID, uuid.UUID]:
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (NotBase64, ValueError):
        raise _gone() from None
    if len(raw) != 32 + _MAC_BYTES:
        raise _gone()
    return uuid.UUID(bytes=raw[:16]), uuid.UUID(bytes=raw[16:32])


def _gone() -> UploadNotFound:
    return UploadNotFound("No upload waits at this address: it was used, its time is over, or it never was.")

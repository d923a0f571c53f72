"""The verbs of skills that run no code: make, list, change, delete, and what calls which version."""

import uuid
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError

from provenance.audit import service as audit
from provenance.connections import service as connections
from provenance.core import cursors
from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode, new_uuid
from provenance.core.json_schemas import BadSchema, JsonSchema
from provenance.core.keyring import WorkspaceKeys
from provenance.secrets import service as secrets
from provenance.secrets.schemas import Purpose
from provenance.skills import queries
from provenance.skills.errors import (
    BadSkillEgress,
    BadSkillSchema,
    NoActivePackage,
    PackageNotFound,
    SkillDisabled,
    SkillInUse,
    SkillNameTaken,
    SkillNotFound,
    SkillStale,
    SkillVersionNotFound,
)
from provenance.skills.sandbox.schemas import Runtime
from provenance.skills.schemas import (
    PACKAGE_PREFIX,
    PREFIX,
    VERSIONED,
    Asked,
    Deleted,
    Egress,
    PackageRow,
    Row,
    Skill,
    SkillCreate,
    SkillEvent,
    Skills,
    SkillUpdate,
    VersionRow,
    runtime_of,
    shown,
)

SLACK_NS = 3600 * NANOS
"""How long after its time the bytes of an upload are left alone: a slow one may still be on its way."""
KIND = "skill"


class _Position(msgspec.Struct):
    before: uuid.UUID


async def create(tx: WriteTx, body: SkillCreate) -> Skill:
    """Make a skill, a draft until its code arrives. Raises SkillNameTaken, BadSkillSchema, BadSkillEgress."""
    row = Row(
        id=new_uuid(),
        name=body.name,
        description=body.description,
        runtime=runtime_of(body.runtime).value,
        handler=body.handler,
        input_schema=_schema("inputSchema", body.input_schema),
        output_schema=None if body.output_schema is None else _schema("outputSchema", body.output_schema),
        connection_id=body.connection_id,
        secret_refs=sorted(set(body.secret_refs)),
        trust_level=body.trust_level,
        risk_level=body.risk_level,
        limits=body.limits.model_dump(by_alias=True),
        egress=body.egress.model_dump(by_alias=True),
        package_id=None,
        status="draft",
        version=1,
        revision=1,
        created_at=tx.now,
        created_by=tx.acting[0],
        updated_at=tx.now,
        updated_by=tx.acting[0],
    )
    _ensure_way_out(row)
    if not await queries.insert_skill(tx, row):
        raise SkillNameTaken(f"Another skill is called {body.name}.")
    await _refer(tx, row)
    data = {"name": row.name, "runtime": row.runtime, "egress": body.egress.model_dump(), "risk": row.risk_level}
    audit.record(tx, SkillEvent.CREATED, row.wire_id, data, risk=audit.Risk.MEDIUM)
    return shown(row, tx.workspace_id, None)


async def page(tx: ReadTx, keys: WorkspaceKeys, asked: Asked) -> Skills:
    """Return a page of skills, newest first. Raises BadCursor."""
    bound = cursors.binding("skills", asked.model_dump(mode="json", exclude={"limit", "cursor"}))
    rows = await queries.page(
        tx,
        runtime=None if asked.runtime is None else runtime_of(asked.runtime).value,
        trust=asked.trust_level,
        q=asked.q,
        before=None if asked.cursor is None else cursors.read(keys, bound, asked.cursor, _Position).before,
        limit=asked.limit + 1,
    )
    kept = rows[: asked.limit]
    packages = await queries.packages(tx, [row.package_id for row in kept if row.package_id is not None])
    return Skills(
        items=[shown(row, tx.workspace_id, packages.get(row.package_id or row.id)) for row in kept],
        next_cursor=cursors.write(keys, bound, {"before": str(kept[-1].id)}) if len(rows) > len(kept) else None,
    )


async def found(tx: ReadTx, skill_id: str, *, lock: bool = False) -> Row:
    """Return a skill's row. Raises SkillNotFound."""
    known = decode(PREFIX, skill_id)
    row = None if known is None else await queries.by_id(tx, known, lock=lock)
    if row is None:
        raise SkillNotFound("This workspace has no skill with this id.")
    return row


async def get(tx: ReadTx, skill_id: str, version: int | None = None) -> tuple[Skill, str]:
    """Return a skill, or what a version of it does, and its tag for If-Match.

    Raises SkillNotFound and SkillVersionNotFound.
    """
    row = await found(tx, skill_id)
    if version is not None and version != row.version:
        row = _as_of(row, await version_of(tx, row, version))
    return await _shown(tx, row), etag(row)


async def update(tx: WriteTx, skill_id: str, body: SkillUpdate, if_match: str | None) -> tuple[Skill, str]:
    """Change what was sent. Raises SkillStale, SkillNameTaken, PackageNotFound, BadSkillSchema, BadSkillEgress."""
    row = await found(tx, skill_id, lock=True)
    if if_match is not None and if_match.strip() not in (etag(row), "*"):
        raise SkillStale("The skill was changed since you read it. Read it again.")
    changed = {name: after for name, after in (await _values(tx, row, body)).items() if after != getattr(row, name)}
    if not changed:
        return await _shown(tx, row), etag(row)
    after = await apply(tx, row, changed)
    data = {"name": after.name, "fields": sorted(changed), "version": after.version}
    audit.record(tx, SkillEvent.UPDATED, row.wire_id, data, risk=audit.Risk.MEDIUM)
    return await _shown(tx, after), etag(after)


async def apply(tx: WriteTx, row: Row, changed: dict[str, Any]) -> Row:
    """Write changes; of what a call does they make a version, once there is code. The caller records them."""
    changed = dict(changed)
    after = row._replace(**changed)
    _ensure_way_out(after)
    makes_version = after.package_id is not None and not changed.keys().isdisjoint({*VERSIONED, "package_id"})
    if makes_version and row.package_id is not None:
        changed["version"] = row.version + 1
    after = await queries.change(tx, row.id, changed)
    if makes_version:
        await queries.insert_version(tx, after)
    if not changed.keys().isdisjoint({"connection_id", "secret_refs"}):
        await _refer(tx, after)
    return after


async def delete(tx: WriteTx, skill_id: str) -> Deleted:
    """Delete a skill that nothing live calls; the worker destroys the bytes of its packages.

    Raises SkillNotFound and SkillInUse.
    """
    row = await found(tx, skill_id, lock=True)
    packages = await queries.packages_of(tx, row.id)
    await queries.discard(
        tx, {each.id: tx.now if each.uploaded_at else each.expires_at + SLACK_NS for each in packages}
    )
    if await queries.uses(tx, row.id):
        raise SkillInUse(f"A live workflow calls the skill {row.name}.")
    try:
        await queries.delete_skill(tx, row.id)
    except IntegrityError:
        raise SkillInUse(f"A live workflow calls the skill {row.name}.") from None
    await _refer(tx, row._replace(connection_id=None, secret_refs=[]))
    audit.record(tx, SkillEvent.DELETED, row.wire_id, {"name": row.name}, risk=audit.Risk.MEDIUM)
    return Deleted(skill_id=row.wire_id, deleted=True)


async def callable_version(tx: ReadTx, skill_id: str, version: int | None) -> tuple[Row, VersionRow]:
    """Return a skill with the version that a call of it uses, the current one where none is named.

    Raises SkillNotFound, SkillVersionNotFound, NoActivePackage and SkillDisabled.
    """
    row = await found(tx, skill_id)
    if row.package_id is None:
        raise NoActivePackage(f"The skill {row.name} has no code yet: upload a package.")
    if row.status == "disabled":
        raise SkillDisabled(f"The skill {row.name} is switched off.")
    return row, await version_of(tx, row, row.version if version is None else version)


async def version_of(tx: ReadTx, row: Row, version: int) -> VersionRow:
    """Return a version of a skill. Raises SkillVersionNotFound."""
    kept = await queries.version(tx, row.id, version)
    if kept is None:
        raise SkillVersionNotFound(f"The skill {row.name} has no version {version}.")
    return kept


async def unknown(tx: ReadTx, skill_ids: Iterable[str]) -> set[str]:
    """Return which of these skills can't be called: they are not there, have no code, or are switched off."""
    named = {each: decode(PREFIX, each) for each in skill_ids}
    current = await queries.current_versions(tx, [each for each in named.values() if each is not None])
    return {name for name, known in named.items() if known not in current}


async def pin(tx: WriteTx, kind: str, referrer: str, at: int, skill_ids: Iterable[str]) -> None:
    """Note which skills a version of something calls, now that it is live, with their current versions.

    A version that was live before keeps what was noted then. Raises SkillNotFound. What something live calls can't
    be deleted.
    """
    known = {name: decode(PREFIX, name) for name in skill_ids}
    current = await queries.current_versions(tx, [each for each in known.values() if each is not None])
    pinned: dict[uuid.UUID, int] = {}
    for name, skill_id in known.items():
        if skill_id is None or skill_id not in current:
            raise SkillNotFound(f"The skill {name} is not there, or can't be called.")
        pinned[skill_id] = current[skill_id]
    await queries.pin(tx, kind, referrer, at, pinned)


async def release(tx: WriteTx, kind: str, referrer: str) -> None:
    """Note that no version of something is live any more."""
    await queries.release(tx, kind, referrer)


async def pinned(tx: ReadTx, kind: str, referrer: str, at: int, skill_id: str) -> int | None:
    """Return the version of a skill that was noted for a version of something; None where none was."""
    known = decode(PREFIX, skill_id)
    return None if known is None else await queries.pinned(tx, kind, referrer, at, known)


def etag(row: Row) -> str:
    """Return the tag of a skill for If-Match."""
    return f'"{row.revision}"'


async def _values(tx: WriteTx, row: Row, body: SkillUpdate) -> dict[str, Any]:
    """Return the columns that an update asks for."""
    values = body.model_dump(exclude_none=True, exclude={"limits", "egress", "activate_package", "output_schema"})
    for name in ("connection_id", "output_schema"):
        if name in body.model_fields_set:
            values[name] = getattr(body, name)
    if body.limits is not None:
        values["limits"] = body.limits.model_dump(by_alias=True)
    if body.egress is not None:
        values["egress"] = body.egress.model_dump(by_alias=True)
    if body.secret_refs is not None:
        values["secret_refs"] = sorted(set(body.secret_refs))
    for name, wire in (("input_schema", "inputSchema"), ("output_schema", "outputSchema")):
        if values.get(name) is not None:
            values[name] = _schema(wire, values[name])
    if body.name is not None and await queries.name_taken(tx, body.name, row.id):
        raise SkillNameTaken(f"Another skill is called {body.name}.")
    if body.status == "ready" and row.package_id is None and body.activate_package is None:
        raise NoActivePackage(f"The skill {row.name} has no code yet: upload a package.")
    if body.activate_package is not None:
        values |= activation(await _package(tx, row, body.activate_package))
    return values


def activation(package: PackageRow) -> dict[str, Any]:
    """Return what a skill's row says once its calls use a package."""
    return {"package_id": package.id, "handler": package.manifest["handler"], "status": "ready"}


async def _package(tx: ReadTx, row: Row, package_id: str) -> PackageRow:
    known = decode(PACKAGE_PREFIX, package_id)
    package = None if known is None else await queries.package(tx, known)
    if package is None or package.skill_id != row.id or package.uploaded_at is None:
        raise PackageNotFound("The skill has no such package.")
    return package


def _as_of(row: Row, version: VersionRow) -> Row:
    """Return a skill's row as a version of it reads."""
    kept = {name: getattr(version, name) for name in (*VERSIONED, "package_id", "version")}
    return row._replace(**kept)


async def _shown(tx: ReadTx, row: Row) -> Skill:
    package = None if row.package_id is None else await queries.package(tx, row.package_id)
    return shown(row, tx.workspace_id, package)


async def _refer(tx: WriteTx, row: Row) -> None:
    """Note the connection and the secrets that a skill works with: they can't be deleted meanwhile."""
    purpose = Purpose(KIND, row.wire_id)
    await connections.refer(tx, [] if row.connection_id is None else [row.connection_id], purpose)
    await secrets.refer(tx, ["{{secrets." + name + "}}" for name in row.secret_refs] or None, purpose)


def _schema(name: str, schema: dict[str, Any] | bool) -> dict[str, Any] | bool:
    try:
        JsonSchema(schema)
    except BadSchema as error:
        raise BadSkillSchema.at(f"{name}.{error.path}" if error.path else name, error.issue) from None
    return schema


def _ensure_way_out(row: Row) -> None:
    egress = Egress.model_validate(row.egress)
    if egress.mode == "allowlist" and not egress.hosts and row.connection_id is None:
        raise BadSkillEgress.at("egress.hosts", "names no host")
    if egress.mode == "none" and egress.hosts:
        raise BadSkillEgress.at("egress.mode", "is none, but hosts are named")
    if row.runtime == Runtime.WASM and (egress.mode != "none" or row.connection_id is not None or row.secret_refs):
        raise BadSkillEgress.at("egress", "must be none for wasm, which has neither a connection nor secrets")

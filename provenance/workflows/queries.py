"""Every statement on workflows, their versions, secrets and live triggers."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, any_, delete, func, insert, literal, or_, select, tuple_, update

from provenance.core.db import ReadTx, WriteTx
from provenance.workflows.tables import workflow_secrets, workflow_triggers, workflow_versions, workflows

_LISTED = [column for column in workflows.c if column.name != "draft"]


def _mine(tx: ReadTx, workflow_id: uuid.UUID) -> list[ColumnElement[bool]]:
    return [
        workflows.c.workspace_id == tx.workspace_id,
        workflows.c.id == workflow_id,
        workflows.c.deleted_at.is_(None),
    ]


async def insert_workflow(tx: WriteTx, workflow_id: uuid.UUID, **columns: Any) -> Any:
    """Insert a workflow; return its row. Raises IntegrityError for a taken name or an unknown environment."""
    by, at = tx.actor.id, tx.now
    stamps = {"created_at": at, "created_by": by, "updated_at": at, "updated_by": by, "draft_updated_at": at}
    row = insert(workflows).values(workspace_id=tx.workspace_id, id=workflow_id, **stamps, **columns)
    return (await tx.execute(row.returning(workflows))).one()


async def workflow(tx: ReadTx, workflow_id: uuid.UUID) -> Any:
    """Return a workflow that is not deleted, or None."""
    return (await tx.execute(select(workflows).where(*_mine(tx, workflow_id)))).first()


async def lock(tx: WriteTx, workflow_id: uuid.UUID) -> Any:
    """Return a workflow and keep others from changing it until the transaction ends; None when there is none."""
    return (await tx.execute(select(workflows).where(*_mine(tx, workflow_id)).with_for_update())).first()


async def change(tx: WriteTx, workflow_id: uuid.UUID, **columns: Any) -> Any:
    """Change a workflow; return its row. Raises IntegrityError as `insert_workflow` does."""
    stamps = {"updated_at": tx.now, "updated_by": tx.actor.id}
    changed = update(workflows).where(*_mine(tx, workflow_id)).values(**stamps, **columns)
    return (await tx.execute(changed.returning(workflows))).one()


async def page(
    tx: ReadTx, filters: Sequence[ColumnElement[bool]], *, limit: int, after: tuple[int, uuid.UUID] | None
) -> list[Any]:
    """Return workflows without their drafts, the latest changed first."""
    found = select(*_LISTED).where(
        workflows.c.workspace_id == tx.workspace_id, workflows.c.deleted_at.is_(None), *filters
    )
    if after is not None:
        found = found.where(tuple_(workflows.c.updated_at, workflows.c.id) < after)
    newest = found.order_by(workflows.c.updated_at.desc(), workflows.c.id.desc()).limit(limit)
    return list((await tx.execute(newest)).all())


def filters_of(
    *, status: str | None, environment: str | None, q: str | None, tag: str | None
) -> list[ColumnElement[bool]]:
    """Return what a list is narrowed to."""
    found: list[ColumnElement[bool]] = []
    if status is not None:
        deployed = workflows.c.live_version.is_not(None)
        found.append(deployed if status == "deployed" else ~deployed)
    if environment is not None:
        found.append(workflows.c.environment == environment)
    if tag is not None:
        found.append(literal(tag) == any_(workflows.c.tags))
    if q is not None:
        found.append(or_(_holds(workflows.c.name, q), _holds(workflows.c.description, q)))
    return found


def _holds(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    return func.strpos(func.lower(column), text.lower()) > 0


async def relative(tx: ReadTx, family_id: uuid.UUID, environment: str) -> Any:
    """Return the workflow of a family in an environment, and keep others from changing it; None when there is none."""
    found = select(workflows).where(
        workflows.c.workspace_id == tx.workspace_id,
        workflows.c.family_id == family_id,
        workflows.c.environment == environment,
        workflows.c.deleted_at.is_(None),
    )
    return (await tx.execute(found.with_for_update())).first()


async def existing(tx: ReadTx, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return which of these workflows there are."""
    found = select(workflows.c.id).where(
        workflows.c.workspace_id == tx.workspace_id, workflows.c.id.in_(ids), workflows.c.deleted_at.is_(None)
    )
    return set((await tx.execute(found)).scalars())


async def insert_version(tx: WriteTx, workflow_id: uuid.UUID, version: int, **columns: Any) -> None:
    """Keep a version, for good."""
    row = insert(workflow_versions).values(
        workspace_id=tx.workspace_id,
        workflow_id=workflow_id,
        version=version,
        published_at=tx.now,
        published_by=tx.actor.id,
        **columns,
    )
    await tx.execute(row)


async def version_of(tx: ReadTx, workflow_id: uuid.UUID, version: int) -> Any:
    """Return a version with its definition, of a deleted workflow too; None when there is none."""
    found = select(workflow_versions).where(
        workflow_versions.c.workspace_id == tx.workspace_id,
        workflow_versions.c.workflow_id == workflow_id,
        workflow_versions.c.version == version,
    )
    return (await tx.execute(found)).first()


async def versions(tx: ReadTx, workflow_id: uuid.UUID, *, limit: int, before: int | None) -> list[Any]:
    """Return versions without their definitions, the newest first."""
    columns = [column for column in workflow_versions.c if column.name != "definition"]
    found: Select[Any] = select(*columns).where(
        workflow_versions.c.workspace_id == tx.workspace_id, workflow_versions.c.workflow_id == workflow_id
    )
    if before is not None:
        found = found.where(workflow_versions.c.version < before)
    return list((await tx.execute(found.order_by(workflow_versions.c.version.desc()).limit(limit))).all())


async def live(tx: ReadTx, workflow_id: uuid.UUID) -> Any:
    """Return what a start of a run needs of a workflow: name, environment, live version, limits; or None."""
    columns = ("id", "name", "environment", "live_version", "live_checksum", "max_concurrent_runs", "triggers_off")
    return (await tx.execute(select(*[workflows.c[name] for name in columns]).where(*_mine(tx, workflow_id)))).first()


async def secrets_of(tx: ReadTx, workflow_id: uuid.UUID) -> list[Any]:
    """Return the webhook secrets that are good now, the current one first."""
    found = select(workflow_secrets).where(
        workflow_secrets.c.workspace_id == tx.workspace_id,
        workflow_secrets.c.workflow_id == workflow_id,
        or_(workflow_secrets.c.valid_until.is_(None), workflow_secrets.c.valid_until > tx.now),
    )
    return list((await tx.execute(found.order_by(workflow_secrets.c.created_at.desc()))).all())


_AT_ADDRESS = (
    "SELECT workspace_id, sealed FROM workflow_secrets "
    "WHERE workflow_id = $1 AND (valid_until IS NULL OR valid_until > $2) ORDER BY created_at DESC"
)


async def secrets_at_address(tx: ReadTx, workflow_id: uuid.UUID) -> list[Any]:
    """Return the webhook secrets that are good now, with their workspace: a webhook's address names none."""
    return list((await tx.driver_sql(_AT_ADDRESS, (workflow_id, tx.now))).all())


async def retire_secrets(tx: WriteTx, workflow_id: uuid.UUID, until: int) -> bool:
    """Let the current secret be good until a moment and forget older ones; tell whether there was a current one."""
    mine = [
        workflow_secrets.c.workspace_id == tx.workspace_id,
        workflow_secrets.c.workflow_id == workflow_id,
    ]
    await tx.execute(delete(workflow_secrets).where(*mine, workflow_secrets.c.valid_until.is_not(None)))
    retired = await tx.execute(update(workflow_secrets).where(*mine).values(valid_until=until))
    return retired.rowcount > 0


async def insert_secret(tx: WriteTx, workflow_id: uuid.UUID, secret_id: uuid.UUID, sealed: bytes) -> None:
    """Keep a new current secret."""
    row = insert(workflow_secrets).values(
        workspace_id=tx.workspace_id, workflow_id=workflow_id, id=secret_id, sealed=sealed, created_at=tx.now
    )
    await tx.execute(row)


async def forget_secrets(tx: WriteTx, workflow_id: uuid.UUID) -> None:
    """Throw away every secret of a workflow."""
    mine = [workflow_secrets.c.workspace_id == tx.workspace_id, workflow_secrets.c.workflow_id == workflow_id]
    await tx.execute(delete(workflow_secrets).where(*mine))


async def replace_triggers(tx: WriteTx, workflow_id: uuid.UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Put these live triggers in the place of all."""
    mine = [workflow_triggers.c.workspace_id == tx.workspace_id, workflow_triggers.c.workflow_id == workflow_id]
    await tx.execute(delete(workflow_triggers).where(*mine))
    if rows:
        values = [{"workspace_id": tx.workspace_id, "workflow_id": workflow_id, **row} for row in rows]
        await tx.execute(insert(workflow_triggers), values)


async def triggers_of(tx: ReadTx, workflow_id: uuid.UUID) -> list[Any]:
    """Return the live triggers of a workflow."""
    found = select(workflow_triggers).where(
        workflow_triggers.c.workspace_id == tx.workspace_id, workflow_triggers.c.workflow_id == workflow_id
    )
    return list((await tx.execute(found.order_by(workflow_triggers.c.key))).all())


async def event_triggers(tx: ReadTx) -> list[Any]:
    """Return the live event triggers of the workspace that are switched on."""
    found = select(workflow_triggers).where(
        workflow_triggers.c.workspace_id == tx.workspace_id,
        workflow_triggers.c.type == "event",
        workflow_triggers.c.topic_pattern.is_not(None),
        workflow_triggers.c.enabled,
    )
    return list((await tx.execute(found)).all())


_DUE = (
    "SELECT t.*, w.name, w.environment, w.live_version FROM workflow_triggers t "
    "JOIN workflows w ON w.workspace_id = t.workspace_id AND w.id = t.workflow_id "
    "WHERE t.next_at <= $1 ORDER BY t.next_at LIMIT $2"
)


async def due_schedules(tx: ReadTx, now: int, *, limit: int) -> list[Any]:
    """Return schedules whose time has come, of the whole installation, the longest waiting first."""
    return list((await tx.driver_sql(_DUE, (now, limit))).all())


async def move_schedule(tx: WriteTx, workflow_id: uuid.UUID, key: str, *, seen: int, to: int | None) -> bool:
    """Move a schedule on from the time that was seen; False when another process did so before."""
    moved = (
        update(workflow_triggers)
        .where(
            workflow_triggers.c.workspace_id == tx.workspace_id,
            workflow_triggers.c.workflow_id == workflow_id,
            workflow_triggers.c.key == key,
            workflow_triggers.c.next_at == seen,
        )
        .values(next_at=to)
    )
    return (await tx.execute(moved)).rowcount == 1

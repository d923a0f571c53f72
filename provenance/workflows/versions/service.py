"""The verbs of versions: publish, publish again, take back, carry over to another environment."""

import uuid
from typing import Any, TypedDict

from sqlalchemy.exc import IntegrityError

from provenance.audit import service as audit
from provenance.core import cursors
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.errors import Invalid
from provenance.core.ids import encode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.proof.canonical import canonical
from provenance.workflows import drafts, queries, rendering
from provenance.workflows.compiling import check
from provenance.workflows.errors import (
    AlreadyLive,
    DraftUnchanged,
    InvalidGraph,
    NotDeployed,
    Stale,
    Ungated,
    UnknownWorkflow,
)
from provenance.workflows.kinds import Risk
from provenance.workflows.plan import Plan, decompile
from provenance.workflows.releasing import release
from provenance.workflows.review.coverage import Rule, uncovered
from provenance.workflows.review.powers import changes_of
from provenance.workflows.schemas import (
    Promote,
    Promoted,
    Publish,
    Published,
    RequiredGates,
    Unpublished,
    Version,
    Versions,
    WorkflowEvent,
)
from provenance.workflows.service import PREFIX, PRODUCTION, locked, refused, row_of
from provenance.workflows.versions.references import missing_references, pin
from provenance.workspace import service as workspaces


class _Position(TypedDict):
    version: int


async def page(tx: ReadTx, keys: WorkspaceKeys, wire_id: str, *, limit: int, cursor: str | None) -> Versions:
    """Return a page of a workflow's versions, the newest first. Raises UnknownWorkflow, BadCursor."""
    row = await row_of(tx, wire_id)
    bound_to = cursors.binding("workflow_versions", str(row.id))
    before = None if cursor is None else cursors.read(keys, bound_to, cursor, _Position)["version"]
    rows = await queries.versions(tx, row.id, limit=limit + 1, before=before)
    more, rows = len(rows) > limit, rows[:limit]
    return Versions(
        items=[_shown(each, row) for each in rows],
        next_cursor=cursors.write(keys, bound_to, {"version": rows[-1].version}) if more else None,
    )


def _shown(row: Any, workflow: Any) -> Version:
    return Version(
        version=row.version,
        published_at=iso_millis(row.published_at),
        published_by=row.published_by,
        note=row.note,
        checksum=row.checksum,
        live=row.version == workflow.live_version,
    )


async def publish(tx: WriteTx, wire_id: str, asked: Publish) -> Published:
    """Make the draft an immutable version, live from now on.

    Raises InvalidGraph with every problem, Stale, DraftUnchanged, Ungated, UnknownWorkflow.
    """
    row = await locked(tx, wire_id)
    if asked.draft_revision not in (None, row.draft_revision):
        raise Stale(f"The draft is at revision {row.draft_revision}, not {asked.draft_revision}. Read it again.")
    plan = await _sound(tx, row, drafts.read_stored(row.draft))
    if plan.checksum == row.live_checksum:
        raise DraftUnchanged("The draft is what is live already.")
    await _insist(tx, plan, asked.require_gates)
    row = await _go_live(tx, row, plan, note=asked.note)
    return Published(**_published(row, tx))


async def _sound(tx: ReadTx, row: Any, definition: dict[str, Any]) -> Plan:
    """Return the plan of a definition that may go live. Raises InvalidGraph."""
    checked = check(definition)
    problems = [*checked.problems, *await missing_references(tx, definition)]
    if problems or checked.plan is None:
        raise InvalidGraph.of(problems)
    return checked.plan


async def _insist(tx: ReadTx, plan: Plan, required: RequiredGates | None) -> None:
    """Raises Ungated when a path escapes the gates that are insisted on."""
    if required is None:
        return
    rule = Rule(Risk.of(required.risk), required.by, await workspaces.default_approvers(tx))
    escapes = uncovered(plan, rule)
    if escapes:
        details: list[Any] = [{"path": f"steps.{each.step}", "issue": each.sentence} for each in escapes]
        raise Ungated(escapes[0].sentence, details=details)


async def _go_live(
    tx: WriteTx, row: Any, plan: Plan, *, note: str, promoted_from: tuple[uuid.UUID, int] | None = None
) -> Any:
    """Keep a plan as the next version and make it the live one."""
    version, before = row.latest_version + 1, await _live_plan(tx, row)
    origin, origin_version = promoted_from or (None, None)
    await queries.insert_version(
        tx,
        row.id,
        version,
        definition=canonical(decompile(plan)).decode(),
        checksum=plan.checksum,
        note=note,
        promoted_from=origin,
        promoted_version=origin_version,
    )
    return await _switch_to(tx, row, version, plan, before, {"note": note}, latest=version)


async def _live_plan(tx: ReadTx, row: Any) -> Plan | None:
    if row.live_version is None:
        return None
    stored = await queries.version_of(tx, row.id, row.live_version)
    return check(drafts.read_stored(stored.definition)).plan


async def _switch_to(
    tx: WriteTx, row: Any, version: int, plan: Plan, before: Plan | None, data: dict[str, Any], *, latest: int
) -> Any:
    """Make a version the live one, its triggers with it, and record what it may do that the one before might not."""
    stored = await queries.version_of(tx, row.id, version)
    await pin(tx, row, version, drafts.read_stored(stored.definition))
    await queries.replace_triggers(tx, row.id, rendering.live_triggers(stored, row.triggers_off, tx.now))
    after = await queries.change(
        tx,
        row.id,
        live_version=version,
        live_checksum=plan.checksum,
        latest_version=latest,
        draft_based_on=version if row.draft_checksum == plan.checksum else row.draft_based_on,
    )
    changes = changes_of(before, plan)
    data = {
        "name": row.name,
        "environment": row.environment,
        "version": [row.live_version, version],
        "checksum": plan.checksum,
        **data,
        "gained": changes.gained,
        "lost": changes.lost,
        "gatesLost": changes.gates_lost,
    }
    risk = audit.Risk.HIGH if row.environment == PRODUCTION or changes.gates_lost else audit.Risk.MEDIUM
    audit.record(tx, WorkflowEvent.PUBLISHED, encode(PREFIX, row.id), data, risk=risk)
    return after


def _published(row: Any, tx: WriteTx) -> dict[str, Any]:
    return {
        "workflow_id": encode(PREFIX, row.id),
        "version": row.live_version,
        "status": "deployed",
        "published_at": iso_millis(tx.now),
        "published_by": tx.actor.id,
        "environment": row.environment,
        "checksum": row.live_checksum,
    }


async def publish_again(tx: WriteTx, wire_id: str, version: int) -> Published:
    """Make a published version the live one again. Raises AlreadyLive, InvalidGraph, UnknownWorkflow."""
    row = await locked(tx, wire_id)
    stored = await queries.version_of(tx, row.id, version)
    if stored is None:
        raise UnknownWorkflow(f"This workflow has no version {version}.")
    if version == row.live_version:
        raise AlreadyLive(f"Version {version} is live already.")
    plan = await _sound(tx, row, drafts.read_stored(stored.definition))
    before = await _live_plan(tx, row)
    row = await _switch_to(tx, row, version, plan, before, {"again": True}, latest=row.latest_version)
    return Published(**_published(row, tx))


async def unpublish(tx: WriteTx, wire_id: str) -> Unpublished:
    """Take the live version back: no run begins until one is published. Raises NotDeployed, UnknownWorkflow."""
    row = await locked(tx, wire_id)
    if row.live_version is None:
        raise NotDeployed("No version of this workflow is live.")
    await queries.replace_triggers(tx, row.id, [])
    await release(tx, encode(PREFIX, row.id))
    await queries.change(tx, row.id, live_version=None, live_checksum=None)
    data = {"name": row.name, "environment": row.environment, "version": row.live_version}
    audit.record(tx, WorkflowEvent.UNPUBLISHED, wire_id, data, risk=audit.Risk.MEDIUM)
    return Unpublished(workflow_id=wire_id, version=row.latest_version, status="draft")


async def promote(tx: WriteTx, wire_id: str, asked: Promote) -> Promoted:
    """Publish the live version in another environment, as the same workflow there.

    Raises NotDeployed, Invalid for its own environment, NameTaken, UnknownEnvironment, DraftUnchanged, Ungated.
    """
    row = await locked(tx, wire_id)
    if row.live_version is None:
        raise NotDeployed("No version of this workflow is live, so there is none to promote.")
    if asked.environment == row.environment:
        raise Invalid.at("environment", "is where the workflow lives already")
    stored = await queries.version_of(tx, row.id, row.live_version)
    definition = drafts.read_stored(stored.definition)
    target = await queries.relative(tx, row.family_id, asked.environment) or await _twin(tx, row, stored, asked)
    plan = await _sound(tx, target, definition)
    if plan.checksum == target.live_checksum:
        raise DraftUnchanged(f"This version is live in {asked.environment} already.")
    await _insist(tx, plan, asked.require_gates)
    after = await _go_live(tx, target, plan, note=asked.note, promoted_from=(row.id, row.live_version))
    data = {
        "name": row.name,
        "from": row.environment,
        "to": asked.environment,
        "version": row.live_version,
        "target": encode(PREFIX, after.id),
        "targetVersion": after.live_version,
    }
    audit.record(tx, WorkflowEvent.PROMOTED, wire_id, data, risk=audit.Risk.MEDIUM)
    return Promoted(**_published(after, tx), promoted_from=wire_id, promoted_version=row.live_version)


async def _twin(tx: WriteTx, row: Any, stored: Any, asked: Promote) -> Any:
    """Make the same workflow in another environment, its draft what is promoted."""
    try:
        return await queries.insert_workflow(
            tx,
            new_uuid(),
            family_id=row.family_id,
            name=row.name,
            description=row.description,
            environment=asked.environment,
            tags=row.tags,
            owner=tx.actor.id,
            max_concurrent_runs=row.max_concurrent_runs,
            draft=stored.definition,
            draft_checksum=stored.checksum,
        )
    except IntegrityError as error:
        raise refused(error, row.name, asked.environment) from None

"""The verbs of workflows: their metadata, their drafts, and what a start of a run needs to know of them."""

import uuid
from typing import Any, TypedDict

from sqlalchemy.exc import IntegrityError

from provenance.audit import service as audit
from provenance.core import cursors
from provenance.core.actor import Role
from provenance.core.db import ReadTx, WriteTx
from provenance.core.errors import Invalid, NotAllowed
from provenance.core.ids import decode, encode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.workflows import drafts, queries, rendering
from provenance.workflows.errors import (
    ActiveRuns,
    ConfirmationNeeded,
    EnvironmentFixed,
    NameTaken,
    Stale,
    UnknownEnvironment,
    UnknownWorkflow,
)
from provenance.workflows.releasing import release
from provenance.workflows.running import RunsOfWorkflows
from provenance.workflows.schemas import (
    Draft,
    DraftSave,
    TriggerSwitches,
    Workflow,
    WorkflowCreate,
    WorkflowDeleted,
    WorkflowEvent,
    Workflows,
    WorkflowUpdate,
)
from provenance.workflows.templates.service import filled
from provenance.workflows.templates.service import find as find_template

PREFIX = "wf"
PRODUCTION = "production"
_SWITCHED = ("webhook", "schedule", "event")


class Filters(TypedDict):
    """What a list of workflows is narrowed to."""

    status: str | None
    environment: str | None
    q: str | None
    tag: str | None


class _Position(TypedDict):
    at: int
    id: str


def id_of(wire_id: str) -> uuid.UUID:
    """Read a workflow's id. Raises UnknownWorkflow."""
    found = decode(PREFIX, wire_id)
    if found is None:
        raise unknown()
    return found


def unknown() -> UnknownWorkflow:
    """Make the error of a workflow that is not there."""
    return UnknownWorkflow("This workspace has no workflow with this id.")


async def row_of(tx: ReadTx, wire_id: str) -> Any:
    """Return a workflow's row. Raises UnknownWorkflow."""
    row = await queries.workflow(tx, id_of(wire_id))
    if row is None:
        raise unknown()
    return row


async def locked(tx: WriteTx, wire_id: str) -> Any:
    """Return a workflow's row, kept from others. Raises UnknownWorkflow."""
    row = await queries.lock(tx, id_of(wire_id))
    if row is None:
        raise unknown()
    return row


async def page(
    tx: ReadTx, keys: WorkspaceKeys, runs: RunsOfWorkflows, filters: Filters, *, limit: int, cursor: str | None
) -> Workflows:
    """Return a page of workflows, the latest changed first. Raises BadCursor."""
    bound_to = cursors.binding("workflows", sorted(filters.items(), key=str))
    after = None if cursor is None else cursors.read(keys, bound_to, cursor, _Position)
    position = None if after is None else (after["at"], uuid.UUID(after["id"]))
    rows = await queries.page(tx, queries.filters_of(**filters), limit=limit + 1, after=position)
    more, rows = len(rows) > limit, rows[:limit]
    last = await runs.last(tx, [row.id for row in rows])
    going_on: _Position | None = {"at": rows[-1].updated_at, "id": str(rows[-1].id)} if more else None
    return Workflows(
        items=[rendering.summary(row, last.get(row.id)) for row in rows],
        next_cursor=None if going_on is None else cursors.write(keys, bound_to, dict(going_on)),
    )


async def create(tx: WriteTx, asked: WorkflowCreate, base_url: str) -> tuple[Workflow, int]:
    """Make a workflow; return it and its revision. Raises NameTaken, UnknownEnvironment, UnknownTemplate,
    BadYaml, and Invalid for variables the template does not have.
    """
    sent = drafts.read_definition(_first_draft(asked))
    workflow_id = new_uuid()
    try:
        row = await queries.insert_workflow(
            tx,
            workflow_id,
            family_id=workflow_id,
            name=asked.name,
            description=asked.description,
            environment=asked.environment,
            tags=list(dict.fromkeys(asked.tags)),
            owner=tx.actor.id,
            draft=sent.text,
            draft_checksum=sent.checksum,
        )
    except IntegrityError as error:
        raise refused(error, asked.name, asked.environment) from None
    data = {"name": row.name, "environment": row.environment, "draftChecksum": sent.checksum}
    audit.record(tx, WorkflowEvent.CREATED, encode(PREFIX, row.id), data)
    return rendering.workflow(row, None, [], [], None, None, base_url), row.revision


def _first_draft(asked: WorkflowCreate) -> dict[str, Any] | str:
    if asked.variables and asked.template_id is None:
        raise Invalid.at("variables", "are those of a template; send its templateId")
    if asked.definition is not None:
        return asked.definition
    if asked.template_id is None:
        return drafts.EMPTY
    return filled(find_template(asked.template_id), asked.variables or {})


def refused(error: IntegrityError, name: str, environment: str) -> Exception:
    """Name what the database refused."""
    text = str(error.orig)
    if "uq_workflows_name" in text:
        return NameTaken(f"The environment {environment} has a workflow named {name} already.")
    if "fk_workflows_environment" in text:
        return UnknownEnvironment.at("environment", f"there is no environment {environment}")
    return error


async def find(
    tx: ReadTx, runs: RunsOfWorkflows, wire_id: str, version: int | None, base_url: str
) -> tuple[Workflow, int]:
    """Return a workflow with its live version, or the one asked for. Raises UnknownWorkflow."""
    row = await row_of(tx, wire_id)
    wanted = version or row.live_version
    stored = None if wanted is None else await queries.version_of(tx, row.id, wanted)
    if version is not None and stored is None:
        raise UnknownWorkflow(f"This workflow has no version {version}.")
    last = (await runs.last(tx, [row.id])).get(row.id)
    triggers, secrets = await queries.triggers_of(tx, row.id), await queries.secrets_of(tx, row.id)
    shown = rendering.workflow(row, stored, triggers, secrets, last, await runs.stats(tx, row.id), base_url)
    return shown, row.revision


async def update(tx: WriteTx, wire_id: str, asked: WorkflowUpdate, if_match: int | None) -> None:
    """Change a workflow's metadata; what is as it was is no change. Raises Stale, NameTaken, EnvironmentFixed."""
    row = await locked(tx, wire_id)
    if if_match is not None and if_match != row.revision:
        raise Stale("The workflow was changed since. Read it again.")
    wanted = _columns(row, asked)
    changed = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    if not changed:
        return
    if "environment" in changed and row.latest_version:
        raise EnvironmentFixed("A workflow that was published stays in its environment. Promote it to another.")
    try:
        await queries.change(tx, row.id, revision=row.revision + 1, **changed)
    except IntegrityError as error:
        name, environment = wanted.get("name", row.name), wanted.get("environment", row.environment)
        raise refused(error, name, environment) from None
    if "triggers_off" in changed:
        await _switch(tx, row, changed["triggers_off"])
    changes = {name: [getattr(row, name), value] for name, value in sorted(changed.items())}
    audit.record(tx, WorkflowEvent.UPDATED, wire_id, {"name": row.name, "changes": changes})


def _columns(row: Any, asked: WorkflowUpdate) -> dict[str, Any]:
    """Return the columns that a body sets."""
    sent = asked.model_dump(exclude_unset=True, exclude={"trigger_settings", "owner_user_id", "tags"})
    columns = {name: value for name, value in sent.items() if value is not None or name == "max_concurrent_runs"}
    if asked.tags is not None:
        columns["tags"] = list(dict.fromkeys(asked.tags))
    if asked.owner_user_id is not None:
        columns["owner"] = asked.owner_user_id
    if asked.trigger_settings is not None:
        columns["triggers_off"] = _off(row.triggers_off, asked.trigger_settings)
    return columns


def _off(before: list[str], switches: TriggerSwitches) -> list[str]:
    off = set(before)
    for kind in _SWITCHED:
        switch = getattr(switches, kind)
        if switch is not None:
            off = off - {kind} if switch.enabled else off | {kind}
    return sorted(off)


async def _switch(tx: WriteTx, row: Any, off: list[str]) -> None:
    """Let the live triggers follow the switches; a schedule that is switched on goes on from now."""
    stored = None if row.live_version is None else await queries.version_of(tx, row.id, row.live_version)
    await queries.replace_triggers(tx, row.id, rendering.live_triggers(stored, off, tx.now) if stored else [])


async def draft(tx: ReadTx, wire_id: str) -> Draft:
    """Return the draft of a workflow with its problems. Raises UnknownWorkflow."""
    row = await row_of(tx, wire_id)
    return rendering.draft(row, drafts.read_definition(drafts.read_stored(row.draft)))


async def save_draft(tx: WriteTx, wire_id: str, asked: DraftSave, if_match: int | None) -> Draft:
    """Keep a draft, valid or not; the same again is no change. Raises Stale, BadYaml, UnknownWorkflow."""
    row = await locked(tx, wire_id)
    expected = asked.draft_revision if asked.draft_revision is not None else if_match
    if expected is None:
        raise Stale("Say which draftRevision you changed, in the body or as If-Match.")
    if expected != row.draft_revision:
        raise Stale(f"The draft is at revision {row.draft_revision}, not {expected}. Read it again.")
    sent = drafts.read_definition(asked.definition)
    if sent.text != row.draft:
        row = await _keep_draft(tx, row, sent)
    return rendering.draft(row, sent)


async def _keep_draft(tx: WriteTx, row: Any, sent: drafts.Sent) -> Any:
    changed = await queries.change(
        tx,
        row.id,
        draft=sent.text,
        draft_checksum=sent.checksum,
        draft_revision=row.draft_revision + 1,
        draft_based_on=row.live_version,
        draft_updated_at=tx.now,
    )
    data = {
        "name": row.name,
        "draftRevision": changed.draft_revision,
        "checksum": [row.draft_checksum, sent.checksum],
        "problems": len(sent.checked.problems),
    }
    audit.record(tx, WorkflowEvent.DRAFT_SAVED, encode(PREFIX, row.id), data)
    return changed


async def delete(tx: WriteTx, runs: RunsOfWorkflows, wire_id: str, *, confirm: str | None) -> WorkflowDeleted:
    """Delete a workflow; its versions stay for its runs.

    Raises ActiveRuns, UnknownWorkflow, and in production NotAllowed for anybody but an administrator, and
    ConfirmationNeeded when ``confirm`` is not its name.
    """
    row = await locked(tx, wire_id)
    if row.environment == PRODUCTION:
        if tx.actor.role != Role.ADMIN:
            raise NotAllowed("Deleting a workflow in production needs an administrator.", code="missing_role")
        if confirm != row.name:
            raise ConfirmationNeeded.at("confirm", "must be the workflow's name: it lives in production")
    if await runs.active(tx, row.id):
        raise ActiveRuns("Runs of this workflow are under way. Cancel them first.")
    await queries.replace_triggers(tx, row.id, [])
    await queries.forget_secrets(tx, row.id)
    await release(tx, encode(PREFIX, row.id))
    await queries.change(tx, row.id, deleted_at=tx.now, environment=None, live_version=None, live_checksum=None)
    data = {"name": row.name, "environment": row.environment, "version": row.live_version}
    risk = audit.Risk.HIGH if row.environment == PRODUCTION else audit.Risk.MEDIUM
    audit.record(tx, WorkflowEvent.DELETED, wire_id, data, risk=risk)
    return WorkflowDeleted(workflow_id=wire_id, deleted=True)

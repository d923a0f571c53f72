"""The verbs of workspaces."""

import uuid
from typing import Any

from provenance.audit import service as audit
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import encode, new_uuid
from provenance.core.settings import Settings
from provenance.ledger.service import open_ledger
from provenance.workspace import queries
from provenance.workspace.environments import service as environments
from provenance.workspace.errors import SlugImmutable, SlugTaken
from provenance.workspace.schemas import (
    ApprovalRules,
    Approver,
    Features,
    Workspace,
    WorkspaceDetails,
    WorkspaceEvent,
    WorkspaceUpdate,
)

INSTANCE_SLUG = "instance"
SELF_HOSTED = "self_hosted"
"""The plan of a workspace that nobody pays for."""
_NAMES = {"fresh_login_minutes": "requireFreshLoginMinutes"}


async def create(tx: WriteTx, *, slug: str, name: str, region: str = "local", admin: str | None = None) -> Workspace:
    """Make a workspace with an empty ledger; the event goes to the instance workspace, so numbers start at 1.

    ``admin`` is the ``user_…`` who becomes its first administrator, made so by the caller. Raises SlugTaken.
    """
    workspace = await _insert(tx, slug=slug, name=name, instance=False, region=region)
    await environments.open_environments(tx.inside(workspace.id))
    audit.record(
        tx,
        WorkspaceEvent.CREATED,
        workspace.wire_id,
        {"slug": slug} if admin is None else {"slug": slug, "admin": admin},
        risk=audit.Risk.MEDIUM,
        workspace_id=await queries.instance_workspace(tx),
    )
    return workspace


async def create_instance(tx: WriteTx) -> Workspace:
    """Make the workspace that holds the installation's own events. Raises SlugTaken when it is there."""
    return await _insert(tx, slug=INSTANCE_SLUG, name="Installation", instance=True, region="local")


async def instance_id(tx: ReadTx) -> uuid.UUID:
    """Return the id of the workspace that holds the installation's own events; the first start makes it."""
    found = await queries.instance_workspace(tx)
    assert found is not None, "the first start comes before anything that asks"
    return found


async def _insert(tx: WriteTx, *, slug: str, name: str, instance: bool, region: str) -> Workspace:
    workspace = Workspace(new_uuid(), slug, name)
    inside = tx.inside(workspace.id)
    free = await queries.insert_workspace(
        inside, slug=slug, name=name, instance=instance, default_region=region, created_by=tx.acting[0]
    )
    if not free:
        raise SlugTaken(f"The slug {slug} is taken.")
    await open_ledger(inside, workspace.wire_id, slug)
    return workspace


async def details(tx: ReadTx, settings: Settings) -> WorkspaceDetails:
    """Return the transaction's workspace with its settings."""
    return _shown(await queries.row_of(tx), settings)


async def named(tx: ReadTx) -> Workspace:
    """Return the transaction's workspace."""
    row = await queries.row_of(tx)
    return Workspace(row.id, row.slug, row.name)


async def plan_of(tx: ReadTx) -> str:
    """Return the plan of the transaction's workspace."""
    return str((await queries.row_of(tx)).plan)


async def set_plan(tx: WriteTx, plan: str) -> None:
    """Note the plan that the workspace pays for; another than before is recorded."""
    before = (await queries.lock(tx)).plan
    if before != plan:
        await queries.set_plan(tx, plan)
        data = {"changes": {"plan": [before, plan]}}
        audit.record(tx, WorkspaceEvent.UPDATED, encode("ws", tx.workspace_id), data, risk=audit.Risk.MEDIUM)


def limits_of(settings: Settings, plan: str) -> dict[str, int]:
    """Return the limits of a plan, by what is limited; empty for a plan without."""
    return dict(settings.plan_limits.get(plan, {}))


async def data_retentions(tx: ReadTx) -> list[tuple[uuid.UUID, int]]:
    """Return each workspace of the installation with the days for which its runs keep their data."""
    return await queries.data_retentions(tx)


async def default_approvers(tx: ReadTx) -> tuple[str, ...]:
    """Return who approves where a workflow names nobody, each as ``kind:id``."""
    return tuple((await queries.row_of(tx)).default_approvers)


async def approval_rules(tx: ReadTx) -> ApprovalRules:
    """Return what the workspace says of approvals."""
    row = await queries.row_of(tx)
    return ApprovalRules(row.self_approval, tuple(row.default_approvers), row.require_passkey_from)


async def update(tx: WriteTx, settings: Settings, asked: WorkspaceUpdate) -> WorkspaceDetails:
    """Change the workspace's settings; nothing that differs is no change and leaves no event. Raises SlugImmutable."""
    before = await queries.lock(tx)
    if asked.slug not in (None, before.slug):
        raise SlugImmutable("A workspace's slug can't be changed.")
    wanted = _columns(asked)
    changed = {name: value for name, value in wanted.items() if getattr(before, name) != value}
    if changed:
        await queries.set_columns(tx, **changed)
        pairs = {_wire_name(name): [getattr(before, name), value] for name, value in sorted(changed.items())}
        data = {"name": wanted["name"], "changes": pairs}
        audit.record(tx, WorkspaceEvent.UPDATED, encode("ws", tx.workspace_id), data, risk=audit.Risk.MEDIUM)
    return await details(tx, settings)


def _columns(asked: WorkspaceUpdate) -> dict[str, Any]:
    """Return the columns that a body sets: what the contract asks for always, our additions where they are sent."""
    columns: dict[str, Any] = {
        "name": asked.name,
        "default_region": asked.default_region,
        "data_retention_days": asked.data_retention_days,
    }
    if asked.self_approval is not None:
        columns["self_approval"] = asked.self_approval
    if "require_fresh_login_minutes" in asked.model_fields_set:
        columns["fresh_login_minutes"] = asked.require_fresh_login_minutes
    if "require_passkey_from" in asked.model_fields_set:
        columns["require_passkey_from"] = asked.require_passkey_from
    if asked.default_approvers is not None:
        columns["default_approvers"] = list(dict.fromkeys(approver.text for approver in asked.default_approvers))
    return columns


def _wire_name(column: str) -> str:
    head, *rest = column.split("_")
    return _NAMES.get(column, head + "".join(part.title() for part in rest))


def _shown(row: Any, settings: Settings) -> WorkspaceDetails:
    return WorkspaceDetails(
        workspace_id=encode("ws", row.id),
        name=row.name,
        slug=row.slug,
        default_region=row.default_region,
        data_retention_days=row.data_retention_days,
        plan=row.plan,
        features=Features(mail=settings.smtp_url is not None, single_sign_on=settings.oidc_issuer is not None),
        self_approval=row.self_approval,
        require_fresh_login_minutes=row.fresh_login_minutes or settings.fresh_login_minutes,
        default_approvers=[Approver.parse(stored) for stored in row.default_approvers],
        require_passkey_from=row.require_passkey_from,
        created_at=iso_millis(row.created_at),
        created_by=row.created_by,
        updated_at=iso_millis(row.updated_at or row.created_at),
        updated_by=row.updated_by or row.created_by,
    )

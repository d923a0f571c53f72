"""The table of contents: which URL prefix lives in which folder, and which modules bring tables and tasks.

`main` mounts the routes, the worker runs the tasks, migrations and tests read the tables; each finds the list here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

Loop = Callable[[Any, asyncio.Event], Awaitable[None]]
"""Runs until the event is set; handed the worker's ledger."""

ROUTES: dict[str, tuple[str, ...]] = {
    "/api/resource-types": ("provenance.ledger.catalogue.routes",),
    "/api/actions": ("provenance.ledger.catalogue.routes",),
    "/api/origins": ("provenance.ledger.catalogue.routes",),
    "/api/interactions": (
        "provenance.ledger.interactions.routes",
        "provenance.ledger.interactions.listing_routes",
        "provenance.ledger.log.routes",
    ),
    "/api/activity": ("provenance.ledger.activity.routes",),
    "/api/traces": ("provenance.ledger.traces.routes",),
    "/api/timeline": ("provenance.ledger.traces.routes",),
    "/api/interaction-fields": ("provenance.ledger.fields.routes",),
    "/api/analytics": ("provenance.ledger.analytics.routes",),
    "/api/log": (
        "provenance.ledger.log.routes",
        "provenance.ledger.self_audit.routes",
        "provenance.ledger.completeness.routes",
        "provenance.ledger.witness.routes",
        "provenance.evidence.routes",
    ),
    "/api/alerts": ("provenance.alerts.routes",),
    "/api/evidence": ("provenance.evidence.routes",),
    "/api/export": ("provenance.ledger.export.routes",),
    "/log": ("provenance.ledger.log.routes",),
    "/audit/streams": ("provenance.streams.routes",),  # before /audit, whose /audit/{event_id} would take it
    "/audit": ("provenance.audit.routes",),
    "/witness": ("provenance.ledger.witness.routes",),
    "/api/notifications": ("provenance.notifications.inbox.routes",),
    "/api/erasures": ("provenance.ledger.erasure.routes",),
    "/api/legal-holds": ("provenance.ledger.erasure.holds.routes",),
    "/api/retention-policies": ("provenance.ledger.erasure.retention.routes",),
    "/workspace": (
        "provenance.workspace.routes",
        "provenance.workspace.environments.routes",
        "provenance.identity.switching.routes",
        "provenance.identity.members.routes",
        "provenance.identity.api_keys.routes",
        "provenance.notifications.routes",
        "provenance.notifications.digest.routes",
    ),
    "/workspaces": ("provenance.identity.switching.routes",),
    "/secrets": ("provenance.secrets.routes",),
    "/skills": ("provenance.skills.routes",),
    "/skill-uploads": ("provenance.skills.routes",),
    "/workflows": (
        "provenance.workflows.routes",
        "provenance.workflows.versions.routes",
        "provenance.workflows.review.routes",
        "provenance.workflows.webhook_secret.routes",
        "provenance.runs.routes",
    ),
    "/runs": ("provenance.runs.routes",),
    "/webhooks": ("provenance.runs.webhooks.routes",),
    "/approvals": ("provenance.approvals.routes", "provenance.approvals.links.routes"),
    "/delegated-grants": ("provenance.approvals.grants.routes",),
    "/templates": ("provenance.workflows.templates.routes",),
    "/expressions": ("provenance.workflows.evaluation.routes",),
    "/docs/workflow-definition.schema.json": ("provenance.workflows.definition_routes",),
    "/connections": ("provenance.connections.routes",),
    "/oauth": ("provenance.connections.routes",),
    "/datastores": (
        "provenance.datastores.routes",
        "provenance.datastores.objects.routes",
        "provenance.datastores.uploads.routes",
    ),
    "/uploads": ("provenance.datastores.uploads.routes",),
    "/downloads": ("provenance.datastores.objects.routes",),
    "/api/bus/bridges": ("provenance.bus.bridges.routes",),
    "/bus/messages": ("provenance.bus.messages.routes",),
    "/bus/schemas": ("provenance.bus.schemas.routes",),
    "/bus/api-keys": ("provenance.bus.keys.routes",),
    "/bus/inbound": ("provenance.bus.inbound.routes",),
    "/bus/dead-letters": ("provenance.bus.deliveries.routes",),
    "/bus/metrics": ("provenance.bus.deliveries.routes",),
    "/bus/topics": ("provenance.bus.messages.routes",),
    "/bus/subscriptions": ("provenance.bus.subscriptions.routes",),
    "/platform/queue": ("provenance.ledger.queue.routes",),
    "/events": ("provenance.realtime.routes",),
    "/billing": ("provenance.billing.routes",),
    "/auth": (
        "provenance.identity.sessions.routes",
        "provenance.identity.invitations.routes",
        "provenance.identity.passwords.routes",
        "provenance.identity.totp.routes",
        "provenance.identity.passkeys.routes",
        "provenance.identity.oidc.routes",
        "provenance.identity.device.routes",
    ),
}
"""URL prefix → the modules whose ``router`` serves it."""

TABLES = (
    "provenance.core.keyring",
    "provenance.core.limits",
    "provenance.core.idempotency",
    "provenance.ledger.tables",
    "provenance.ledger.log.tables",
    "provenance.ledger.self_audit.tables",
    "provenance.ledger.completeness.tables",
    "provenance.ledger.witness.tables",
    "provenance.ledger.erasure.tables",
    "provenance.workspace.tables",
    "provenance.workspace.environments.tables",
    "provenance.workflows.tables",
    "provenance.identity.tables",
    "provenance.identity.sessions.tables",
    "provenance.identity.guessing.tables",
    "provenance.identity.tickets.tables",
    "provenance.identity.totp.tables",
    "provenance.identity.passkeys.tables",
    "provenance.identity.oidc.tables",
    "provenance.identity.device.tables",
    "provenance.identity.members.tables",
    "provenance.evidence.tables",
    "provenance.alerts.tables",
    "provenance.streams.tables",
    "provenance.secrets.tables",
    "provenance.notifications.tables",
    "provenance.notifications.digest.tables",
    "provenance.notifications.inbox.tables",
    "provenance.connections.tables",
    "provenance.skills.tables",
    "provenance.engine.tables",
    "provenance.runs.outputs.tables",
    "provenance.runs.webhooks.tables",
    "provenance.approvals.tables",
    "provenance.approvals.grants.tables",
    "provenance.approvals.letters.tables",
    "provenance.approvals.links.tables",
    "provenance.billing.tables",
    "provenance.datastores.tables",
    "provenance.datastores.objects.tables",
    "provenance.datastores.uploads.tables",
    "provenance.bus.messages.tables",
    "provenance.bus.subscriptions.tables",
    "provenance.bus.deliveries.tables",
    "provenance.bus.schemas.tables",
    "provenance.bus.keys.tables",
    "provenance.bus.inbound.tables",
    "provenance.bus.bridges.tables",
)

TASKS = (
    "provenance.ledger.fields.tasks",
    "provenance.alerts.tasks",
    "provenance.evidence.tasks",
    "provenance.notifications.tasks",
    "provenance.notifications.inbox.tasks",
    "provenance.approvals.tasks",
    "provenance.approvals.letters.tasks",
    "provenance.bus.messages.tasks",
)
"""Modules that listen: ``@on`` handlers that the worker feeds, and what features forget when content is erased."""

LOOPS = (
    "provenance.billing.tasks",
    "provenance.ledger.log.tasks",
    "provenance.ledger.self_audit.tasks",
    "provenance.ledger.completeness.tasks",
    "provenance.ledger.witness.tasks",
    "provenance.alerts.tasks",
    "provenance.streams.tasks",
    "provenance.connections.tasks",
    "provenance.notifications.digest.tasks",
    "provenance.notifications.inbox.tasks",
    "provenance.bus.deliveries.tasks",
    "provenance.bus.bridges.tasks",
    "provenance.runs.message_targets.tasks",
    "provenance.upkeep",
    "provenance.runs.tasks",
    "provenance.runs.schedules.tasks",
    "provenance.approvals.tasks",
    "provenance.approvals.letters.tasks",
    "provenance.runs.event_triggers.tasks",
    "provenance.ledger.erasure.tasks",
    "provenance.secrets.tasks",
    "provenance.datastores.tasks",
    "provenance.skills.tasks",
)
"""Modules whose ``run(ledger, stop)`` the worker keeps running: work that follows no event."""


def load_tables() -> None:
    """Import every module that defines tables, so that the metadata is complete."""
    for name in TABLES:
        import_module(name)


def load_tasks() -> None:
    """Import every module that listens to events."""
    for name in TASKS:
        import_module(name)


def loops() -> list[Loop]:
    """Return what the worker keeps running beside the feed."""
    return [import_module(name).run for name in LOOPS]

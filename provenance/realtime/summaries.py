"""What each channel says of a row: ids and states. Whoever wants more reads it by REST (spec/automation.md, 10)."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from provenance.core.clock import iso_millis
from provenance.core.ids import encode
from provenance.realtime.events import Event
from provenance.realtime.schemas import Summary

Summarise = Callable[[Event], Summary | None]

_RUN = {
    "run.queued": ("run.updated", "queued"),
    "run.started": ("run.started", "running"),
    "run.resumed": ("run.updated", "running"),
    "run.completed": ("run.completed", "completed"),
    "run.failed": ("run.failed", "failed"),
    "run.timed_out": ("run.failed", "timed_out"),
    "run.cancelled": ("run.cancelled", "cancelled"),
    "run.deleted": ("run.updated", "deleted"),
    "run.effect_intended": ("run.step", "running"),
    "run.step_completed": ("run.step", "completed"),
    "run.step_failed": ("run.step", "failed"),
    "run.step_skipped": ("run.step", "skipped"),
}
"""Each event of a run: the frame's type, and the status it leaves the run or the step in."""
_OF_RUN = (
    "workflowVersion", "environment", "triggerType", "replayOf", "stepId", "stepKey", "kind", "attempt", "iteration",
    "durationMs", "error",
)  # fmt: skip

_APPROVAL = {
    "approval.requested": "approval.requested",
    "approval.approved": "approval.approved",
    "approval.auto_approved": "approval.approved",
    "approval.rejected": "approval.rejected",
    "approval.sla_breach": "approval.sla_breach",
}
_OF_APPROVAL = ("runId", "stepId", "status", "risk", "dueAt", "requiredApprovals")

_BUS = {
    "bus.message_published": "bus.published",
    "bus.delivery_recovered": "bus.delivered",
    "bus.delivery_failed": "bus.failed",
    "bus.loop_blocked": "bus.failed",
    "bus.dead_lettered": "bus.dead_lettered",
    "bus.redriven": "bus.redriven",
    "bus.replayed": "bus.redriven",
}
"""Each event of the bus and the frame's type. A delivery that succeeds is no event of its own (decision 24):
``bus.delivered`` says that a target which had failed takes messages again."""
_OF_BUS = ("msgId", "topic", "subscriptionId", "deliveryId", "attempt", "status")

_UNTOLD = frozenset({"mcp.tool_called"})


def _summary(kind: str, data: dict[str, Any]) -> Summary:
    return Summary(kind, msgspec.json.encode(data))


def _some(data: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return those of the members that are there and plain: an id, a word, a number."""
    return {name: data[name] for name in names if isinstance(data.get(name), str | int | float)}


def of_run(event: Event) -> Summary | None:
    """Say what happened to a run or one of its steps; None of what changes no state."""
    told = _RUN.get(event.name)
    if told is None:
        return None
    workflow = event.data.get("workflowId") or (event.workflow and encode("wf", event.workflow))
    known = {"runId": event.row.resource_id, "workflowId": workflow, "status": told[1]}
    return _summary(told[0], {**known, **_some(event.data, _OF_RUN)})


def of_approval(event: Event) -> Summary | None:
    """Say what happened to an approval."""
    if event.subject != "approval":
        return None
    known = {"approvalId": event.row.resource_id, "event": event.name}
    return _summary(_APPROVAL.get(event.name, "approval.updated"), {**known, **_some(event.data, _OF_APPROVAL)})


def of_bus(event: Event) -> Summary | None:
    """Say what became of a message."""
    told = _BUS.get(event.name)
    return (
        None
        if told is None
        else _summary(told, {"objectId": event.row.resource_id, "event": event.name, **_some(event.data, _OF_BUS)})
    )


def of_server(event: Event) -> Summary | None:
    """Say how an MCP server is."""
    if event.subject != "mcp" or event.name in _UNTOLD:
        return None
    known = {"serverId": event.row.resource_id, "event": event.name}
    return _summary("mcp.status", {**known, **_some(event.data, ("status",))})


def of_connection(event: Event) -> Summary | None:
    """Say how a connection is."""
    if event.subject != "connection":
        return None
    known = {"connectionId": event.row.resource_id, "event": event.name, "outcome": event.row.outcome}
    return _summary("connection.status", {**known, **_some(event.data, ("status",))})


def of_audit(event: Event) -> Summary | None:
    """Say what the platform recorded, as a line of the audit."""
    row = event.row
    if not row.platform:
        return None
    data = {
        "eventId": encode("evt", row.id),
        "eventType": event.name,
        "domain": row.domain,
        "risk": row.risk,
        "actorId": row.recorded_by,
        "objectKind": event.subject,
        "objectId": row.resource_id,
        "outcome": row.outcome,
        "at": iso_millis(row.occurred_at),
    }
    return _summary("audit.event", data)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def of_interaction(event: Event, *, masked: bool) -> Summary:
    """Say which interaction was recorded; a masked row hides what the list hides of it (spec/ledger.md, 4)."""
    row = event.row
    data = {
        "interactionId": str(row.id),
        "interactionNumber": row.number,
        "resourceId": None if masked else row.resource_id,
        "resourceTypeId": str(row.resource_type_id),
        "resourceTypeMnemonic": event.resource_type,
        "actionId": str(row.action_id),
        "actionMnemonic": event.action,
        "originId": str(row.origin_id),
        "originMnemonic": event.origin,
        "userId": None if masked else row.user_id,
        "uowId": str(row.uow_id),
        "spanId": _text(row.span_id),
        "parentSpanId": _text(row.parent_span_id),
        "createdDate": iso_millis(row.occurred_at),
        "outcome": row.outcome,
        "platform": row.platform,
    }
    return _summary("interaction", data)

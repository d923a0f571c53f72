"""Workflows as they go out, and the live triggers a version brings."""

from collections.abc import Sequence
from typing import Any

from provenance.core.clock import iso_millis
from provenance.core.ids import encode
from provenance.workflows.compiling import compile_definition
from provenance.workflows.drafts import Sent, read_stored, shown
from provenance.workflows.plan import Trigger, TriggerType
from provenance.workflows.schemas import (
    Draft,
    EventSettings,
    LastRun,
    ScheduleSettings,
    Stats,
    Status,
    TriggerSettings,
    WebhookSettings,
    Workflow,
    WorkflowSummary,
)
from provenance.workflows.timetable import next_time

PREFIX = "wf"


def summary(row: Any, last_run: LastRun | None) -> WorkflowSummary:
    """Show a workflow as lists do."""
    return WorkflowSummary(**_summary(row, last_run))


def _summary(row: Any, last_run: LastRun | None) -> dict[str, Any]:
    status: Status = "draft" if row.live_version is None else "deployed"
    return {
        "workflow_id": encode(PREFIX, row.id),
        "name": row.name,
        "status": status,
        "version": row.live_version or row.latest_version,
        "environment": row.environment,
        "updated_at": iso_millis(row.updated_at),
        "description": row.description,
        "tags": row.tags,
        "live_version": row.live_version,
        "has_unpublished_changes": row.draft_checksum != row.live_checksum,
        "last_run": last_run,
    }


def workflow(
    row: Any,
    stored: Any | None,
    triggers: Sequence[Any],
    secrets: Sequence[Any],
    last_run: LastRun | None,
    stats: Stats | None,
    base_url: str,
) -> Workflow:
    """Show one workflow; ``stored`` is the version whose definition is shown."""
    definition = None if stored is None else read_stored(stored.definition)
    return Workflow(
        **_summary(row, last_run),
        workspace_id=encode("ws", row.workspace_id),
        owner_user_id=row.owner,
        draft_revision=row.draft_revision,
        max_concurrent_runs=row.max_concurrent_runs,
        trigger_settings=_trigger_settings(row, triggers, bool(secrets), base_url),
        input_schema=None if definition is None else definition.get("inputSchema"),
        definition=definition,
        definition_version=None if stored is None else stored.version,
        stats=stats,
        created_at=iso_millis(row.created_at),
        created_by=row.created_by,
        updated_by=row.updated_by,
    )


def _trigger_settings(row: Any, triggers: Sequence[Any], secret_set: bool, base_url: str) -> TriggerSettings:
    by_type: dict[str, Any] = {}
    for trigger in triggers:
        by_type.setdefault(trigger.type, trigger)
    webhook, schedule, event = (by_type.get(kind) for kind in ("webhook", "schedule", "event"))
    url = f"{base_url}/webhooks/{encode(PREFIX, row.id)}"
    return TriggerSettings(
        webhook=webhook and WebhookSettings(enabled=webhook.enabled and secret_set, url=url, secret_set=secret_set),
        schedule=schedule
        and ScheduleSettings(
            enabled=schedule.enabled,
            cron=schedule.cron,
            timezone=schedule.timezone,
            next_at=None if schedule.next_at is None else iso_millis(schedule.next_at),
        ),
        event=event and EventSettings(enabled=event.enabled, topic_pattern=event.topic_pattern, filter=event.filter),
    )


def draft(row: Any, sent: Sent) -> Draft:
    """Show a draft with its problems."""
    return Draft(
        definition=read_stored(row.draft),
        draft_revision=row.draft_revision,
        based_on_version=row.draft_based_on,
        updated_at=iso_millis(row.draft_updated_at),
        problems=shown(sent.checked.problems),
        warnings=shown(sent.checked.warnings),
    )


def live_triggers(stored: Any, off: Sequence[str], now: int) -> list[dict[str, Any]]:
    """Return the rows of the triggers of a version that goes live; schedules begin after ``now``."""
    plan = compile_definition(read_stored(stored.definition))
    return [_live_trigger(trigger, stored.version, trigger.type not in off, now) for trigger in plan.triggers]


def _live_trigger(trigger: Trigger, version: int, enabled: bool, now: int) -> dict[str, Any]:
    schedule = trigger.schedule
    runs = enabled and trigger.type is TriggerType.SCHEDULE
    return {
        "key": trigger.key,
        "type": trigger.type.value,
        "version": version,
        "enabled": enabled,
        "cron": schedule and schedule.cron,
        "timezone": schedule and schedule.timezone,
        "overlap": schedule and schedule.overlap,
        "catch_up": schedule and schedule.catch_up,
        "next_at": next_time(schedule.cron, schedule.timezone, now) if schedule and runs else None,
        "topic_pattern": trigger.topic_pattern,
        "filter": trigger.filter and trigger.filter.source,
    }

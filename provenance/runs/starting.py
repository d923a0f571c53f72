"""A start that was asked for, made a row: version pinned, input checked, entry chosen, entries to record."""

import uuid
from typing import Any

import msgspec

from provenance.core.clock import now_ns
from provenance.core.ids import new_uuid
from provenance.core.incoming import ORIGIN, Origin
from provenance.engine.schemas import NewRun, RunKey
from provenance.ledger.service import Deed
from provenance.runs.activity import from_text, to_text
from provenance.runs.doers import needs
from provenance.runs.errors import NotDeployed, TooManyHops, TriggerOff
from provenance.runs.events import RunEvent, run_fact, wire_id, workflow_wire_id
from provenance.runs.intake import taken_in
from provenance.runs.library import Live
from provenance.runs.running import About, Facts
from provenance.runs.telling import digest_of
from provenance.workflows.plan import RUN_TIMEOUT_SECONDS, Plan, Trigger, TriggerType

MOST_HOPS = 16


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What starts a run. ``acting`` is an id and a kind of actor, as `WriteTx.acting`.

    ``start_key`` names a start that must happen once (``evt:…``, ``sch:…``, ``child:…``). ``trigger`` is what
    expressions read as `trigger` beside its type. ``entry`` overrides the trigger step that is entered.
    """

    workspace_id: uuid.UUID
    workflow_id: uuid.UUID
    acting: tuple[str, str]
    type: TriggerType = TriggerType.API
    input: Any = None
    trigger: dict[str, Any] = {}
    entry: str | None = None
    start_key: str | None = None
    priority: int = 0
    hop_count: int = 0
    correlation_id: str | None = None
    replay_of: uuid.UUID | None = None
    parent_id: uuid.UUID | None = None
    parent_token: str | None = None


class Prepared(msgspec.Struct, frozen=True):
    """A start that may be committed: its row, its facts and plan, its entries."""

    new: NewRun
    facts: Facts
    plan: Plan
    deeds: list[Deed]


def prepared(start: Start, live: Live, plan: Plan, origin: Origin | None = None) -> Prepared:
    """Make the row of a run; ``origin`` is that of the request in hand where it is not told.

    Raises BadInput, NotDeployed, TriggerOff, TooManyHops.
    """
    if start.hop_count > MOST_HOPS:
        raise TooManyHops
    trigger = _entered(plan, start)
    if trigger.type.value in live.triggers_off:
        raise TriggerOff(trigger.type.value)
    about = About(trigger.key, start.trigger, start.correlation_id)
    new = NewRun(
        workspace_id=start.workspace_id,
        id=new_uuid(),
        workflow_id=start.workflow_id,
        version=live.version,
        environment=live.environment,
        slot=None if live.max_concurrent is None else 0,
        max_concurrent=live.max_concurrent,
        priority=start.priority,
        lasts=RUN_TIMEOUT_SECONDS,
        needs=needs(step.kind for step in plan.steps),
        start_key=start.start_key,
        trigger_type=start.type.value,
        triggered_by=start.acting[0],
        triggered_by_kind=start.acting[1],
        hop_count=start.hop_count,
        replay_of=start.replay_of,
        parent_id=start.parent_id,
        parent_token=start.parent_token,
        about=to_text(about),
        input=taken_in(plan, trigger, start.input),
        started_at=now_ns(),
    )
    key = RunKey(new.workspace_id, new.id)
    facts = Facts(
        key,
        new.workflow_id,
        new.version,
        new.environment,
        new.trigger_type,
        new.hop_count,
        about,
        from_text(new.input),
        new.started_at,
        new.parent_token,
    )
    return Prepared(new, facts, plan, _deeds(new, start, origin or ORIGIN.get()))


def _entered(plan: Plan, start: Start) -> Trigger:
    if start.entry is not None:
        found = next((trigger for trigger in plan.triggers if trigger.key == start.entry), None)
    elif start.type in (TriggerType.API, TriggerType.MANUAL):
        found = plan.entry
    else:
        found = plan.trigger(start.type)
    if found is None:
        raise NotDeployed
    return found


def _deeds(new: NewRun, start: Start, origin: Origin | None) -> list[Deed]:
    data: dict[str, Any] = {
        "runId": wire_id(new.id),
        "workflowId": workflow_wire_id(new.workflow_id),
        "workflowVersion": new.version,
        "environment": new.environment,
        "triggerType": new.trigger_type,
        "inputDigest": digest_of(new.input),
    }
    if start.replay_of is not None:
        data["replayOf"] = wire_id(start.replay_of)
    event = RunEvent.STARTED if new.slot is None else RunEvent.QUEUED
    deeds = [Deed(run_fact(event, new.id, data), start.acting, origin)]
    if start.replay_of is not None:
        fact = run_fact(RunEvent.REPLAYED, new.id, {"runId": wire_id(new.id), "replayOf": data["replayOf"]})
        deeds.append(Deed(fact, start.acting))
    return deeds

"""What triggers that start runs by themselves share: their tools, and the record of a start that was refused."""

import uuid
from enum import StrEnum
from typing import Any, NamedTuple

from provenance.audit.service import Risk, record
from provenance.core.db import WriteTx
from provenance.core.errors import Problem
from provenance.engine.running import Engine
from provenance.runs.events import workflow_wire_id
from provenance.runs.library import Library, Live
from provenance.workflows.plan import Plan, TriggerType
from provenance.workflows.problems import InvalidDefinition


class TriggerEvent(StrEnum):
    """What can happen to a trigger beside the start of a run."""

    REFUSED = "workflow.trigger_refused"


class Tools(NamedTuple):
    """What a worker starts runs with."""

    engine: Engine
    library: Library


async def live_version(
    library: Library, workspace_id: uuid.UUID, workflow_id: uuid.UUID, version: int
) -> tuple[Live, Plan] | None:
    """Return what a trigger of a live version starts; None when the workflow is not deployed any more.

    The trigger's row says that it is on, so what the library remembers of switches does not count.
    """
    live = await library.live(workspace_id, workflow_id)
    plan = None if live is None else await library.plan(workspace_id, workflow_id, version)
    if live is None or plan is None:
        return None
    return live._replace(version=version, triggers_off=frozenset()), plan


def reason_of(error: Problem | InvalidDefinition) -> tuple[str, str]:
    """Return the code and the sentence of what stood in a start's way."""
    return (error.code, error.detail) if isinstance(error, Problem) else ("invalid_definition", str(error))


def refuse(
    tx: WriteTx, workflow_id: uuid.UUID, kind: TriggerType, trigger: str, reason: tuple[str, str], **facts: Any
) -> None:
    """Put on record that a trigger started no run: ``reason`` is a code and a sentence."""
    wire_id = workflow_wire_id(workflow_id)
    code, sentence = reason
    told = {"workflowId": wire_id, "trigger": trigger, "type": kind.value, "reason": code, "message": sentence[:500]}
    record(tx, TriggerEvent.REFUSED, wire_id, {**told, **facts}, risk=Risk.MEDIUM, outcome="failure")

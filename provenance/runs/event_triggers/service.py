"""The verbs of event triggers: start the run of a message, whoever brings it, and the runs of rows of the ledger.

Whoever else brings messages (the bus) makes a `Message` and calls `begin_from_message` in the transaction in which it
notes that the message was delivered:

    begun = await begin_from_message(tx, tools, Message(workspace_id=…, workflow_id=…, start_key="msg:…", payload=…))
"""

import uuid
from typing import Any

import msgspec

from provenance.core.actor import Kind
from provenance.core.db import WriteTx
from provenance.core.errors import Problem
from provenance.expressions import Evaluator, Expression, ExpressionError
from provenance.ledger.feed import Row
from provenance.runs.entering import Begun, begin
from provenance.runs.errors import NotDeployed
from provenance.runs.event_triggers.hearing import Heard, Said, heard
from provenance.runs.event_triggers.patterns import Index
from provenance.runs.starting import Start, prepared
from provenance.runs.triggering import Tools, live_version, reason_of, refuse
from provenance.workflows.plan import Plan, TriggerType
from provenance.workflows.problems import InvalidDefinition

ACTING = ("event", Kind.SYSTEM.value)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What starts a run of a workflow.

    ``payload`` becomes the run's input, ``told`` what its expressions read as `trigger` (``topic``, ``msgId``, …).
    ``start_key`` names the message to its workflow, so that it starts one run however often it comes. ``hop_count`` is
    one more than that of the run that caused the message, 0 where none did. ``trigger`` is the key of the trigger
    step that is entered; without it the first event trigger is, else the one that `POST /runs` enters. ``version``
    None: the live one.
    """

    workspace_id: uuid.UUID
    workflow_id: uuid.UUID
    start_key: str
    payload: Any
    told: dict[str, Any] = {}
    hop_count: int = 0
    trigger: str | None = None
    version: int | None = None
    correlation_id: str | None = None
    acting: tuple[str, str] = ACTING


async def begin_from_message(tx: WriteTx, tools: Tools, message: Message) -> Begun:
    """Start the run of a message in the caller's transaction, or find the one that it started before.

    Raises NotDeployed, InvalidDefinition, BadInput, TooManyHops, TriggerOff: then nothing is written, and the caller
    puts on record that no run was started.
    """
    live = await tools.library.live(message.workspace_id, message.workflow_id)
    if live is None:
        raise NotDeployed
    live = live._replace(version=message.version or live.version)
    plan = await tools.library.plan(message.workspace_id, message.workflow_id, live.version)
    if plan is None:
        raise NotDeployed
    if message.trigger is not None:
        live = live._replace(triggers_off=frozenset())  # its row says that it is on
    return await begin(tx, tools.engine, prepared(_start(message, plan), live, plan))


def _start(message: Message, plan: Plan) -> Start:
    return Start(
        workspace_id=message.workspace_id,
        workflow_id=message.workflow_id,
        acting=message.acting,
        type=TriggerType.EVENT,
        input=message.payload,
        trigger=message.told,
        entry=message.trigger or (plan.trigger(TriggerType.EVENT) or plan.entry).key,
        start_key=message.start_key,
        hop_count=message.hop_count,
        correlation_id=message.correlation_id,
    )


async def start_runs(tx: WriteTx, tools: Tools, evaluator: Evaluator, index: Index, rows: list[Row]) -> None:
    """Start the runs of some rows; what is refused is put on record once for each trigger and reason."""
    refused: dict[tuple[uuid.UUID, str, str], tuple[str, list[int]]] = {}
    for each in await heard(tx, index, rows):
        try:
            await _begin_if_it_holds(tx, tools, evaluator, each)
        except (Problem, InvalidDefinition) as error:
            code, sentence = reason_of(error)
            key = (each.trigger.workflow_id, each.trigger.key, code)
            refused.setdefault(key, (sentence, []))[1].append(each.said.row.number)
    for (workflow_id, trigger, code), (sentence, numbers) in refused.items():
        facts = {"count": len(numbers), "firstNumber": numbers[0], "lastNumber": numbers[-1]}
        refuse(tx, workflow_id, TriggerType.EVENT, trigger, (code, sentence), **facts)


async def _begin_if_it_holds(tx: WriteTx, tools: Tools, evaluator: Evaluator, found: Heard) -> None:
    trigger, said = found.trigger, found.said
    live = await live_version(tools.library, tx.workspace_id, trigger.workflow_id, trigger.version)
    if live is None:
        return
    condition = next((each.filter for each in live[1].triggers if each.key == trigger.key), None)
    if condition is not None and not await _holds(evaluator, condition, said):
        return
    message = Message(
        workspace_id=tx.workspace_id,
        workflow_id=trigger.workflow_id,
        start_key=f"evt:{trigger.workflow_id}:{said.name}",
        payload=said.payload,
        told=said.told,
        hop_count=found.hops,
        trigger=trigger.key,
        version=trigger.version,
        correlation_id=said.told.get("correlationId"),
    )
    await begin_from_message(tx, tools, message)


async def _holds(evaluator: Evaluator, condition: Expression, said: Said) -> bool:
    """Tell whether a filter lets something through. One that reads what is not there, or fails otherwise, does not."""
    values = {"topic": said.told["topic"], "payload": said.payload}
    try:
        return await evaluator.holds(condition, values | {"message": {**said.told, "payload": said.payload}})
    except ExpressionError:
        return False

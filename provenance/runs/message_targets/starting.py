"""Starting the run of a message that a subscription sends to a workflow."""

import uuid
from typing import Any

import msgspec

from provenance.bus.deliveries.contract import Failed, Refused, Task
from provenance.bus.envelope import envelope_members
from provenance.bus.messages import queries as messages
from provenance.core.errors import Problem
from provenance.core.ids import decode
from provenance.expressions import Evaluator, Expression, ExpressionError, InvalidExpression, compile_expression
from provenance.ledger.service import Ledger
from provenance.runs.errors import NotDeployed, TriggerOff
from provenance.runs.event_triggers.service import Message, begin_from_message
from provenance.runs.triggering import Tools
from provenance.workflows.mapping import compile_mapping, expressions_of, value_of
from provenance.workflows.plan import EVENT_SCOPE
from provenance.workflows.problems import InvalidDefinition
from provenance.workspace.errors import PlanLimitReached

WORKFLOW_PREFIX = "wf"


class Starter:
    """Starts runs, for one worker."""

    def __init__(self, ledger: Ledger, tools: Tools, evaluator: Evaluator) -> None:
        """Take the ledger, what runs are started with, and where mappings are evaluated."""
        self._ledger = ledger
        self._tools = tools
        self._evaluator = evaluator

    async def __call__(self, task: Task) -> str:
        """Start the run of a message, or find the one that it started before. Raises Failed and Refused."""
        target = task.subscription.target
        workflow_id = decode(WORKFLOW_PREFIX, str(target["workflowId"]))
        if workflow_id is None:
            raise Refused("The subscription's workflowId is none.")
        envelope = {**envelope_members(task.message), "payload": await self._payload(task)}
        given = await self._input(target.get("inputMapping"), envelope)
        begin = _message(task, workflow_id, envelope, given)
        try:
            async with self._ledger.db.housekeeping(task.workspace_id) as tx:
                begun = await begin_from_message(tx, self._tools, begin)
        except (NotDeployed, TriggerOff, PlanLimitReached) as error:  # deployed, switched on, allowed meanwhile
            raise Failed(str(error)) from None
        except (Problem, InvalidDefinition) as error:
            raise Refused(str(error)) from None
        return f"Run {begun.run_id} {'is started' if begun.new else 'was started before'}."

    async def _payload(self, task: Task) -> Any:
        row = task.message
        if row.payload is not None:
            return msgspec.json.decode(row.payload)
        async with self._ledger.db.housekeeping(task.workspace_id) as tx:
            return msgspec.json.decode(await messages.payload_of(tx, row.id) or "null")

    async def _input(self, mapping: Any, envelope: dict[str, Any]) -> Any:
        """Return the input of the run: the payload, or what the subscription makes of it. Raises Refused."""
        if mapping is None:
            return envelope["payload"]
        node, wrong = compile_mapping(mapping, _compile)
        if wrong:
            raise Refused(f"inputMapping{wrong[0].path}: {wrong[0].error}")
        scope = {"topic": envelope["topic"], "payload": envelope["payload"], "message": envelope}
        try:
            found = {each: await self._evaluator.value(each, scope) for each in set(expressions_of(node))}
            return value_of(node, found.__getitem__)
        except (ExpressionError, InvalidExpression) as error:
            raise Refused(f"inputMapping: {error}") from None


def _compile(source: str) -> Expression:
    return compile_expression(source, EVENT_SCOPE)


def _message(task: Task, workflow_id: uuid.UUID, envelope: dict[str, Any], given: Any) -> Message:
    told = {name: envelope[name] for name in ("topic", "topicKey", "msgId", "publishedAt", "producerId")}
    return Message(
        workspace_id=task.workspace_id,
        workflow_id=workflow_id,
        start_key=f"msg:{task.subscription.id}:{envelope['msgId']}",
        payload=given,
        told={**told, "subscriptionId": task.subscription.id},
        hop_count=task.message.hop_count,
        correlation_id=task.message.correlation_id,
        acting=(task.subscription.id, "system"),
    )

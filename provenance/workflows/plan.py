"""The plan: the compiled, immutable form of a definition that an interpreter runs (spec/automation.md, 6).

    plan = compile_definition(document)
    step = plan.step("notify")
    step.input, step.gates, step.retry, plan.incoming("notify")

A plan holds nothing of a run. Two plans of the same document are equal, and `decompile` gives a document whose plan is
equal again. Expressions are compiled over dotted variables: what a run puts in scope is told by `SCOPE`, `Step.scope`
and `scope_of_step`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

from provenance.expressions import Expression, Type
from provenance.workflows.kinds import OnUnknown, Retry, Risk
from provenance.workflows.mapping import Node

SCOPE: Final[dict[str, Type]] = {
    "input": Type.ANY,
    "trigger": Type.MAP,
    "vars": Type.MAP,
    "run.id": Type.STRING,
    "run.workflowVersion": Type.INT,
    "run.environment": Type.STRING,
    "run.startedAt": Type.STRING,
}
"""What every expression of a definition may read. ``trigger`` has type, headers, topic, msgId: if known."""

EVENT_SCOPE: Final[dict[str, Type]] = {"topic": Type.STRING, "payload": Type.ANY, "message": Type.ANY}
"""What the filter of an event trigger may read: the topic, what becomes the run's input, and the whole envelope."""

RUN_TIMEOUT_SECONDS: Final = 24 * 3600.0
"""Of a whole run, time in approvals not counted."""


class On(StrEnum):
    """Which outcome of its source an edge follows."""

    SUCCESS = "success"
    ERROR = "error"
    REJECTED = "rejected"
    CASE = "case"
    ALWAYS = "always"


class Ended(StrEnum):
    """How a step ended, as its edges see it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    SKIPPED = "skipped"


class Edge(msgspec.Struct, frozen=True):
    """One edge. It is taken when it follows its source's outcome and ``when``, evaluated once, holds."""

    index: int
    source: str
    target: str
    on: On
    case: str | None
    when: Expression | None

    def follows(self, ended: Ended, case: str | None = None) -> bool:
        """Tell whether an outcome takes this edge, its ``when`` not asked; ``case`` is the one a logic step chose.

        A skipped source makes every edge dead, ``always`` too. ``success`` of a logic step is taken whatever the case.
        A failed step with ``onError: continue`` counts as succeeded here, with a null output.
        """
        if ended is Ended.SKIPPED:
            return False
        if self.on is On.ALWAYS:
            return True
        if self.on is On.CASE:
            return ended is Ended.SUCCEEDED and case is not None and case == self.case
        return {On.SUCCESS: Ended.SUCCEEDED, On.ERROR: Ended.FAILED, On.REJECTED: Ended.REJECTED}[self.on] is ended

    @property
    def written(self) -> str:
        """The edge's ``on`` as a definition spells it."""
        return f"case:{self.case}" if self.on is On.CASE else self.on.value


class ForEach(msgspec.Struct, frozen=True):
    """A step is run once for each item; its output is the list of outputs in item order.

    ``name`` is the variable that holds the item, ``<name>_index`` its place from 0. ``collect`` puts
    ``{"error": {…}}`` in the place of a failed item.
    """

    items: Node
    name: str
    concurrency: int
    max_items: int
    on_item_error: Literal["fail", "collect"]


class Step(msgspec.Struct, frozen=True):
    """One step, ready to run.

    ``config`` is a mapping to resolve before the kind's executor is called, except what ``conditions`` hold (by path
    in the configuration, such as ``cases[0].when``): these stay texts in ``config`` and are evaluated by the kind.
    ``input`` None: the step's input is the payload of the first of ``gates`` that was approved in this run, else the
    run's input. ``seconds`` bounds one attempt. ``digest`` changes when anything that rules its output does.
    """

    key: str
    name: str
    kind: str
    index: int
    config: Node
    conditions: Mapping[str, Expression]
    input: Node | None
    for_each: ForEach | None
    seconds: float
    retry: Retry
    on_error: Literal["fail", "continue"]
    on_unknown: OnUnknown
    effect: bool
    risk: Risk
    inline: bool
    gates: tuple[str, ...]
    ancestors: frozenset[str]
    bounded: bool
    digest: str
    written: Mapping[str, Any]


class TriggerType(StrEnum):
    """How a run can begin."""

    MANUAL = "manual"
    API = "api"
    WEBHOOK = "webhook"
    SCHEDULE = "schedule"
    EVENT = "event"


class Schedule(msgspec.Struct, frozen=True):
    """When a schedule starts runs."""

    cron: str
    timezone: str
    overlap: Literal["skip", "queue"]
    catch_up: Literal["none", "last", "all"]


class Trigger(msgspec.Struct, frozen=True):
    """One trigger step: ``key`` is the step that a run entered by it begins with."""

    key: str
    type: TriggerType
    input_schema: Mapping[str, Any] | bool | None
    schedule: Schedule | None
    topic_pattern: str | None
    filter: Expression | None
    webhook: Mapping[str, Any]


class Plan(msgspec.Struct, frozen=True):
    """A whole definition, ready to run. Steps stand in the definition's order; ``order`` is a topological one."""

    checksum: str
    input_schema: Mapping[str, Any] | bool | None
    variables: Mapping[str, Any]
    steps: tuple[Step, ...]
    edges: tuple[Edge, ...]
    order: tuple[str, ...]
    triggers: tuple[Trigger, ...]
    output: Node | None
    by_key: Mapping[str, Step]
    into: Mapping[str, tuple[Edge, ...]]
    out_of: Mapping[str, tuple[Edge, ...]]

    def step(self, key: str) -> Step:
        """Return a step by its key. Raises KeyError."""
        return self.by_key[key]

    def incoming(self, key: str) -> tuple[Edge, ...]:
        """Return the edges that lead to a step: it is ready when all are taken or dead and at least one is taken."""
        return self.into[key]

    def outgoing(self, key: str) -> tuple[Edge, ...]:
        """Return the edges that leave a step, in the definition's order."""
        return self.out_of[key]

    def trigger(self, *types: TriggerType) -> Trigger | None:
        """Return the first trigger of one of these types."""
        return next((trigger for trigger in self.triggers if trigger.type in types), None)

    @property
    def entry(self) -> Trigger:
        """The trigger that `POST /runs` enters: the first api or manual one, else the first."""
        return self.trigger(TriggerType.API, TriggerType.MANUAL) or self.triggers[0]

    def schema_of_input(self, trigger: Trigger) -> Mapping[str, Any] | bool | None:
        """Return the schema a run's input is held to: the trigger's own, else the definition's."""
        return self.input_schema if trigger.input_schema is None else trigger.input_schema


def scope_of_step(key: str, *, status: str, output: Any, error: Any = None) -> dict[str, Any]:
    """Return the variables that a resolved step brings into scope; one that was skipped reads null."""
    return {f"steps.{key}.status": status, f"steps.{key}.output": output, f"steps.{key}.error": error}


def scope_of_gate(key: str, output: Any) -> dict[str, Any]:
    """Return the variables that a decided approval brings beside those of its step; of one with `forEach` lists."""
    return {f"approval.{key}.{member}": member_of_gate(output, member) for member in GATE_MEMBERS}


def member_of_gate(output: Any, member: str) -> Any:
    """Return a member of an approval's output; of one with `forEach` that of each item, in their order."""
    if isinstance(output, list):
        return [each.get(member) for each in output]
    return (output or {}).get(member)


GATE_MEMBERS: Final = ("decision", "payload", "decidedBy", "decidedAt", "comment", "edited")
"""Members of an approval's output."""


def decompile(plan: Plan) -> dict[str, Any]:
    """Return a definition whose plan equals this one."""
    found: dict[str, Any] = {"schemaVersion": 1}
    if plan.input_schema is not None:
        found["inputSchema"] = plan.input_schema
    if plan.variables:
        found["vars"] = dict(plan.variables)
    found["steps"] = [dict(step.written) for step in plan.steps]
    found["edges"] = [_written_edge(edge) for edge in plan.edges]
    if plan.output is not None:
        found["output"] = plan.output.source()
    return found


def _written_edge(edge: Edge) -> dict[str, Any]:
    found = {"from": edge.source, "to": edge.target, "on": edge.written}
    return found if edge.when is None else found | {"when": edge.when.source}

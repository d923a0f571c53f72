"""Runs and their steps on the wire (spec/automation.md, 4.9 and 5.2)."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.runs.events import RunEvent

__all__ = ["RunEvent"]

RunStatus = Literal["queued", "running", "approval", "completed", "failed", "cancelled", "timed_out"]
WorkflowId = Annotated[str, Field(max_length=64, description="wf_…, a deployed workflow.")]
Input = Annotated[Any, Field(description="Any JSON, held to the trigger's schema where it has one; 1 MiB at most.")]


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _Asked(_Wire):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class RunCreate(_Asked):
    """What starts a run."""

    workflow_id: WorkflowId
    input: Input = None
    wait: Annotated[int, Field(ge=0, le=30, description="Seconds to wait for the end before answering.")] = 0
    priority: Annotated[int, Field(ge=-100, le=100, description="Higher ones are taken first.")] = 0
    correlation_id: Annotated[str | None, Field(max_length=200)] = None


class WorkflowTrigger(_Asked):
    """What starts a run of the workflow in the path."""

    input: Input = None
    wait: Annotated[int, Field(ge=0, le=30, description="Seconds to wait for the end before answering.")] = 0


class RunCancel(_Asked):
    """Why a run is cancelled."""

    reason: Annotated[str | None, Field(max_length=1000)] = None


class RunReplay(_Asked):
    """How a run is run again: of which version, with what input, from which step on."""

    version: Literal["live", "original"] = "live"
    input: Input = None
    from_step_id: Annotated[str | None, Field(max_length=100)] = None


MOST_AT_ONCE = 200


class BulkFilter(_Asked):
    """Which runs a bulk is about: what is named narrows, and something must be."""

    run_ids: Annotated[list[str] | None, Field(min_length=1, max_length=MOST_AT_ONCE)] = None
    workflow_id: Annotated[str | None, Field(max_length=64)] = None
    status: Annotated[str | None, Field(max_length=20)] = None
    environment: Annotated[str | None, Field(max_length=100)] = None
    trigger_type: Annotated[str | None, Field(max_length=20)] = None
    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: Annotated[AwareDatetime | None, Field(alias="to")] = None


class RunBulk(_Asked):
    """What is to happen to many runs: those that go on are cancelled, or those that have ended are replayed."""

    action: Literal["cancel", "replay"]
    filter: BulkFilter
    limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] = MOST_AT_ONCE
    reason: Annotated[str | None, Field(max_length=1000, description="Of cancelling.")] = None
    version: Annotated[Literal["live", "original"], Field(description="Of replaying.")] = "live"


class RunBulkItem(_Wire):
    """What became of one run of a bulk: the run that repeats it, or why nothing did."""

    run_id: str
    ok: bool
    status: RunStatus | None = None
    new_run_id: str | None = None
    code: str | None = None
    message: str | None = None


class RunBulkResult(_Wire):
    """What became of each, oldest first; ``more``: further ones match, ask again."""

    action: Literal["cancel", "replay"]
    items: list[RunBulkItem]
    more: bool


class RunStarted(_Wire):
    """A run that was accepted; with ``wait`` also how it ended."""

    run_id: str
    workflow_id: str
    status: RunStatus
    started_at: str
    completed_at: str | None = None
    duration_ms: int | None = None
    output: Any = None
    error: "RunError | None" = None


class RunReplayed(_Wire):
    """A new run that repeats another."""

    run_id: str
    replay_of: str
    workflow_version: int
    status: RunStatus


class RunCancelled(_Wire):
    """A run that was cancelled."""

    run_id: str
    status: Literal["cancelled"]


class RunDeleted(_Wire):
    """A run whose data was removed; what it recorded stays."""

    run_id: str
    deleted: Literal[True]


class RunError(_Wire):
    """Why a run failed, and at which step."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    code: str
    message: str
    step_id: str | None = None


class TriggeredBy(_Wire):
    """Who started a run."""

    kind: str
    id: str


class Waiting(_Wire):
    """One thing that a run waits for, in one sentence: what, since when, what frees it."""

    step_id: str | None
    reason: str
    sentence: str
    since: str
    until: str | None = None
    ref: str | None = None


class Usage(_Wire):
    """What models were paid for."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    by_model: list[dict[str, Any]] = []


class RunSummary(_Wire):
    """A run as lists show it."""

    run_id: str
    workflow_id: str
    workflow_version: int
    status: RunStatus
    started_at: str
    completed_at: str | None
    duration_ms: int | None
    environment: str
    trigger_type: str
    triggered_by: TriggeredBy
    uow_id: str
    replay_of: str | None
    parent_run_id: str | None
    correlation_id: str | None
    hop_count: int
    error: RunError | None
    waiting_for: str | None
    waiting: list[Waiting]


class Run(RunSummary):
    """A run with what went in and what came out."""

    input: Any
    output: Any
    usage: Usage
    step_counts: dict[str, int]


class Runs(_Wire):
    """A page of runs, newest first."""

    items: list[RunSummary]
    next_cursor: str | None


class StepError(_Wire):
    """Why an attempt failed."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    code: str
    message: str
    retryable: bool = False


class Attempt(_Wire):
    """One attempt at a step."""

    attempt: int
    status: str
    started_at: str | None
    completed_at: str | None
    duration_ms: int | None
    error: StepError | None


class RunStep(_Wire):
    """A step of a run, or one item of its forEach: the newest attempt, and all of them."""

    step_id: str
    step_key: str
    iteration: int
    kind: str
    name: str
    status: str
    attempt: int
    attempts: list[Attempt]
    started_at: str | None
    completed_at: str | None
    duration_ms: int | None
    input: Any
    output: Any
    output_ref: str | None
    choice: str | None
    logs: list[dict[str, Any]]
    tool_calls: list[dict[str, Any]]
    error: StepError | None
    usage: Usage | None
    approval_id: str | None


class RunSteps(_Wire):
    """A page of steps in the order in which they started."""

    items: list[RunStep]
    next_cursor: str | None


class RunFilters(_Wire):
    """Which runs a list shows."""

    workflow_id: str | None = None
    status: str | None = None
    environment: str | None = None
    trigger_type: str | None = None
    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: Annotated[AwareDatetime | None, Field(alias="to")] = None

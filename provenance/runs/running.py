"""A run as the interpreter is handed it: facts that never change, and what its process gives it to work with."""

import uuid
from typing import Any, Protocol

import msgspec

from provenance.core.clock import iso_millis
from provenance.engine.schemas import Checkpoint, RunKey
from provenance.expressions import Expression
from provenance.runs.activity import Activity, from_text
from provenance.runs.doers import Doers
from provenance.runs.events import wire_id
from provenance.runs.interpreting import Result, Scope
from provenance.runs.outbox import Outbox
from provenance.workflows.plan import Plan


class About(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a run knows of its start and no statement asks for."""

    entry: str
    trigger: dict[str, Any] = {}
    correlation_id: str | None = None


class Facts(msgspec.Struct, frozen=True):
    """A run: which, of what, with what input."""

    key: RunKey
    workflow_id: uuid.UUID
    version: int
    environment: str
    trigger_type: str
    hop_count: int
    about: About
    input: Any
    started_at: int
    parent_token: str | None

    def scope(self, plan: Plan) -> Scope:
        """Return what every expression of the run may read."""
        return Scope(
            {
                "input": self.input,
                "trigger": {"type": self.trigger_type, **self.about.trigger},
                "vars": dict(plan.variables),
                "run.id": wire_id(self.key.run_id),
                "run.workflowVersion": self.version,
                "run.environment": self.environment,
                "run.startedAt": iso_millis(self.started_at),
            }
        )


def facts_of(row: Any) -> Facts:
    """Read the facts of a run from a row: a new one, or one that was claimed."""
    return Facts(
        RunKey(row.workspace_id, row.id),
        row.workflow_id,
        row.version,
        row.environment,
        row.trigger_type,
        row.hop_count,
        msgspec.json.decode(row.about, type=About),
        from_text(row.input),
        row.started_at,
        row.parent_token,
    )


class Host(Protocol):
    """What a process gives a run that it carries on. Drives are `provenance.runs.drive.Drive`."""

    doers: Doers
    inline_only: bool

    def submit(self, drive: Any, checkpoint: Checkpoint, out: Outbox) -> None:
        """Commit a checkpoint of the run, with the requests to people that ``out`` asks for."""

    async def evaluate(self, expression: Expression, values: dict[str, Any]) -> Any:
        """Return the value of an expression whose cost is not known, made where it can be stopped."""

    def fault(self, place: Any, outcome: Any) -> str | None:
        """Say why an outcome is no decision of people's; ``place`` is a `provenance.runs.gates.Place`."""

    def release(self, drive: Any, checkpoint: Checkpoint) -> None:
        """Forget the run: with this checkpoint it ended, parked, or went on to a worker."""

    def turned_away(self, drive: Any, outcome: "bool | BaseException") -> None:
        """Find out whether the run is still this process's: its checkpoint was not applied, or nobody knows."""

    def crashed(self, drive: Any, error: Exception) -> None:
        """Give the run up in this process: it can't be interpreted here, for a reason of the platform's own."""

    def late(self, drive: Any, activity: Activity, result: Result) -> None:
        """Record an outcome that came when the run was not this process's any more."""

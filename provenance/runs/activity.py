"""One step, or one item of its forEach, while a run is in memory: its attempts and their rows."""

import random
from dataclasses import dataclass, field
from typing import Any

import msgspec

from provenance.core.clock import now_ns
from provenance.engine.schemas import StepRow, StepStatus
from provenance.runs.doers import Call
from provenance.runs.interpreting import Done, Failed
from provenance.workflows.kinds import Retry
from provenance.workflows.plan import Step

OUTPUT_BYTES = 1024 * 1024
FINAL = frozenset({StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED})


class Slot(msgspec.Struct, frozen=True):
    """Which step, and which item of its forEach (0: the step itself, from 1: an item)."""

    key: str
    iteration: int


@dataclass(slots=True)
class Activity:
    """A step or item that was begun. ``place`` is its order in the run; ``further`` what only it has in scope."""

    step: Step
    iteration: int
    attempt: int
    place: int
    further: dict[str, Any] | None = None
    call: Call | None = None
    started_at: int = 0
    status: StepStatus = StepStatus.RUNNING
    acting: bool = False
    slot: Slot = field(init=False)

    def __post_init__(self) -> None:
        self.slot = Slot(self.step.key, self.iteration)

    def row(
        self,
        run_id: Any,
        status: StepStatus,
        *,
        output: str | None = None,
        error: dict[str, Any] | None = None,
        handled: bool = False,
        choice: str | None = None,
        result: Done | Failed | None = None,
    ) -> StepRow:
        """Return the row of the attempt as it stands now."""
        self.status = status
        logs = result.logs if result is not None else None
        usage = result.usage if isinstance(result, Done) else None
        return StepRow(
            run_id,
            self.step.key,
            self.iteration,
            self.attempt,
            self.place,
            self.step.kind,
            status.value,
            handled,
            choice,
            None if self.call is None or self.call.input is None else to_text(self.call.input),
            output,
            None if error is None else to_text(error),
            to_text(logs) if logs else None,
            to_text(usage) if usage else None,
            self.started_at,
            now_ns() if status in FINAL else None,
        )


def to_text(value: Any) -> str:
    """Write a value as JSON."""
    return msgspec.json.encode(value).decode()


def from_text(text: str | None) -> Any:
    """Read a value that `to_text` wrote; None for none."""
    return None if text is None else msgspec.json.decode(text)


def pause_before(retry: Retry, attempt: int) -> float:
    """Return how many seconds to wait after this attempt has failed, with full jitter where asked for."""
    seconds = retry.initial_seconds
    if retry.backoff == "exponential":
        seconds = min(retry.initial_seconds * 2 ** (attempt - 1), retry.max_seconds)
    return random.uniform(seconds / 2, seconds) if retry.jitter else seconds  # noqa: S311 — spreads load, hides nothing

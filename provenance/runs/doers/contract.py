"""What carries out a kind of step. A feature that brings a kind registers one of these (docs/guides/step-kinds.md)."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from provenance.engine.tokens import wait_token
from provenance.runs.events import step_span, wire_id
from provenance.runs.interpreting.results import Park, Result
from provenance.workflows.plan import Step


class Call(msgspec.Struct, frozen=True):
    """One attempt at one step: what it is given, and under which names it acts.

    ``config`` is resolved; its conditions stand in it as texts and are asked by ``holds`` with their path.
    ``idempotency_key`` is the same for every attempt and take-over of this step and iteration; targets that honour
    it do the effect at most once. ``seconds`` bounds the attempt. ``trace`` holds the headers that calls leaving
    the platform carry.
    """

    workspace_id: uuid.UUID
    run_id: uuid.UUID
    workflow_id: uuid.UUID
    environment: str
    step: Step
    iteration: int
    attempt: int
    config: dict[str, Any]
    input: Any
    seconds: float
    hop_count: int
    holds: Callable[[str], bool]

    @property
    def idempotency_key(self) -> str:
        """The key of this step and iteration, or the one its configuration makes."""
        own = self.config.get("idempotencyKey")
        return str(own) if own else f"{wire_id(self.run_id)}:{self.step.key}:{self.iteration}"

    @property
    def token(self) -> str:
        """The name of the step's wait."""
        return wait_token(self.run_id, self.step.key, self.iteration)

    @property
    def trace(self) -> dict[str, str]:
        """The headers by which what a target records lands in the run's trace (DESIGN section 5)."""
        span = step_span(self.run_id, self.step.key, self.iteration)
        return {
            "x-uowid": str(self.run_id),
            "x-parent-span-id": span,
            "traceparent": f"00-{self.run_id.hex}-{span.replace('-', '')[:16]}-01",
        }


class Inline(Protocol):
    """A kind that stays inside the run: pure, or waiting. It runs at once, in the server too, and is never repeated
    on its own.
    """

    def decide(self, call: Call) -> Result:
        """Return what becomes of the step. Raises ExpressionError."""
        ...

    def resume(self, call: Call, outcome: Any) -> Result:
        """Return what becomes of it after its wait: ``outcome`` is what resolved it, None when its time came."""
        ...


class Outside(Protocol):
    """A kind that reads or changes something outside: carried out by a worker, as a task.

    An effect is recorded before it is begun. It may be carried out more than once: after a lost worker nobody knows
    whether it happened. What makes it happen at most once is the idempotency key, at a target that honours it.
    """

    def waits(self, call: Call) -> Park | None:
        """Return the wait that is open from before the call on, for a kind whose call lets others resolve it."""
        ...

    async def perform(self, call: Call) -> Result:
        """Carry it out. What it raises is a failure of the code ``internal_error``."""
        ...

    def resume(self, call: Call, outcome: Any) -> Result:
        """Return what becomes of it after its wait."""
        ...


class Chosen(ABC):
    """A kind whose configuration says which of several carries it out. A kind of this sort says which in ``_of``."""

    def waits(self, call: Call) -> Park | None:
        """As the chosen one."""
        return self._of(call).waits(call)

    async def perform(self, call: Call) -> Result:
        """Let the chosen one carry it out."""
        return await self._of(call).perform(call)

    def resume(self, call: Call, outcome: Any) -> Result:
        """As the chosen one."""
        return self._of(call).resume(call, outcome)

    @abstractmethod
    def _of(self, call: Call) -> Outside:
        """Return who carries a call out."""

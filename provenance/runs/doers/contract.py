"""What carries out a kind of step. A feature that brings a kind registers one of these (docs/guides/step-kinds.md)."""

import uuid
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

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
    idempotency_key: str
    trace: dict[str, str]
    token: str
    seconds: float
    hop_count: int
    holds: Callable[[str], bool]


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

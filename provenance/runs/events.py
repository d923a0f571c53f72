"""What runs record: one entry for each transition, all in the run's own unit of work (spec/automation.md, 11.3)."""

import uuid
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from provenance.core.actor import Kind
from provenance.core.ids import encode
from provenance.ledger.service import Deed, Fact

SYSTEM = ("system", Kind.SYSTEM.value)


class RunEvent(StrEnum):
    """What can happen to a run."""

    QUEUED = "run.queued"
    STARTED = "run.started"
    STEP_COMPLETED = "run.step_completed"
    STEP_FAILED = "run.step_failed"
    STEP_SKIPPED = "run.step_skipped"
    EFFECT_INTENDED = "run.effect_intended"
    LATE_OUTCOME = "run.late_outcome"
    RESUMED = "run.resumed"
    COMPLETED = "run.completed"
    FAILED = "run.failed"
    CANCELLED = "run.cancelled"
    TIMED_OUT = "run.timed_out"
    REPLAYED = "run.replayed"
    DELETED = "run.deleted"


_RISK = {RunEvent.FAILED: "medium", RunEvent.TIMED_OUT: "medium", RunEvent.DELETED: "high"}
_OUTCOME = {RunEvent.STEP_FAILED: "failure", RunEvent.FAILED: "failure", RunEvent.TIMED_OUT: "failure"}


@lru_cache(maxsize=4096)
def wire_id(run_id: uuid.UUID) -> str:
    """Return a run's id as the outside knows it."""
    return encode("run", run_id)


@lru_cache(maxsize=4096)
def workflow_wire_id(workflow_id: uuid.UUID) -> str:
    """Return a workflow's id as the outside knows it."""
    return encode("wf", workflow_id)


def step_id(place: int, kind: str) -> str:
    """Return a step's id inside its run: the order in which it first started, and its kind."""
    return f"{place:04d}_st_{kind}"


def place_of(step_id: str) -> tuple[int, str] | None:
    """Return place and kind that a step's id names; None for a text that is none."""
    place, _, kind = step_id.partition("_st_")
    return (int(place), kind) if place.isascii() and place.isdigit() and len(place) <= 9 else None


def step_span(run_id: uuid.UUID, step_key: str, iteration: int) -> str:
    """Return the span of a step: the same for each attempt, so that all it caused hangs below it."""
    digest = sha256(run_id.bytes + f"{step_key}:{iteration}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


class _Told(NamedTuple):
    """How the entries of one event read."""

    action: str
    outcome: str
    risk: str
    word: str


_TOLD = {
    event: _Told(event.partition(".")[2].upper(), _OUTCOME.get(event, "success"), _RISK.get(event, "low"), event.value)
    for event in RunEvent
}


@lru_cache(maxsize=4096)
def _names(run_id: uuid.UUID) -> tuple[str, str]:
    """Return a run's id as a UUID's text and as the outside knows it: each entry of the run holds both."""
    return str(run_id), wire_id(run_id)


def run_fact(event: RunEvent, run_id: uuid.UUID, data: dict[str, Any], phase: str = "") -> Fact:
    """Make the entry of something that happened to a run as a whole; ``phase`` tells repeatable ones apart."""
    told, (text, wire) = _TOLD[event], _names(run_id)
    return Fact(
        resource_type="RUN",
        action=told.action,
        resource_id=wire,
        data=data,
        uow_id=text,
        span_id=text,
        outcome=told.outcome,
        risk=told.risk,
        domain="run",
        repeat_key=f"{text}:::{told.word}:{phase}",
    )


def step_fact(
    event: RunEvent, run_id: uuid.UUID, step_key: str, iteration: int, attempt: int, data: dict[str, Any]
) -> Fact:
    """Make the entry of one transition of one attempt of a step."""
    told, (text, wire) = _TOLD[event], _names(run_id)
    return Fact(
        resource_type="RUN",
        action=told.action,
        resource_id=wire,
        data=data,
        uow_id=text,
        span_id=step_span(run_id, step_key, iteration),
        parent_span_id=text,
        outcome=told.outcome,
        risk=told.risk,
        domain="run",
        repeat_key=f"{text}:{step_key}:{iteration}:{attempt}:{told.word}",
    )


def by_system(fact: Fact) -> Deed:
    """Return a fact as something the platform itself did."""
    return Deed(fact, SYSTEM)

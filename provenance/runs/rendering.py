"""Rows of runs and steps as they read on the wire (spec/automation.md, 5.2)."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Row

from provenance.core.clock import NANOS, iso_millis, nanos
from provenance.core.ids import encode
from provenance.engine.schemas import NewRun, State, Status, WaitKind
from provenance.runs.activity import from_text
from provenance.runs.events import step_id, wire_id
from provenance.runs.running import About
from provenance.runs.schemas import (
    Attempt,
    Run,
    RunError,
    RunStarted,
    RunStep,
    RunSummary,
    StepError,
    TriggeredBy,
    Usage,
    Waiting,
)
from provenance.workflows.plan import Plan

Places = Mapping[tuple[str, int], tuple[int, str, str, int]]
Refs = Mapping[tuple[uuid.UUID, str, int], str]
"""What waits for people wait for, by run, step and item: an approval's id."""
_SOON_NS = NANOS


def status_of(new: NewRun) -> Status:
    """Return how a run stands that was just accepted."""
    return Status.RUNNING if new.slot is None else Status.QUEUED


def begun(new: NewRun, status: str, end: Any = None) -> RunStarted:
    """Return the answer to a start; ``end``: the row or the checkpoint that it has come to."""
    ended_at = None if end is None else end.ended_at
    return RunStarted(
        run_id=wire_id(new.id),
        workflow_id=encode("wf", new.workflow_id),
        status=status,  # type: ignore[arg-type]
        started_at=iso_millis(new.started_at),
        completed_at=_moment(ended_at),
        duration_ms=None if ended_at is None else (ended_at - new.started_at) // 1_000_000,
        output=None if end is None else from_text(end.output),
        error=None if end is None else error_of(end.error, {}),
    )


def summary_of(row: Row[Any], waits: Sequence[Row[Any]], refs: Refs, places: Places, now: int) -> dict[str, Any]:
    """Return the members of a run that lists show."""
    about = msgspec.json.decode(row.about, type=About)
    waiting = [] if row.state == State.ENDED else _waiting(row, waits, refs, now)
    return {
        "run_id": wire_id(row.id),
        "workflow_id": encode("wf", row.workflow_id),
        "workflow_version": row.version,
        "status": row.status,
        "started_at": iso_millis(row.started_at),
        "completed_at": _moment(row.ended_at),
        "duration_ms": _duration(row.started_at, row.ended_at),
        "environment": row.environment,
        "trigger_type": row.trigger_type,
        "triggered_by": TriggeredBy(kind=row.triggered_by_kind, id=row.triggered_by),
        "uow_id": str(row.id),
        "replay_of": None if row.replay_of is None else wire_id(row.replay_of),
        "parent_run_id": None if row.parent_id is None else wire_id(row.parent_id),
        "correlation_id": about.correlation_id,
        "hop_count": row.hop_count,
        "error": error_of(row.error, places),
        "waiting_for": waiting[0].sentence if waiting else None,
        "waiting": waiting,
    }


def listed(row: Row[Any], waits: Sequence[Row[Any]], refs: Refs, now: int) -> RunSummary:
    """Return a run as lists show it."""
    return RunSummary(**summary_of(row, waits, refs, {}, now))


def whole(row: Row[Any], waits: Sequence[Row[Any]], refs: Refs, places: Places, usages: Iterable[str], now: int) -> Run:
    """Return a run with everything."""
    counts: dict[str, int] = {}
    for (_, iteration), (_, _, status, _) in places.items():
        if iteration == 0:
            counts[status] = counts.get(status, 0) + 1
    return Run(
        **summary_of(row, waits, refs, places, now),
        input=from_text(row.input),
        output=from_text(row.output),
        usage=total_of(usages),
        step_counts=counts,
    )


def error_of(text: str | None, places: Places) -> RunError | None:
    """Return a run's error; the step it is about by the id it has in this run."""
    if text is None:
        return None
    found: dict[str, Any] = from_text(text)
    key = found.pop("stepKey", None)
    place = places.get((key, 0)) if key is not None else None
    found.pop("retryable", None)
    return RunError(**found, **({"stepKey": key} if key else {}), step_id=step_id(*place[:2]) if place else None)


def total_of(usages: Iterable[str]) -> Usage:
    """Add up what steps used."""
    total = Usage()
    for text in usages:
        used = Usage.model_validate(from_text(text))
        total.tokens_in += used.tokens_in
        total.tokens_out += used.tokens_out
        total.cost_usd += used.cost_usd
        total.by_model = [*total.by_model, *used.by_model]
    return total


def steps_of(rows: Iterable[Row[Any]], asked: Mapping[tuple[str, int], str], plan: Plan | None) -> list[RunStep]:
    """Return steps of attempts that stand in order; ``asked`` are approvals by step and item."""
    grouped = groupby(rows, key=lambda row: (row.place, row.iteration))
    return [_step(list(attempts), asked, plan) for _, attempts in grouped]


def _step(attempts: list[Row[Any]], asked: Mapping[tuple[str, int], str], plan: Plan | None) -> RunStep:
    row = attempts[-1]
    return RunStep(
        step_id=step_id(row.place, row.kind),
        step_key=row.step_key,
        iteration=row.iteration,
        kind=row.kind,
        name=(plan.by_key[row.step_key].name if plan and row.step_key in plan.by_key else "") or row.step_key,
        status=row.status,
        attempt=row.attempt,
        attempts=[_attempt(each) for each in attempts],
        started_at=_moment(attempts[0].started_at),
        completed_at=_moment(row.ended_at),
        duration_ms=_duration(attempts[0].started_at, row.ended_at),
        input=from_text(row.input),
        output=from_text(row.output),
        output_ref=output_path(row) if row.large else None,
        choice=row.choice,
        logs=from_text(row.logs) or [],
        tool_calls=[],
        error=_step_error(row.error),
        usage=None if row.usage is None else Usage.model_validate(from_text(row.usage)),
        approval_id=asked.get((row.step_key, row.iteration)),
    )


def output_path(row: Row[Any]) -> str:
    """Return where an output is read that is too large to stand in its step."""
    path = f"/runs/{wire_id(row.run_id)}/steps/{step_id(row.place, row.kind)}/output"
    return f"{path}?iteration={row.iteration}" if row.iteration else path


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        attempt=row.attempt,
        status=row.status,
        started_at=_moment(row.started_at),
        completed_at=_moment(row.ended_at),
        duration_ms=_duration(row.started_at, row.ended_at),
        error=_step_error(row.error),
    )


def _step_error(text: str | None) -> StepError | None:
    return None if text is None else StepError(**from_text(text))


def _moment(ns: int | None) -> str | None:
    return None if ns is None else iso_millis(ns)


def _duration(began: int | None, ended: int | None) -> int | None:
    return None if began is None or ended is None else max(0, ended - began) // 1_000_000


def _waiting(row: Row[Any], waits: Sequence[Row[Any]], refs: Refs, now: int) -> list[Waiting]:
    since = iso_millis(row.started_at)
    if row.status == Status.QUEUED:
        sentence = (
            f"Waits since {since} for one of the {row.max_concurrent} places that its workflow has for runs; "
            "it begins when another run of it ends."
        )
        return [Waiting(step_id=None, reason="limit", sentence=sentence, since=since)]
    if row.state == State.QUEUED and now - row.started_at > _SOON_NS:
        ready = iso_millis(nanos(row.run_after))
        kinds = f" that carries out {', '.join(row.needs)}" if row.needs else ""
        sentence = f"Is ready since {ready} and goes on when a worker{kinds} takes it; is one running?"
        return [Waiting(step_id=None, reason="worker", sentence=sentence, since=ready)]
    return [_wait(wait, refs) for wait in waits if row.state == State.PARKED or wait.kind == WaitKind.APPROVAL]


def _wait(wait: Row[Any], refs: Refs) -> Waiting:
    since = iso_millis(nanos(wait.since))
    until = None if wait.due is None else iso_millis(nanos(wait.due))
    return Waiting(
        step_id=None if wait.place is None else step_id(wait.place, wait.step_kind),
        reason=wait.kind,
        sentence=_sentence(wait, since, until),
        since=since,
        until=until,
        ref=refs.get((wait.run_id, wait.step_key, wait.iteration), _ref(wait)),
    )


def _ref(wait: Row[Any]) -> str | None:
    return wait.ref if wait.child_id is None else wire_id(wait.child_id)


def _sentence(wait: Row[Any], since: str, until: str | None) -> str:
    step = wait.step_key
    if wait.kind == WaitKind.APPROVAL:
        end = f"at {until} it counts as rejected" if until else "it has no end of its own"
        return f"Waits since {since} at {step} for people to approve or reject; {end}."
    if wait.kind == WaitKind.TIMER:
        return f"Pauses since {since} at {step}; goes on at {until}."
    if wait.kind == WaitKind.RETRY:
        code = (from_text(wait.error) or {}).get("code", "a failure")
        return f"Attempt {wait.attempt} of {step} failed at {since} ({code}); tries again at {until}."
    if wait.kind == WaitKind.CHILD:
        return f"Waits since {since} at {step} for the end of the run {_ref(wait) or 'that it starts'}."
    return f"Waits since {since} at {step} for an event."

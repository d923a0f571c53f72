"""The entries that the course of a run leaves: ids, durations, digests; never input or output themselves."""

from hashlib import sha256
from typing import Any

from provenance.core.clock import now_ns
from provenance.engine.schemas import Checkpoint, StepRow, StepStatus
from provenance.ledger.service import Deed
from provenance.runs.activity import Activity, to_text
from provenance.runs.events import RunEvent, by_system, run_fact, step_fact, step_id, wire_id
from provenance.runs.interpreting import Failed, Verdict
from provenance.runs.running import Facts

_EVENTS = {"completed": RunEvent.COMPLETED, "failed": RunEvent.FAILED, "timed_out": RunEvent.TIMED_OUT}


def digest_of(text: str) -> str:
    """Return the SHA-256 of a JSON text: the ledger keeps this of what a step gave."""
    return sha256(text.encode()).hexdigest()


def _data(facts: Facts, activity: Activity) -> dict[str, Any]:
    data: dict[str, Any] = {
        "runId": wire_id(facts.key.run_id),
        "stepId": step_id(activity.place, activity.step.kind),
        "stepKey": activity.step.key,
        "kind": activity.step.kind,
        "attempt": activity.attempt,
    }
    if activity.iteration:
        data["iteration"] = activity.iteration
    return data


def _deed(event: RunEvent, facts: Facts, activity: Activity, data: dict[str, Any]) -> Deed:
    run_id, slot = facts.key.run_id, activity.slot
    return by_system(step_fact(event, run_id, slot.key, slot.iteration, activity.attempt, data))


def ended(facts: Facts, activity: Activity, row: StepRow) -> Deed:
    """Tell the outcome of an attempt."""
    data = _data(facts, activity)
    data["durationMs"] = ((row.ended_at or 0) - (row.started_at or 0)) // 1_000_000
    if row.output is not None:
        data["outputDigest"] = digest_of(row.output)
    if row.choice is not None:
        data["choice"] = row.choice
    if row.status != StepStatus.FAILED or row.choice == "rejected":
        return _deed(RunEvent.STEP_COMPLETED, facts, activity, data)
    data["handled"] = row.handled
    if row.error is not None:
        data["errorDigest"] = digest_of(row.error)
    return _deed(RunEvent.STEP_FAILED, facts, activity, data)


def skipped(facts: Facts, activity: Activity) -> Deed:
    """Tell that no way led to a step."""
    return _deed(RunEvent.STEP_SKIPPED, facts, activity, _data(facts, activity))


def intended(facts: Facts, activity: Activity) -> Deed:
    """Tell that an effect is about to be begun."""
    data = _data(facts, activity)
    data["risk"] = activity.step.risk.word
    if activity.call is not None:
        data["idempotencyKey"] = activity.call.idempotency_key
        data["configDigest"] = digest_of(to_text(activity.call.config))
    return _deed(RunEvent.EFFECT_INTENDED, facts, activity, data)


def late(facts: Facts, activity: Activity, code: str) -> Deed:
    """Tell an outcome that came when the run was another's or had ended; it changes no state."""
    return _deed(RunEvent.LATE_OUTCOME, facts, activity, {**_data(facts, activity), "result": code})


def resumed(facts: Facts, epoch: int, why: str) -> Deed:
    """Tell that a run goes on after it waited or lost its worker."""
    data = {"runId": wire_id(facts.key.run_id), "reason": why}
    return by_system(run_fact(RunEvent.RESUMED, facts.key.run_id, data, str(epoch)))


def question(activity: Activity, result: Failed) -> dict[str, Any]:
    """Return what people are asked when nobody knows whether an effect happened."""
    return {
        "title": f"Repeat {activity.step.name or activity.step.key}?",
        "action": f"Carry out the step {activity.step.key} again",
        "summary": f"{result.message} Approve to do it again, reject to let the step fail.",
        "risk": activity.step.risk.word,
        "payload": None,
    }


def end_run(checkpoint: Checkpoint, verdict: Verdict, started_at: int, parent_token: str | None) -> None:
    """Put the end of a run into its last checkpoint: output or error, its entry, the wait of its parent."""
    run_id = checkpoint.key.run_id
    checkpoint.ended_at = now_ns()
    data: dict[str, Any] = {
        "runId": wire_id(run_id),
        "durationMs": (checkpoint.ended_at - started_at) // 1_000_000,
    }
    if verdict.error is None:
        checkpoint.output = to_text(verdict.output)
        data["outputDigest"] = digest_of(checkpoint.output)
    else:
        checkpoint.error = to_text(verdict.error)
        data["error"] = verdict.error["code"]
        data["errorDigest"] = digest_of(checkpoint.error)
    checkpoint.deeds.append(by_system(run_fact(_EVENTS[verdict.status], run_id, data)))
    if parent_token is not None:
        told = {"runId": wire_id(run_id), "status": verdict.status}
        checkpoint.resolves = (parent_token, to_text({**told, "output": verdict.output, "error": verdict.error}))

"""What checkpoints change, as statements over arrays: one round trip for the rows of a whole group.

Each statement is written for parameters from a first number on, so that several can be parts of one. Moments are the
database's clock.
"""

from collections.abc import Sequence
from typing import Any

from provenance.engine.arrays import Args, arrays, unnest
from provenance.engine.schemas import Checkpoint, NewRun, State, StepRow, WaitRow

_NEW = {
    "workspace_id": "uuid", "id": "uuid", "workflow_id": "uuid", "version": "integer", "environment": "text",
    "slot": "smallint", "max_concurrent": "smallint", "priority": "smallint", "lasts": "float8", "needs": "text",
    "start_key": "text",
    "trigger_type": "word", "triggered_by": "text", "triggered_by_kind": "word", "hop_count": "smallint",
    "replay_of": "uuid", "parent_id": "uuid", "parent_token": "text", "about": "text", "input": "text",
    "started_at": "bigint",
}  # fmt: skip
assert tuple(_NEW) == NewRun._fields
_RESULT = {
    "state": "word", "status": "word", "after": "float8", "output": "text", "error": "text", "ended_at": "bigint",
}  # fmt: skip
_KEPT = ", ".join(name for name in _NEW if name not in ("lasts", "needs"))

_AFTER = """CASE WHEN o.state = 'ended' THEN now()
                 WHEN o.after IS NULL THEN CASE WHEN o.status = 'approval' THEN 'infinity' ELSE {deadline} END
                 WHEN o.status = 'approval' THEN now() + o.after * interval '1 second'
                 ELSE least(now() + o.after * interval '1 second', {deadline}) END"""

_BEGUN = {**_NEW, **_RESULT}


def insert(first: int = 1) -> str:
    """Return the statement that begins runs; one whose id or start key is there already is left out."""
    return f"""
INSERT INTO runs ({_KEPT}, needs, deadline, state, status, seq, output, error, ended_at, run_after, parked_at)
SELECT {", ".join(f"o.{name}" for name in _KEPT.split(", "))}, string_to_array(o.needs, ','),
       now() + o.lasts * interval '1 second', o.state, o.status, 1, o.output, o.error, o.ended_at,
       {_AFTER.format(deadline="now() + o.lasts * interval '1 second'")},
       CASE WHEN o.state = 'parked' THEN now() END
  FROM {unnest(_BEGUN, first)}
    ON CONFLICT DO NOTHING
RETURNING workspace_id, id, state
"""  # noqa: S608 — names of ours


_FENCED = {
    "workspace_id": "uuid", "id": "uuid", "epoch": "integer", "seq": "integer", "signal": "integer",
    **_RESULT, "progress": "boolean",
}  # fmt: skip


def fence(first: int = 1) -> str:
    """Return the statement that moves runs on which are still their owner's, as their owner knows them."""
    return f"""
UPDATE runs AS r
   SET state = o.state, status = o.status, seq = o.seq + 1,
       owner = CASE WHEN o.state = 'running' THEN r.owner END,
       takeovers = CASE WHEN o.progress THEN 0 ELSE r.takeovers END,
       output = coalesce(o.output, r.output), error = coalesce(o.error, r.error), ended_at = o.ended_at,
       run_after = CASE WHEN o.state = 'running' THEN r.run_after ELSE {_AFTER.format(deadline="r.deadline")} END,
       parked_at = CASE WHEN o.state = 'parked' THEN now() END
  FROM {unnest(_FENCED, first)}
 WHERE r.workspace_id = o.workspace_id AND r.id = o.id AND r.epoch = o.epoch AND r.seq = o.seq
   AND r.state = 'running' AND (o.state <> 'parked' OR r.signal = o.signal)
RETURNING r.workspace_id, r.id, r.state
"""  # noqa: S608 — names of ours


_STEP = {
    "run_id": "uuid", "step_key": "text", "iteration": "integer", "attempt": "smallint", "place": "integer",
    "kind": "word", "status": "word", "handled": "boolean", "choice": "text", "input": "text", "output": "text",
    "error": "text", "logs": "text", "usage": "text", "started_at": "bigint", "ended_at": "bigint",
}  # fmt: skip
assert tuple(_STEP) == StepRow._fields
_STEP_NAMES = ", ".join(_STEP)
_OF_RUN = {"workspace_id": "uuid", **_STEP}


def steps(first: int = 1, only: str = "") -> str:
    """Return the statement that writes attempts of steps, new ones and those that changed."""
    return f"""
INSERT INTO run_steps (workspace_id, {_STEP_NAMES})
SELECT o.workspace_id, {", ".join(f"o.{name}" for name in _STEP)} FROM {unnest(_OF_RUN, first)} {only}
    ON CONFLICT (workspace_id, run_id, step_key, iteration, attempt) DO UPDATE
   SET status = excluded.status, handled = excluded.handled, choice = excluded.choice,
       input = coalesce(excluded.input, run_steps.input), output = excluded.output, error = excluded.error,
       logs = excluded.logs, usage = excluded.usage, ended_at = excluded.ended_at
RETURNING 1
"""  # noqa: S608 — names of ours


_WAIT = {
    "run_id": "uuid", "step_key": "text", "iteration": "integer", "kind": "word", "seconds": "float8", "ref": "text",
}  # fmt: skip
assert tuple(_WAIT) == WaitRow._fields
_OPENED = {"workspace_id": "uuid", **_WAIT}
_CLOSED = {"workspace_id": "uuid", "run_id": "uuid", "step_key": "text", "iteration": "integer"}


def opens(first: int = 1, only: str = "") -> str:
    """Return the statement that opens waits."""
    return f"""
INSERT INTO run_waits (workspace_id, run_id, step_key, iteration, kind, due, ref)
SELECT o.workspace_id, o.run_id, o.step_key, o.iteration, o.kind, now() + o.seconds * interval '1 second', o.ref
  FROM {unnest(_OPENED, first)} {only}
    ON CONFLICT (workspace_id, run_id, step_key, iteration) DO UPDATE
   SET kind = excluded.kind, due = excluded.due, ref = excluded.ref, since = now(), resolved = NULL, outcome = NULL
RETURNING 1
"""  # noqa: S608 — names of ours


def closes(first: int = 1, only: str = "") -> str:
    """Return the statement that closes waits."""
    return f"""
WITH o AS (SELECT * FROM {unnest(_CLOSED, first)} {only})
DELETE FROM run_waits AS w USING o
 WHERE w.workspace_id = o.workspace_id AND w.run_id = o.run_id AND w.step_key = o.step_key AND w.iteration = o.iteration
RETURNING 1
"""  # noqa: S608 — names of ours


DROP_ENDED = """
DELETE FROM run_waits AS w USING went AS o
 WHERE o.state = 'ended' AND w.workspace_id = o.workspace_id AND w.run_id = o.id RETURNING 1
"""
"""Removes the waits of the runs that ended, of those that a part named ``went`` moved on."""
ONLY_PASSED = "WHERE o.run_id IN (SELECT id FROM passed)"
"""Narrows rows to those of runs that a part named ``passed`` names."""
BEGUN_WIDTH, FENCED_WIDTH, STEP_WIDTH = len(_BEGUN), len(_FENCED), len(_OF_RUN)
CLOSED_WIDTH, OPENED_WIDTH = len(_CLOSED), len(_OPENED)


def new_rows(checkpoints: Sequence[Checkpoint]) -> Args:
    """Return the arguments of `insert`."""
    rows = []
    for each in checkpoints:
        assert each.new is not None, "only checkpoints that begin a run come here"
        new = each.new
        if new.needs is not None:
            new = new._replace(needs=",".join(new.needs))  # type: ignore[arg-type]  # an array of arrays is another
        rows.append((*new, *_result(each)))
    return arrays(_BEGUN, rows)


def fenced_rows(checkpoints: Sequence[Checkpoint]) -> Args:
    """Return the arguments of `fence`."""
    rows = [(*each.key, each.epoch, each.seq, each.signal, *_result(each), each.progress) for each in checkpoints]
    return arrays(_FENCED, rows)


def _result(each: Checkpoint) -> tuple[Any, ...]:
    return (each.state.value, each.status.value, each.after, each.output, each.error, each.ended_at)


def step_rows(checkpoints: Sequence[Checkpoint]) -> Args | None:
    """Return the arguments of `steps`; None when no step changes."""
    rows = {(row[:4]): (each.key.workspace_id, *row) for each in checkpoints for row in each.steps}
    return arrays(_OF_RUN, rows.values()) if rows else None


def opened_rows(checkpoints: Sequence[Checkpoint]) -> Args | None:
    """Return the arguments of `opens`; None when no wait is opened. A run that ends leaves none."""
    lasting = [each for each in checkpoints if each.state is not State.ENDED]
    rows = [(each.key.workspace_id, *row) for each in lasting for row in each.opened]
    return arrays(_OPENED, rows) if rows else None


def closed_rows(checkpoints: Sequence[Checkpoint]) -> Args | None:
    """Return the arguments of `closes`; None when no wait is closed."""
    rows = [(*each.key, *row) for each in checkpoints for row in each.closed]
    return arrays(_CLOSED, rows) if rows else None

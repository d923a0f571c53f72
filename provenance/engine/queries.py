"""Every statement of the engine, in PostgreSQL's own words: arrays in, one round trip for a whole group.

They run on connections of the engine's own (`provenance.engine.lane`, `provenance.engine.dispatch`) or, where
somebody else's transaction resolves a wait, on that one. Moments are the database's clock.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from provenance.core.db import WriteTx
from provenance.engine.schemas import Checkpoint, Claimed, NewRun, OpenWait, RunKey, State, StepRow, WaitRow

Args = list[Any]

_NEW = {
    "workspace_id": "uuid", "id": "uuid", "workflow_id": "uuid", "version": "integer", "environment": "text",
    "slot": "smallint", "max_concurrent": "smallint", "priority": "smallint", "lasts": "float8", "needs": "text",
    "start_key": "text",
    "trigger_type": "text", "triggered_by": "text", "triggered_by_kind": "text", "hop_count": "smallint",
    "replay_of": "uuid", "parent_id": "uuid", "parent_token": "text", "about": "text", "input": "text",
    "started_at": "bigint",
}  # fmt: skip
assert tuple(_NEW) == NewRun._fields
_RESULT = {
    "state": "text", "status": "text", "after": "float8", "output": "text", "error": "text", "ended_at": "bigint",
}  # fmt: skip
_KEPT = ", ".join(name for name in _NEW if name not in ("lasts", "needs"))


def _unnest(columns: dict[str, str], first: int = 1) -> str:
    arrays = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(columns.values(), first))
    return f"unnest({arrays}) AS o({', '.join(columns)})"


_AFTER = """CASE WHEN o.state = 'ended' THEN now()
                 WHEN o.after IS NULL THEN CASE WHEN o.status = 'approval' THEN 'infinity' ELSE {deadline} END
                 WHEN o.status = 'approval' THEN now() + o.after * interval '1 second'
                 ELSE least(now() + o.after * interval '1 second', {deadline}) END"""

INSERT = f"""
INSERT INTO runs ({_KEPT}, needs, deadline, state, status, seq, output, error, ended_at, run_after, parked_at)
SELECT {", ".join(f"o.{name}" for name in _KEPT.split(", "))}, string_to_array(o.needs, ','),
       now() + o.lasts * interval '1 second', o.state, o.status, 1, o.output, o.error, o.ended_at,
       {_AFTER.format(deadline="now() + o.lasts * interval '1 second'")},
       CASE WHEN o.state = 'parked' THEN now() END
  FROM {_unnest({**_NEW, **_RESULT})}
    ON CONFLICT DO NOTHING
RETURNING id
"""  # noqa: S608 — names of ours

_FENCED = {
    "workspace_id": "uuid", "id": "uuid", "epoch": "integer", "seq": "integer", "signal": "integer",
    **_RESULT, "progress": "boolean",
}  # fmt: skip
FENCE = f"""
UPDATE runs AS r
   SET state = o.state, status = o.status, seq = o.seq + 1,
       owner = CASE WHEN o.state = 'running' THEN r.owner END,
       takeovers = CASE WHEN o.progress THEN 0 ELSE r.takeovers END,
       output = coalesce(o.output, r.output), error = coalesce(o.error, r.error), ended_at = o.ended_at,
       run_after = CASE WHEN o.state = 'running' THEN r.run_after ELSE {_AFTER.format(deadline="r.deadline")} END,
       parked_at = CASE WHEN o.state = 'parked' THEN now() END
  FROM {_unnest(_FENCED)}
 WHERE r.workspace_id = o.workspace_id AND r.id = o.id AND r.epoch = o.epoch AND r.seq = o.seq
   AND r.state = 'running' AND (o.state <> 'parked' OR r.signal = o.signal)
RETURNING r.id
"""  # noqa: S608 — names of ours

_STEP = {
    "run_id": "uuid", "step_key": "text", "iteration": "integer", "attempt": "smallint", "place": "integer",
    "kind": "text", "status": "text", "handled": "boolean", "choice": "text", "input": "text", "output": "text",
    "error": "text", "logs": "text", "usage": "text", "started_at": "bigint", "ended_at": "bigint",
}  # fmt: skip
assert tuple(_STEP) == StepRow._fields
_STEP_NAMES = ", ".join(_STEP)
STEPS = f"""
INSERT INTO run_steps (workspace_id, {_STEP_NAMES})
SELECT o.workspace_id, {", ".join(f"o.{name}" for name in _STEP)} FROM {_unnest({"workspace_id": "uuid", **_STEP})}
    ON CONFLICT (workspace_id, run_id, step_key, iteration, attempt) DO UPDATE
   SET status = excluded.status, handled = excluded.handled, choice = excluded.choice,
       input = coalesce(excluded.input, run_steps.input), output = excluded.output, error = excluded.error,
       logs = excluded.logs, usage = excluded.usage, ended_at = excluded.ended_at
"""  # noqa: S608 — names of ours

_WAIT = {
    "run_id": "uuid", "step_key": "text", "iteration": "integer", "kind": "text", "seconds": "float8", "ref": "text",
}  # fmt: skip
assert tuple(_WAIT) == WaitRow._fields
OPEN_WAITS = f"""
INSERT INTO run_waits (workspace_id, run_id, step_key, iteration, kind, due, ref)
SELECT o.workspace_id, o.run_id, o.step_key, o.iteration, o.kind, now() + o.seconds * interval '1 second', o.ref
  FROM {_unnest({"workspace_id": "uuid", **_WAIT})}
    ON CONFLICT (workspace_id, run_id, step_key, iteration) DO UPDATE
   SET kind = excluded.kind, due = excluded.due, ref = excluded.ref, since = now(), resolved = NULL, outcome = NULL
"""  # noqa: S608 — names of ours
CLOSE_WAITS = """
DELETE FROM run_waits AS w USING unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[]) AS o(workspace, run, key, i)
 WHERE w.workspace_id = o.workspace AND w.run_id = o.run AND w.step_key = o.key AND w.iteration = o.i
"""
DROP_WAITS = """
DELETE FROM run_waits AS w USING unnest($1::uuid[], $2::uuid[]) AS o(workspace, run)
 WHERE w.workspace_id = o.workspace AND w.run_id = o.run
"""

WOKEN = """state = CASE WHEN state = 'parked' THEN 'queued' ELSE state END,
       status = CASE WHEN state = 'parked' THEN 'running' ELSE status END,
       run_after = CASE WHEN state = 'parked' THEN now() ELSE run_after END,
       deadline = CASE WHEN state = 'parked' AND status = 'approval' THEN deadline + (now() - parked_at)
                       ELSE deadline END"""
"""What waking a run sets: time spent waiting for people does not count for its time-out."""

SIGNAL = f"""
UPDATE runs SET signal = signal + 1, {WOKEN}
 WHERE workspace_id = $1 AND id = $2 AND state <> 'ended'
"""  # noqa: S608 — names of ours
HOLD = """
SELECT 1 FROM runs WHERE workspace_id = $1 AND id = $2 AND state <> 'ended' FOR NO KEY UPDATE
"""
RESOLVE = """
UPDATE run_waits SET resolved = now(), outcome = $5
 WHERE workspace_id = $1 AND run_id = $2 AND step_key = $3 AND iteration = $4 AND resolved IS NULL
RETURNING 1
"""

LOOK_UP = "SELECT id, epoch, seq FROM runs WHERE workspace_id = ANY($1) AND id = ANY($2)"

_CLAIMED = ", ".join(
    f"extract(epoch FROM r.deadline - now())::float8 AS {name}" if name == "left" else f"r.{name}"
    for name in Claimed._fields
)
CLAIM = f"""
WITH picked AS MATERIALIZED (
    SELECT workspace_id, id FROM runs
     WHERE state = 'queued' AND slot IS DISTINCT FROM 0 AND run_after <= now() AND (needs IS NULL OR needs <@ $3)
     ORDER BY priority DESC, run_after LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE runs AS r SET state = 'running', status = 'running', owner = $1, epoch = r.epoch + 1, parked_at = NULL
  FROM picked WHERE r.workspace_id = picked.workspace_id AND r.id = picked.id
RETURNING {_CLAIMED}
"""  # noqa: S608 — names of ours
STEPS_OF = f"SELECT {_STEP_NAMES} FROM run_steps WHERE (workspace_id, run_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) ORDER BY place, attempt"  # noqa: S608, E501 — names of ours
WAITS_OF = """
SELECT run_id, step_key, iteration, kind, extract(epoch FROM due - now())::float8 AS left, ref,
       resolved IS NOT NULL AS resolved, outcome
  FROM run_waits WHERE (workspace_id, run_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
"""
STANDING = """
SELECT id, epoch, seq, signal, state FROM runs
 WHERE (workspace_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
"""

REGISTER = "INSERT INTO engine_workers (id, host, pid) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET beat = now()"
GONE = """
DELETE FROM engine_workers AS w WHERE w.beat < now() - make_interval(secs => $1) AND NOT EXISTS (
    SELECT 1 FROM runs AS r WHERE r.state = 'running' AND r.owner = w.id)
"""
LEAVE = "DELETE FROM engine_workers WHERE id = $1"
HAND_BACK = """
UPDATE runs SET state = 'queued', owner = NULL, run_after = now() WHERE state = 'running' AND owner = $1
"""
HAND_BACK_OTHERS = """
UPDATE runs SET state = 'queued', owner = NULL, run_after = now(), takeovers = takeovers + 1
 WHERE state = 'running' AND owner = $1 AND (workspace_id, id) NOT IN (SELECT * FROM unnest($2::uuid[], $3::uuid[]))
"""
ORPHANS = """
UPDATE runs SET state = 'queued', owner = NULL, run_after = now(), takeovers = takeovers + 1
 WHERE (workspace_id, id) IN (
    SELECT workspace_id, id FROM runs AS r
     WHERE state = 'running' AND NOT EXISTS (
        SELECT 1 FROM engine_workers AS w WHERE w.id = r.owner AND w.beat > now() - make_interval(secs => $1))
     LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
DUE = f"""
UPDATE runs SET {WOKEN}
 WHERE (workspace_id, id) IN (
    SELECT workspace_id, id FROM runs WHERE state = 'parked' AND run_after <= now()
     ORDER BY run_after LIMIT $1 FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 — names of ours
PROMOTER = "SELECT pg_try_advisory_xact_lock(7300000006)"
PROMOTE = """
UPDATE runs SET slot = 1, status = 'running', run_after = now()
 WHERE (workspace_id, id) IN (
    SELECT w.workspace_id, w.id
      FROM (SELECT workspace_id, workflow_id, id, max_concurrent,
                   row_number() OVER (PARTITION BY workspace_id, workflow_id ORDER BY priority DESC, id) AS turn
              FROM runs WHERE slot = 0 AND state <> 'ended') AS w
     WHERE w.turn <= w.max_concurrent - (
        SELECT count(*) FROM runs AS h
         WHERE h.workspace_id = w.workspace_id AND h.workflow_id = w.workflow_id AND h.slot = 1 AND h.state <> 'ended'))
"""
"""Give free slots of limited workflows to the next in line. One at a time, under `PROMOTER`: two would count alike."""
OUTLOOK = """
SELECT extract(epoch FROM least(
    (SELECT min(run_after) FROM runs WHERE state = 'parked' AND run_after < 'infinity'),
    (SELECT min(run_after) FROM runs WHERE state = 'queued' AND slot IS DISTINCT FROM 0 AND run_after > now())
) - now())::float8, EXISTS (SELECT 1 FROM runs WHERE slot = 0 AND state <> 'ended')
"""


def columns(rows: Iterable[Sequence[Any]], width: int) -> Args:
    """Turn rows into one list a column; ``width`` empty lists when there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def new_rows(checkpoints: Sequence[Checkpoint]) -> Args:
    """Return the arguments of `INSERT`."""
    rows = []
    for each in checkpoints:
        assert each.new is not None, "only checkpoints that begin a run come here"
        needs = each.new.needs and ",".join(each.new.needs)
        rows.append((*each.new._replace(needs=needs), *_result(each)))  # type: ignore[arg-type]
    return columns(rows, len(_NEW) + len(_RESULT))


def fenced_rows(checkpoints: Sequence[Checkpoint]) -> Args:
    """Return the arguments of `FENCE`."""
    return columns(
        [(*each.key, each.epoch, each.seq, each.signal, *_result(each), each.progress) for each in checkpoints],
        len(_FENCED),
    )


def _result(each: Checkpoint) -> tuple[Any, ...]:
    return (each.state.value, each.status.value, each.after, each.output, each.error, each.ended_at)


def step_rows(checkpoints: Sequence[Checkpoint]) -> Args | None:
    """Return the arguments of `STEPS`; None when no step changes."""
    rows = {(row[:4]): (each.key.workspace_id, *row) for each in checkpoints for row in each.steps}
    return columns(rows.values(), len(_STEP) + 1) if rows else None


def opened_rows(checkpoints: Sequence[Checkpoint]) -> Args | None:
    """Return the arguments of `OPEN_WAITS`; None when no wait is opened."""
    rows = [(each.key.workspace_id, *row) for each in checkpoints for row in each.opened]
    return columns(rows, len(_WAIT) + 1) if rows else None


def closed_rows(checkpoints: Sequence[Checkpoint]) -> Args | None:
    """Return the arguments of `CLOSE_WAITS`; None when no wait is closed."""
    rows = [(*each.key, *row) for each in checkpoints for row in each.closed]
    return columns(rows, 4) if rows else None


def ended_keys(checkpoints: Sequence[Checkpoint]) -> Args | None:
    """Return the arguments of `DROP_WAITS` for runs that end with waits behind them; None when there are none."""
    rows = [each.key for each in checkpoints if each.state is State.ENDED and each.new is None]
    return columns(rows, 2) if rows else None


def keys(found: Iterable[RunKey]) -> Args:
    """Return run keys as the two arrays that statements take."""
    return columns(found, 2)


async def signal(tx: WriteTx, key: RunKey) -> bool:
    """Raise the run's signal and queue it if it is parked; False when it has ended or is not there."""
    return (await tx.driver_sql(SIGNAL, tuple(key))).rowcount > 0


async def hold(tx: WriteTx, key: RunKey) -> bool:
    """Lock a run that has not ended, and leave it as it is; False when it has, or is not there."""
    return (await tx.driver_sql(HOLD, tuple(key))).first() is not None


async def resolve(tx: WriteTx, key: RunKey, step_key: str, iteration: int, outcome: str) -> bool:
    """Mark a wait resolved; False when there is none, or it was resolved before."""
    return (await tx.driver_sql(RESOLVE, (*key, step_key, iteration, outcome))).first() is not None


async def open_waits(tx: WriteTx, key: RunKey) -> list[OpenWait]:
    """Return the waits of a run."""
    found = await tx.driver_sql(WAITS_OF, ([key.workspace_id], [key.run_id]))
    return [OpenWait._make(row) for row in found]

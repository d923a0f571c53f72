"""Claiming, waking, sweeping and reading runs, in PostgreSQL's own words; what checkpoints write is in `rows`.

They run on connections of the engine's own (`provenance.engine.lane`, `provenance.engine.dispatch`) or, where
somebody else's transaction resolves a wait, on that one. Moments are the database's clock.
"""

import uuid
from collections.abc import Iterable
from typing import Any

from provenance.core.db import WriteTx
from provenance.engine.schemas import Claimed, OpenWait, RunKey, StepRow

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

RESOLVING = f"""
woken AS (
    UPDATE runs SET signal = signal + 1, {WOKEN} WHERE workspace_id = $1 AND id = $2 AND state <> 'ended' RETURNING 1),
resolved AS (
    UPDATE run_waits SET resolved = now(), outcome = $5
     WHERE workspace_id = $1 AND run_id = $2 AND step_key = $3 AND iteration = $4 AND resolved IS NULL
       AND EXISTS (SELECT FROM woken) RETURNING 1)
"""  # noqa: S608 — names of ours
"""`SIGNAL` and `RESOLVE` as parts of somebody else's statement, which is to do nothing where ``resolved`` is empty.

Only for a run whose lock an earlier statement of the transaction took: a wait that was opened while this one waited
for the lock would not be seen.
"""

LOOK_UP = "SELECT id, epoch, seq FROM runs WHERE workspace_id = ANY($1) AND id = ANY($2)"

_WAITS = {
    **dict.fromkeys(StepRow._fields, "NULL"), "run_id": "run_id", "step_key": "step_key", "iteration": "iteration",
    "kind": "kind", "left": "extract(epoch FROM due - now())::float8", "ref": "ref",
    "resolved": "resolved IS NOT NULL", "outcome": "outcome",
}  # fmt: skip
_STEPS = {name: name if name in StepRow._fields else "NULL" for name in _WAITS}


def _stored(which: str) -> str:
    """Return the query of steps and, after them, waits, which have no place: `stored` tells them apart."""
    return f"""
SELECT {", ".join(f"{value} AS {name}" for name, value in _STEPS.items())} FROM run_steps WHERE {which}
 UNION ALL
SELECT {", ".join(_WAITS.values())} FROM run_waits WHERE {which}
 ORDER BY place, attempt
"""  # noqa: S608 — names of ours


STORED = _stored("(workspace_id, run_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))")
_OF_IT = _stored("workspace_id = r.workspace_id AND run_id = r.id")
# Steps are read with the statement's snapshot, and the lock may give a later version of the run: of one that moved on
# in between, they are left to be asked for.
_AS_SEEN = """(SELECT (s.epoch, s.seq, s.signal) = (picked.epoch, picked.seq, picked.signal) FROM runs AS s
           WHERE s.workspace_id = r.workspace_id AND s.id = r.id)"""
_MADE = {
    "left": "extract(epoch FROM r.deadline - now())::float8",
    "begun": "r.epoch > 1"
    " OR EXISTS (SELECT 1 FROM run_steps AS s WHERE s.workspace_id = r.workspace_id AND s.run_id = r.id)",
    "stored": f"CASE WHEN {_AS_SEEN} THEN ARRAY(SELECT each FROM ({_OF_IT}) AS each) END",  # noqa: S608
}
_CLAIMED = ", ".join(_MADE.get(name, f"r.{name}") for name in Claimed._fields)
CLAIM = f"""
WITH picked AS MATERIALIZED (
    SELECT workspace_id, id, epoch, seq, signal FROM runs
     WHERE state = 'queued' AND slot IS DISTINCT FROM 0 AND run_after <= now() AND (needs IS NULL OR needs <@ $3)
     ORDER BY priority DESC, run_after LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE runs AS r SET state = 'running', status = 'running', owner = $1, epoch = r.epoch + 1, parked_at = NULL
  FROM picked WHERE r.workspace_id = picked.workspace_id AND r.id = picked.id
RETURNING {_CLAIMED}
"""  # noqa: S608 — names of ours
STANDING = """
SELECT id, epoch, seq, signal, state FROM runs
 WHERE (workspace_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
"""

REGISTER = """
INSERT INTO engine_workers (id, host, pid, address) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET beat = now()
"""
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
WITH RECURSIVE limited AS (
    (SELECT workspace_id, workflow_id FROM runs WHERE slot = 0 AND state <> 'ended'
      ORDER BY workspace_id, workflow_id LIMIT 1)
     UNION ALL
    SELECT following.* FROM limited AS l CROSS JOIN LATERAL (
        SELECT r.workspace_id, r.workflow_id FROM runs AS r
         WHERE r.slot = 0 AND r.state <> 'ended' AND (r.workspace_id, r.workflow_id) > (l.workspace_id, l.workflow_id)
         ORDER BY r.workspace_id, r.workflow_id LIMIT 1) AS following),
free AS (
    SELECT l.workspace_id, l.workflow_id, first.max_concurrent - (
        SELECT count(*) FROM runs AS h
         WHERE h.workspace_id = l.workspace_id AND h.workflow_id = l.workflow_id AND h.slot = 1 AND h.state <> 'ended'
        ) AS slots
      FROM limited AS l CROSS JOIN LATERAL (
        SELECT w.max_concurrent FROM runs AS w
         WHERE w.workspace_id = l.workspace_id AND w.workflow_id = l.workflow_id AND w.slot = 0 AND w.state <> 'ended'
         ORDER BY w.priority DESC, w.id LIMIT 1) AS first),
turns AS MATERIALIZED (
    SELECT free.workspace_id, turn.id FROM free CROSS JOIN LATERAL (
        SELECT w.id FROM runs AS w
         WHERE w.workspace_id = free.workspace_id AND w.workflow_id = free.workflow_id AND w.slot = 0
           AND w.state <> 'ended'
         ORDER BY w.priority DESC, w.id LIMIT greatest(free.slots, 0)) AS turn)
UPDATE runs AS r SET slot = 1, status = 'running', run_after = now()
  FROM turns WHERE r.workspace_id = turns.workspace_id AND r.id = turns.id
"""
"""Give free slots of limited workflows to the next in line, however long the line is: it goes from one such workflow to
the next, and looks at the heads alone; the first in line says how many slots there are. One at a time, under
`PROMOTER`: two would count alike."""
OUTLOOK = """
SELECT extract(epoch FROM least(
    (SELECT min(run_after) FROM runs WHERE state = 'parked' AND run_after < 'infinity'),
    (SELECT min(run_after) FROM runs WHERE state = 'queued' AND slot IS DISTINCT FROM 0 AND run_after > now())
) - now())::float8, EXISTS (SELECT 1 FROM runs WHERE slot = 0 AND state <> 'ended')
"""


def stored(rows: Iterable[Any]) -> tuple[list[StepRow], list[OpenWait]]:
    """Read what a query of steps and waits answered."""
    steps, waits = [], []
    for row in rows:
        found = dict(zip(_WAITS, row, strict=True)) | {"run_id": uuid.UUID(int=row[0].int)}
        if found["place"] is None:
            waits.append(OpenWait(*[found[name] for name in OpenWait._fields]))
        else:
            steps.append(StepRow(*[found[name] for name in StepRow._fields]))
    return steps, waits


def keys(found: Iterable[RunKey]) -> list[list[uuid.UUID]]:
    """Return run keys as the two arrays that statements take."""
    listed = list(found)
    return [[key.workspace_id for key in listed], [key.run_id for key in listed]]


async def signal(tx: WriteTx, key: RunKey) -> bool:
    """Raise the run's signal and queue it if it is parked; False when it has ended or is not there."""
    return (await tx.driver_sql(SIGNAL, tuple(key))).rowcount > 0


async def hold(tx: WriteTx, key: RunKey) -> bool:
    """Lock a run that has not ended, and leave it as it is; False when it has, or is not there."""
    return (await tx.driver_sql(HOLD, tuple(key))).first() is not None


async def resolve(tx: WriteTx, key: RunKey, step_key: str, iteration: int, outcome: str) -> bool:
    """Mark a wait resolved; False when there is none, or it was resolved before."""
    return (await tx.driver_sql(RESOLVE, (*key, step_key, iteration, outcome))).first() is not None

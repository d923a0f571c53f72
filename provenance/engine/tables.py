"""Tables of the engine: a run is a row, a step is a row, a wait is a row.

Moments that decide something (due, deadline, beat) are the database's own clock; moments that are only told
(`started_at`, `ended_at`) are nanoseconds since the epoch like everywhere else.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from provenance.core.db import metadata

_MOMENT = DateTime(timezone=True)
LARGE_BYTES = 256 * 1024
"""Outputs of more bytes of JSON move to the object store (spec/engine.md, limits)."""

engine_workers = Table(
    "engine_workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("address", Text, comment="host:port where servers hear what its steps write; null: nowhere"),
    Column("started", _MOMENT, nullable=False, server_default=text("now()")),
    Column("beat", _MOMENT, nullable=False, server_default=text("now()")),
)

runs = Table(
    "runs",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False, comment="also its unit of work and the span of the run itself"),
    Column("workflow_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("environment", Text, nullable=False),
    Column("state", Text, nullable=False, comment="queued, running, parked or ended"),
    Column("status", Text, nullable=False, comment="as it reads on the wire"),
    Column("slot", SmallInteger, comment="of a limited workflow: 0 waits for its turn, 1 has it"),
    Column("max_concurrent", SmallInteger, comment="how many runs of its workflow may have a slot"),
    Column("epoch", Integer, nullable=False, server_default="0", comment="raised by each owner; the fence"),
    Column("seq", Integer, nullable=False, server_default="0", comment="checkpoints so far"),
    Column("signal", Integer, nullable=False, server_default="0", comment="raised when a wait is resolved"),
    Column("owner", Uuid),
    Column("priority", SmallInteger, nullable=False, server_default="0"),
    Column("run_after", _MOMENT, nullable=False, server_default=text("now()")),
    Column("parked_at", _MOMENT),
    Column("deadline", _MOMENT, nullable=False, comment="moved on by the time spent waiting for people"),
    Column("takeovers", SmallInteger, nullable=False, server_default="0", comment="since the last outcome of a step"),
    Column("needs", ARRAY(Text), comment="step kinds beyond those every worker has"),
    Column("start_key", Text, comment="of a start that must happen once, such as evt:… or sch:…"),
    Column("trigger_type", Text, nullable=False),
    Column("triggered_by", Text, nullable=False),
    Column("triggered_by_kind", Text, nullable=False),
    Column("hop_count", SmallInteger, nullable=False, server_default="0"),
    Column("replay_of", Uuid),
    Column("parent_id", Uuid, comment="the run that waits for this one, or started it"),
    Column("parent_token", Text, comment="the wait that the end of this run resolves"),
    Column("about", Text, nullable=False, comment="JSON: entry, trigger, correlationId and what else never changes"),
    Column("input", Text, nullable=False),
    Column("output", Text),
    Column("error", Text),
    Column("started_at", BigInteger, nullable=False, comment="nanoseconds since the epoch: when it was accepted"),
    Column("ended_at", BigInteger),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("ix_runs_workflow", "workspace_id", "workflow_id", "id"),
    Index("ix_runs_status", "workspace_id", "status", "id", postgresql_where=text("status <> 'completed'")),
    Index(
        "uq_runs_start_key", "workspace_id", "start_key", unique=True, postgresql_where=text("start_key IS NOT NULL")
    ),
    Index(
        "ix_runs_ready",
        text("priority DESC"),
        "run_after",
        postgresql_where=text("state = 'queued' AND slot IS DISTINCT FROM 0"),
    ),
    Index("ix_runs_slots", "workspace_id", "workflow_id", postgresql_where=text("slot = 1 AND state <> 'ended'")),
    Index(
        "ix_runs_line",
        "workspace_id",
        "workflow_id",
        text("priority DESC"),
        "id",
        postgresql_where=text("slot = 0 AND state <> 'ended'"),
    ),
    Index("ix_runs_owned", "owner", postgresql_where=text("state = 'running'")),
    Index("ix_runs_timers", "run_after", postgresql_where=text("state = 'parked'")),
    postgresql_with={"fillfactor": "75"},
)

run_steps = Table(
    "run_steps",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("step_key", Text, nullable=False),
    Column("iteration", Integer, nullable=False, comment="0: the step itself; from 1: one item of its forEach"),
    Column("attempt", SmallInteger, nullable=False),
    Column("place", Integer, nullable=False, comment="the order in which it first started in this run, from 1"),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("handled", Boolean, nullable=False, server_default=text("false"), comment="a failure that ended nothing"),
    Column("choice", Text, comment="the case that a logic step took, or what people decided"),
    Column("input", Text),
    Column("output", Text),
    Column("output_ref", Text, comment="where a large output is in the object store; then `output` is null"),
    Column("error", Text),
    Column("logs", Text),
    Column("usage", Text),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    PrimaryKeyConstraint("workspace_id", "run_id", "step_key", "iteration", "attempt"),
    Index("ix_run_steps_large", "run_id", postgresql_where=text(f"octet_length(output) > {LARGE_BYTES}")),
    Index("ix_run_steps_output_ref", "workspace_id", "output_ref", postgresql_where=text("output_ref IS NOT NULL")),
)

run_waits = Table(
    "run_waits",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("step_key", Text, nullable=False),
    Column("iteration", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="approval, timer, retry, child or event"),
    Column("since", _MOMENT, nullable=False, server_default=text("now()")),
    Column("due", _MOMENT),
    Column("ref", Text, comment="what it waits for: an approval's id, a child's"),
    Column("resolved", _MOMENT),
    Column("outcome", Text, comment="JSON, handed to the step when it goes on"),
    PrimaryKeyConstraint("workspace_id", "run_id", "step_key", "iteration"),
)

"""the run engine."""

import sqlalchemy as sa
from alembic import op

revision = "c3f07ab52e94"
down_revision = "d2905c6be817"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "engine_workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("beat", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engine_workers")),
    )
    op.create_table(
        "run_steps",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column(
            "iteration", sa.Integer(), nullable=False, comment="0: the step itself; from 1: one item of its forEach"
        ),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column(
            "place", sa.Integer(), nullable=False, comment="the order in which it first started in this run, from 1"
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "handled",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="a failure that ended nothing",
        ),
        sa.Column(
            "choice", sa.Text(), nullable=True, comment="the case that a logic step took, or what people decided"
        ),
        sa.Column("input", sa.Text(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("logs", sa.Text(), nullable=True),
        sa.Column("usage", sa.Text(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(
            "workspace_id", "run_id", "step_key", "iteration", "attempt", name=op.f("pk_run_steps")
        ),
    )
    op.create_table(
        "run_waits",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="approval, timer, retry, child or event"),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ref", sa.Text(), nullable=True, comment="what it waits for: an approval's id, a child's"),
        sa.Column("resolved", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True, comment="JSON, handed to the step when it goes on"),
        sa.PrimaryKeyConstraint("workspace_id", "run_id", "step_key", "iteration", name=op.f("pk_run_waits")),
    )
    op.create_table(
        "runs",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False, comment="also its unit of work and the span of the run itself"),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="queued, running, parked or ended"),
        sa.Column("status", sa.Text(), nullable=False, comment="as it reads on the wire"),
        sa.Column(
            "slot", sa.SmallInteger(), nullable=True, comment="of a limited workflow: 0 waits for its turn, 1 has it"
        ),
        sa.Column(
            "max_concurrent", sa.SmallInteger(), nullable=True, comment="how many runs of its workflow may have a slot"
        ),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False, comment="raised by each owner; the fence"),
        sa.Column("seq", sa.Integer(), server_default="0", nullable=False, comment="checkpoints so far"),
        sa.Column("signal", sa.Integer(), server_default="0", nullable=False, comment="raised when a wait is resolved"),
        sa.Column("owner", sa.Uuid(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("run_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "deadline",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="moved on by the time spent waiting for people",
        ),
        sa.Column(
            "takeovers",
            sa.SmallInteger(),
            server_default="0",
            nullable=False,
            comment="since the last outcome of a step",
        ),
        sa.Column("needs", sa.ARRAY(sa.Text()), nullable=True, comment="step kinds beyond those every worker has"),
        sa.Column(
            "start_key", sa.Text(), nullable=True, comment="of a start that must happen once, such as evt:… or sch:…"
        ),
        sa.Column("trigger_type", sa.Text(), nullable=False),
        sa.Column("triggered_by", sa.Text(), nullable=False),
        sa.Column("triggered_by_kind", sa.Text(), nullable=False),
        sa.Column("hop_count", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("replay_of", sa.Uuid(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True, comment="the run that waits for this one, or started it"),
        sa.Column("parent_token", sa.Text(), nullable=True, comment="the wait that the end of this run resolves"),
        sa.Column(
            "about",
            sa.Text(),
            nullable=False,
            comment="JSON: entry, trigger, correlationId and what else never changes",
        ),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "started_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch: when it was accepted"
        ),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_runs")),
        postgresql_with={"fillfactor": "75"},
    )
    op.create_index(
        "ix_runs_limited",
        "runs",
        ["workspace_id", "workflow_id"],
        unique=False,
        postgresql_where=sa.text("slot IS NOT NULL AND state <> 'ended'"),
    )
    op.create_index("ix_runs_owned", "runs", ["owner"], unique=False, postgresql_where=sa.text("state = 'running'"))
    op.create_index(
        "ix_runs_ready",
        "runs",
        [sa.literal_column("priority DESC"), "run_after"],
        unique=False,
        postgresql_where=sa.text("state = 'queued' AND slot IS DISTINCT FROM 0"),
    )
    op.create_index(
        "ix_runs_status",
        "runs",
        ["workspace_id", "status", "id"],
        unique=False,
        postgresql_where=sa.text("status <> 'completed'"),
    )
    op.create_index("ix_runs_timers", "runs", ["run_after"], unique=False, postgresql_where=sa.text("state = 'parked'"))
    op.create_index("ix_runs_workflow", "runs", ["workspace_id", "workflow_id", "id"], unique=False)
    op.create_index(
        "uq_runs_start_key",
        "runs",
        ["workspace_id", "start_key"],
        unique=True,
        postgresql_where=sa.text("start_key IS NOT NULL"),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

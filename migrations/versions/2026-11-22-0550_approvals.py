"""approvals."""

import sqlalchemy as sa
from alembic import op

revision = "9a1d7e42c0f6"
down_revision = "5b7e2c91d0a4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "approvals",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False, comment="of the wait that a decision ends"),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("span_id", sa.Uuid(), nullable=False, comment="of the step: what is recorded hangs below it"),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("workflow_name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("version_checksum", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column(
            "started_by",
            sa.Text(),
            nullable=True,
            comment="user_… who started the run, or made the key that did; null: nobody",
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("risk", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="pending, approved, rejected, expired or cancelled"),
        sa.Column(
            "assignees", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment="kind:id each"
        ),
        sa.Column("required", sa.SmallInteger(), nullable=False, comment="how many people have to approve"),
        sa.Column("policy_revision", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False, comment="JSON as it stands"),
        sa.Column("payload_revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("payload_schema", sa.Text(), nullable=True, comment="JSON Schema; null: anything fits"),
        sa.Column("evidence", sa.Text(), nullable=False, comment="JSON list of label, value, tone"),
        sa.Column("sla_minutes", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True, comment="null: never"),
        sa.Column("on_breach", sa.Text(), nullable=False, comment="notify, escalate, reject or approve"),
        sa.Column(
            "escalate_to", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment="kind:id each"
        ),
        sa.Column("breached_at", sa.BigInteger(), nullable=True),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True, comment="user_…, or system"),
        sa.Column("via_grant_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_approvals")),
    )
    op.create_index(
        "ix_approvals_due",
        "approvals",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending' AND breached_at IS NULL"),
    )
    op.create_index(
        "ix_approvals_pending",
        "approvals",
        ["workspace_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_approvals_run", "approvals", ["workspace_id", "run_id"], unique=False)
    op.create_index("ix_approvals_workflow", "approvals", ["workspace_id", "workflow_id", "id"], unique=False)
    op.create_table(
        "approval_revisions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "approval_id"],
            ["approvals.workspace_id", "approvals.id"],
            name="fk_approval_revisions_approval",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "approval_id", "revision", name=op.f("pk_approval_revisions")),
    )
    op.create_table(
        "approval_decisions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column(
            "revision", sa.Integer(), nullable=False, comment="the state that was decided on; an older one is void"
        ),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True, comment="what the system followed"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False, comment="Ed25519 in base64"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "approval_id"],
            ["approvals.workspace_id", "approvals.id"],
            name="fk_approval_decisions_approval",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id", "approval_id", "revision", "decided_by", name=op.f("pk_approval_decisions")
        ),
    )
    op.create_table(
        "approval_comments",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "approval_id"],
            ["approvals.workspace_id", "approvals.id"],
            name="fk_approval_comments_approval",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_approval_comments")),
    )
    op.create_index(
        "ix_approval_comments_approval", "approval_comments", ["workspace_id", "approval_id", "id"], unique=False
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

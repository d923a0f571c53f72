"""webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "5b7e2c91d0a4"
down_revision = "c3f07ab52e94"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "webhook_deliveries",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("delivery", sa.LargeBinary(), nullable=False, comment="keyed hash of what names it"),
        sa.Column("run_id", sa.Uuid(), nullable=False, comment="the run that the first of its requests started"),
        sa.Column("status", sa.Text(), nullable=False, comment="of the run, as that request was answered"),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("workspace_id", "workflow_id", "delivery", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index("ix_webhook_deliveries_at", "webhook_deliveries", ["at"], unique=False)
    op.create_index("ix_workflow_secrets_workflow_id", "workflow_secrets", ["workflow_id"], unique=False)


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

"""lines of runs."""

import sqlalchemy as sa
from alembic import op

revision = "9a3f5c0e17bd"
down_revision = "4d1c7e90ab36"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_runs_slots",
        "runs",
        ["workspace_id", "workflow_id"],
        postgresql_where=sa.text("slot = 1 AND state <> 'ended'"),
    )
    op.create_index(
        "ix_runs_line",
        "runs",
        ["workspace_id", "workflow_id", sa.text("priority DESC"), "id"],
        postgresql_where=sa.text("slot = 0 AND state <> 'ended'"),
    )
    op.drop_index("ix_runs_limited", "runs")


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

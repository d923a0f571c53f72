"""inbox arrivals."""

from alembic import op

revision = "0b83d5f7c2a9"
down_revision = "7e20d5b9c1a8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index("ix_notification_inbox_arrived", "notification_inbox", ["workspace_id", "person_id", "created_at"])


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

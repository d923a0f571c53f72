"""inbound subscriptions are found by an address that names no workspace."""

import sqlalchemy as sa
from alembic import op

revision = "e91c5a7d3b20"
down_revision = "a91c7e30b4d2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_bus_subscriptions_id",
        "bus_subscriptions",
        ["id"],
        unique=False,
        postgresql_where=sa.text("direction = 'inbound'"),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

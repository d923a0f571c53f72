"""workers say where servers hear what their steps write."""

import sqlalchemy as sa
from alembic import op

revision = "7e20d5b9c1a8"
down_revision = "c3f81b6d2a94"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "engine_workers",
        sa.Column(
            "address",
            sa.Text(),
            nullable=True,
            comment="host:port where servers hear what its steps write; null: nowhere",
        ),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

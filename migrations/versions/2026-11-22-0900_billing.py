"""usage by month, plans and customers."""

import sqlalchemy as sa
from alembic import op

revision = "c82d5e1f7a36"
down_revision = "6c2a9f14d7b8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("workspaces", sa.Column("plan", sa.Text(), server_default="self_hosted", nullable=False))
    op.create_table(
        "usage_months",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False, comment="its first day, in UTC"),
        sa.Column("resource_type_id", sa.Uuid(), nullable=False),
        sa.Column("action_id", sa.Uuid(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False, comment="how often the platform recorded these words"),
        sa.Column("tokens_in", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("model_cost_usd", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "month", "resource_type_id", "action_id", name=op.f("pk_usage_months")),
    )
    op.create_table(
        "usage_counted",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column(
            "number", sa.BigInteger(), nullable=False, comment="every interaction up to here is in `usage_months`"
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_usage_counted")),
    )
    op.create_table(
        "billing_customers",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False, comment="cus_… at the payment provider"),
        sa.Column("plan", sa.Text(), nullable=True, comment="of the subscription; null: none yet"),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("period_start", sa.BigInteger(), nullable=True, comment="nanoseconds since the epoch"),
        sa.Column("period_end", sa.BigInteger(), nullable=True),
        sa.Column("invoices", sa.Text(), server_default="[]", nullable=False, comment="JSON, the newest twelve"),
        sa.Column("asked_at", sa.BigInteger(), nullable=False, comment="when the provider was last asked"),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_billing_customers")),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

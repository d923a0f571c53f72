"""limits and repeats."""

import sqlalchemy as sa
from alembic import op

revision = "9f2e6d7b3a50"
down_revision = "5e1d9a70c4b6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "rate_buckets",
        sa.Column("subject", sa.Text(), nullable=False, comment="an API key's or a person's id"),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False, comment="seconds since the epoch, by the database's clock"),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_rate_buckets")),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.LargeBinary(), nullable=False, comment="SHA-256 over credential, route and key"),
        sa.Column("request", sa.LargeBinary(), nullable=False, comment="SHA-256 over the canonical body"),
        sa.Column("status", sa.Integer(), nullable=True, comment="of the answer; null until it was made"),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("workspace_id", "scope", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_at", "idempotency_keys", ["at"], unique=False)


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

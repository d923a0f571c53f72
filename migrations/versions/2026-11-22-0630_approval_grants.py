"""approval grants."""

import sqlalchemy as sa
from alembic import op

revision = "4d8f1a6be273"
down_revision = "e91c5a7d3b20"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "approval_grants",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="action_class or substitute"),
        sa.Column("grantor", sa.Text(), nullable=False, comment="user_… whose authority it is"),
        sa.Column(
            "grantee", sa.Text(), nullable=False, comment="user_… who confirms it; of a substitute also who decides"
        ),
        sa.Column(
            "workflow_ids", sa.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False, comment="empty: any"
        ),
        sa.Column(
            "step_keys", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment="empty: any"
        ),
        sa.Column("action", sa.Text(), nullable=True, comment="null: any"),
        sa.Column("max_risk", sa.Text(), nullable=False),
        sa.Column("payload_rules", sa.Text(), nullable=False, comment="JSON list of path, op, value"),
        sa.Column("status", sa.Text(), nullable=False, comment="pending, active, denied or revoked"),
        sa.Column("max_uses", sa.Integer(), nullable=True, comment="null: any number"),
        sa.Column("uses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_from", sa.Uuid(), nullable=True, comment="the approval with which it was made"),
        sa.Column("token_digest", sa.LargeBinary(), nullable=True, comment="SHA-256; null once it was used"),
        sa.Column("token_until", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True, comment="of who confirmed or denied it"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_approval_grants")),
    )
    op.create_index(
        "ix_approval_grants_active",
        "approval_grants",
        ["workspace_id", "valid_until"],
        unique=False,
        postgresql_where=sa.text("status = 'active'"),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

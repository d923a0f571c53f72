"""evidence packs."""

import sqlalchemy as sa
from alembic import op

revision = "e7a94c05d1b8"
down_revision = "d84a5f1c9b03"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "evidence_packs",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="of the filter, the head and the numbers found"),
        sa.Column("asked", sa.Text(), nullable=False, comment="the filter as canonical JSON"),
        sa.Column(
            "numbers", sa.ARRAY(sa.BigInteger()), nullable=False, comment="the rows that satisfied it, ascending"
        ),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="of the oldest head kept that covers all rows"),
        sa.Column("checkpoint", sa.Text(), nullable=False, comment="that head as it was signed when the pack was made"),
        sa.Column("signed_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("newest_size", sa.BigInteger(), nullable=False),
        sa.Column("newest_checkpoint", sa.Text(), nullable=False, comment="the newest head when the pack was made"),
        sa.Column("completeness", sa.Text(), nullable=True, comment="the map's answer when the pack was made"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_evidence_packs")),
        sa.UniqueConstraint("workspace_id", "digest", name=op.f("uq_evidence_packs_workspace_id_digest")),
    )
    op.create_index(
        "ix_evidence_packs_created_at", "evidence_packs", ["workspace_id", "created_at", "id"], unique=False
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

"""bytes of packages that nobody needs are noted, so that a process that dies leaves none behind."""

import sqlalchemy as sa
from alembic import op

revision = "c3f81b6d2a94"
down_revision = "c82d5e1f7a36"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "skill_garbage",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False, comment="whose bytes nobody needs; its row is gone"),
        sa.Column(
            "after", sa.BigInteger(), nullable=False, comment="when they are destroyed: until then they may arrive"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "package_id", name=op.f("pk_skill_garbage")),
    )
    op.create_index("ix_skill_garbage_after", "skill_garbage", ["after"], unique=False)
    op.create_index(
        "ix_skill_packages_awaited",
        "skill_packages",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("uploaded_at IS NULL"),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

"""large outputs of steps."""

import sqlalchemy as sa
from alembic import op

revision = "5b7c20d94e1f"
down_revision = "4d8f1a6be273"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "run_steps",
        sa.Column(
            "output_ref",
            sa.Text(),
            nullable=True,
            comment="where a large output is in the object store; then `output` is null",
        ),
    )
    op.create_index(
        "ix_run_steps_large",
        "run_steps",
        ["run_id"],
        unique=False,
        postgresql_where=sa.text("octet_length(output) > 262144"),
    )
    op.create_index(
        "ix_run_steps_output_ref",
        "run_steps",
        ["workspace_id", "output_ref"],
        unique=False,
        postgresql_where=sa.text("output_ref IS NOT NULL"),
    )
    op.create_table(
        "run_output_garbage",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False, comment="key in the area `outputs` of the object store"),
        sa.Column(
            "after", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch: not destroyed before"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "blob", name=op.f("pk_run_output_garbage")),
    )
    op.create_index("ix_run_output_garbage_after", "run_output_garbage", ["after"], unique=False)


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

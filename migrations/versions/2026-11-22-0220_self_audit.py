"""self audit."""

import sqlalchemy as sa
from alembic import op

revision = "d84a5f1c9b03"
down_revision = "7d40c5b9ae13"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "ledger_incidents",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("first_number", sa.BigInteger(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint(
            "workspace_id", "kind", "first_number", "last_number", name=op.f("pk_ledger_incidents")
        ),
    )
    op.create_table(
        "self_audits",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column(
            "size",
            sa.BigInteger(),
            nullable=False,
            comment="leaves re-read in the pass under way, whole tiles of them",
        ),
        sa.Column("edge", sa.LargeBinary(), nullable=False, comment="partial tiles at that size, levels 1 and up"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False, comment="of the last row re-read"),
        sa.Column("started_at", sa.BigInteger(), nullable=False, comment="of the pass under way"),
        sa.Column("finished_at", sa.BigInteger(), nullable=True, comment="when the last whole pass ended"),
        sa.Column("finished_size", sa.BigInteger(), nullable=True, comment="leaves of the last whole pass"),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_self_audits")),
        postgresql_with={"fillfactor": "50"},
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

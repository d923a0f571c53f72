"""audit streams."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c27b81f5e0d3"
down_revision = "2c6f81ad940e"
branch_labels = None
depends_on = None

_NANOS = "nanoseconds since the epoch"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "audit_streams",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("target", postgresql.JSONB(), nullable=False, comment="what may be shown"),
        sa.Column("sealed", sa.LargeBinary(), comment="the target's secrets, a JSON object of texts"),
        sa.Column("filter", postgresql.JSONB(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment=_NANOS),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, comment=_NANOS),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_audit_streams")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_audit_streams_workspace_id_name")),
    )
    op.create_table(
        "audit_stream_cursors",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("stream_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of the last row acknowledged or passed by"),
        sa.Column(
            "pinned_upto",
            sa.BigInteger(),
            comment="the end of the batch in hand: it stays the same when it is sent again",
        ),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment=f"{_NANOS}; nothing is sent before"),
        sa.Column("lease", sa.Uuid(), comment="of the worker that has it in hand"),
        sa.Column("leased_until", sa.BigInteger(), nullable=False, comment=f"{_NANOS}; then another may"),
        sa.Column("delivered", sa.BigInteger(), nullable=False, comment="events acknowledged, repeats counted again"),
        sa.Column("refused", sa.BigInteger(), nullable=False, comment="events that a target took and threw away"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("said", sa.Text(), comment="by the target, the last time"),
        sa.Column("failed_at", sa.BigInteger(), comment=_NANOS),
        sa.Column("acknowledged_at", sa.BigInteger(), comment=_NANOS),
        sa.PrimaryKeyConstraint("workspace_id", "stream_id", name=op.f("pk_audit_stream_cursors")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "stream_id"],
            ["audit_streams.workspace_id", "audit_streams.id"],
            name=op.f("fk_audit_stream_cursors_workspace_id_stream_id"),
            ondelete="CASCADE",
        ),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("ix_audit_stream_cursors_due", "audit_stream_cursors", ["due_at"], unique=False)


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

"""erasure."""

import sqlalchemy as sa
from alembic import op

revision = "e5a90c3b7f14"
down_revision = "9f2e6d7b3a50"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "erasures",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="erasure or retention"),
        sa.Column("status", sa.Text(), nullable=False, comment="erasing, held, cleaning or finished"),
        sa.Column("selector", sa.Text(), nullable=False, comment="userId, resourceId, filter or retention"),
        sa.Column("selector_hash", sa.LargeBinary(), comment="keyed: 16 bytes, like keys.u and keys.r of an envelope"),
        sa.Column("selector_sealed", sa.LargeBinary(), comment="what is to be erased; null once it is"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("upto", sa.BigInteger(), nullable=False, comment="the highest number when it was asked for"),
        sa.Column("expected", sa.BigInteger(), comment="rows found when it was asked for, as far as they were counted"),
        sa.Column(
            "erased",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="rows whose content is destroyed",
        ),
        sa.Column("cursor_moment", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("cursor_number", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column(
            "shown",
            sa.Text(),
            nullable=False,
            comment="what stands in the place of the content: erased, by whom, why",
        ),
        sa.Column("erased_at", sa.BigInteger(), comment="nanoseconds since the epoch, of the last row"),
        sa.Column("finished_at", sa.BigInteger(), comment="nanoseconds since the epoch"),
        sa.Column("certificate", sa.Text(), comment="a signed note"),
        sa.Column("continues", sa.Uuid(), comment="the erasure whose certificate was full"),
        sa.Column(
            "reapplied", sa.Boolean(), nullable=False, server_default="false", comment="done again after a restore"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_erasures")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_erasures_open",
        "erasures",
        ["workspace_id", "id"],
        unique=False,
        postgresql_where=sa.text("status <> 'finished'"),
    )
    op.create_table(
        "erasure_ranges",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "first", name=op.f("pk_erasure_ranges")),
    )
    op.create_index(
        "ix_erasure_ranges_erasure", "erasure_ranges", ["workspace_id", "erasure_id", "first"], unique=False
    )
    op.create_table(
        "legal_holds",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("filter_sealed", sa.LargeBinary(), nullable=False, comment="the filter as JSON"),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("ends_at", sa.BigInteger(), comment="nanoseconds since the epoch; null: until it is lifted"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_legal_holds")),
    )
    op.create_table(
        "retention_policies",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource_type_id", sa.Uuid(), comment="null: any"),
        sa.Column("action_id", sa.Uuid(), comment="null: any"),
        sa.Column("days", sa.Integer(), comment="age at which content goes; null: never"),
        sa.Column(
            "swept",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="rows up to this number were looked at",
        ),
        sa.Column(
            "checked_at", sa.BigInteger(), nullable=False, server_default="0", comment="nanoseconds since the epoch"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_retention_policies")),
    )
    # The planner's statistics keep samples of a column's values; of content they would be copies that nobody erases.
    op.execute("ALTER TABLE interactions ALTER COLUMN content SET STATISTICS 0, ALTER COLUMN salt SET STATISTICS 0")


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

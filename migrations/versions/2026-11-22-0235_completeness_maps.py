"""completeness maps."""

import sqlalchemy as sa
from alembic import op

revision = "5b9e20c7d41f"
down_revision = "e7a94c05d1b8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "completeness_maps",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False, comment="of the log that is followed"),
        sa.Column(
            "size",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="leaves of the log that the map has",
        ),
        sa.Column("root", sa.LargeBinary(), nullable=False, comment="32 bytes: of the buckets as they are stored"),
        sa.Column(
            "note",
            sa.Text(),
            nullable=True,
            comment="signs this very root; null while the map catches up between two signed heads",
        ),
        sa.Column("checkpoint", sa.Text(), nullable=True, comment="the log's signed head of this size"),
        sa.Column("key_generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=True, comment="nanoseconds since the epoch"),
        sa.Column(
            "logged_size",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="size of the root logged last",
        ),
        sa.Column(
            "logged_at",
            sa.BigInteger(),
            nullable=False,
            comment="nanoseconds since the epoch; at first when it began",
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_completeness_maps")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "completeness_buckets",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.LargeBinary(), nullable=False, comment="the bits that its places share, in whole bytes"),
        sa.Column("depth", sa.SmallInteger(), nullable=False, comment="how many bits"),
        sa.Column("entries", sa.LargeBinary(), nullable=False, comment="64 at most, 57 bytes each"),
        sa.PrimaryKeyConstraint("workspace_id", "prefix", name=op.f("pk_completeness_buckets")),
        postgresql_with={"fillfactor": "70"},
    )
    # A bucket fits into a page, and hashes don't compress: no time is spent on trying.
    op.execute("ALTER TABLE completeness_buckets ALTER COLUMN entries SET STORAGE PLAIN")
    op.create_table(
        "completeness_tiles",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.LargeBinary(), nullable=False, comment="the bytes above its eight levels"),
        sa.Column(
            "nodes",
            sa.LargeBinary(),
            nullable=False,
            comment="256 hashes at most, each after a byte of depth",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "prefix", name=op.f("pk_completeness_tiles")),
    )
    op.execute("ALTER TABLE completeness_tiles ALTER COLUMN nodes SET STORAGE EXTERNAL")
    op.create_index(
        "ix_interactions_erased_resource",
        "interactions",
        ["workspace_id", "resource_key", "number"],
        unique=False,
        postgresql_where=sa.text("resource_id IS NULL"),
    )
    op.create_index(
        "ix_interactions_erased_user",
        "interactions",
        ["workspace_id", "user_key", "number"],
        unique=False,
        postgresql_where=sa.text("user_id IS NULL AND user_key IS NOT NULL"),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

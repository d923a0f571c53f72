"""verifiable log."""

import sqlalchemy as sa
from alembic import op

revision = "c3d1f0a86e27"
down_revision = "b1a522d2cf9b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "logs",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="the workspace's slug when it was made; never follows it"),
        sa.Column("origin", sa.Text(), nullable=True, comment="fixed with the first checkpoint"),
        sa.Column(
            "epoch",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="counts the logs begun after a restore",
        ),
        sa.Column("key_generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "size",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="leaves under the last signed head",
        ),
        sa.Column("root", sa.LargeBinary(), nullable=False, comment="32 bytes, of the last signed head"),
        sa.Column(
            "edge",
            sa.LargeBinary(),
            nullable=False,
            comment="partial tiles of levels 1 and up, from the lowest",
        ),
        sa.Column("signed_at", sa.BigInteger(), nullable=True, comment="nanoseconds since the epoch"),
        sa.Column(
            "kept_minute",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="minute of the last head kept",
        ),
        sa.Column("halted", sa.Text(), nullable=True, comment="why no head is signed any more"),
        sa.Column("halted_at", sa.BigInteger(), nullable=True, comment="nanoseconds since the epoch"),
        sa.Column("public", sa.Text(), server_default="off", nullable=False, comment="off, checkpoints or all"),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_logs")),
        sa.UniqueConstraint("origin", name=op.f("uq_logs_origin")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "log_tiles",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column(
            "hashes",
            sa.LargeBinary(),
            nullable=False,
            comment="256 hashes of 32 bytes: only full tiles are stored",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "epoch", "level", "index", name=op.f("pk_log_tiles")),
    )
    # Hashes don't compress: no time is spent on trying.
    op.execute("ALTER TABLE log_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL")
    op.create_table(
        "log_checkpoints",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False, comment="the signed note, with the cosignatures gathered so far"),
        sa.Column("signed_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column(
            "kept",
            sa.Boolean(),
            nullable=False,
            comment="first of its minute, cosigned, or cited by evidence",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "epoch", "size", name=op.f("pk_log_checkpoints")),
    )
    op.create_index(
        "ix_log_checkpoints_kept",
        "log_checkpoints",
        ["workspace_id", "epoch", "size"],
        unique=False,
        postgresql_where=sa.text("kept"),
    )
    op.create_table(
        "log_keys",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("verifier_key", sa.Text(), nullable=False),
        sa.Column(
            "from_size",
            sa.BigInteger(),
            nullable=False,
            comment="heads beyond this size carry this key's signature",
        ),
        sa.Column("successor_note", sa.Text(), nullable=True, comment="names this key, signed by the one before"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("workspace_id", "epoch", "generation", name=op.f("pk_log_keys")),
    )
    # Ledgers that are there already get their log; the worker takes in what they hold.
    op.execute(
        "INSERT INTO logs (workspace_id, name, root, edge) SELECT id, slug, sha256(''), ''::bytea FROM workspaces"
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

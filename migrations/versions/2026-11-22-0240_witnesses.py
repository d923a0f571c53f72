"""witnesses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5e1d9a70c4b6"
down_revision = "5b9e20c7d41f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "witnesses",
        sa.Column(
            "workspace_id",
            sa.Uuid(),
            nullable=False,
            comment="whose log is shown; the instance workspace: every log",
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="of its key"),
        sa.Column("url", sa.Text(), nullable=False, comment="the submission prefix, without a slash at the end"),
        sa.Column("verifier_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_witnesses")),
        sa.UniqueConstraint("workspace_id", "url", name=op.f("uq_witnesses_workspace_id_url")),
    )
    op.create_table(
        "witness_rounds",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column(
            "next_at",
            sa.BigInteger(),
            nullable=False,
            comment="nanoseconds since the epoch; no witness is asked before",
        ),
        sa.Column("epoch", sa.Integer(), nullable=True, comment="of the newest cosigned head"),
        sa.Column("size", sa.BigInteger(), nullable=True, comment="of the newest cosigned head"),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_witness_rounds")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "witness_answers",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("witness_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column(
            "size",
            sa.BigInteger(),
            nullable=False,
            comment="leaves of the last head it cosigned, as far as we know",
        ),
        sa.Column("cosigned_at", sa.BigInteger(), nullable=True, comment="nanoseconds since the epoch"),
        sa.Column("state", sa.Text(), nullable=False, comment="cosigned, behind, away, refused or disagrees"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column(
            "retry_at",
            sa.BigInteger(),
            nullable=False,
            comment="nanoseconds since the epoch; it is left alone before",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "witness_id", name=op.f("pk_witness_answers")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "witnessed_logs",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the instance workspace"),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column(
            "verifier_keys",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="any of them may sign the log's heads",
        ),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="leaves of the last head we cosigned"),
        sa.Column("root", sa.LargeBinary(), nullable=False, comment="32 bytes, of the last head we cosigned"),
        sa.Column("note", sa.Text(), nullable=True, comment="the last head we cosigned, as it was signed by the log"),
        sa.Column("cosigned_at", sa.BigInteger(), nullable=False, comment="seconds since the epoch, never going back"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("workspace_id", "origin", name=op.f("pk_witnessed_logs")),
    )
    op.create_table(
        "witness_keys",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the instance workspace"),
        sa.Column("name", sa.Text(), nullable=False, comment="fixed with the first use"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_witness_keys")),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

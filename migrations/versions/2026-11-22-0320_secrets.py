"""secrets."""

import sqlalchemy as sa
from alembic import op

revision = "7d05b3e9a2c4"
down_revision = "c27b81f5e0d3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "secrets",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="the current one, from 1"),
        sa.Column("rotation_mode", sa.Text(), nullable=False, comment="manual, interval or generated"),
        sa.Column("every_days", sa.Integer(), nullable=True),
        sa.Column("grace_minutes", sa.Integer(), nullable=False),
        sa.Column(
            "next_at",
            sa.BigInteger(),
            nullable=True,
            comment="when the next rotation is due, nanoseconds since the epoch",
        ),
        sa.Column("last_at", sa.BigInteger(), nullable=True, comment="of the last rotation"),
        sa.Column(
            "due_told_at",
            sa.BigInteger(),
            nullable=True,
            comment="when secret.rotation_due was recorded for this next_at",
        ),
        sa.Column("last_accessed_at", sa.BigInteger(), nullable=True, comment="to the minute"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column(
            "purge_at", sa.BigInteger(), nullable=True, comment="set when it is deleted: when its values are destroyed"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_secrets")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "uq_secrets_name",
        "secrets",
        ["workspace_id", "name"],
        unique=True,
        postgresql_where=sa.text("purge_at IS NULL"),
    )
    op.create_table(
        "secret_references",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("secret_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="what refers to it, such as connection"),
        sa.Column("referrer", sa.Text(), nullable=False, comment="its id on the wire"),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "secret_id"],
            ["secrets.workspace_id", "secrets.id"],
            name=op.f("fk_secret_references_workspace_id_secret_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "secret_id", "kind", "referrer", name=op.f("pk_secret_references")),
    )
    op.create_index(
        "ix_secret_references_referrer", "secret_references", ["workspace_id", "kind", "referrer"], unique=False
    )
    op.create_table(
        "secret_versions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("secret_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="null once the version is retired"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "valid_until", sa.BigInteger(), nullable=True, comment="end of its grace; null while it is the current one"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "secret_id"],
            ["secrets.workspace_id", "secrets.id"],
            name=op.f("fk_secret_versions_workspace_id_secret_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "secret_id", "version", name=op.f("pk_secret_versions")),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

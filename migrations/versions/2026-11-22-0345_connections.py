"""connections."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "4be17c90d5f8"
down_revision = "b81e5d0c7a36"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "connections",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("auth_type", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("config", JSONB(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="pending, active, paused or error"),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("account_label", sa.Text(), nullable=True),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False, comment="granted, or to be asked for"),
        sa.Column("credential_sealed", sa.LargeBinary(), nullable=True, comment="what was sent as the credential"),
        sa.Column("tokens_sealed", sa.LargeBinary(), nullable=True, comment="what the provider gave out"),
        sa.Column("tokens_revision", sa.Integer(), nullable=False, comment="counts what the provider gave out"),
        sa.Column(
            "expires_at", sa.BigInteger(), nullable=True, comment="of the access token, nanoseconds since the epoch"
        ),
        sa.Column("lease", sa.Uuid(), nullable=True, comment="whoever fetches tokens right now"),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("last_refreshed_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True, comment="to the minute"),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_connections")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_connections_workspace_id_name")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "connection_authorizations",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the state"),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False, comment="who asked"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="the proof key and what was asked for"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "connection_id"],
            ["connections.workspace_id", "connections.id"],
            name=op.f("fk_connection_authorizations_workspace_id_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "digest", name=op.f("pk_connection_authorizations")),
    )
    op.create_table(
        "connection_references",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="what works with it, such as workflow"),
        sa.Column("referrer", sa.Text(), nullable=False, comment="its id on the wire"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "connection_id"],
            ["connections.workspace_id", "connections.id"],
            name=op.f("fk_connection_references_workspace_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id", "connection_id", "kind", "referrer", name=op.f("pk_connection_references")
        ),
    )
    op.create_index(
        "ix_connection_references_referrer", "connection_references", ["workspace_id", "kind", "referrer"], unique=False
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

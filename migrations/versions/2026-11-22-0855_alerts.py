"""alerts."""

import sqlalchemy as sa
from alembic import op

revision = "6c2a9f14d7b8"
down_revision = "6c2f9be04d17"
branch_labels = None
depends_on = None

NANOS = "nanoseconds since the epoch"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "alert_rules",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False, comment="JSON: where, filter, groupBy, window and their like"),
        sa.Column("revision", sa.Integer(), nullable=False, comment="counts the times that it began anew"),
        sa.Column("from_number", sa.BigInteger(), nullable=False, comment="rows up to this one don't concern it"),
        sa.Column("begun_at", sa.BigInteger(), nullable=False, comment=NANOS),
        sa.Column("silenced_until", sa.BigInteger(), server_default="0", nullable=False, comment=NANOS),
        sa.Column(
            "dropped",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="groups forgotten for want of room",
        ),
        sa.Column("errors", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True, comment="the last one"),
        sa.Column("error_number", sa.BigInteger(), nullable=True, comment="of the row that it arose from"),
        sa.Column("error_at", sa.BigInteger(), nullable=True, comment=NANOS),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment=NANOS),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, comment=NANOS),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_alert_rules")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_alert_rules_workspace_id_name")),
    )
    op.create_table(
        "alert_states",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False, comment="what groupBy gave, as JSON; null without it"),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of the last row that gave it; 0 for none"),
        sa.Column("platform", sa.Boolean(), nullable=False, comment="a row of the platform gave it"),
        sa.Column("at", sa.BigInteger(), nullable=False, comment=f"{NANOS}; time has passed up to here"),
        sa.Column("memory", sa.Text(), nullable=False, comment="what its window remembers, as JSON"),
        sa.Column("firing_since", sa.BigInteger(), nullable=True, comment=f"{NANOS}; null: quiet"),
        sa.Column("clear_at", sa.BigInteger(), nullable=True, comment=f"{NANOS}; recovers then"),
        sa.Column("told", sa.Boolean(), nullable=False, comment="its firing is on record"),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="what was found at last"),
        sa.Column("details", sa.Text(), nullable=True, comment="JSON"),
        sa.Column("evidence", sa.Text(), nullable=False, comment="JSON: number and id of the last rows that matched"),
        sa.Column("due_at", sa.BigInteger(), nullable=True, comment=f"{NANOS}; time alone changes something then"),
        sa.Column("silenced_until", sa.BigInteger(), server_default="0", nullable=False, comment=NANOS),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True, comment=NANOS),
        sa.ForeignKeyConstraint(
            ["workspace_id", "alert_id"],
            ["alert_rules.workspace_id", "alert_rules.id"],
            name=op.f("fk_alert_states_workspace_id_alert_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "alert_id", "id", name=op.f("pk_alert_states")),
        sa.UniqueConstraint(
            "workspace_id", "alert_id", "value", name=op.f("uq_alert_states_workspace_id_alert_id_value")
        ),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_alert_states_due",
        "alert_states",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_alert_states_number", "alert_states", ["workspace_id", "number"], unique=False)


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

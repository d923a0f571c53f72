"""notifications and audit digests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "4be0d97a63c1"
down_revision = "7d05b3e9a2c4"
branch_labels = None
depends_on = None

_NANOS = "nanoseconds since the epoch"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "notification_settings",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("channels", postgresql.JSONB(), nullable=False, comment="what may be shown, without recipients"),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("recipients", sa.LargeBinary(), nullable=False, comment="of mail, sealed"),
        sa.Column("secret", sa.LargeBinary(), comment="of the webhook, sealed"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, comment=_NANOS),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_notification_settings")),
    )
    op.create_table(
        "notification_deliveries",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of the event's row"),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment=_NANOS),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment=f"{_NANOS}; not told before"),
        sa.Column("lease", sa.Uuid(), comment="of the worker that has it in hand"),
        sa.Column("leased_until", sa.BigInteger(), nullable=False, comment=f"{_NANOS}; then another may"),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "number", "channel", name=op.f("pk_notification_deliveries")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_notification_deliveries_due", "notification_deliveries", ["due_at"], unique=False)
    op.create_table(
        "audit_digests",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("frequency", sa.Text(), nullable=False),
        sa.Column("recipients", sa.LargeBinary(), nullable=False, comment="sealed"),
        sa.Column("risk_levels", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("hour_utc", sa.Integer(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("include_csv", sa.Boolean(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of the last row that a digest covered"),
        sa.Column("run_at", sa.BigInteger(), comment=f"{_NANOS}; when the next one is for, null when off"),
        sa.Column("due_at", sa.BigInteger(), comment=f"{_NANOS}; when it is tried next, null when off"),
        sa.Column(
            "phase", sa.Text(), nullable=False, comment="waiting, or handing_over while the mail server has the text"
        ),
        sa.Column("lease", sa.Uuid(), comment="of the worker that has it in hand"),
        sa.Column("leased_until", sa.BigInteger(), nullable=False, comment=f"{_NANOS}; then another may"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("said", sa.Text(), comment="why it was not sent the last time"),
        sa.Column("last_sent_at", sa.BigInteger(), comment=_NANOS),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, comment=_NANOS),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_audit_digests")),
    )
    op.create_index("ix_audit_digests_due", "audit_digests", ["due_at"], unique=False)


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

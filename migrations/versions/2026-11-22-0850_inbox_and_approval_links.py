"""inbox and approval links."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "6c2f9be04d17"
down_revision = "9c41e7a2d6f8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "workspaces",
        sa.Column(
            "require_passkey_from",
            sa.Text(),
            nullable=True,
            comment="least risk whose approvals a passkey has to sign; null: none",
        ),
    )
    op.add_column(
        "approvals",
        sa.Column(
            "passkey", sa.Boolean(), server_default="false", nullable=False, comment="decided with a passkey only"
        ),
    )
    _inbox()
    _preferences()
    _letters()
    _links()


def _inbox() -> None:
    op.create_table(
        "notification_inbox",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of the event's row"),
        sa.Column("id", sa.Uuid(), nullable=False, comment="of the event's row"),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("risk", sa.Text(), nullable=True),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True, comment="of what it is about, where that has one"),
        sa.Column("uow_id", sa.Uuid(), nullable=False, comment="the run, of what happens in one"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "person_id", "number", name=op.f("pk_notification_inbox")),
    )
    op.create_index(
        "ix_notification_inbox_unread",
        "notification_inbox",
        ["workspace_id", "person_id"],
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.create_index("ix_notification_inbox_uow", "notification_inbox", ["workspace_id", "uow_id"])
    op.create_index("ix_notification_inbox_created", "notification_inbox", ["created_at"])


def _preferences() -> None:
    op.create_table(
        "notification_preferences",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column(
            "approval_mail",
            sa.Boolean(),
            nullable=False,
            comment="a mail for each approval that is asked of the person",
        ),
        sa.Column(
            "quiet_hours",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="from, to, timezone; null: none",
        ),
        sa.Column("digest", sa.Text(), nullable=False, comment="off, daily or weekly"),
        sa.Column("digest_hour", sa.SmallInteger(), nullable=False, comment="of the day in the time zone"),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("digest_due_at", sa.BigInteger(), nullable=True, comment="null: none is to come"),
        sa.Column(
            "digest_told", sa.BigInteger(), server_default="0", nullable=False, comment="number up to which one told"
        ),
        sa.Column("lease", sa.Uuid(), nullable=True, comment="of the worker that has the digest in hand"),
        sa.Column("leased_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "person_id", name=op.f("pk_notification_preferences")),
    )
    op.create_index(
        "ix_notification_preferences_due",
        "notification_preferences",
        ["digest_due_at"],
        postgresql_where=sa.text("digest_due_at IS NOT NULL"),
    )


def _letters() -> None:
    op.create_table(
        "approval_letters",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of the row that it tells of"),
        sa.Column("occasion", sa.Text(), nullable=False, comment="requested, overdue, escalated or changed"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch; not sent before"),
        sa.Column("lease", sa.Uuid(), nullable=True, comment="of the worker that has it in hand"),
        sa.Column("leased_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "approval_id"],
            ["approvals.workspace_id", "approvals.id"],
            name="fk_approval_letters_approval",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "approval_id", "person_id", "number", name=op.f("pk_approval_letters")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_approval_letters_due", "approval_letters", ["due_at"])


def _links() -> None:
    op.create_table(
        "approval_links",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False, comment="who alone may decide by it"),
        sa.Column("revision", sa.Integer(), nullable=False, comment="of the approval that the mail told of"),
        sa.Column("statement_digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of what the mail told of"),
        sa.Column("token_digest", sa.LargeBinary(), nullable=False, comment="SHA-256"),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("good_until", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True, comment="null: still to be used"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "approval_id"],
            ["approvals.workspace_id", "approvals.id"],
            name="fk_approval_links_approval",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_approval_links")),
    )
    op.create_index("ix_approval_links_person", "approval_links", ["workspace_id", "approval_id", "person_id"])


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

"""the bus."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b7d20c94e1f5"
down_revision = "7d3e91b6f0a2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "bus_arrivals",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column(
            "key", sa.LargeBinary(), nullable=False, comment="SHA-256 of what names the delivery, or of the body"
        ),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("workspace_id", "subscription_id", "key", name=op.f("pk_bus_arrivals")),
    )
    op.create_index("ix_bus_arrivals_at", "bus_arrivals", ["at"], unique=False)
    op.create_table(
        "bus_deliveries",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column(
            "seq", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="the order of one topic and key"
        ),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.BigInteger(), nullable=True, comment="hash of topic and key; null: no order"),
        sa.Column("state", sa.Text(), nullable=False, comment="open, delivered, dead, expired or dropped"),
        sa.Column(
            "due_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch; nobody takes it before"
        ),
        sa.Column("lease", sa.Uuid(), nullable=True, comment="of whoever has it in hand until due_at"),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column(
            "published_at", sa.BigInteger(), nullable=False, comment="of the message, nanoseconds since the epoch"
        ),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, comment="of the message, nanoseconds since the epoch"),
        sa.Column("settled_at", sa.BigInteger(), nullable=True, comment="nanoseconds since the epoch"),
        sa.Column("log", sa.Text(), nullable=True, comment="JSON: what became of each attempt"),
        sa.PrimaryKeyConstraint("workspace_id", "subscription_id", "seq", name=op.f("pk_bus_deliveries")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "ix_bus_deliveries_dead",
        "bus_deliveries",
        ["workspace_id", "seq"],
        unique=False,
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.create_index(
        "ix_bus_deliveries_lanes",
        "bus_deliveries",
        ["workspace_id", "subscription_id", "lane", "seq"],
        unique=False,
        postgresql_where=sa.text("state = 'open' AND lane IS NOT NULL"),
    )
    op.create_index(
        "ix_bus_deliveries_leased",
        "bus_deliveries",
        ["workspace_id", "subscription_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open' AND lease IS NOT NULL"),
    )
    op.create_index("ix_bus_deliveries_message", "bus_deliveries", ["workspace_id", "message_id"], unique=False)
    op.create_index(
        "ix_bus_deliveries_open",
        "bus_deliveries",
        ["workspace_id", "subscription_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "bus_keys",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="letters and digits, without the prefix bkey_"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the secret"),
        sa.Column(
            "topics", postgresql.ARRAY(sa.Text()), nullable=False, comment="patterns of what it may publish to or pull"
        ),
        sa.Column("actions", postgresql.ARRAY(sa.Text()), nullable=False, comment="publish, pull"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_bus_keys")),
        sa.UniqueConstraint("id", name=op.f("uq_bus_keys_id")),
    )
    op.create_table(
        "bus_messages",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("topic_key", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True, comment="canonical JSON; null when it lies in bus_payloads"),
        sa.Column("payload_bytes", sa.Integer(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=True, comment="JSON: the context attributes of a CloudEvent"),
        sa.Column("producer_id", sa.Text(), nullable=False),
        sa.Column("producer_kind", sa.Text(), nullable=False, comment="agent, workflow, system or webhook"),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("hop_count", sa.SmallInteger(), nullable=False, comment="messages before it that caused it"),
        sa.Column("origin_run_id", sa.Uuid(), nullable=True),
        sa.Column(
            "uow_id",
            sa.Uuid(),
            nullable=False,
            comment="the unit of work that it belongs to; its own id when none is known",
        ),
        sa.Column("schema_id", sa.Uuid(), nullable=True),
        sa.Column("schema_version", sa.Integer(), nullable=True),
        sa.Column("schema_faults", sa.SmallInteger(), nullable=False, comment="that the schema's mode let pass"),
        sa.Column("matched", sa.SmallInteger(), nullable=False, comment="subscriptions that got it"),
        sa.Column(
            "filtered",
            sa.SmallInteger(),
            nullable=False,
            comment="subscriptions to its topic whose filter it did not pass",
        ),
        sa.Column("published_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_bus_messages")),
    )
    op.create_index(
        "ix_bus_messages_correlation",
        "bus_messages",
        ["workspace_id", "correlation_id", "id"],
        unique=False,
        postgresql_where=sa.text("correlation_id IS NOT NULL"),
    )
    op.create_index("ix_bus_messages_expires_at", "bus_messages", ["expires_at"], unique=False)
    op.create_index("ix_bus_messages_topic", "bus_messages", ["workspace_id", "topic", "id"], unique=False)
    op.create_table(
        "bus_payloads",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False, comment="canonical JSON"),
        sa.PrimaryKeyConstraint("workspace_id", "message_id", name=op.f("pk_bus_payloads")),
    )
    op.create_table(
        "bus_routings",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column(
            "version", sa.BigInteger(), nullable=False, comment="raised by every change of a subscription or a schema"
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_bus_routings")),
    )
    op.create_table(
        "bus_schemas",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("topic_pattern", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False, comment="reject or warn"),
        sa.Column("compatibility", sa.Text(), nullable=False, comment="none or backward"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("schema", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="JSON Schema 2020-12"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_bus_schemas")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_bus_schemas_workspace_id_name")),
    )
    op.create_table(
        "bus_subscriptions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="as it reads outside; a client may have chosen it"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False, comment="outbound or inbound"),
        sa.Column("topic_pattern", sa.Text(), nullable=True, comment="null for inbound ones"),
        sa.Column(
            "filter",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="a CEL condition, or a list of rules",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="queue, webhook, workflow; inbound"),
        sa.Column(
            "target",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what may be shown of where messages go or come from",
        ),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=True, comment="the signing secrets and secret headers, a JSON object"
        ),
        sa.Column("delivery", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("dead_letter", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="active or paused"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_bus_subscriptions")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_bus_subscriptions_workspace_id_name")),
    )
    op.create_table(
        "bus_targets",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="of the subscription's target"),
        sa.Column("room", sa.Integer(), nullable=False, comment="deliveries that may be in hand at once; 0: paused"),
        sa.Column("lease_seconds", sa.Integer(), nullable=False, comment="how long a taker has"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column(
            "closed_until", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch: the circuit is open"
        ),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("retried", sa.BigInteger(), nullable=False),
        sa.Column("dead", sa.BigInteger(), nullable=False),
        sa.Column("said", sa.Text(), nullable=True, comment="by the target, the last time it failed"),
        sa.Column("failed_at", sa.BigInteger(), nullable=True, comment="nanoseconds since the epoch"),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("workspace_id", "subscription_id", name=op.f("pk_bus_targets")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "bus_schema_versions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("schema_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("schema", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "schema_id"],
            ["bus_schemas.workspace_id", "bus_schemas.id"],
            name=op.f("fk_bus_schema_versions_workspace_id_schema_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "schema_id", "version", name=op.f("pk_bus_schema_versions")),
    )
    op.execute(
        "CREATE TRIGGER auth_changed AFTER UPDATE OF revoked_at OR DELETE ON bus_keys "
        "FOR EACH STATEMENT EXECUTE FUNCTION auth_changed()"
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

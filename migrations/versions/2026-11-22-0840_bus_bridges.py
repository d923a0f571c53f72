"""bridges of the bus."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "9c41e7a2d6f8"
down_revision = "5b7c20d94e1f"
branch_labels = None
depends_on = None

_NANOS = "nanoseconds since the epoch"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _bridges()
    _states()
    _arrivals()
    _dead_letters()


def _of_bridge(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", "bridge_id"],
        ["bus_bridges.workspace_id", "bus_bridges.id"],
        name=op.f(f"fk_{table}_workspace_id_bridge_id"),
        ondelete="CASCADE",
    )


def _bridges() -> None:
    op.create_table(
        "bus_bridges",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False, comment="consume or publish"),
        sa.Column(
            "rule", postgresql.JSONB(), nullable=False, comment="servers, stream and mapping; secrets by reference"
        ),
        sa.Column("status", sa.Text(), nullable=False, comment="active or paused"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment=_NANOS),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, comment=_NANOS),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_bus_bridges")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_bus_bridges_workspace_id_name")),
    )


def _states() -> None:
    op.create_table(
        "bus_bridge_states",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("bridge_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of publish: up to it everything went over"),
        sa.Column("ahead", postgresql.JSONB(), nullable=False, comment="numbers beyond it that went over as well"),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment=f"{_NANOS}; nobody takes it before"),
        sa.Column("lease", sa.Uuid(), comment="of the worker that has it in hand"),
        sa.Column("leased_until", sa.BigInteger(), nullable=False, comment=f"{_NANOS}; then another may"),
        sa.Column(
            "connected", sa.Boolean(), nullable=False, comment="whether the holder of the lease reached the servers"
        ),
        sa.Column("lag", sa.BigInteger(), nullable=False, comment="messages to go, when a worker last looked"),
        sa.Column("passed", sa.BigInteger(), nullable=False),
        sa.Column("repeated", sa.BigInteger(), nullable=False),
        sa.Column("expired", sa.BigInteger(), nullable=False),
        sa.Column("dead", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("said", sa.Text(), comment="why it failed the last time"),
        sa.Column("failed_at", sa.BigInteger(), comment=_NANOS),
        sa.Column("passed_at", sa.BigInteger(), comment=_NANOS),
        sa.PrimaryKeyConstraint("workspace_id", "bridge_id", name=op.f("pk_bus_bridge_states")),
        _of_bridge("bus_bridge_states"),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("ix_bus_bridge_states_due", "bus_bridge_states", ["due_at"], unique=False)


def _arrivals() -> None:
    op.create_table(
        "bus_bridge_arrivals",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("bridge_id", sa.Uuid(), nullable=False),
        sa.Column(
            "key", sa.LargeBinary(), nullable=False, comment="digest of Nats-Msg-Id, else of stream and sequence"
        ),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="in the stream"),
        sa.Column("at", sa.BigInteger(), nullable=False, comment=_NANOS),
        sa.PrimaryKeyConstraint("workspace_id", "bridge_id", "key", name=op.f("pk_bus_bridge_arrivals")),
        _of_bridge("bus_bridge_arrivals"),
    )
    op.create_index(
        "ix_bus_bridge_arrivals_at", "bus_bridge_arrivals", ["workspace_id", "bridge_id", "at"], unique=False
    )


def _dead_letters() -> None:
    op.create_table(
        "bus_bridge_dead_letters",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("bridge_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("payload_bytes", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), comment="as it arrived; null when it is larger than a message may be"),
        sa.Column("message_id", sa.Uuid(), comment="of the bus, that could not be sent"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment=_NANOS),
        sa.PrimaryKeyConstraint("workspace_id", "bridge_id", "id", name=op.f("pk_bus_bridge_dead_letters")),
        _of_bridge("bus_bridge_dead_letters"),
    )
    op.create_index("ix_bus_bridge_dead_letters_at", "bus_bridge_dead_letters", ["at"], unique=False)


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")

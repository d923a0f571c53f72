"""Tables of billing: what each workspace used by month, and who pays for it."""

from sqlalchemy import BigInteger, Column, Date, Double, PrimaryKeyConstraint, Table, Text, Uuid

from provenance.core.db import metadata

usage_months = Table(
    "usage_months",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("month", Date, nullable=False, comment="its first day, in UTC"),
    Column("resource_type_id", Uuid, nullable=False),
    Column("action_id", Uuid, nullable=False),
    Column("times", BigInteger, nullable=False, comment="how often the platform recorded these words"),
    Column("tokens_in", BigInteger, nullable=False, server_default="0"),
    Column("tokens_out", BigInteger, nullable=False, server_default="0"),
    Column("model_cost_usd", Double, nullable=False, server_default="0"),
    PrimaryKeyConstraint("workspace_id", "month", "resource_type_id", "action_id"),
)

usage_counted = Table(
    "usage_counted",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("number", BigInteger, nullable=False, comment="every interaction up to here is in `usage_months`"),
)

billing_customers = Table(
    "billing_customers",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("customer", Text, nullable=False, comment="cus_… at the payment provider"),
    Column("plan", Text, comment="of the subscription; null: none yet"),
    Column("status", Text),
    Column("period_start", BigInteger, comment="nanoseconds since the epoch"),
    Column("period_end", BigInteger),
    Column("invoices", Text, nullable=False, server_default="[]", comment="JSON, the newest twelve"),
    Column("asked_at", BigInteger, nullable=False, comment="when the provider was last asked"),
)

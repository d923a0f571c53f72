"""Tables of erasure: what was asked for, which rows it took, holds and policies.

What a selector or a hold names is a person more often than not, so it is only stored sealed, and an erasure's goes
when the erasure is finished.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from provenance.core.db import metadata

erasures = Table(
    "erasures",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False, comment="erasure or retention"),
    Column("status", Text, nullable=False, comment="erasing, held, cleaning or finished"),
    Column("selector", Text, nullable=False, comment="userId, resourceId, filter or retention"),
    Column("selector_hash", LargeBinary, comment="keyed: 16 bytes, like keys.u and keys.r of an envelope"),
    Column("selector_sealed", LargeBinary, comment="what is to be erased; null once it is"),
    Column("reason", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("upto", BigInteger, nullable=False, comment="the highest number when it was asked for"),
    Column("expected", BigInteger, comment="rows found when it was asked for, as far as they were counted"),
    Column("erased", BigInteger, nullable=False, server_default="0", comment="rows whose content is destroyed"),
    Column("cursor_moment", BigInteger, nullable=False, server_default="0"),
    Column("cursor_number", BigInteger, nullable=False, server_default="0"),
    Column("shown", Text, nullable=False, comment="what stands in the place of the content: erased, by whom, why"),
    Column("erased_at", BigInteger, comment="nanoseconds since the epoch, of the last row"),
    Column("finished_at", BigInteger, comment="nanoseconds since the epoch"),
    Column("certificate", Text, comment="a signed note"),
    Column("continues", Uuid, comment="the erasure whose certificate was full"),
    Column("reapplied", Boolean, nullable=False, server_default="false", comment="done again after a restore"),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("ix_erasures_open", "workspace_id", "id", postgresql_where=text("status <> 'finished'")),
    postgresql_with={"fillfactor": "70"},  # counted up in place
)

erasure_ranges = Table(
    "erasure_ranges",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("erasure_id", Uuid, nullable=False),
    PrimaryKeyConstraint("workspace_id", "first"),
    Index("ix_erasure_ranges_erasure", "workspace_id", "erasure_id", "first"),
)

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("filter_sealed", LargeBinary, nullable=False, comment="the filter as JSON"),
    Column("set_by", Text, nullable=False),
    Column("set_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("ends_at", BigInteger, comment="nanoseconds since the epoch; null: until it is lifted"),
    PrimaryKeyConstraint("workspace_id", "id"),
)

retention_policies = Table(
    "retention_policies",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("resource_type_id", Uuid, comment="null: any"),
    Column("action_id", Uuid, comment="null: any"),
    Column("days", Integer, comment="age at which content goes; null: never"),
    Column("swept", BigInteger, nullable=False, server_default="0", comment="rows up to this number were looked at"),
    Column("checked_at", BigInteger, nullable=False, server_default="0", comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "id"),
)

"""Tables of the ledger: numbered, append-only interactions and what belongs to them.

The envelope of an entry (spec/proof.md, 3) is stored as its fields, one column each, plus the digests that outlive
an erasure; the leaf hash is checked against a rebuilt envelope, so the values read are the values proved.
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
    UniqueConstraint,
    Uuid,
    desc,
    text,
)

from provenance.core.db import metadata

BYTEWISE = Text(collation="C")
"""Text ordered by its bytes: the same everywhere, and prefix searches use the index."""

ledger_settings = Table(
    "ledger_settings",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("catalogue_version", BigInteger, nullable=False, server_default="1"),
    Column("strict_catalogue", Boolean, nullable=False, server_default="false"),
    Column("queue_generation", Integer, nullable=False, server_default="1"),
)

interactions = Table(
    "interactions",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("resource_type_id", Uuid, nullable=False),
    Column("action_id", Uuid, nullable=False),
    Column("origin_id", Uuid, nullable=False),
    Column("resource_id", BYTEWISE),
    Column("user_id", BYTEWISE),
    Column("external_reference", BYTEWISE),
    Column("uow_id", Uuid, nullable=False),
    Column("span_id", Uuid),
    Column("parent_span_id", Uuid),
    Column("occurred_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("recorded_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("outcome", Text),
    Column("platform", Boolean, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("sequence_index", BigInteger),
    Column("risk", Text),
    Column("domain", Text),
    Column("corrects", Uuid),
    Column("content", Text, comment="canonical JSON of every erasable field; null once erased"),
    Column("salt", LargeBinary, comment="16 bytes; null once erased"),
    Column("content_digest", LargeBinary, nullable=False),
    Column("resource_key", LargeBinary, nullable=False, comment="keys.r of the envelope"),
    Column("user_key", LargeBinary, comment="keys.u of the envelope"),
    Column("leaf_hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace_id", "number"),
    UniqueConstraint("workspace_id", "id"),
    Index("ix_interactions_resource", "workspace_id", "resource_id", "number"),
    Index("ix_interactions_resource_type", "workspace_id", "resource_type_id", "number"),
    Index("ix_interactions_action", "workspace_id", "action_id", "number"),
    Index("ix_interactions_uow", "workspace_id", "uow_id", "number"),
    Index(
        "ix_interactions_user",
        "workspace_id",
        "user_id",
        "number",
        postgresql_where=text("user_id IS NOT NULL"),
    ),
    Index("ix_interactions_span", "workspace_id", "span_id", postgresql_where=text("span_id IS NOT NULL")),
    Index("ix_interactions_occurred", "workspace_id", "occurred_at", "number"),
    Index(
        "ix_interactions_external",
        "workspace_id",
        "external_reference",
        "number",
        postgresql_where=text("external_reference IS NOT NULL"),
    ),
    # What was erased is found by its keys: nothing is added to these while a row has its content.
    Index(
        "ix_interactions_erased_resource",
        "workspace_id",
        "resource_key",
        "number",
        postgresql_where=text("resource_id IS NULL"),
    ),
    Index(
        "ix_interactions_erased_user",
        "workspace_id",
        "user_key",
        "number",
        postgresql_where=text("user_id IS NULL AND user_key IS NOT NULL"),
    ),
    Index("ix_interactions_platform", "workspace_id", "number", postgresql_where=text("platform")),
    postgresql_with={
        "autovacuum_vacuum_insert_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.05",
    },
)

interaction_keys = Table(
    "interaction_keys",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("key", LargeBinary, nullable=False, comment="HMAC of the dedupe key, 16 bytes"),
    Column("number", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="HMAC of what the client sent, 16 bytes"),
    PrimaryKeyConstraint("workspace_id", "key"),
)

interaction_related = Table(
    "interaction_related",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("resource_id", BYTEWISE, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    PrimaryKeyConstraint("workspace_id", "resource_id", "number", "position"),
)

catalogue = Table(
    "catalogue",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("mnemonic", Text, nullable=False),
    Column("folded", BYTEWISE, nullable=False, comment="the mnemonic in lower case: unique ignoring case"),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("icon", Text),
    Column("font_color_hex", Text),
    Column("bg_color_hex", Text),
    Column("is_system", Boolean, nullable=False),
    Column("auto_created", Boolean, nullable=False),
    Column("edited", Boolean, nullable=False),
    Column("used", Boolean, nullable=False, comment="an interaction names it; never unset"),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "kind", "folded"),
)

feed_cursors = Table(
    "feed_cursors",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("handler", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    PrimaryKeyConstraint("workspace_id", "handler"),
    postgresql_with={"fillfactor": "70"},
)

interaction_fields = Table(
    "interaction_fields",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("resource_type_id", Uuid, nullable=False),
    Column("action_id", Uuid, nullable=False),
    Column("path", BYTEWISE, nullable=False),
    Column("type", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("last_number", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "resource_type_id", "action_id", "path", "type"),
    postgresql_with={"fillfactor": "70"},  # its rows are counted up in place
)

newest_first = desc(interactions.c.number)

"""Tables of the skills."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from provenance.core.db import metadata

_OF_SKILL = (["workspace_id", "skill_id"], ["skills.workspace_id", "skills.id"])

skills = Table(
    "skills",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("runtime", Text, nullable=False, comment="python3, node or wasm"),
    Column("handler", Text, comment="null until a package arrives"),
    Column("input_schema", JSONB, nullable=False),
    Column("output_schema", JSONB),
    Column("connection_id", Text, comment="conn_…, through which its calls go out"),
    Column("secret_refs", ARRAY(Text), nullable=False),
    Column("trust_level", Text, nullable=False),
    Column("risk_level", Text, nullable=False),
    Column("limits", JSONB, nullable=False),
    Column("egress", JSONB, nullable=False),
    Column("package_id", Uuid),
    Column("status", Text, nullable=False, comment="draft, ready or disabled"),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False, comment="of the row, for If-Match"),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "name"),
)

skill_packages = Table(
    "skill_packages",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("skill_id", Uuid, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("manifest", JSONB, comment="null until it is uploaded"),
    Column("runtime_version", Text, comment="of the machine that took it"),
    Column("expires_at", BigInteger, nullable=False, comment="until when it may be uploaded"),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("uploaded_at", BigInteger),
    PrimaryKeyConstraint("workspace_id", "id"),
    ForeignKeyConstraint(*_OF_SKILL, ondelete="CASCADE"),
    Index("ix_skill_packages_skill", "workspace_id", "skill_id"),
    Index("ix_skill_packages_awaited", "expires_at", postgresql_where=text("uploaded_at IS NULL")),
)

skill_versions = Table(
    "skill_versions",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("skill_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("runtime", Text, nullable=False),
    Column("handler", Text, nullable=False),
    Column("input_schema", JSONB, nullable=False),
    Column("output_schema", JSONB),
    Column("connection_id", Text),
    Column("secret_refs", ARRAY(Text), nullable=False),
    Column("limits", JSONB, nullable=False),
    Column("egress", JSONB, nullable=False),
    Column("package_id", Uuid, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "skill_id", "version"),
    ForeignKeyConstraint(*_OF_SKILL, ondelete="CASCADE"),
    ForeignKeyConstraint(
        ["workspace_id", "package_id"], ["skill_packages.workspace_id", "skill_packages.id"], ondelete="CASCADE"
    ),
)

skill_garbage = Table(
    "skill_garbage",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("package_id", Uuid, nullable=False, comment="whose bytes nobody needs; its row is gone"),
    Column("after", BigInteger, nullable=False, comment="when they are destroyed: until then they may arrive"),
    PrimaryKeyConstraint("workspace_id", "package_id"),
    Index("ix_skill_garbage_after", "after"),
)

skill_uses = Table(
    "skill_uses",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False, comment="what calls it, such as workflow"),
    Column("referrer", Text, nullable=False, comment="its id on the wire"),
    Column("referrer_version", Integer, nullable=False),
    Column("skill_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False, comment="of the skill, that the referrer's version is pinned to"),
    Column("live_skill_id", Uuid, comment="the skill again while the referrer's version is live: it can't be deleted"),
    PrimaryKeyConstraint("workspace_id", "kind", "referrer", "referrer_version", "skill_id"),
    ForeignKeyConstraint(
        ["workspace_id", "live_skill_id"], ["skills.workspace_id", "skills.id"], name="fk_skill_uses_live_skill_id"
    ),
    Index("ix_skill_uses_live", "workspace_id", "live_skill_id"),
)

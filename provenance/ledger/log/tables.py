"""Tables of the log: its state, the full tiles, the signed heads that are kept, and its keys."""

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
    text,
)

from provenance.core.db import metadata

logs = Table(
    "logs",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, comment="the workspace's slug when it was made; never follows it"),
    Column("origin", Text, comment="fixed with the first checkpoint"),
    Column("epoch", Integer, nullable=False, server_default="0", comment="counts the logs begun after a restore"),
    Column("key_generation", Integer, nullable=False, server_default="1"),
    Column("size", BigInteger, nullable=False, server_default="0", comment="leaves under the last signed head"),
    Column("root", LargeBinary, nullable=False, comment="32 bytes, of the last signed head"),
    Column("edge", LargeBinary, nullable=False, comment="partial tiles of levels 1 and up, from the lowest"),
    Column("signed_at", BigInteger, comment="nanoseconds since the epoch"),
    Column("kept_minute", BigInteger, nullable=False, server_default="0", comment="minute of the last head kept"),
    Column("halted", Text, comment="why no head is signed any more"),
    Column("halted_at", BigInteger, comment="nanoseconds since the epoch"),
    Column("public", Text, nullable=False, server_default="off", comment="off, checkpoints or all"),
    UniqueConstraint("origin"),
    # Updated several times a second: room on each page, so that no index is touched.
    postgresql_with={"fillfactor": "50"},
)

log_tiles = Table(
    "log_tiles",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("index", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False, comment="256 hashes of 32 bytes: only full tiles are stored"),
    PrimaryKeyConstraint("workspace_id", "epoch", "level", "index"),
)

log_checkpoints = Table(
    "log_checkpoints",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False, comment="the signed note, with the cosignatures gathered so far"),
    Column("signed_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    Column("kept", Boolean, nullable=False, comment="first of its minute, cosigned, or cited by evidence"),
    PrimaryKeyConstraint("workspace_id", "epoch", "size"),
    Index("ix_log_checkpoints_kept", "workspace_id", "epoch", "size", postgresql_where=text("kept")),
)

log_keys = Table(
    "log_keys",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("verifier_key", Text, nullable=False),
    Column("from_size", BigInteger, nullable=False, comment="heads beyond this size carry this key's signature"),
    Column("successor_note", Text, comment="names this key, signed by the one before"),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "epoch", "generation"),
)

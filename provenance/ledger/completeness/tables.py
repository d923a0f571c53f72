"""Tables of the completeness map: its state, its buckets, and the tiles of the tree above them. Only the newest."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, SmallInteger, Table, Text, Uuid

from provenance.core.db import metadata

completeness_maps = Table(
    "completeness_maps",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("epoch", Integer, nullable=False, comment="of the log that is followed"),
    Column("size", BigInteger, nullable=False, server_default="0", comment="leaves of the log that the map has"),
    Column("root", LargeBinary, nullable=False, comment="32 bytes: of the buckets as they are stored"),
    Column("note", Text, comment="signs this very root; null while the map catches up between two signed heads"),
    Column("checkpoint", Text, comment="the log's signed head of this size"),
    Column("verifier_key", Text, comment="of the key that signed the note"),
    Column("signed_at", BigInteger, comment="nanoseconds since the epoch"),
    Column("logged_size", BigInteger, nullable=False, server_default="0", comment="size of the root logged last"),
    Column("logged_at", BigInteger, nullable=False, comment="nanoseconds since the epoch; at first when it began"),
    postgresql_with={"fillfactor": "50"},  # updated every second: room on each page, so that no index is touched
)

completeness_buckets = Table(
    "completeness_buckets",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("prefix", LargeBinary, nullable=False, comment="the bits that its places share, in whole bytes"),
    Column("depth", SmallInteger, nullable=False, comment="how many bits"),
    Column("entries", LargeBinary, nullable=False, comment="64 at most, 57 bytes each"),
    PrimaryKeyConstraint("workspace_id", "prefix"),
    postgresql_with={"fillfactor": "70"},
)

completeness_tiles = Table(
    "completeness_tiles",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("prefix", LargeBinary, nullable=False, comment="the bytes above its eight levels"),
    Column("nodes", LargeBinary, nullable=False, comment="256 hashes at most, each after a byte of depth"),
    PrimaryKeyConstraint("workspace_id", "prefix"),
)

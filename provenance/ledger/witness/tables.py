"""Tables of witnessing. Rows of the instance workspace hold for the whole installation."""

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY

from provenance.core.db import metadata

witnesses = Table(
    "witnesses",
    metadata,
    Column("workspace_id", Uuid, nullable=False, comment="whose log is shown; the instance workspace: every log"),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False, comment="of its key"),
    Column("url", Text, nullable=False, comment="the submission prefix, without a slash at the end"),
    Column("verifier_key", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "url"),
)

witness_rounds = Table(
    "witness_rounds",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("next_at", BigInteger, nullable=False, comment="nanoseconds since the epoch; no witness is asked before"),
    Column("epoch", Integer, comment="of the newest cosigned head"),
    Column("size", BigInteger, comment="of the newest cosigned head"),
    postgresql_with={"fillfactor": "50"},
)

witness_answers = Table(
    "witness_answers",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("witness_id", Uuid, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("size", BigInteger, nullable=False, comment="leaves of the last head it cosigned, as far as we know"),
    Column("cosigned_at", BigInteger, comment="nanoseconds since the epoch"),
    Column("state", Text, nullable=False, comment="cosigned, behind, away, refused or disagrees"),
    Column("error", Text),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("retry_at", BigInteger, nullable=False, comment="nanoseconds since the epoch; it is left alone before"),
    PrimaryKeyConstraint("workspace_id", "witness_id"),
    postgresql_with={"fillfactor": "50"},
)

witnessed_logs = Table(
    "witnessed_logs",
    metadata,
    Column("workspace_id", Uuid, nullable=False, comment="the instance workspace"),
    Column("origin", Text, nullable=False),
    Column("verifier_keys", ARRAY(Text), nullable=False, comment="any of them may sign the log's heads"),
    Column("size", BigInteger, nullable=False, comment="leaves of the last head we cosigned"),
    Column("root", LargeBinary, nullable=False, comment="32 bytes, of the last head we cosigned"),
    Column("note", Text, comment="the last head we cosigned, as it was signed by the log"),
    Column("cosigned_at", BigInteger, nullable=False, comment="seconds since the epoch, never going back"),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "origin"),
)

witness_keys = Table(
    "witness_keys",
    metadata,
    Column("workspace_id", Uuid, primary_key=True, comment="the instance workspace"),
    Column("name", Text, nullable=False, comment="fixed with the first use"),
    Column("created_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
)

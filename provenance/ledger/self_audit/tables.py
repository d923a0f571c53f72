"""Tables of the self-audit: how far each ledger was re-read, and what was found."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, Uuid

from provenance.core.db import metadata

self_audits = Table(
    "self_audits",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("size", BigInteger, nullable=False, comment="leaves re-read in the pass under way, whole tiles of them"),
    Column("edge", LargeBinary, nullable=False, comment="partial tiles at that size, levels 1 and up"),
    Column("recorded_at", BigInteger, nullable=False, comment="of the last row re-read"),
    Column("started_at", BigInteger, nullable=False, comment="of the pass under way"),
    Column("finished_at", BigInteger, comment="when the last whole pass ended"),
    Column("finished_size", BigInteger, comment="leaves of the last whole pass"),
    postgresql_with={"fillfactor": "50"},
)

ledger_incidents = Table(
    "ledger_incidents",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("first_number", BigInteger, nullable=False),
    Column("last_number", BigInteger, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("found_at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "kind", "first_number", "last_number"),
)

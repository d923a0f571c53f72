"""The table of guesses."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from provenance.core.db import metadata

guesses = Table(
    "guesses",
    metadata,
    Column("subject", LargeBinary, primary_key=True, comment="MAC of an account's or a client's address"),
    Column("kind", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("blocked_until", BigInteger, nullable=False),
)

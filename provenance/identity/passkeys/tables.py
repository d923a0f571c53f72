"""The table of passkeys."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text, Uuid

from provenance.core.db import metadata

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("people.id"), nullable=False),
    Column("credential_id", LargeBinary, nullable=False, unique=True, comment="as the authenticator names it"),
    Column("public_key", LargeBinary, nullable=False, comment="COSE"),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Index("ix_passkeys_person_id", "person_id"),
)

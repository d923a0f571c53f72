"""The table of devices that wait for a person's approval."""

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, Table, Text, Uuid

from provenance.core.db import metadata

device_requests = Table(
    "device_requests",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the device code"),
    Column("user_code_digest", LargeBinary, nullable=False, unique=True, comment="MAC of the code that people type"),
    Column("client_name", Text, nullable=False),
    Column("status", Text, nullable=False, comment="pending, approved, denied or used"),
    Column("person_id", Uuid, ForeignKey("people.id")),
    Column("acts_in", Uuid, ForeignKey("workspaces.id")),
    Column("expires_at", BigInteger, nullable=False),
    Column("polled_at", BigInteger, nullable=False),
)

"""The table of erased people: what is left to say of one."""

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text, Uuid

from provenance.core.db import metadata

person_erasures = Table(
    "person_erasures",
    metadata,
    Column("person_id", Uuid, ForeignKey("people.id"), primary_key=True),
    Column("id", Uuid, nullable=False, unique=True, comment="of the erasure; the tombstone is made of it"),
    Column("events", BigInteger, nullable=False, comment="platform rows whose person is nobody now"),
    Column("erased_at", BigInteger, nullable=False),
    Column("erased_by", Text, nullable=False),
)

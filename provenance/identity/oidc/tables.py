"""The table of identities at an OpenID Connect provider."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Uuid

from provenance.core.db import metadata

oidc_links = Table(
    "oidc_links",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="MAC of the provider and its name for the person"),
    Column("person_id", Uuid, ForeignKey("people.id"), nullable=False),
    Column("linked_at", BigInteger, nullable=False),
    Index("ix_oidc_links_person_id", "person_id"),
)

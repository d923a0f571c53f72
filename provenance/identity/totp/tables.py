"""Tables of one-time codes."""

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, Table, Uuid

from provenance.core.db import metadata

totp_secrets = Table(
    "totp_secrets",
    metadata,
    Column("person_id", Uuid, ForeignKey("people.id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False, comment="the shared secret, sealed under the person's key"),
    Column("confirmed_at", BigInteger),
    Column(
        "last_step", BigInteger, nullable=False, comment="the newest time step that was used; older ones are refused"
    ),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("person_id", Uuid, ForeignKey("people.id"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True, comment="MAC under the installation's key"),
    Column("used_at", BigInteger),
)

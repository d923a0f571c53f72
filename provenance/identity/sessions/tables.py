"""Tables of sessions: sign-ins, the refresh tokens of each, and the keys that sign access tokens."""

from sqlalchemy import ARRAY, BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text, Uuid

from provenance.core.db import metadata

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("people.id"), nullable=False),
    Column("acts_in", Uuid, ForeignKey("workspaces.id"), nullable=False, comment="the workspace signed in to"),
    Column("mode", Text, nullable=False, comment="token or browser"),
    Column("methods", ARRAY(Text), nullable=False, comment="how the person proved who they are"),
    Column("signed_in_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Index("ix_sessions_person_id", "person_id"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the token"),
    Column("session_id", Uuid, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("spent_at", BigInteger),
    Index("ix_refresh_tokens_session_id", "session_id"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False, comment="Ed25519 key, sealed by the installation's keyring"),
    Column("made_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger, comment="signs no more; verifies until its last token ran out"),
)

"""people and sign-in."""

import sqlalchemy as sa
from alembic import op

revision = "7d40c5b9ae13"
down_revision = "c3d1f0a86e27"
branch_labels = None
depends_on = None

_CHANGED = """
CREATE FUNCTION auth_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE auth_epoch SET epoch = epoch + 1;
    PERFORM pg_notify('provenance_auth', '');
    RETURN NULL;
END $$
"""
_WATCHED = {
    "api_keys": "UPDATE OF revoked_at, scopes OR DELETE",
    "members": "UPDATE OF role, groups, status OR DELETE",
    "people": "UPDATE OF erased_at OR DELETE",
    "sessions": "UPDATE OF ended_at",
    "signing_keys": "INSERT OR UPDATE OR DELETE",
}
"""What changes the power of somebody who was let in already. An addition gives power to nobody who is remembered."""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in ("email_sealed", "email_digest", "password_hash"):
        op.alter_column("people", column, nullable=True)
    op.alter_column("people", "email_sealed", comment="null once the person is erased")
    op.alter_column("people", "password_hash", comment="argon2id; null while the person has none")
    op.add_column("people", sa.Column("name_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("people", sa.Column("erased_at", sa.BigInteger(), nullable=True))
    op.alter_column("members", "joined_at", comment="when invited, until the invitation is accepted")
    op.add_column("members", sa.Column("groups", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False))
    status = "invited, active or erased"
    op.add_column("members", sa.Column("status", sa.Text(), server_default="active", nullable=False, comment=status))
    op.add_column("members", sa.Column("last_seen_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "auth_epoch",
        sa.Column("single", sa.Boolean(), nullable=False, comment="true: the table has one row"),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_auth_epoch")),
    )
    op.create_table(
        "guesses",
        sa.Column("subject", sa.LargeBinary(), nullable=False, comment="MAC of an account's or a client's address"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_guesses")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=False, comment="Ed25519 key, sealed by the installation's keyring"
        ),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "retired_at", sa.BigInteger(), nullable=True, comment="signs no more; verifies until its last token ran out"
        ),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "device_requests",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the device code"),
        sa.Column("user_code_digest", sa.LargeBinary(), nullable=False, comment="MAC of the code that people type"),
        sa.Column("client_name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="pending, approved, denied or used"),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("acts_in", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("polled_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["acts_in"], ["workspaces.id"], name=op.f("fk_device_requests_acts_in")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_device_requests_person_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_device_requests")),
        sa.UniqueConstraint("user_code_digest", name=op.f("uq_device_requests_user_code_digest")),
    )
    op.create_table(
        "oidc_links",
        sa.Column(
            "digest", sa.LargeBinary(), nullable=False, comment="MAC of the provider and its name for the person"
        ),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("linked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_oidc_links_person_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oidc_links")),
    )
    op.create_index("ix_oidc_links_person_id", "oidc_links", ["person_id"], unique=False)
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False, comment="as the authenticator names it"),
        sa.Column("public_key", sa.LargeBinary(), nullable=False, comment="COSE"),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_passkeys_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index("ix_passkeys_person_id", "passkeys", ["person_id"], unique=False)
    op.create_table(
        "person_keys",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False, comment="sealed by the installation's keyring"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_person_keys_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_person_keys")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="MAC under the installation's key"),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_recovery_codes_person_id")),
        sa.PrimaryKeyConstraint("person_id", "digest", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("acts_in", sa.Uuid(), nullable=False, comment="the workspace signed in to"),
        sa.Column("mode", sa.Text(), nullable=False, comment="token or browser"),
        sa.Column("methods", sa.ARRAY(sa.Text()), nullable=False, comment="how the person proved who they are"),
        sa.Column("signed_in_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["acts_in"], ["workspaces.id"], name=op.f("fk_sessions_acts_in")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_sessions_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_person_id", "sessions", ["person_id"], unique=False)
    op.create_table(
        "tickets",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the token"),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("place", sa.Uuid(), nullable=True, comment="the workspace that an invitation is for"),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=True,
            comment="what else belongs to it, sealed by the installation's keyring",
        ),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_tickets_person_id")),
        sa.ForeignKeyConstraint(["place"], ["workspaces.id"], name=op.f("fk_tickets_place")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_tickets")),
    )
    op.create_index("ix_tickets_person_id", "tickets", ["person_id"], unique=False)
    op.create_table(
        "totp_secrets",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=False, comment="the shared secret, sealed under the person's key"
        ),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "last_step",
            sa.BigInteger(),
            nullable=False,
            comment="the newest time step that was used; older ones are refused",
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_totp_secrets_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_totp_secrets")),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the token"),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_refresh_tokens_session_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_refresh_tokens")),
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"], unique=False)
    op.execute("INSERT INTO auth_epoch (single, epoch) VALUES (true, 1)")
    op.execute(_CHANGED)
    for table, when in _WATCHED.items():
        op.execute(
            f"CREATE TRIGGER auth_changed AFTER {when} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION auth_changed()"
        )


def downgrade() -> None:
    raise RuntimeError("migrations go forward; restore a backup to go back")
